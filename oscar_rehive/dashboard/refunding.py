"""Refunds from the desk: how much and why, then once more in words, and only then asked for."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import uuid4

from django import forms
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oscar_rehive.dashboard import rights, words
from oscar_rehive.dashboard.pages import Asked, payment_or_404
from oscar_rehive.models import Entry, Invoice, Refund
from oscar_rehive.payments import refunding
from oscar_rehive.payments.account import excess_of
from oscar_rehive.payments.carrying_out import case_of
from oscar_rehive.payments.plans import Plan
from oscar_rehive.rehive.money import InexactAmount, from_units, shown, to_units


class RefundForm(forms.Form):
    """What is to go back of an invoice: all that is left, what is beyond the order's price, or an amount
    in the invoice's currency."""

    of = forms.ChoiceField(label=gettext_lazy("How much"), widget=forms.RadioSelect)
    amount = forms.DecimalField(
        label=gettext_lazy("Amount"),
        max_digits=30,
        decimal_places=18,
        required=False,
        error_messages={"invalid": gettext_lazy("Enter a number alone, with a point: 12.50")},
    )
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=200,
        required=False,
        help_text=gettext_lazy("It is told to Rehive, and the payer may read it."),
    )
    # The refund's own: a double click must not give the money back twice.
    key = forms.UUIDField(widget=forms.HiddenInput)
    # What the question said that is left, in smallest units.
    left = forms.IntegerField(widget=forms.HiddenInput, required=False)

    def __init__(self, invoice: Invoice, left: int, excess: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.invoice, self.units = invoice, {"all": left, "excess": excess}
        choices = [("all", _("Everything that is left of it: %s") % self._money(left))]
        if 0 < excess < left:
            choices.insert(0, ("excess", _("What was too much: %s") % self._money(excess)))
        choices.append(("part", _("Another amount, in %s") % invoice.currency))
        self.fields["of"].choices = choices  # type: ignore[attr-defined]  # a ChoiceField

    def _money(self, units: int) -> str:
        return words.money(from_units(units, self.invoice.divisibility), self.invoice.currency)

    def clean(self) -> dict[str, Any]:
        """At least one smallest unit of the currency, a whole number of them, and no more than is left."""
        data: dict[str, Any] = super().clean() or {}
        if data.get("of") != "part":
            if str(self.data.get("amount", "")).strip():
                # What was typed would go unheeded, and another amount would go back.
                self.add_error(
                    "amount", _("Choose “Another amount” for what you typed, or leave it empty.")
                )
            if data.get("of") in self.units:
                data["amount"] = from_units(self.units[data["of"]], self.invoice.divisibility)
            return data
        amount: Decimal | None = data.get("amount")
        if amount is None:
            if "amount" not in self.errors:
                self.add_error("amount", _("Enter how much is to go back."))
            return data
        wrong = self._wrong(amount)
        if wrong:
            self.add_error("amount", wrong)
        else:
            # As all other amounts are written: 5.00, also where 5 was typed.
            places = self.invoice.divisibility
            data["amount"] = from_units(to_units(amount, places), places)
        return data

    def _wrong(self, amount: Decimal) -> str:
        currency, places = self.invoice.currency, self.invoice.divisibility
        if amount <= 0:
            return _("Enter an amount above zero.")
        try:
            units = to_units(amount, places)
        except InexactAmount:
            if not places:
                return _("%s has no decimals.") % currency
            told = {"currency": currency, "places": places}
            return _("%(currency)s has at most %(places)d decimals.") % told
        if units > self.units["all"]:
            return _("At most %s can go back.") % self._money(self.units["all"])
        return ""


class RefundView(Asked):
    """Gives money of one invoice back to whoever paid it."""

    right = rights.REFUND
    button = gettext_lazy("Refund")
    is_grave = True
    template_name = "oscar_rehive/dashboard/refund.html"

    invoice: Invoice
    form: RefundForm

    def find(self, pk: int) -> None:
        self.invoice = get_object_or_404(Invoice, pk=pk)
        self.payment = payment_or_404(self.request, self.invoice.payment_id)
        self.plan = Plan(case_of(self.payment), Entry.Source.STAFF)
        current = self.plan.invoice(pk)
        self.left, self.excess = self.plan.left(current), excess_of(self.plan, current)

    def why_not(self) -> str:
        if self.left and self.invoice.remote_id:
            return ""
        return _(
            "Nothing of this invoice is left to go back: nothing came, or it was given back already."
        )

    def get(self, request: HttpRequest, pk: int, **kwargs: Any) -> HttpResponseBase:
        self.find(pk)
        wanted = request.GET.get("of", "")
        chosen = wanted if wanted == "all" or (wanted == "excess" and self.excess) else "part"
        form = RefundForm(
            self.invoice, self.left, self.excess, initial={"of": chosen, "key": uuid4()}
        )
        return self.ask(form=form)

    def post(self, request: HttpRequest, pk: int, **kwargs: Any) -> HttpResponseBase:
        self.find(pk)
        if "sure" in request.POST:
            return self.done()
        self.form = RefundForm(self.invoice, self.left, self.excess, request.POST)
        if not self.form.is_valid():
            return self.ask(form=self.form)
        # From here on the amount is fixed, whatever "all" or "the excess" may be by then.
        fixed = {**self.form.cleaned_data, "amount": self._amount(), "left": self.left}
        return self.ask(form=None, fixed=fixed)

    def _amount(self) -> str:
        return shown(self.form.cleaned_data["amount"])

    def question(self) -> str:
        left = words.money(from_units(self.left, self.invoice.divisibility), self.invoice.currency)
        form = getattr(self, "form", None)
        if form is None or not form.is_valid():
            told = {"left": left, "order": self.of_order}
            return _("Up to %(left)s can go back to the payer of %(order)s.") % told
        told = {"amount": self._amount(), "left": left, "order": self.of_order}
        told["currency"] = self.invoice.currency
        return _("Refund %(amount)s %(currency)s of %(left)s to the payer of %(order)s.") % told

    def consequences(self) -> list[str]:
        stays = _("The order keeps its status; cancel it on its own page if nobody is to get it.")
        return [
            _("Rehive pays it out; that takes a while, and cannot be taken back."),
            _("The shop's ledger shows it as refunded once Rehive says that it was paid out."),
            stays,
        ]

    def do(self, by: str) -> str:
        self.form = form = RefundForm(
            self.invoice, self.left, self.excess, {**self.request.POST.dict(), "of": "part"}
        )
        if not form.is_valid():
            problems = " ".join(str(text) for texts in form.errors.values() for text in texts)
            raise refunding.NotRefundable(problems)
        data = form.cleaned_data
        refunding.refund(
            self.invoice,
            data["amount"],
            reason=data["reason"],
            by=by,
            key=data["key"],
            left=data["left"] or 0,
        )
        amount = words.money(data["amount"], self.invoice.currency)
        return _("A refund of %s was asked for; Rehive pays it out.") % amount

    def what_stands(self) -> str:
        """Whoever has just given money away must know whether to do it again."""
        asked = Refund.objects.filter(key=self.form.cleaned_data["key"]).first()
        if asked is None or asked.status == Refund.Status.FAILED:
            return _("No money went back.")
        return _(
            "Whether the refund has begun is found out by itself: it is below until then, and is not sent again."
        )

"""What waits for a person: the list, the ways out, and what staff note about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Case, DecimalField, F, QuerySet, When
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.generic import ListView

from oscar_rehive.cleaning import storable_text, without_secrets
from oscar_rehive.dashboard import rights, words
from oscar_rehive.dashboard.orders import Customer, customers_of
from oscar_rehive.dashboard.pages import Asked, DeskPage, Pages, way_back
from oscar_rehive.dashboard.panel import Fact, desk_url, fact_of, notes_of
from oscar_rehive.models import Attention, Entry, Note
from oscar_rehive.payments import deciding
from oscar_rehive.payments.carrying_out import case_of, cases_of
from oscar_rehive.payments.people import who
from oscar_rehive.payments.plans import Plan

PER_PAGE = 20
MOST_LETTERS = 2000
"""Of a note."""

MOST_DIGITS = 18
"""Of the number of a fact: no database takes a longer one."""

AMOUNT = forms.DecimalField(max_digits=36, decimal_places=18)

STAKE = Case(
    When(invoice=None, then=None),
    When(invoice__recorded__gt=0, then=F("invoice__recorded") - F("invoice__refund_recorded")),
    default=F("invoice__total"),
    output_field=DecimalField(max_digits=12, decimal_places=2, null=True),
)
"""The money at stake, in the invoice's currency: what is here of what came, or what was to come."""

ORDERS = {
    "age": (F("raised_at").asc(), F("pk").asc()),
    "money": (F("stake").desc(nulls_last=True), F("pk").asc()),
}


class FilterForm(forms.Form):
    """What the list of facts is narrowed to."""

    order = forms.CharField(label=gettext_lazy("Order number"), required=False, max_length=128)
    kind = forms.ChoiceField(
        label=gettext_lazy("What happened"),
        required=False,
        choices=[("", gettext_lazy("Anything")), *Attention.Kind.choices],
    )
    show = forms.ChoiceField(
        label=gettext_lazy("Show"),
        required=False,
        choices=[
            ("", gettext_lazy("What waits")),
            ("done", gettext_lazy("What was dealt with")),
            ("all", gettext_lazy("All")),
        ],
    )
    by = forms.ChoiceField(
        label=gettext_lazy("First"),
        required=False,
        choices=[("", gettext_lazy("The oldest")), ("money", gettext_lazy("The most money"))],
    )


@dataclass(frozen=True)
class Row:
    """A fact in the list."""

    fact: Fact
    customer: Customer | None
    stake: str
    payment_url: str


class AttentionView(DeskPage, ListView):  # type: ignore[type-arg]  # generic for mypy only
    """The facts that wait, the oldest first, each with its ways out."""

    template_name = "oscar_rehive/dashboard/attention.html"
    paginate_by = PER_PAGE
    paginator_class = Pages
    context_object_name = "facts"

    def get_queryset(self) -> QuerySet[Attention]:
        self.form = FilterForm(self.request.GET)
        self.form.is_valid()  # what is nonsense is told beside its field, and narrows nothing
        data = self.form.cleaned_data
        found = Attention.objects.select_related("payment", "invoice").annotate(stake=STAKE)
        if data.get("show") != "all":
            found = found.filter(resolved_at__isnull=data.get("show") != "done")
        if data.get("order"):
            found = found.filter(payment__order_number=data["order"].strip().lstrip("#"))
        if data.get("kind"):
            found = found.filter(kind=data["kind"])
        return found.order_by(*ORDERS[data.get("by") or "age"])

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        context["form"] = self.form
        context["rows"] = rows_of(context["facts"], self.request)
        context["may_resolve"] = rights.may(self.request.user, rights.RESOLVE)
        context["here"] = self.request.get_full_path()
        context["is_filtered"] = any(self.request.GET.get(name) for name in self.form.fields)
        return context


def rows_of(attentions: Sequence[Attention], request: HttpRequest) -> list[Row]:
    """What the list shows of ``attentions``, in as many statements for many as for one."""
    payments = {one.payment_id: one.payment for one in attentions}
    plans = {pk: Plan(case, Entry.Source.STAFF) for pk, case in cases_of(payments.values()).items()}
    customers, notes = customers_of(list(payments.values())), notes_of(attentions)
    rows = []
    for one in attentions:
        plan = plans[one.payment_id]
        current = next((known for known in plan.attentions if known.pk == one.pk), None)
        if current is None:
            continue  # its payment was forgotten meanwhile
        stake = getattr(one, "stake", None)
        rows.append(
            Row(
                fact=fact_of(plan, current, notes[one.pk], request),
                customer=customers.get(one.payment_id),
                stake=words.booked(stake, one.invoice.currency)
                if stake is not None and one.invoice
                else "",
                payment_url=desk_url("payment", one.payment_id),
            )
        )
    return rows


class DecideView(Asked):
    """One way out of one fact."""

    template_name = "oscar_rehive/dashboard/confirm.html"

    attention: Attention
    way: str

    def is_let_in(self, user: Any) -> bool:
        self.way = self.kwargs["way"]
        if self.way not in _WAYS:
            raise Http404
        return rights.may(user, _WAYS[self.way][0])

    @property
    def button(self) -> str:
        """What the way is called."""
        return str(_WAYS[self.way][1])

    @property
    def is_grave(self) -> bool:  # type: ignore[override]  # as above
        """Whether it moves money, or cannot be taken back."""
        return self.way in ("refund", "gone")

    def find(self, pk: int) -> None:
        found = Attention.objects.select_related("payment")
        self.attention = get_object_or_404(found, pk=pk)
        self.payment = self.attention.payment
        plan = Plan(case_of(self.payment), Entry.Source.STAFF)
        current = next(one for one in plan.attentions if one.pk == pk)
        self.current, self.ways = current, deciding.ways_out(plan, current)
        self.missing = deciding.still_missing(plan, current)
        self.currency = plan.order.currency if plan.order else ""

    def back(self) -> str:
        return way_back(self.request, desk_url("attention"))

    def ask(self, **more: Any) -> HttpResponse:
        agreed = {"refund": self.ways.refund, "accept": self.missing}.get(self.way)
        return super().ask(attention=self.current, agreed=agreed, **more)

    def why_not(self) -> str:
        if getattr(self.ways, self.way):
            return ""
        if self.attention.resolved_at is not None:
            return _("This was decided already, by %s.") % self.attention.resolved_by
        return _(
            "This is no way out of it (any more): look at the payment to see how things stand now."
        )

    def question(self) -> str:
        told = {"order": self.of_order, "amount": "", "came": ""}
        told["missing"] = words.money(self.missing, self.currency)
        invoice = self.current.invoice
        if invoice is not None:
            told["amount"] = words.money(self.ways.refund, invoice.currency)
            told["came"] = words.booked(invoice.recorded, invoice.currency)
        return str(_QUESTIONS[self.way]) % told

    def consequences(self) -> list[str]:
        return [str(text) for text in _CONSEQUENCES[self.way]]

    def do(self, by: str) -> str:
        decide, done = _WAYS[self.way][2:]
        # What was said is what is done, whatever came meanwhile.
        self.attention.subject = self.request.POST.get("seen", "")
        agreed = {"agreed": self._agreed()} if self.way in ("refund", "accept") else {}
        decide(self.attention, by=by, **agreed)
        return str(done)

    def what_stands(self) -> str:
        return _(
            "Whether a refund was asked for is told by the payment's list of refunds: what is in it as pending is"
            " not sent again; where there is none, no money went back."
        )

    def _agreed(self) -> Decimal:
        try:
            return Decimal(AMOUNT.clean(self.request.POST.get("agreed", "")))
        except ValidationError:
            raise deciding.NotAcceptable(_("Look at it again: no amount was agreed to.")) from None


_WAYS: dict[str, tuple[Any, ...]] = {
    "refund": (
        rights.REFUND,
        gettext_lazy("Refund"),
        deciding.give_back,
        gettext_lazy("The refund was asked for; Rehive pays it out."),
    ),
    "accept": (
        rights.ACCEPT,
        gettext_lazy("Let it pay the order"),
        deciding.accept,
        gettext_lazy("The payment pays the order now."),
    ),
    "gone": (
        rights.TAKE_FOR_GONE,
        gettext_lazy("Take it for gone"),
        deciding.take_for_gone,
        gettext_lazy("The invoice is taken for gone."),
    ),
    "resolve": (
        rights.RESOLVE,
        gettext_lazy("Dealt with"),
        deciding.deal_with,
        gettext_lazy("It is noted that this was dealt with."),
    ),
}
"""Of each way out the right that it takes, the word on its button, what does it, and what came of it."""

_QUESTIONS = {
    "refund": gettext_lazy("Refund %(amount)s to the payer of %(order)s."),
    "accept": gettext_lazy(
        "Let the %(came)s that came pay %(order)s, which waits for %(missing)s."
    ),
    "gone": gettext_lazy("Take the invoice of %(order)s for gone."),
    "resolve": gettext_lazy("Note that this fact about %(order)s was dealt with."),
}
_CONSEQUENCES = {
    "refund": (
        gettext_lazy("Rehive pays it out; that takes a while, and cannot be taken back."),
        gettext_lazy("The order keeps its status, and this fact is dealt with."),
    ),
    "accept": (
        gettext_lazy("The order gets the paid status, and its customer the confirmation."),
        gettext_lazy("What may still be missing is forgiven, and cannot be paid any more."),
    ),
    "gone": (
        gettext_lazy("Nobody asks Rehive about it again, and nothing waits for it any more."),
        gettext_lazy("If it is paid all the same, nobody here learns of it."),
    ),
    "resolve": (gettext_lazy("No money moves, and the order stays as it is."),),
}


class DealtWithView(DeskPage):
    """Notes that several facts were dealt with, after it was asked once."""

    right = rights.RESOLVE

    def post(self, request: HttpRequest) -> HttpResponseBase:
        back = way_back(request, desk_url("attention"))
        chosen = self._chosen()
        if not chosen:
            messages.error(request, _("Choose facts that wait, then press the button again."))
            return redirect(back)
        if "sure" not in request.POST:
            context = {"chosen": chosen, "back": back}
            return render(request, "oscar_rehive/dashboard/dealt_with.html", context)
        by = who(request.user)
        for one in chosen:
            one.subject = request.POST.get(f"seen-{one.pk}", "")  # as the question told it
        done = sum(deciding.resolve(one, by=by) for one in chosen)
        told = ngettext("%d fact was dealt with.", "%d facts were dealt with.", done) % done
        messages.success(request, told)
        left = len(chosen) - done
        if left:
            told = ngettext(
                "%d fact has changed since: look at it again.",
                "%d facts have changed since: look at them again.",
                left,
            )
            messages.warning(request, told % left)
        return redirect(back)

    def _chosen(self) -> list[Attention]:
        told = self.request.POST.getlist("fact")
        keys = [int(key) for key in told if key.isdecimal() and len(key) <= MOST_DIGITS]
        found = Attention.objects.filter(resolved_at=None, pk__in=keys[:PER_PAGE])
        return list(found.select_related("payment").order_by("raised_at", "pk"))


class NoteView(DeskPage):
    """Keeps a note about a fact."""

    right = rights.RESOLVE

    def post(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        attention = get_object_or_404(Attention, pk=pk)
        text = without_secrets(storable_text(request.POST.get("text", ""))).strip()[:MOST_LETTERS]
        if not text:
            messages.error(request, _("Write something into the note, then keep it."))
        else:
            Note.objects.create(attention=attention, by=who(request.user), text=text)
            messages.success(request, _("The note is kept."))
        return redirect(way_back(request, desk_url("attention")))

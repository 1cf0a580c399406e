"""The payments with their history, the invoices and the refunds."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import uuid4

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import path, reverse
from django.utils.translation import gettext_lazy as _

from oscar_rehive.admin.pages import ReadOnly, ShowsMore, asks_rehive, nothing_done, shown
from oscar_rehive.admin.rights import may_refund, who
from oscar_rehive.models import Attention, Entry, Invoice, OrderPayment, Refund
from oscar_rehive.payments import refunding
from oscar_rehive.payments.refunding import NotRefundable
from oscar_rehive.rehive.exceptions import RehiveError
from oscar_rehive.rehive.money import InexactAmount, from_units, to_units


class InvoiceInline(ReadOnly, admin.TabularInline):  # type: ignore[type-arg]  # generic for mypy only
    model = Invoice
    fields = (
        "attempt",
        "state",
        "remote_status",
        "total",
        "currency",
        "recorded",
        "remote_id",
        "close_due",
        "asked_at",
    )
    readonly_fields = fields
    extra = 0
    show_change_link = True


class EntryInline(ReadOnly, admin.TabularInline):  # type: ignore[type-arg]  # as above
    model = Entry
    fields = ("at", "source", "invoice", "from_status", "to_status", "amount", "reason")
    readonly_fields = fields
    extra = 0


class AttentionInline(ReadOnly, admin.TabularInline):  # type: ignore[type-arg]  # as above
    model = Attention
    fields = ("kind", "reason", "ways_out", "raised_at", "resolved_at", "resolved_by")
    readonly_fields = fields
    extra = 0
    show_change_link = True


@admin.register(OrderPayment)
class OrderPaymentAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # as above
    list_display = ("order_number", "standing", "created_at", "window_ends_at", "paid_at")
    list_filter = ("paid_at", "closed_at", "status_due")
    search_fields = ("order_number", "invoices__remote_id")
    inlines = (AttentionInline, InvoiceInline, EntryInline)

    @admin.display(description=_("standing"))
    def standing(self, payment: OrderPayment) -> str:
        """In one word what the dates say."""
        if payment.paid_at:
            return str(_("paid, then cancelled") if payment.released_at else _("paid"))
        if payment.closed_at:
            return str(_("cancelled") if payment.released_at else _("ended"))
        return str(_("being cancelled") if payment.cancel_reason else _("waiting"))


class RefundForm(forms.Form):
    """How much to give back, in the invoice's currency, and why."""

    amount = forms.DecimalField(max_digits=30, decimal_places=18)
    reason = forms.CharField(max_length=200, required=False)
    # The refund's own: a double click must not give the money back twice.
    key = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, invoice: Invoice, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.invoice = invoice

    def clean_amount(self) -> Decimal:
        """At least one smallest unit of the currency, and a whole number of them."""
        amount: Decimal = self.cleaned_data["amount"]
        currency, places = self.invoice.currency, self.invoice.divisibility
        if amount <= 0:
            raise forms.ValidationError(_("Enter an amount above zero."))
        try:
            to_units(amount, places)
        except InexactAmount:
            raise forms.ValidationError(
                _("%(currency)s has at most %(places)d decimals.")
                % {"currency": currency, "places": places}
                if places
                else _("%(currency)s has no decimals.") % {"currency": currency}
            ) from None
        return amount


@admin.register(Invoice)
class InvoiceAdmin(ShowsMore):
    """An attempt, with the form to refund what came through it."""

    list_display = (
        "__str__",
        "state",
        "remote_status",
        "total",
        "currency",
        "recorded",
        "refund_recorded",
        "asked_at",
    )
    list_filter = ("state", "remote_status", "close_due", "currency")
    search_fields = ("payment__order_number", "remote_id")
    list_select_related = ("payment",)

    def get_urls(self) -> list[Any]:
        give = asks_rehive(self.admin_site.admin_view(self.refund_view))
        return [
            path("<int:pk>/refund/", give, name="oscar_rehive_invoice_refund"),
            *super().get_urls(),
        ]

    def more_context(self, request: HttpRequest, found: Any) -> dict[str, Any]:
        left = refunding.refundable(found)
        if left <= 0 or not found.remote_id or not may_refund(request):
            return {}
        return {
            "refund_url": reverse("admin:oscar_rehive_invoice_refund", args=[found.pk]),
            "refund_form": RefundForm(found, initial={"amount": shown(left), "key": uuid4()}),
            "refundable": shown(left),
        }

    def refund_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask Rehive for the refund that the form describes."""
        if not may_refund(request):
            raise PermissionDenied
        if request.method != "POST":
            return nothing_done(request, "admin:oscar_rehive_invoice_change", pk)
        invoice = get_object_or_404(Invoice, pk=pk)
        form = RefundForm(invoice, request.POST)
        if not form.is_valid():
            for name, errors in form.errors.items():
                told = f"{form[name].label}: {' '.join(map(str, errors))}"
                self.message_user(request, told, messages.ERROR)
            return redirect("admin:oscar_rehive_invoice_change", pk)
        amount = form.cleaned_data["amount"]
        try:
            refunding.refund(invoice, by=who(request.user), **form.cleaned_data)
        except (NotRefundable, RehiveError, ImproperlyConfigured) as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(
                request,
                _("A refund of %(amount)s %(currency)s was asked for; it is pending at Rehive.")
                % {"amount": shown(amount), "currency": invoice.currency},
            )
        return redirect("admin:oscar_rehive_invoice_change", pk)


@admin.register(Refund)
class RefundAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # as above
    list_display = ("invoice", "status", "money", "reason", "requested_by", "created_at")
    list_filter = ("status",)
    search_fields = ("invoice__payment__order_number", "remote_id")
    list_select_related = ("invoice__payment",)

    @admin.display(description=_("amount"))
    def money(self, refund: Refund) -> str:
        """The amount in the invoice's currency."""
        invoice = refund.invoice
        return f"{shown(from_units(refund.amount, invoice.divisibility))} {invoice.currency}"

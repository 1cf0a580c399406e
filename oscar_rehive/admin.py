"""Admin pages: the payments with their history, what needs attention, the webhook inbox."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from oscar_rehive.databases import outside_transactions
from oscar_rehive.models import (
    Attention,
    Delivery,
    Entry,
    Invoice,
    OrderPayment,
    Refund,
    RefusedDeliveries,
)
from oscar_rehive.payments import deciding, refunding
from oscar_rehive.payments.mails import send_confirmation_if_due
from oscar_rehive.payments.refunding import NotRefundable
from oscar_rehive.rehive.exceptions import RehiveError
from oscar_rehive.rehive.money import InexactAmount, from_units, to_units


class ReadOnly:
    """History is read, not written: every change goes through the payment service."""

    def has_add_permission(self, *args: Any) -> bool:
        return False

    def has_change_permission(self, *args: Any) -> bool:
        return False

    def has_delete_permission(self, *args: Any) -> bool:
        return False


class ShowsMore(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # generic for mypy only
    """A page with forms of its own above what it shows."""

    def more_context(self, request: HttpRequest, found: Any) -> dict[str, Any]:
        """What the page's template needs besides; ``found`` is what the page is about."""
        raise NotImplementedError

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        found = self.get_object(request, object_id)
        more = self.more_context(request, found) if found is not None else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **more})


def may_refund(request: HttpRequest) -> bool:
    """Whether the visitor may give money back, on whichever page."""
    return request.user.has_perm("oscar_rehive.add_refund")


def shown(amount: Decimal) -> str:
    """``amount`` as people write it: with its cents, without the zeros of 18 decimals behind them."""
    whole, _point, decimals = f"{amount:f}".partition(".")
    kept = decimals.rstrip("0").ljust(min(2, len(decimals)), "0")
    return f"{whole}.{kept}" if kept else whole


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
        # A refund asks Rehive, which must not happen inside ATOMIC_REQUESTS (P8).
        give = outside_transactions(self.admin_site.admin_view(self.refund_view))
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
        if request.method != "POST" or not may_refund(request):
            raise PermissionDenied
        invoice = get_object_or_404(Invoice, pk=pk)
        form = RefundForm(invoice, request.POST)
        if not form.is_valid():
            for name, errors in form.errors.items():
                told = f"{form[name].label}: {' '.join(map(str, errors))}"
                self.message_user(request, told, messages.ERROR)
            return redirect("admin:oscar_rehive_invoice_change", pk)
        amount = form.cleaned_data["amount"]
        try:
            refunding.refund(invoice, by=request.user.get_username(), **form.cleaned_data)
        except (NotRefundable, RehiveError, ImproperlyConfigured) as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(
                request,
                _("A refund of %(amount)s %(currency)s was asked for; it is pending at Rehive.")
                % {"amount": shown(amount), "currency": invoice.currency},
            )
        return redirect("admin:oscar_rehive_invoice_change", pk)


class WaitingFilter(admin.SimpleListFilter):
    """What waits for somebody; what was dealt with only where it is asked for."""

    title = _("whether it waits")
    parameter_name = "waits"

    def lookups(self, *args: Any) -> list[tuple[str, Any]]:
        return [("no", _("Dealt with")), ("all", _("All"))]

    def choices(self, changelist: Any) -> Iterator[dict[str, Any]]:  # type: ignore[override]  # django-stubs: a private TypedDict
        unless_asked, *others = super().choices(changelist)
        yield {**unless_asked, "display": _("Waiting")}
        yield from others  # type: ignore[misc]  # as above

    def queryset(self, request: HttpRequest, queryset: QuerySet[Attention]) -> QuerySet[Attention]:
        if self.value() == "all":
            return queryset
        return queryset.filter(resolved_at__isnull=self.value() != "no")


@admin.register(Attention)
class AttentionAdmin(ShowsMore):
    """What waits for a person, each with its ways out as buttons on its page."""

    list_display = ("payment", "kind", "reason", "ways_out", "raised_at", "resolved_at")
    list_filter = (WaitingFilter, "kind")
    search_fields = ("payment__order_number", "reason")
    list_select_related = ("payment",)
    actions = ("resolve",)

    def has_resolve_permission(self, request: HttpRequest) -> bool:
        """Deciding is the one thing that a person may do here, with the change permission."""
        return request.user.has_perm("oscar_rehive.change_attention")

    @admin.action(description=_("Mark as resolved"), permissions=["resolve"])
    def resolve(self, request: HttpRequest, queryset: QuerySet[Attention]) -> None:
        """Note that somebody has looked at the chosen facts."""
        chosen = list(queryset.filter(resolved_at=None))
        for attention in chosen:
            deciding.resolve(attention, by=request.user.get_username())
        self.message_user(request, _("Resolved: %d") % len(chosen))

    def get_urls(self) -> list[Any]:
        # A refund asks Rehive, which must not happen inside ATOMIC_REQUESTS (P8).
        decide = outside_transactions(self.admin_site.admin_view(self.decide_view))
        return [
            path("<int:pk>/decide/", decide, name="oscar_rehive_attention_decide"),
            *super().get_urls(),
        ]

    def more_context(self, request: HttpRequest, found: Any) -> dict[str, Any]:
        if not self.has_resolve_permission(request):
            return {}
        offered = deciding.refund_offered(found)
        return {
            "decide_url": reverse("admin:oscar_rehive_attention_decide", args=[found.pk]),
            "refund_offered": shown(offered) if offered and may_refund(request) else "",
            "can_accept": deciding.can_accept(found),
            "can_be_gone": deciding.can_be_gone(found),
        }

    def decide_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Do what one of the buttons says."""
        if request.method != "POST" or not self.has_resolve_permission(request):
            raise PermissionDenied
        if request.POST.get("decision") == "refund" and not may_refund(request):
            raise PermissionDenied
        attention = get_object_or_404(Attention, pk=pk)
        decision = request.POST.get("decision", "")
        if decision not in _DECISIONS:
            self.message_user(request, _("Choose one of the buttons."), messages.ERROR)
            return redirect("admin:oscar_rehive_attention_change", attention.pk)
        try:
            _DECISIONS[decision](attention, by=request.user.get_username())
        except (deciding.NotAcceptable, NotRefundable, RehiveError, ImproperlyConfigured) as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            send_confirmation_if_due(attention.payment.order_number)
            self.message_user(request, _DONE[decision])
        return redirect("admin:oscar_rehive_attention_change", attention.pk)


_DONE = {
    "refund": _("The refund was asked for; it is pending at Rehive."),
    "accept": _("The payment pays the order now."),
    "gone": _("The invoice is taken for gone."),
    "resolve": _("Resolved."),
}
_DECISIONS = {
    "refund": deciding.give_back,
    "accept": deciding.accept,
    "gone": deciding.take_for_gone,
    "resolve": deciding.resolve,
}


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


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # as above
    list_display = ("received_at", "state", "remote_id", "reference", "tries", "reason")
    list_filter = ("state",)
    search_fields = ("remote_id", "reference", "event_id")
    fields = ("received_at", "state", "reason", "tries", "done_at", "remote_id", "readable_body")

    @admin.display(description=_("body"))
    def readable_body(self, delivery: Delivery) -> str:
        """The JSON as people read it; what is none, as it came."""
        try:
            text = json.dumps(json.loads(delivery.body), indent=2, ensure_ascii=False)
        except ValueError:
            text = delivery.body
        return format_html('<pre style="white-space: pre-wrap">{}</pre>', text)


@admin.register(RefusedDeliveries)
class RefusedDeliveriesAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # as above
    list_display = ("day", "count", "last_at")

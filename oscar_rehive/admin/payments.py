"""The payments with their history, the invoices and the refunds."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from oscar_rehive.addresses import without_tokens
from oscar_rehive.admin.pages import ReadOnly
from oscar_rehive.models import Attention, Entry, Invoice, OrderPayment, Refund
from oscar_rehive.rehive.money import from_units, shown


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


@admin.register(Invoice)
class InvoiceAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # as above
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
    exclude = ("redirect_url",)
    readonly_fields = ("hosted_page",)

    @admin.display(description=_("hosted page"))
    def hosted_page(self, invoice: Invoice) -> str:
        """Without the return address in it, by which whoever looks could cancel the order."""
        return without_tokens(invoice.redirect_url)


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

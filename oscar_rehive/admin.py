"""Admin pages: the payments with their history, what needs attention, the webhook inbox."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from oscar_rehive.models import (
    Attention,
    Delivery,
    Entry,
    Invoice,
    OrderPayment,
    RefusedDeliveries,
)


class ReadOnly:
    """History is read, not written: every change goes through the payment service."""

    def has_add_permission(self, *args: Any) -> bool:
        return False

    def has_change_permission(self, *args: Any) -> bool:
        return False

    def has_delete_permission(self, *args: Any) -> bool:
        return False


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
    list_display = ("order_number", "created_at", "window_ends_at", "paid_at", "closed_at")
    list_filter = ("paid_at", "closed_at", "status_due")
    search_fields = ("order_number", "invoices__remote_id")
    inlines = (AttentionInline, InvoiceInline, EntryInline)


@admin.register(Invoice)
class InvoiceAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # as above
    list_display = (
        "__str__",
        "state",
        "remote_status",
        "total",
        "currency",
        "recorded",
        "asked_at",
    )
    list_filter = ("state", "remote_status", "close_due", "currency")
    search_fields = ("payment__order_number", "remote_id")
    list_select_related = ("payment",)


@admin.register(Attention)
class AttentionAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # as above
    list_display = ("payment", "kind", "reason", "ways_out", "raised_at", "resolved_at")
    list_filter = (("resolved_at", admin.EmptyFieldListFilter), "kind")
    search_fields = ("payment__order_number", "reason")
    list_select_related = ("payment",)
    actions = ("resolve",)

    def has_resolve_permission(self, request: HttpRequest) -> bool:
        """Resolving is the one thing that a person may do here, with the change permission."""
        return request.user.has_perm("oscar_rehive.change_attention")

    @admin.action(description=_("Mark as resolved"), permissions=["resolve"])
    def resolve(self, request: HttpRequest, queryset: QuerySet[Attention]) -> None:
        """Note that somebody has looked at the chosen facts."""
        done = queryset.filter(resolved_at=None).update(
            resolved_at=timezone.now(), resolved_by=request.user.get_username()[:150]
        )
        self.message_user(request, ngettext("%d is resolved.", "%d are resolved.", done) % done)


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # as above
    list_display = ("received_at", "state", "remote_id", "reference", "tries", "reason")
    list_filter = ("state",)
    search_fields = ("remote_id", "reference", "event_id")


@admin.register(RefusedDeliveries)
class RefusedDeliveriesAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # as above
    list_display = ("day", "count", "last_at")

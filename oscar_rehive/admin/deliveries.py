"""The webhook inbox."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from oscar_rehive.addresses import without_tokens
from oscar_rehive.admin.pages import ReadOnly
from oscar_rehive.cleaning import storable_text, without_secrets
from oscar_rehive.models import Delivery, RefusedDeliveries


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # as above
    list_display = ("received_at", "state", "remote_id", "reference", "tries", "reason")
    list_filter = ("state",)
    search_fields = ("remote_id", "reference", "event_id")
    fields = ("received_at", "state", "reason", "tries", "done_at", "remote_id", "readable_body")

    def has_delete_permission(self, request: HttpRequest, obj: Delivery | None = None) -> bool:
        """What waits is not to be dropped (P7); what is through may go before its time."""
        waits = obj is not None and obj.state == Delivery.State.NEW
        return not waits and request.user.has_perm("oscar_rehive.delete_delivery")

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Django would say of what waits that its visitor lacks a permission."""
        found, counts, lacking, protected = super().get_deleted_objects(objs, request)
        waiting = [one for one in objs if one.state == Delivery.State.NEW]
        if waiting and self.has_delete_permission(request):
            told = _("%(delivery)s, which still waits for its turn; choose the others only")
            protected = [*protected, *(told % {"delivery": one} for one in waiting)]
            lacking = set()
        return found, counts, lacking, protected

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        queryset.exclude(state=Delivery.State.NEW).delete()

    @admin.display(description=_("body"))
    def readable_body(self, delivery: Delivery) -> str:
        """The JSON as people read it; what is none, or is nested too deeply, as it came. Without what older
        versions have stored: secrets, and addresses of payments."""
        try:
            text = json.dumps(json.loads(delivery.body), indent=2, ensure_ascii=False)
        except (ValueError, RecursionError):
            text = delivery.body
        # Halves of letters that were written by their numbers are none in what was stored.
        text = without_tokens(without_secrets(storable_text(text)))
        return format_html('<pre style="white-space: pre-wrap">{}</pre>', text)


@admin.register(RefusedDeliveries)
class RefusedDeliveriesAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # as above
    list_display = ("day", "count", "last_at")

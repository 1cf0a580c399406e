"""What waits for a person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import path, reverse
from django.utils.translation import gettext_lazy as _

from oscar_rehive.admin import rights
from oscar_rehive.admin.pages import ShowsMore, asks_rehive, nothing_done, shown
from oscar_rehive.models import Attention, OrderPayment
from oscar_rehive.payments import deciding
from oscar_rehive.payments.mails import send_confirmation_soon
from oscar_rehive.payments.refunding import NotRefundable
from oscar_rehive.rehive.exceptions import RehiveError


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
        """Asked for by the action below."""
        return rights.may_resolve(request)

    @admin.action(description=_("Mark as resolved"), permissions=["resolve"])
    def resolve(self, request: HttpRequest, queryset: QuerySet[Attention]) -> None:
        """Note that somebody has looked at the chosen facts."""
        chosen = list(queryset.filter(resolved_at=None))
        for attention in chosen:
            deciding.resolve(attention, by=rights.who(request.user))
        self.message_user(request, _("Resolved: %d") % len(chosen))

    def get_urls(self) -> list[Any]:
        decide = asks_rehive(self.admin_site.admin_view(self.decide_view))
        return [
            path("<int:pk>/decide/", decide, name="oscar_rehive_attention_decide"),
            *super().get_urls(),
        ]

    def more_context(self, request: HttpRequest, found: Any) -> dict[str, Any]:
        offered = deciding.refund_offered(found)
        buttons = {
            "refund_offered": shown(offered) if offered and rights.may_refund(request) else "",
            "can_accept": rights.may_accept(request) and deciding.can_accept(found),
            "can_be_gone": rights.may_take_for_gone(request) and deciding.can_be_gone(found),
            "can_resolve": rights.may_resolve(request) and found.resolved_at is None,
        }
        decide = reverse("admin:oscar_rehive_attention_decide", args=[found.pk])
        return {**buttons, "decide_url": decide if any(buttons.values()) else ""}

    def decide_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Do what one of the buttons says."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return nothing_done(request, "admin:oscar_rehive_attention_change", pk)
        decision = request.POST.get("decision", "")
        if decision not in _DECISIONS:
            self.message_user(request, _("Choose one of the buttons."), messages.ERROR)
            return redirect("admin:oscar_rehive_attention_change", pk)
        if not _MAY[decision](request):
            raise PermissionDenied
        attention = get_object_or_404(Attention, pk=pk)
        try:
            _DECISIONS[decision](attention, by=rights.who(request.user))
        except (deciding.NotAcceptable, NotRefundable, RehiveError, ImproperlyConfigured) as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            send_confirmation_soon(OrderPayment.objects.get(pk=attention.payment_id))
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
_MAY = {
    "refund": rights.may_refund,
    "accept": rights.may_accept,
    "gone": rights.may_take_for_gone,
    "resolve": rights.may_resolve,
}

"""``{% load rehive_desk %}{% rehive_order_panel order %}`` for a shop's own page of an order in the
dashboard; Oscar's own has it already. None of these can take a page down."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django import template
from django.db import transaction
from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from oscar_rehive.dashboard import menu, rights, words
from oscar_rehive.dashboard.panel import desk_url, panel_of
from oscar_rehive.databases import database_of
from oscar_rehive.logs import Log
from oscar_rehive.models import OrderPayment

register = template.Library()

logger = Log(__name__)


@register.inclusion_tag("oscar_rehive/dashboard/order_panel.html", takes_context=True)
def rehive_order_panel(context: dict[str, Any], order: Any) -> dict[str, Any]:
    """How ``order`` is paid through Rehive, with what can be done about it; nothing for other orders, and
    for those who may not see it."""
    number = str(order.number)
    try:
        request = context["request"]
        if not rights.may_enter(request.user):
            return {}
        # A transaction of its own: on PostgreSQL a query that fails ends the page's.
        with transaction.atomic(using=database_of(OrderPayment)):
            # Oscar has let the visitor see this order, and so its payment.
            payment = OrderPayment.objects.filter(order_number=number).first()
            if payment is None or not payment.is_for(str(order.pk)):
                return {}
            panel = panel_of(payment, request)
    except Exception:  # not migrated, say: the order's page must go on
        logger.exception("Order #%s: its payment is not shown in the dashboard", number)
        return {}
    return {"panel": panel, "csrf_token": context.get("csrf_token")}


@register.inclusion_tag("oscar_rehive/dashboard/home.html", takes_context=True)
def rehive_open_attention(context: dict[str, Any]) -> dict[str, Any]:
    """How many facts wait for a person, for those who may see them."""
    try:
        if not rights.may(context["request"].user, rights.VIEW):
            return {}
        return {"count": menu.open_attention(), "most": menu.MOST, "url": desk_url("attention")}
    except Exception:  # as above
        logger.exception("Open attention is not shown on the dashboard's home page")
        return {}


@register.filter
def rehive_since(moment: datetime) -> str:
    """The time since then as Django says it, but for its "0 minutes"."""
    is_now = timezone.now() - moment < timedelta(minutes=1)
    return _("less than a minute") if is_now else timesince(moment)


@register.filter
def rehive_money(amount: Decimal | None, currency: str) -> str:
    """``amount`` with its currency, exact; a dash where there is none."""
    return "–" if amount is None else words.money(amount, currency)

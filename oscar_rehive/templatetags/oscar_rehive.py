"""``{% load oscar_rehive %}{% rehive_payment order %}`` for a shop's own order pages."""

from __future__ import annotations

from typing import Any

from django import template
from django.db import DatabaseError, transaction
from django.urls import NoReverseMatch, reverse

from oscar_rehive.databases import database_of
from oscar_rehive.logs import Log
from oscar_rehive.models import OrderPayment
from oscar_rehive.payments.progress import progress_of
from oscar_rehive.tokens import token_of

register = template.Library()

logger = Log(__name__)


@register.inclusion_tag("oscar_rehive/order_payment.html", takes_context=True)
def rehive_payment(context: dict[str, Any], order: Any) -> dict[str, Any]:
    """How the payment of ``order`` stands, with the button to pay; nothing for other orders."""
    number = str(order.number)
    try:
        # A transaction of its own: on PostgreSQL a query that fails ends the page's.
        with transaction.atomic(using=database_of(OrderPayment)):
            progress = progress_of(number)
        if progress is None:
            return {}
        token = token_of(progress.payment)
        pay_url = reverse("oscar_rehive:pay", args=[token])
        return_url = reverse("oscar_rehive:return", args=[token])
    except (DatabaseError, NoReverseMatch) as error:
        # Not migrated, or the addresses not included: the system checks and rehive_check say so, and
        # the pages of all the shop's orders go on.
        logger.error("Order #%s: its payment is not shown: %s", number, error)
        return {}
    return {
        "progress": progress,
        "order": progress.order,
        "pay_url": pay_url,
        "return_url": return_url,
        "csrf_token": context.get("csrf_token"),
    }

"""``{% load oscar_rehive %}{% rehive_payment order %}`` for a shop's own order pages."""

from __future__ import annotations

from typing import Any

from django import template
from django.urls import reverse

from oscar_rehive.payments.progress import progress_of
from oscar_rehive.tokens import payment_token

register = template.Library()


@register.inclusion_tag("oscar_rehive/order_payment.html", takes_context=True)
def rehive_payment(context: dict[str, Any], order: Any) -> dict[str, Any]:
    """How the payment of ``order`` stands, with the button to pay; nothing for other orders."""
    number = str(order.number)
    progress = progress_of(number)
    token = payment_token(number)
    return {
        "progress": progress,
        "order": progress.order if progress else None,
        "pay_url": reverse("oscar_rehive:pay", args=[token]),
        "return_url": reverse("oscar_rehive:return", args=[token]),
        "csrf_token": context.get("csrf_token"),
    }

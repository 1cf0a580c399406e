"""Who may do what at the desk.

To view, to act, to refund and to decide are separate; none works without the right to view. Users of a
partner who may enter the dashboard see the payments of their orders, and can do nothing about them.
"""

from __future__ import annotations

from typing import Any

from django.db.models import CharField, Q, QuerySet
from django.db.models.functions import Cast
from oscar.core.loading import get_model

from oscar_rehive.databases import where_written
from oscar_rehive.models import OrderPayment

VIEW = "oscar_rehive.view_orderpayment"
ACT = "oscar_rehive.act_orderpayment"
REFUND = "oscar_rehive.add_refund"
ACCEPT = "oscar_rehive.accept_attention"
TAKE_FOR_GONE = "oscar_rehive.take_for_gone_attention"
RESOLVE = "oscar_rehive.resolve_attention"

PARTNER = "partner.dashboard_access"
"""Oscar's own permission for users of a partner."""

LET_IN = (["is_staff", VIEW], [PARTNER])
"""In Oscar's form: any of these lists."""


def may(user: Any, right: str) -> bool:
    """Whether ``user`` is of the staff and may do what ``right`` says, and look at it."""
    is_staff = bool(user.is_active and user.is_staff)
    return is_staff and user.has_perm(VIEW) and user.has_perm(right)


def is_partner(user: Any) -> bool:
    """Whether ``user`` is of a partner, who sees orders of that partner alone."""
    return bool(user.is_active and not user.is_staff and user.has_perm(PARTNER))


def may_enter(user: Any) -> bool:
    """Whether there is anything at the desk that ``user`` may see."""
    return may(user, VIEW) or is_partner(user)


def visible_to(user: Any) -> QuerySet[OrderPayment]:
    """The payments that ``user`` may see: all, those of the partner's orders, or none."""
    if may(user, VIEW):
        return OrderPayment.objects.all()
    if not is_partner(user):
        return OrderPayment.objects.none()
    orders = _orders_of(user)
    # The number of an order that was deleted may be another's by now, and another partner's.
    keys = orders.annotate(key=Cast("pk", CharField())).values("key")
    theirs = Q(order_key="") | Q(order_key__in=keys)
    return OrderPayment.objects.filter(theirs, order_number__in=orders.values("number"))


def _orders_of(user: Any) -> QuerySet[Any]:
    """As Oscar's own order pages: those with a line of a partner of ``user``."""
    lines = where_written(get_model("order", "Line")).filter(partner__users=user)
    orders = where_written(get_model("order", "Order"))
    return orders.filter(pk__in=lines.order_by().values("order"))

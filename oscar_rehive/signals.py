"""What staff do to an order reaches its payment: a cancelled order must neither stay payable nor hold
stock, and one whose cancellation they take back must (P4, P5)."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.dispatch import receiver
from oscar.apps.order.signals import order_status_changed

from oscar_rehive import conf
from oscar_rehive.databases import database_of
from oscar_rehive.models import OrderPayment
from oscar_rehive.payments.cancelling import clear_up_after_staff
from oscar_rehive.shop import oscar


@receiver(order_status_changed, dispatch_uid="oscar_rehive.cancelled_by_staff")
def clear_up_after_cancelled_order(
    *, order: Any, old_status: str, new_status: str, **kwargs: Any
) -> None:
    """Look at an order that was cancelled, or taken back, once that is committed: here, in a transaction
    that has locked the order, waiting for its payment would be a deadlock with a settling. If the
    process dies before, reconcile sees what was not done."""
    number = str(order.number)
    if conf.order_statuses().cancelled not in (old_status, new_status):
        return
    if OrderPayment.objects.filter(order_number=number).exists():
        transaction.on_commit(
            lambda: clear_up_after_staff(number), using=database_of(OrderPayment), robust=True
        )


def make_types(*, using: str, **kwargs: Any) -> None:
    """Make Oscar's types of payment source and of payment event that payments have, once the tables of
    all apps are there."""
    if using == database_of(OrderPayment):
        oscar.make_types()

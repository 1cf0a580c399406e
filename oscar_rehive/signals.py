"""What staff do to an order reaches its payment: a cancelled order must neither stay payable nor hold
stock, and one whose cancellation they take back must (P4, P5)."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.dispatch import receiver
from oscar.apps.order.signals import order_status_changed

from oscar_rehive import conf
from oscar_rehive.models import OrderPayment
from oscar_rehive.payments.cancelling import (
    clear_up_after_staff,
    note_cancelled_by_staff,
    note_taken_back,
)


@receiver(order_status_changed, dispatch_uid="oscar_rehive.cancelled_by_staff")
def clear_up_after_cancelled_order(
    *, order: Any, old_status: str, new_status: str, **kwargs: Any
) -> None:
    """Note what is to be done in the transaction that cancels, or takes that back, and begin once it
    is committed."""
    cancelled = conf.order_statuses().cancelled
    number = str(order.number)
    if cancelled not in (old_status, new_status):
        return
    if OrderPayment.objects.filter(order_number=number).exists():
        note = note_cancelled_by_staff if new_status == cancelled else note_taken_back
        note(number)
        transaction.on_commit(lambda: clear_up_after_staff(number), robust=True)

"""What staff do to an order reaches its invoice: a cancelled order must not stay payable (P5)."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.dispatch import receiver
from oscar.apps.order.signals import order_status_changed

from oscar_rehive import conf
from oscar_rehive.models import Invoice, OrderPayment


@receiver(order_status_changed, dispatch_uid="oscar_rehive.cancelled_by_staff")
def close_invoices_of_cancelled_order(*, order: Any, new_status: str, **kwargs: Any) -> None:
    """Once the change is committed, ask for the order's invoices to be closed.

    Only asked for here, and done by the next reconcile: a page of the dashboard must not wait for
    Rehive, and the bulk action on a hundred orders still less.
    """
    try:
        cancelled = conf.current().order_status.cancelled
    except ImproperlyConfigured:
        return
    if new_status != cancelled:
        return
    number = str(order.number)
    transaction.on_commit(lambda: _ask_for_closing(number), robust=True)


def _ask_for_closing(number: str) -> None:
    payment = OrderPayment.objects.filter(order_number=number, paid_at=None, closed_at=None)
    payment.filter(cancel_reason="").update(cancel_reason="Staff cancelled the order.")
    Invoice.objects.filter(
        payment__in=payment, state__in=[Invoice.State.OPENING, Invoice.State.OPEN]
    ).update(close_due=True)

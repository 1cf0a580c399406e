"""The one way to lock: the order with its lines, then its payment, and with that all its invoices
(promise P8)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import F

from oscar_rehive.models import OrderPayment
from oscar_rehive.shop import Order, get_shop


@dataclass(frozen=True)
class Locked:
    """An order and its payment, read after the lock was taken. ``order`` is None where it is gone."""

    order: Order | None
    payment: OrderPayment


@contextmanager
def locked(number: str) -> Iterator[Locked]:
    """Hold the order's lock; what is written inside is committed when the block ends.

    ``durable`` makes a surrounding transaction an error: "committed before the next network call"
    would not be true in it. Raises ``OrderPayment.DoesNotExist`` for orders that are not ours.
    """
    with transaction.atomic(durable=True):
        if not connection.features.has_select_for_update:
            # SQLite has no row locks, and a transaction that reads before it writes fails at once
            # with "database is locked". Writing first makes it queue up like everywhere else.
            OrderPayment.objects.filter(order_number=number).update(order_number=F("order_number"))
        order = get_shop().lock(number)
        payment = OrderPayment.objects.select_for_update().get(order_number=number)
        yield Locked(order, payment)

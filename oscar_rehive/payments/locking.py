"""The one lock: the payment with all its invoices, then the order with its lines (promise P8)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from django.db import OperationalError, transaction
from django.db.models import F

from oscar_rehive.databases import MOST_WAITS, database_of, is_lost_race
from oscar_rehive.logs import Log
from oscar_rehive.models import OrderPayment
from oscar_rehive.payments.watching import about_order
from oscar_rehive.shop import Order, Shop, get_shop

logger = Log(__name__)

T = TypeVar("T")

TRIES = 4
"""How often work is done under the lock; to wait for the lock counts as none."""

PAUSE_SECONDS = 0.05


@dataclass(frozen=True)
class Locked:
    """An order and its payment, read after the lock was taken. ``order`` is None where it is gone;
    ``shop`` is the one that has locked it."""

    order: Order | None
    payment: OrderPayment
    shop: Shop


@contextmanager
def locked(number: str) -> Iterator[Locked]:
    """Hold the order's lock; what is written inside is committed when the block ends.

    ``durable`` makes a surrounding transaction an error: "committed before the next network call"
    would not be true in it. Raises ``OrderPayment.DoesNotExist`` for orders that are not ours.
    """
    with transaction.atomic(using=database_of(OrderPayment), durable=True):
        # A write, and before anything is read: under REPEATABLE READ a lock that only reads lets the
        # second of two clicks decide from what stood there before the first (an excess was refunded
        # twice), and SQLite refuses a transaction that reads before it writes.
        ours = OrderPayment.objects.filter(order_number=number)
        if not ours.update(order_number=F("order_number")):
            raise OrderPayment.DoesNotExist(f"Order {number} is not paid through Rehive.")
        shop = get_shop()
        order = shop.lock(number)
        yield Locked(order, ours.get(), shop)


@about_order
def under_lock(number: str, work: Callable[[Locked], T]) -> T:
    """Do ``work`` under the order's lock; once more where the database made it the loser of a deadlock,
    or found its snapshot too old. Raises as ``locked``."""
    tries = waits = 0
    while True:
        has_lock = False
        try:
            with locked(number) as held:
                has_lock = True
                return work(held)
        except OperationalError as error:
            tries, waits = tries + has_lock, waits + 1
            if not is_lost_race(error) or tries == TRIES or waits == MOST_WAITS:
                raise
            logger.info("Order #%s: a lost race is repeated: %s", number, error)
            # Who comes back at once overtakes the winner, and they meet again (seen in tests/race).
            time.sleep(tries * PAUSE_SECONDS)

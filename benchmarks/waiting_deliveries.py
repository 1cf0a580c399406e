"""Deliveries that wait after an outage, worked on by one ``rehive_reconcile`` and by two at once.

They tell of invoices that have not changed, as most do: what is measured is how fast they get through.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

from benchmarks.filling import FIRST_NUMBER, Wanted, fill
from benchmarks.rows import Row, at_least, at_most, ratio
from benchmarks.shop import Shop
from oscar_rehive.simulator.state import State

TITLE = "Waiting deliveries, by one worker and by two"
LOOK_EVERY = 0.2
"""Not more often: counting those that wait takes time as well."""

AT_A_TIME = 5000
BODY = "x" * 2500


@dataclass(frozen=True)
class Sizes:
    deliveries: int
    about: int


FULL = Sizes(deliveries=100_000, about=10_000)
QUICK = Sizes(deliveries=5_000, about=500)


def measure(sizes: Sizes, shop: Shop) -> list[Row]:
    shop.set_up_django()
    by_one, by_two = _drained(sizes, shop, workers=1), _drained(sizes, shop, workers=2)
    name = f"{sizes.deliveries:,} deliveries about {sizes.about:,} invoices"
    return [
        at_least(
            f"{name}: what the second adds",
            100 * (ratio(by_one.seconds, by_two.seconds) - 1),
            70,
            "%",
        ),
        at_most("left over by one", by_one.left, 0),
        at_most("left over by two", by_two.left, 0),
    ]


@dataclass(frozen=True)
class _Drained:
    """``seconds``: those from the first delivery that was through to the last; ``left`` are those that
    wait still."""

    seconds: float
    left: int


def _drained(sizes: Sizes, shop: Shop, *, workers: int) -> _Drained:
    from django.utils import timezone

    shop.empty()
    opened = Wanted(timezone.now() - timedelta(hours=5))
    state = fill(sizes.about, lambda nth: opened)
    _wait(sizes, state)
    with shop.rehive(state) as rehive:
        processes = [shop.command(rehive, "rehive_reconcile") for _ in range(workers)]
        begun = ended = 0.0
        left = sizes.deliveries
        while any(process.poll() is None for process in processes):
            time.sleep(LOOK_EVERY)
            now_left = _waiting()
            if now_left < left:
                ended = time.perf_counter()
                begun = begun or ended
            left = now_left
    return _Drained(ended - begun, _waiting())


def _wait(sizes: Sizes, state: State) -> None:
    """Store them as the webhook does, each invoice's spread over all of them."""
    from oscar_rehive.models import Delivery

    ids = list(state.records)
    made = (
        Delivery(
            remote_id=ids[nth % len(ids)],
            reference=str(FIRST_NUMBER + nth % len(ids)),
            event_id=str(nth),
            body=BODY,
        )
        for nth in range(sizes.deliveries)
    )
    while some := list(islice(made, AT_A_TIME)):
        Delivery.objects.bulk_create(some)


def _waiting() -> int:
    from oscar_rehive.models import Delivery

    return Delivery.objects.filter(state=Delivery.State.NEW).count()

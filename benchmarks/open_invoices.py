"""One run of reconcile over many open invoices, of which few were paid: calls, time and memory. And the
same in a long list, whether what is open lies at its beginning or everywhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import psutil

from benchmarks.filling import Wanted, fill
from benchmarks.rows import Row, at_most, written
from benchmarks.shop import Shop
from oscar_rehive.simulator.process import SimulatorProcess

LATENCY_MS = 50
PER_MINUTE = 200
TITLE = f"Reconciling open invoices, {PER_MINUTE} calls a minute, {LATENCY_MS} ms each"
PAID_EVERY = 100
TO_SPARE = 20
LOOK_EVERY = 0.02
SPAN = timedelta(hours=20)
SOME_TIME_AGO = timedelta(minutes=30)
"""All of them were opened within this, and longer ago than open ones are left alone."""


@dataclass(frozen=True)
class Sizes:
    open: int
    among: int
    few: int


FULL = Sizes(open=10_000, among=100_000, few=20)
QUICK = Sizes(open=1_000, among=5_000, few=5)


@dataclass(frozen=True)
class Run:
    """What one run of ``rehive_reconcile`` took; ``megabytes`` is the most that it held."""

    calls: int
    seconds: float
    megabytes: float
    is_right: bool


def measure(sizes: Sizes, shop: Shop) -> list[Row]:
    shop.set_up_django()
    from oscar_rehive.payments.listing import MOST_PAGES
    from oscar_rehive.rehive.client import PAGE_SIZE

    alone = _run(shop, sizes.open, lambda nth: True, known=False)
    rows = _rows(f"{sizes.open:,} open", alone)
    first_open = sizes.among - sizes.open
    newest = _run(shop, sizes.among, lambda nth: nth >= first_open, known=True)
    rows += _rows(f"{sizes.open:,} open, the newest of {sizes.among:,}", newest)
    for count, known, whose in (
        (sizes.open, False, "a first run, open everywhere in the list"),
        (sizes.few, True, "open everywhere in the list"),
    ):
        every = sizes.among // count
        run = _run(shop, sizes.among, lambda nth, every=every: nth % every == 0, known=known)
        name = f"{count:,} open among {sizes.among:,}, {whose}"
        by_pages, one_by_one = sizes.among // PAGE_SIZE, count + MOST_PAGES
        # What was refunded of one that is paid is a question as well.
        cheaper = min(by_pages, one_by_one) + count // PAID_EVERY + TO_SPARE
        rows += [
            at_most(f"{name}: calls", run.calls, cheaper),
            _right(name, run),
            Row(f"{name}: memory", written(run.megabytes, "MB")),
        ]
    return rows


def _rows(name: str, run: Run) -> list[Row]:
    return [
        at_most(f"{name}: calls", run.calls, 60),
        at_most(f"{name}: time", run.seconds, 60, "s"),
        at_most(f"{name}: memory", run.megabytes, 150, "MB"),
        _right(name, run),
    ]


def _right(name: str, run: Run) -> Row:
    return Row(
        f"{name}: what was paid is paid", "yes" if run.is_right else "no", "yes", run.is_right
    )


def _run(shop: Shop, count: int, is_open: Callable[[int], bool], *, known: bool) -> Run:
    """Reconcile once. ``known``: the list has been read before, and proved to be newest first."""
    from django.utils import timezone

    from oscar_rehive.models import OrderPayment

    begun = timezone.now() - SOME_TIME_AGO
    paid = 0

    def wanted(nth: int) -> Wanted:
        nonlocal paid
        placed_at = begun - SPAN * (1 - nth / count)
        if not is_open(nth):
            return Wanted(placed_at, settled=True)
        paid += 1
        return Wanted(placed_at, paid_since=paid % PAID_EVERY == 0)

    shop.empty()
    with shop.rehive(fill(count, wanted)) as rehive:
        if known:
            _note_order_of_list(count, begun)
        run = _measured(shop, rehive)
    since_paid = paid // PAID_EVERY
    settled = OrderPayment.objects.exclude(paid_at=None).count()
    is_right = run.is_right and settled == count - paid + since_paid
    return Run(run.calls, run.seconds, run.megabytes, is_right)


def _measured(shop: Shop, rehive: SimulatorProcess) -> Run:
    rehive.faults(latency_ms=LATENCY_MS, calls_per_minute=PER_MINUTE)
    started = time.perf_counter()
    process = shop.command(rehive, "rehive_reconcile", BENCHMARK_CALLS_PER_MINUTE=str(PER_MINUTE))
    # Not by its resource usage at the end: what this process held when it started that one is in it.
    watched, most = psutil.Process(process.pid), 0
    while process.poll() is None:
        with suppress(psutil.NoSuchProcess):
            most = max(most, watched.memory_info().rss)
        time.sleep(LOOK_EVERY)
    seconds = time.perf_counter() - started
    return Run(len(rehive.requests()), seconds, most / 2**20, process.returncode == 0)


def _note_order_of_list(count: int, now: datetime) -> None:
    """What a pass through the whole list has left, some time ago."""
    from oscar_rehive.models import Reading
    from oscar_rehive.simulator.demo import DEMO_BUSINESS

    Reading.objects.create(
        business_id=DEMO_BUSINESS, count=count, newest_first=True, in_order=True, read_at=now
    )

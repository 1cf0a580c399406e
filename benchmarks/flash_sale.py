"""A flash sale: many orders are paid within a minute, more than Rehive lets a shop ask about in ten. Its
deliveries come twice and out of order, a worker is killed, and shoppers come in all the while."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.error import HTTPError
from urllib.request import urlopen

from benchmarks.filling import FIRST_NUMBER, PRICE, UNITS, Wanted, fill
from benchmarks.rows import Row, at_most, ratio, written
from benchmarks.serving import Server, served
from benchmarks.shop import SECRET, Shop
from oscar_rehive.simulator.process import SimulatorProcess

LATENCY_MS = 50
PER_MINUTE = 200
TITLE = f"A flash sale, {PER_MINUTE} calls a minute, {LATENCY_MS} ms each"
SHOPPER_EVERY = 4.0
"""Seconds: one comes back to see whether the payment has arrived, and one comes to pay. Their calls and
those of the others fit into a third of what Rehive lets through."""

RECONCILE_EVERY = "10"
LONGEST_SECONDS = 1800
PAGE_SECONDS = 60


@dataclass(frozen=True)
class Sizes:
    orders: int
    paid_within: float


FULL = Sizes(orders=2000, paid_within=60)
QUICK = Sizes(orders=200, paid_within=6)


@dataclass
class Pages:
    """What the shoppers got: how many pages, and how many of them were faults (5xx)."""

    seen: int = 0
    faults: list[str] = field(default_factory=list)


def measure(sizes: Sizes, shop: Shop) -> list[Row]:
    shop.set_up_django(BENCHMARK_SHARED_CACHE="1")
    from django.utils import timezone

    opened = Wanted(timezone.now() - timedelta(minutes=30))
    state = fill(sizes.orders, lambda nth: opened)
    late_comers = _late_comers(int(LONGEST_SECONDS / SHOPPER_EVERY))
    refused = shop.folder / "refused"
    refused.touch()
    more = {
        "BENCHMARK_SHARED_CACHE": "1",
        "BENCHMARK_CALLS_PER_MINUTE": str(PER_MINUTE),
        "BENCHMARK_NO_MAIL": "1",
    }
    pages = Pages()
    with (
        shop.rehive(state) as rehive,
        served(shop, rehive, **more, BENCHMARK_REFUSED=str(refused)) as server,
    ):
        rehive.register_webhook(f"{server.base_url}/rehive/webhook/", SECRET)
        rehive.faults(
            latency_ms=LATENCY_MS,
            calls_per_minute=PER_MINUTE,
            webhook_double=True,
            webhook_reorder=True,
        )
        with _reconciling(shop, rehive, more), _shopping(server, late_comers, pages):
            _pay(rehive, list(state.records), sizes.paid_within, server)
            paid_at = time.perf_counter()
            _until_nothing_waits(sizes.orders, rehive)
            took = time.perf_counter() - paid_at
        lines = rehive.requests()
    throttled = sum(line["status"] == 429 for line in lines)
    return [
        at_most(
            f"of {sizes.orders:,} orders, those that disagree in the end", _wrong(sizes.orders), 0
        ),
        at_most("shoppers' calls that Rehive refused", len(refused.read_text().splitlines()), 0),
        at_most(f"of {pages.seen} pages of shoppers, those that were faults", len(pages.faults), 0),
        Row(
            "from the last payment until all agree, beside the sale",
            written(ratio(took, sizes.paid_within), "×"),
        ),
        Row(
            "calls to Rehive (the last 5,000 are known), and those it refused",
            f"{len(lines):,}, {throttled:,}",
        ),
    ]


def _pay(rehive: SimulatorProcess, ids: list[str], within: float, server: Server) -> None:
    """All of them are paid, evenly over the time; when half are, a worker of the shop is killed."""
    begun = time.perf_counter()
    for nth, invoice_id in enumerate(ids):
        time.sleep(max(begun + within * nth / len(ids) - time.perf_counter(), 0))
        rehive.outcome(invoice_id, "pay")
        if nth == len(ids) // 2:
            server.workers()[0].kill()


@contextmanager
def _reconciling(shop: Shop, rehive: SimulatorProcess, more: dict[str, str]) -> Iterator[None]:
    process = shop.command(rehive, "rehive_reconcile", "--every", RECONCILE_EVERY, **more)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _shopping(server: Server, late_comers: list[str], pages: Pages) -> Iterator[None]:
    """One who has ordered already looks at the return page, one who has not paid yet at the pay page."""
    ended = threading.Event()
    thread = threading.Thread(target=_visit, args=(server, late_comers, pages, ended))
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _visit(server: Server, late_comers: list[str], pages: Pages, ended: threading.Event) -> None:
    from oscar_rehive.tokens import payment_token

    for nth in itertools.count():
        if ended.wait(SHOPPER_EVERY) or nth >= len(late_comers):
            return
        for page, number in (("return", str(FIRST_NUMBER + nth)), ("pay", late_comers[nth])):
            _look(f"{server.base_url}/rehive/{page}/{payment_token(number)}/", pages)


def _look(address: str, pages: Pages) -> None:
    pages.seen += 1
    try:
        urlopen(address, timeout=PAGE_SECONDS).close()
    except HTTPError as error:
        with error:
            if error.code >= 500:
                pages.faults.append(f"{error.code} {address}")
    except OSError as error:
        pages.faults.append(f"{error} {address}")


def _late_comers(count: int) -> list[str]:
    """The numbers of orders that nobody has tried to pay yet."""
    from oscar.test.factories import create_order

    from oscar_rehive.payments.placing import expect_payment

    numbers = []
    for nth in range(count):
        order = create_order(number=str(900_001 + nth), status="Pending")
        expect_payment(order.number, language="en", order_key=str(order.pk))
        numbers.append(order.number)
    return numbers


def _until_nothing_waits(orders: int, rehive: SimulatorProcess) -> None:
    from oscar_rehive.models import Delivery, OrderPayment

    def waits() -> bool:
        paid = OrderPayment.objects.exclude(paid_at=None).count()
        return (
            paid < orders
            or bool(rehive.deliveries()["pending"])
            or Delivery.objects.filter(state=Delivery.State.NEW).exists()
        )

    deadline = time.perf_counter() + LONGEST_SECONDS
    while waits() and time.perf_counter() < deadline:
        time.sleep(1)


def _wrong(orders: int) -> int:
    """How many of the sale's orders are not paid exactly once, in the shop and in its ledger."""
    from django.db.models import Count, Sum
    from oscar.core.loading import get_model

    from oscar_rehive import conf
    from oscar_rehive.models import Invoice

    numbers = [str(FIRST_NUMBER + nth) for nth in range(orders)]
    right = get_model("order", "Order").objects.filter(
        number__in=numbers, status=conf.order_statuses().paid
    )
    right = right.annotate(debited=Sum("sources__amount_debited"), sources_=Count("sources"))
    in_ledger = set(right.filter(debited=PRICE, sources_=1).values_list("number", flat=True))
    settled = Invoice.objects.filter(state=Invoice.State.PAID, received=UNITS, recorded=PRICE)
    settled = settled.exclude(payment__paid_at=None)
    ours = set(settled.values_list("payment__order_number", flat=True))
    return orders - len(in_ledger & ours)

"""What all tests share: the simulator of Rehive as the shop's Rehive, and orders to pay."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache import cache
from django.db import connection

if TYPE_CHECKING:
    from oscar_rehive.models import Invoice
    from oscar_rehive.simulator.process import SimulatorProcess


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On SQLite leave the PostgreSQL tests to the other of the two runs of ``make test``."""
    if connection.vendor == "postgresql":
        return
    left = [item for item in items if item.get_closest_marker("postgres")]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that all workers of a test run have."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@pytest.fixture(autouse=True)
def _no_memory_of_the_last_test() -> None:
    """The divisibility of a business's currency is remembered for an hour, and an outage for minutes."""
    from oscar_rehive.remembering import forget_all_of_our_own

    cache.clear()
    forget_all_of_our_own()


@pytest.fixture(autouse=True)
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    """Work of the background is done at once and in place: a thread of its own would have a database
    connection of its own. ``later.waits()`` keeps it back."""
    from oscar_rehive import background
    from oscar_rehive.background import Lane
    from oscar_rehive.payments import deliveries, mails

    for work in (deliveries._WORK, mails._WORK):
        work._start()  # what the last test kept back is not told
    monkeypatch.setattr(background, "TOGETHER_SECONDS", 0)
    later = Later()
    monkeypatch.setattr(Lane, "do", lambda lane, work: later.do(work))
    return later


class Later:
    """The work that nobody waits for."""

    def __init__(self) -> None:
        self.kept: list[Callable[[], object]] | None = None

    def do(self, work: Callable[[], object]) -> bool:
        if self.kept is None:
            with contextlib.suppress(Exception):
                work()
        else:
            self.kept.append(work)
        return True

    def waits(self) -> None:
        """Keep all that comes back until ``comes``."""
        self.kept = []

    def comes(self) -> None:
        """Do what was kept back, and what comes of it."""
        kept, self.kept = self.kept or [], None
        for work in kept:
            self.do(work)


@pytest.fixture(autouse=True)
def _seconds_have_gone_by(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two pages of an order; tests/test_quota.py is about those that come sooner."""
    from oscar_rehive import views

    monkeypatch.setattr(views, "ASK_AGAIN_AFTER", timedelta(0))


class Moments:
    """The clock of the budget and of outages: the real one, and what has been waited or has gone by."""

    def __init__(self) -> None:
        self.ahead, self.waited = 0.0, 0.0

    def time(self) -> float:
        return time.time() + self.ahead

    def sleep(self, seconds: float) -> None:
        self.waited += seconds
        self.ahead += seconds

    def go_by(self, seconds: float) -> None:
        self.ahead += seconds


@pytest.fixture(autouse=True)
def moments(monkeypatch: pytest.MonkeyPatch) -> Moments:
    """A run that waits for Rehive's limits has waited at once."""
    from oscar_rehive.payments import breaker, budget

    moments = Moments()
    for module in (breaker, budget):
        monkeypatch.setattr(module, "time", moments.time)
    monkeypatch.setattr(budget, "sleep", moments.sleep)
    return moments


@pytest.fixture
def rehive(rehive_simulator: SimulatorProcess, settings: Any) -> SimulatorProcess:
    """The simulator, with the shop's settings pointing at it."""
    settings.OSCAR_REHIVE = {
        **settings.OSCAR_REHIVE,
        "API_URL": rehive_simulator.api_url,
        "PAYMENT_REQUESTS_URL": rehive_simulator.payment_requests_url,
        "TOKEN": rehive_simulator.token,
        "BUSINESS_ID": rehive_simulator.business_id,
    }
    return rehive_simulator


@pytest.fixture
def place_order(db: None) -> Callable[..., Any]:
    """Places an Oscar order that is to be paid through Rehive, and returns it as reloaded."""
    from oscar.core.loading import get_model
    from oscar.test.factories import create_basket, create_order, create_product

    from oscar_rehive.payments.placing import expect_payment

    def place(
        *, total: str = "12.34", in_stock: int = 10, status: str = "Pending", **kwargs: Any
    ) -> Any:
        basket = create_basket(empty=True)
        product = create_product(price=Decimal(total), num_in_stock=in_stock)
        basket.add_product(product)
        kwargs.setdefault("guest_email", "guest@example.com")
        order = create_order(basket=basket, status=status, **kwargs)
        expect_payment(str(order.number), language="en", order_key=str(order.pk))
        return get_model("order", "Order").objects.get(pk=order.pk)

    return place


@pytest.fixture
def held(rehive: SimulatorProcess, place_order: Callable[..., Any], settings: Any) -> Invoice:
    """The invoice of an order over 10.00 that was paid late, which waits for a person."""
    from tests.steps import opened, settled

    settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "LATE_PAYMENTS": "hold"}
    invoice = opened(place_order(total="10.00"))
    rehive.outcome(invoice.remote_id, "pay_late")
    return settled(invoice)

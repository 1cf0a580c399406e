"""One budget for Rehive's patience: what a business asks is counted for all processes, reconcile waits its
turn, and shoppers never wait for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.test import Client as Browser
from hypothesis import given
from hypothesis import strategies as st

from oscar_rehive import conf
from oscar_rehive.models import Delivery
from oscar_rehive.payments import budget, stages
from oscar_rehive.payments.budget import (
    MINUTE,
    counted,
    seconds_to_wait,
    seconds_until_room,
    unhurried,
)
from oscar_rehive.payments.bursts import PATIENCE
from oscar_rehive.payments.deliveries import work_on
from oscar_rehive.payments.gateway import client_for
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.rehive.client import Client
from oscar_rehive.rehive.deadlines import seconds_left, within
from oscar_rehive.rehive.exceptions import Throttled
from tests.steps import a_cache_that_is_down, no_cache_at_all, opened, payment_page

ROOT = Path(__file__).resolve().parent.parent.parent
RATE = 12
SHARE, SHARE_IN_ANY_CASE = 8, 1


def business() -> conf.BusinessConfig:
    return conf.current().businesses["USD"]


@pytest.fixture
def low_rate(settings: Any) -> None:
    settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "CALLS_PER_MINUTE": RATE}


@pytest.fixture(autouse=True)
def _a_minute_begins(moments: Any) -> None:
    moments.go_by(MINUTE - moments.time() % MINUTE)


def shoppers_ask(times: int) -> None:
    for _ in range(times):
        counted(business(), lambda: "an answer")


# How long until there is room


@pytest.mark.parametrize(
    ("before", "current", "second", "seconds"),
    [
        (0, 0, 0, 0),
        (0, 99, 59, 0),
        pytest.param(0, 100, 10, 50 + 0.6, id="first in the next minute, when one has gone by"),
        (100, 0, 0, 0.6),
        (100, 0, 1, 0),
        (100, 50, 30, 0.6),
        pytest.param(200, 0, 0, 30.3, id="after a minute that was too busy"),
    ],
)
def test_room_comes_as_the_last_minute_goes_by(
    before: int, current: int, second: float, seconds: float
) -> None:
    assert seconds_until_room(before, current, second, most=100) == pytest.approx(
        seconds, abs=0.01 if seconds else 0
    )


@given(
    before=st.integers(0, 10**4),
    current=st.integers(0, 10**4),
    second=st.floats(0, 59.999),
    most=st.integers(1, 10**4),
)
def test_who_has_waited_finds_room(before: int, current: int, second: float, most: int) -> None:
    then = second + seconds_until_room(before, current, second, most=most)
    if then >= MINUTE:
        before, current, then = (current, 0, then - MINUTE) if then < 2 * MINUTE else (0, 0, 0)
    assert before * (1 - then / MINUTE) + current <= most - 1 + 1e-6


# Counting


def test_two_processes_have_one_budget(low_rate: None, settings: Any, tmp_path: Path) -> None:
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
            "LOCATION": str(tmp_path),
        }
    }
    program = f"""
import django
from django.conf import settings
settings.CACHES = {settings.CACHES!r}
django.setup()
from oscar_rehive import conf
from oscar_rehive.payments import budget
budget.time = lambda: {budget.time()}
with budget.unhurried(0):
    for _ in range({SHARE}):
        budget.counted(conf.current().businesses["USD"], lambda: None)
"""
    assert not seconds_to_wait(business())

    subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": str(ROOT)},
        check=True,
        timeout=60,
    )

    assert seconds_to_wait(business()) > MINUTE


@pytest.mark.parametrize("trouble", [no_cache_at_all, a_cache_that_is_down])
def test_without_a_cache_each_process_counts_by_itself(
    low_rate: None, settings: Any, monkeypatch: pytest.MonkeyPatch, trouble: Any
) -> None:
    trouble(settings, monkeypatch)
    with unhurried(0):
        shoppers_ask(SHARE - 1)
        assert not seconds_to_wait(business())
        shoppers_ask(1)
        assert seconds_to_wait(business())


def test_a_limit_that_was_noted_by_a_clock_that_was_wrong_lasts_no_longer(moments: Any) -> None:
    moments.go_by(3600)
    counted(business(), lambda: Throttled(30))
    moments.go_by(-3600)

    assert seconds_to_wait(business()) == 30


def test_another_business_has_its_own(low_rate: None, settings: Any) -> None:
    with unhurried(0):
        shoppers_ask(SHARE)
    settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "BUSINESS_ID": "another"}

    assert not seconds_to_wait(business())


def test_the_busiest_shop_is_reconciled_too(low_rate: None, moments: Any) -> None:
    shoppers_ask(5 * RATE)
    assert not seconds_to_wait(business())
    with unhurried(0):
        shoppers_ask(SHARE_IN_ANY_CASE)
    assert seconds_to_wait(business())

    moments.go_by(1.5 * MINUTE)
    shoppers_ask(5 * RATE)
    assert seconds_to_wait(business()) == pytest.approx(MINUTE / 2, abs=5)


# Reconcile


@pytest.fixture
def asked_at(monkeypatch: pytest.MonkeyPatch, moments: Any) -> list[float]:
    """When each call was sent."""
    asked, real = [], Client._ask

    def ask(*args: Any, **kwargs: Any) -> Any:
        asked.append(moments.time())
        return real(*args, **kwargs)

    monkeypatch.setattr(Client, "_ask", ask)
    return asked


@pytest.fixture
def many_open(
    rehive: Any, place_order: Any, moments: Any, monkeypatch: pytest.MonkeyPatch
) -> list[Any]:
    """More than fit into reconcile's share of a minute, in which nothing was asked yet; each is asked
    singly."""
    monkeypatch.setattr(stages, "is_of_interest", lambda business: False)
    orders = [place_order() for _ in range(SHARE + 4)]
    for order in orders:
        opened(order)
    moments.go_by(2 * MINUTE)
    return orders


@pytest.mark.django_db(transaction=True)
class TestReconcile:
    def test_it_leaves_room_for_shoppers(
        self, low_rate: None, many_open: list[Any], place_order: Any, asked_at: list[float]
    ) -> None:
        summary = reconcile(patience=0)
        assert (summary.asked, len(asked_at)) == (SHARE, SHARE)
        assert len(summary.failures) == 1
        assert "try again" in summary.failures[0]

        assert opened(place_order()).remote_id
        page = Browser().get(payment_page("return", many_open[0]))
        assert "could not ask" not in page.content.decode()
        assert len(asked_at) == SHARE + 2

    def test_it_waits_for_room_and_gets_through(
        self, low_rate: None, many_open: list[Any], asked_at: list[float], moments: Any
    ) -> None:
        summary = reconcile()

        assert (summary.asked, summary.failures) == (len(many_open), [])
        assert 0 < moments.waited <= 300
        for begun in asked_at:
            assert sum(begun <= one < begun + MINUTE for one in asked_at) <= RATE

    def test_it_waits_as_told_and_asks_again(
        self, rehive: Any, place_order: Any, moments: Any
    ) -> None:
        opened(place_order()), opened(place_order())
        rehive.faults(throttle={"value": 30, "times": 2})
        before = len(rehive.requests())

        summary = reconcile()

        assert (summary.asked, summary.failures) == (2, [])
        assert moments.waited == 60
        assert [one["status"] for one in rehive.requests()[before:]] == [429, 429, 200]

    def test_but_not_for_longer_than_it_may(
        self, rehive: Any, place_order: Any, moments: Any
    ) -> None:
        opened(place_order()), opened(place_order())
        rehive.faults(throttle=200)
        before = len(rehive.requests())

        summary = reconcile(patience=300)

        assert len(summary.failures) == 1
        assert moments.waited == 200
        assert len(rehive.requests()) == before + 2

    def test_where_another_was_told_it_waits_without_asking(
        self, rehive: Any, place_order: Any, moments: Any
    ) -> None:
        order = place_order()
        opened(order)
        rehive.faults(throttle={"value": 45, "times": 1})
        Browser().get(payment_page("return", order))
        before = len(rehive.requests())

        assert reconcile().failures == []

        assert 44 < moments.waited <= 45
        assert len(rehive.requests()) == before + 1

    def test_shoppers_do_not_wait_for_what_it_was_told(
        self, rehive: Any, place_order: Any, client: Browser
    ) -> None:
        first, other = place_order(), place_order()
        opened(first)
        rehive.faults(throttle={"value": 3600, "times": 1})
        assert len(reconcile().failures) == 1
        before = len(rehive.requests())

        assert client.get(payment_page("pay", other)).status_code == 302
        client.get(payment_page("return", first))

        assert len(rehive.requests()) == before + 2


@pytest.mark.django_db(transaction=True)
def test_a_limit_that_is_over_sooner_than_told_keeps_nobody_who_pays_from_seeing_it(
    rehive: Any, place_order: Any, client: Browser
) -> None:
    order = place_order()
    rehive.faults(throttle={"value": 3600, "times": 1})
    assert client.get(payment_page("pay", order)).status_code == 503
    assert client.post(payment_page("pay", order)).status_code == 302
    rehive.outcome(rehive.invoice()["id"], "pay")

    client.get(payment_page("return", order))

    order.refresh_from_db()
    assert order.status == "Being processed"


@pytest.mark.django_db(transaction=True)
def test_who_has_somebody_waiting_is_told_at_once(rehive: Any, moments: Any) -> None:
    rehive.faults(throttle={"value": 30, "times": 1})

    with pytest.raises(Throttled):
        client_for(business()).business()

    assert client_for(business()).business().id
    assert moments.waited == 0


@pytest.mark.django_db(transaction=True)
def test_a_wait_takes_nothing_of_the_time_for_answers(rehive: Any, moments: Any) -> None:
    rehive.faults(throttle={"value": 30, "times": 1})

    with unhurried(60), within(5):
        assert client_for(business()).business().id
        assert 30 < seconds_left() <= 35

    assert moments.waited == 30


@pytest.mark.usefixtures("low_rate")
def test_what_follows_a_delivery_leaves_room_for_shoppers(
    rehive: Any, place_order: Any, moments: Any, calls: Any
) -> None:
    """Two thousand orders paid in a minute used up the limit, and shoppers were refused. Rehive has its answer,
    and nobody waits; what finds no room in a few seconds is reconcile's."""
    invoice = opened(place_order())
    rehive.outcome(invoice.remote_id, "pay")
    shoppers_ask(RATE)
    with unhurried(0):
        shoppers_ask(SHARE_IN_ANY_CASE)
    calls()

    begun = moments.time()
    Delivery.objects.create(remote_id=invoice.remote_id, reference=invoice.order_number)
    work_on(invoice.remote_id)

    assert sum(calls().values()) == 0
    assert moments.time() - begun <= PATIENCE
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.tries) == (Delivery.State.NEW, 0)
    assert "limiting" in delivery.reason

    moments.go_by(2 * MINUTE)
    work_on(invoice.remote_id)
    assert Delivery.objects.get().state == Delivery.State.DONE

"""Two reconciles on two machines share the work: nothing is done twice, and nothing is lost where one is killed."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from oscar.core.loading import get_model

from oscar_rehive.models import Claim
from oscar_rehive.payments.claiming import Claimant
from tests.race.threads import InAThread
from tests.steps import opened, window_over

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

Order = get_model("order", "Order")
ORDERS = 45


@pytest.fixture
def unpaid(rehive: Any, place_order: Any) -> list[Any]:
    """Orders whose time to pay is over, and whose invoices can still be paid."""
    orders = [place_order() for _ in range(ORDERS)]
    for order in orders:
        opened(order)
        window_over(order)
    return orders


def closings(rehive: Any) -> Counter[str]:
    """How often each invoice was cancelled at Rehive."""
    return Counter(one["path"] for one in rehive.requests() if one["method"] == "PATCH")


def test_each_order_is_ended_by_one_of_them(rehive: Any, unpaid: list[Any], workers: Any) -> None:
    both = workers(2)
    for worker in both:
        worker.start(do="reconcile")
    for worker in both:
        worker.answer()
    both[0].do(do="reconcile")

    assert set(Order.objects.values_list("status", flat=True)) == {"Cancelled"}
    assert len(closings(rehive)) == ORDERS
    assert set(closings(rehive).values()) == {1}
    assert not Claim.objects.exists()


def test_what_a_killed_one_had_in_hand_is_done_by_the_next(
    rehive: Any, unpaid: list[Any], workers: Any, mails: Path
) -> None:
    (worker,) = workers(1)
    answer = worker.do(do="reconcile", kill_at=30)
    assert answer["killed"] == signal.SIGKILL
    assert Claim.objects.exists()

    worker.do(do="reconcile")

    assert set(Order.objects.values_list("status", flat=True)) == {"Cancelled"}


@pytest.fixture
def slow_to_claim(transactional_db: None) -> Iterator[None]:
    """A database that takes a moment for each claim."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM pg_sleep(0.1); RETURN NEW; END $$"
        )
        cursor.execute(
            f"CREATE TRIGGER slowly BEFORE INSERT ON {Claim._meta.db_table}"
            " FOR EACH ROW EXECUTE FUNCTION slowly()"
        )
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION slowly CASCADE")


@pytest.mark.parametrize("way", [1, -1], ids=["in the same order", "the other way round"])
def test_two_that_claim_the_same_at_once(isolation: None, slow_to_claim: None, way: int) -> None:
    """The one that had to wait goes on, too."""
    orders = [f"order {number}" for number in range(4)]
    won: list[str] = []
    both = [
        InAThread(lambda some=some: won.extend(Claimant().win(some)))
        for some in (orders, orders[::way])
    ]
    for run in both:
        run.join()

    assert sorted(won) == orders

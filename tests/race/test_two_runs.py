"""Two reconciles on two machines share the work: nothing is done twice, and nothing is lost where one is killed."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from oscar.core.loading import get_model

from oscar_rehive.models import Claim
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

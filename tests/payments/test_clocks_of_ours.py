"""A machine of the shop's whose clock was wrong for a while has left times that are still to come: nothing waits for
them, and nothing is taken for seen (P7, peer bug 9)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from oscar_rehive.models import Claim, Delivery, Invoice, OrderPayment, Reading
from oscar_rehive.payments import stages
from oscar_rehive.payments.reconciling import reconcile
from tests.steps import opened, settled, window_over

pytestmark = pytest.mark.django_db(transaction=True)

A_WEEK = timedelta(days=7)


@pytest.fixture
def next_week() -> Any:
    return timezone.now() + A_WEEK


@pytest.fixture(params=["by pages", "singly"])
def way(request: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of asking."""
    if request.param == "singly":
        monkeypatch.setattr(stages, "is_of_interest", lambda business: False)


def test_what_was_read_next_week_is_read_today(
    rehive: Any, place_order: Any, next_week: Any
) -> None:
    invoice = opened(place_order())
    rehive.outcome(invoice.remote_id, "pay")
    Reading.objects.create(business_id=invoice.business_id, read_at=next_week)

    assert reconcile().paid == 1
    assert Reading.objects.get().read_at < next_week


def test_what_was_asked_about_next_week_is_asked_about_today(
    rehive: Any, place_order: Any, next_week: Any, way: None
) -> None:
    invoice = opened(place_order())
    rehive.outcome(invoice.remote_id, "pay")
    long_ago = timezone.now() - timedelta(hours=3)
    Invoice.objects.update(asked_at=next_week, created_at=long_ago)
    Delivery.objects.create(remote_id=invoice.remote_id)

    for _ in range(2):
        reconcile()

    assert OrderPayment.objects.get().paid_at is not None


def test_no_order_is_cancelled_for_it_without_a_look(
    rehive: Any, place_order: Any, next_week: Any, way: None
) -> None:
    order = place_order(total="10.00")
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "fail")
    settled(invoice)
    rehive.outcome(invoice.remote_id, "pay", force=True)
    window_over(order)
    Invoice.objects.update(asked_at=next_week)

    for _ in range(2):
        reconcile()

    payment = OrderPayment.objects.get()
    assert (payment.paid_at is not None, payment.closed_at) == (True, None)


def test_a_claim_until_next_week_holds_nothing(
    rehive: Any, place_order: Any, next_week: Any
) -> None:
    order = place_order()
    opened(order)
    window_over(order)
    Claim.objects.create(task=f"order {order.number}", owner="elsewhere 1 x", until=next_week)

    assert reconcile().cancelled == 1

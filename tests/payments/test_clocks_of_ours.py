"""A machine of the shop's whose clock was wrong for a while has left times that are still to come: nothing waits for
them, and nothing is taken for seen (P7, peer bug 9)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.test import Client
from django.utils import timezone
from oscar.core.loading import get_model

from oscar_rehive import conf, views
from oscar_rehive.models import Claim, Delivery, Invoice, OrderPayment, Reading, Retry
from oscar_rehive.payments import stages
from oscar_rehive.payments.progress import progress_of
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.payments.strays import lost_of
from oscar_rehive.payments.summary import Summary
from oscar_rehive.payments.weighing import DOUBT
from tests.payments.pages import read, strangers
from tests.steps import (
    answer_lost,
    opened,
    opened_in_vain,
    payment_page,
    rehive_tells,
    settled,
    window_over,
)

pytestmark = pytest.mark.django_db(transaction=True)

Order = get_model("order", "Order")

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


def test_a_page_that_asked_next_week_keeps_no_page_from_asking(
    rehive: Any,
    place_order: Any,
    next_week: Any,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(views, "ASK_AGAIN_AFTER", timedelta(seconds=3))
    order = place_order()
    rehive.outcome(opened(order).remote_id, "pay")
    OrderPayment.objects.update(page_asked_at=next_week)

    client.get(payment_page("return", order))

    assert OrderPayment.objects.get().paid_at is not None


def test_p3_a_mail_that_is_being_sent_next_week_is_sent_today(
    rehive: Any, place_order: Any, next_week: Any
) -> None:
    invoice = opened(place_order())
    rehive.outcome(invoice.remote_id, "pay")
    settled(invoice)
    OrderPayment.objects.update(mail_claimed_at=next_week)

    assert reconcile().mailed == 1


class TestAnAttemptThatWasBeingOpenedNextWeek:
    @pytest.fixture
    def lost(self, rehive: Any, place_order: Any, next_week: Any) -> Invoice:
        lost = answer_lost(rehive, place_order())
        Invoice.objects.update(sent_at=next_week, lease_ends_at=next_week, looked_at=next_week)
        return lost

    def test_can_be_paid_today(self, lost: Invoice, client: Client) -> None:
        order = Order.objects.get()
        progress = progress_of(order.number)

        assert progress is not None
        assert progress.is_payable
        assert opened(order) == lost

    def test_is_found_today(self, rehive: Any, lost: Invoice) -> None:
        rehive.outcome(rehive.invoice()["id"], "pay")

        assert reconcile().failures == []

        assert OrderPayment.objects.get().paid_at is not None

    def test_is_looked_for_today(self, lost: Invoice) -> None:
        assert lost_of(conf.current().businesses["USD"]).exists()


def test_what_was_refused_next_week_is_tried_today(
    rehive: Any, place_order: Any, next_week: Any, moments: Any
) -> None:
    order = place_order()
    opened_in_vain(rehive, order, moments, times=5)
    Invoice.objects.update(sent_at=next_week)

    assert opened(order).remote_id


def test_what_was_tried_in_vain_next_week_is_tried_today(
    rehive: Any, place_order: Any, next_week: Any
) -> None:
    order = place_order()
    opened(order)
    window_over(order)
    for task in stages._overdue(Summary()):
        Retry.objects.create(task=task.key, tried_at=next_week, again_at=next_week)

    assert reconcile().cancelled == 1


def test_p6_what_is_doubted_since_next_week_is_believed_in_time(
    rehive: Any, place_order: Any, next_week: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = opened(place_order())
    rehive.outcome(invoice.remote_id, "start")
    settled(invoice)
    rehive_tells(monkeypatch, status="initiated", quotes=(), updated=1)
    Invoice.objects.update(doubted_since=next_week)

    assert settled(invoice).remote_status == "processing"
    Invoice.objects.update(doubted_since=F("doubted_since") - DOUBT)

    assert settled(invoice).remote_status == "initiated"


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize(
    ("pass_is", "attempt_is"),
    [({"weeks": 1}, {}), ({}, {"seconds": -50})],
    ids=["a pass that began next week", "a clock that is behind within reason"],
)
def test_an_attempt_that_a_pass_could_not_meet_is_not_given_up_by_it(
    rehive: Any, place_order: Any, pass_is: dict[str, int], attempt_is: dict[str, int]
) -> None:
    """It was made on a page that had been read before, and stayed payable at Rehive (P5)."""
    rehive.requests_door("shut")
    opened(place_order())
    strangers(12)
    read()
    known = Reading.objects.get()
    assert known.page > 1
    lost = answer_lost(rehive, place_order())
    Reading.objects.update(begun_at=known.begun_at + timedelta(**pass_is))
    sent_at = known.begun_at + timedelta(**attempt_is) if attempt_is else timezone.now()
    Invoice.objects.filter(pk=lost.pk).update(lease_ends_at=None, sent_at=sent_at)

    read()

    lost.refresh_from_db()
    assert (Reading.objects.get().begun_at, lost.state) == (None, Invoice.State.OPENING)

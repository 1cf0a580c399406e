"""No fact that waits for a person is without a way out, and none stays that is no question any more (P7)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from oscar.core.loading import get_model

from oscar_rehive.models import Attention, Entry, Invoice, OrderPayment
from oscar_rehive.payments.cancelling import cancel_order
from oscar_rehive.payments.deciding import (
    NotAcceptable,
    accept,
    can_accept,
    refund_offered,
    resolve,
    take_for_gone,
)
from oscar_rehive.payments.gateway import client_for
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.payments.settling import business_of
from tests.steps import (
    moved,
    opened,
    other_source,
    overwritten,
    rehive_forgot,
    settled,
    stands_as,
    taking_back_is_allowed,
    waiting_for_a_person,
    window_over,
)

pytestmark = pytest.mark.django_db(transaction=True)

Order = get_model("order", "Order")
StockRecord = get_model("partner", "StockRecord")


@pytest.mark.parametrize("status", ["Pending", "Being processed"])
def test_money_that_came_after_the_end_can_pay_the_order_that_was_taken_back_for_it(
    rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    taking_back_is_allowed(monkeypatch)
    order = place_order()
    invoice = opened(order)
    cancel_order(order.number, reason="by the shopper", source=Entry.Source.CHECKOUT)
    rehive.outcome(invoice.remote_id, "pay_late", force=True)
    settled(invoice)
    assert waiting_for_a_person() == ["after_cancel"]
    moved(order, status)
    reconcile()

    paid = OrderPayment.objects.get().paid_at is not None
    assert paid or any(can_accept(one) for one in Attention.objects.all()), waiting_for_a_person()


def test_that_they_disagree_is_no_question_any_more_once_it_is_cancelled(
    rehive: Any, place_order: Any
) -> None:
    order = place_order()
    rehive.outcome(opened(order).remote_id, "pay")
    reconcile()
    overwritten(order, "Pending")
    reconcile()
    assert waiting_for_a_person() == ["disagrees"]
    moved(order, "Cancelled")
    for _ in range(2):
        reconcile()

    assert waiting_for_a_person() == ["after_cancel"]


@pytest.mark.parametrize("words", ["one word", "two words"])
def test_an_old_order_that_others_paid_and_gave_back_long_ago_is_left_alone(
    rehive: Any, place_order: Any, settings: Any, words: str
) -> None:
    """As 0002 left it: ended because cash had paid it; years later the goods came back, and the cash
    went back."""
    if words == "one word":
        settings.OSCAR_REHIVE = {
            **settings.OSCAR_REHIVE,
            "ORDER_STATUS": {"pending": "Pending", "paid": "Pending", "cancelled": "Cancelled"},
        }
    order = place_order()
    other_source(order, debited="12.34", refunded="12.34", name="Cash")
    long_ago = timezone.now() - timedelta(days=400)
    OrderPayment.objects.update(closed_at=long_ago, created_at=long_ago, window_ends_at=long_ago)
    reconcile()
    window_over(order)
    reconcile()

    assert stands_as(order) == "Pending"


def test_a_status_that_was_refused_is_no_question_any_more_once_it_is_set(
    rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = place_order()
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay")
    with monkeypatch.context() as shop:
        shop.setattr(Order, "pipeline", {"Pending": ("Cancelled",)})
        reconcile()
    assert waiting_for_a_person() == ["refused_status"]
    for _ in range(2):
        reconcile()

    assert stands_as(order) == "Being processed"
    assert waiting_for_a_person() == []


def test_a_shopper_is_not_left_with_an_invoice_edited_at_rehive(
    rehive: Any, place_order: Any
) -> None:
    order = place_order()
    invoice = opened(order)
    client_for(business_of(invoice)).update_invoice(
        invoice.remote_id or "", {"request_amount": 100}, idempotency_key="in the app"
    )
    reconcile()
    assert waiting_for_a_person() == ["mismatch"]

    again = opened(order)

    assert rehive.invoice(again.remote_id)["request_amount"] == 1234, (
        "the payer pays what cannot pay"
    )


@pytest.mark.parametrize("cancelled_by_hand", [False, True])
def test_a_vanished_invoice_that_was_marked_as_resolved_keeps_a_way_out(
    rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch, cancelled_by_hand: bool
) -> None:
    order = place_order()
    opened(order)
    rehive_forgot(monkeypatch)
    reconcile()
    attention = Attention.objects.get()
    assert attention.kind == "vanished"
    resolve(attention, by="ann")
    window_over(order)
    if cancelled_by_hand:
        moved(order, "Cancelled")
    for _ in range(2):
        last = reconcile()

    told = waiting_for_a_person()
    try:
        take_for_gone(attention, by="ann")
    except NotAcceptable:
        assert last.failures == [] or told != [], last.failures


def test_an_order_that_is_held_for_a_person_who_resolved_it(rehive: Any, held: Invoice) -> None:
    resolve(Attention.objects.get(), by="ann")
    order = Order.objects.get()
    window_over(order)
    for _ in range(3):
        reconcile()
    assert stands_as(order) != "Pending" or waiting_for_a_person() != []


def test_what_is_beyond_the_price_is_told_when_a_part_is_accepted(
    rehive: Any, place_order: Any
) -> None:
    order = place_order(total="12.34")
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay_less", amount=800)
    rehive.outcome(invoice.remote_id, "expire")
    settled(invoice)
    other_source(order, debited="10.00")
    (attention,) = Attention.objects.all()

    accept(attention, by="ann")
    Invoice.objects.update(asked_at=timezone.now() - timedelta(days=2))
    reconcile()

    assert Invoice.objects.get().pays == 234
    assert sum(
        refund_offered(one) for one in Attention.objects.filter(resolved_at=None)
    ) == Decimal("5.66")

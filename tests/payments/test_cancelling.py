"""Cancelling and the payment window: never blindly, stock and vouchers once (P4, P5, peer bug 9)."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from django.test import Client as Browser
from oscar.core.loading import get_class, get_model

from oscar_rehive.models import Attention, Entry, Invoice, OrderPayment
from oscar_rehive.payments.cancelling import NotCancellable, cancel_order, claim_basket
from oscar_rehive.payments.opening import NotPayable
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.rehive.client import Client
from oscar_rehive.rehive.exceptions import RehiveError
from oscar_rehive.shop import Refilled
from tests.steps import answer_lost, opened, payable_at, payment_page, settled, window_over

pytestmark = pytest.mark.django_db

Order = get_model("order", "Order")
StockRecord = get_model("partner", "StockRecord")


def cancelled(order: Any) -> bool:
    return cancel_order(order.number, reason="because", source=Entry.Source.CHECKOUT)


def test_an_unpaid_order_ends_with_its_window(rehive: Any, place_order: Any) -> None:
    order = place_order(in_stock=5)
    opened(order)
    reconcile()
    order.refresh_from_db()
    assert order.status == "Pending"
    window_over(order)

    for _ in range(3):
        reconcile()

    order.refresh_from_db()
    assert order.status == "Cancelled"
    assert StockRecord.objects.get().num_allocated == 0
    assert payable_at(rehive, order) == []
    assert order.status_changes.count() == 1


def test_an_order_whose_shopper_never_reached_the_pay_page_ends_too(
    rehive: Any, place_order: Any
) -> None:
    order = place_order(in_stock=5)
    window_over(order)

    reconcile()

    order.refresh_from_db()
    assert order.status == "Cancelled"
    assert StockRecord.objects.get().num_allocated == 0
    assert rehive.requests() == []


@pytest.mark.parametrize("confirmed", [True, False])
def test_money_on_its_way_outlives_the_window(
    rehive: Any, place_order: Any, confirmed: bool
) -> None:
    order = place_order()
    invoice = opened(order)
    for _ in range(2):
        rehive.outcome(invoice.remote_id, "start")
    assert rehive.invoice()["status"] == "received"
    window_over(order)
    reconcile()
    order.refresh_from_db()
    assert order.status == "Pending"
    assert rehive.invoice()["status"] == "received"

    rehive.outcome(invoice.remote_id, "confirm" if confirmed else "fail")
    reconcile()

    order.refresh_from_db()
    assert order.status == ("Being processed" if confirmed else "Cancelled")


def test_a_part_payment_is_not_cancelled_by_the_clock_but_shown(
    rehive: Any, place_order: Any
) -> None:
    order = place_order(total="10.00")
    rehive.outcome(opened(order).remote_id, "pay_less", amount=400)
    window_over(order)

    for _ in range(2):
        reconcile()

    order.refresh_from_db()
    assert order.status == "Pending"
    assert Attention.objects.get().kind == Attention.Kind.PART_PAID


def test_the_shopper_cannot_cancel_what_is_paid(rehive: Any, place_order: Any) -> None:
    order = place_order()
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay")

    cancelled(order)  # the shop does not know of the payment yet, and asks

    order.refresh_from_db()
    assert order.status == "Being processed"
    with pytest.raises(NotCancellable):
        cancelled(order)


def test_a_cancellation_that_rehive_could_not_confirm_is_finished_later(
    rehive: Any, place_order: Any
) -> None:
    order = place_order(in_stock=5)
    opened(order)
    rehive.faults(error_status=500)
    with pytest.raises(RehiveError):
        cancelled(order)
    order.refresh_from_db()
    assert (order.status, StockRecord.objects.get().num_allocated) == ("Pending", 1)
    with pytest.raises((NotPayable, RehiveError)):
        opened(order)

    rehive.clear_faults()
    reconcile()

    order.refresh_from_db()
    assert (order.status, StockRecord.objects.get().num_allocated) == ("Cancelled", 0)
    assert payable_at(rehive, order) == []


def test_money_that_comes_before_the_cancellation_is_through_wins(
    rehive: Any, place_order: Any
) -> None:
    order = place_order(in_stock=5)
    invoice = opened(order)
    rehive.faults(error_status=500)
    with pytest.raises(RehiveError):
        cancelled(order)
    for _ in range(2):
        rehive.outcome(invoice.remote_id, "start")
    rehive.clear_faults()

    reconcile()

    assert rehive.invoice()["status"] == "received"
    rehive.outcome(invoice.remote_id, "confirm")
    reconcile()
    order.refresh_from_db()
    assert (order.status, StockRecord.objects.get().num_allocated) == ("Being processed", 1)


def test_an_invoice_cancelled_at_rehive_leaves_the_order_to_be_paid_anew(
    rehive: Any, place_order: Any
) -> None:
    order = place_order()
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "fail")
    settled(invoice)

    assert opened(order).attempt == 2


def test_a_deleted_order_closes_its_invoice(rehive: Any, place_order: Any) -> None:
    order = place_order()
    opened(order)
    window_over(order)
    Order.objects.all().delete()

    assert reconcile().failures == []

    assert payable_at(rehive, order) == []
    assert OrderPayment.objects.get().closed_at is not None


def test_money_for_a_deleted_order_is_shown(rehive: Any, place_order: Any) -> None:
    order = place_order()
    rehive.outcome(opened(order).remote_id, "pay")
    Order.objects.all().delete()

    assert reconcile().failures == []

    assert Attention.objects.get().kind == Attention.Kind.NO_ORDER
    assert Invoice.objects.get().received == 1234


def test_the_basket_is_given_back_once(rehive: Any, place_order: Any) -> None:
    order = place_order()
    cancel_order(order.number, reason="because", source=Entry.Source.CHECKOUT)
    refilled = Refilled(put_back=["Mug"], left_out=["Lamp"])

    answers = [claim_basket(order.number, lambda: refilled) for _ in range(3)]

    assert answers == [refilled, None, None]


def test_a_basket_that_nothing_could_be_put_back_into_can_be_asked_for_again(
    rehive: Any, place_order: Any
) -> None:
    order = place_order()
    cancel_order(order.number, reason="because", source=Entry.Source.CHECKOUT)

    for put_back in ([], ["Mug"]):
        refilled = Refilled(put_back, left_out=[])
        assert claim_basket(order.number, lambda told=refilled: told) == refilled


def test_a_basket_whose_giving_back_was_interrupted_is_not_lost(
    rehive: Any, place_order: Any
) -> None:
    order = place_order()
    cancel_order(order.number, reason="because", source=Entry.Source.CHECKOUT)

    def killed() -> Refilled:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        claim_basket(order.number, killed)

    assert not OrderPayment.objects.get().basket_given_back


def test_a_basket_whose_order_could_only_be_cancelled_later_is_still_given_back(
    rehive: Any, place_order: Any, client: Browser
) -> None:
    order = place_order(in_stock=5)
    opened(order)
    rehive.faults(error_status=503)
    assert (
        "being cancelled"
        in client.post(payment_page("cancel", order), follow=True).content.decode()
    )
    rehive.clear_faults()
    waiting = client.get(payment_page("return", order)).content.decode()
    assert "Put the items back into my basket" in waiting

    basket = client.post(payment_page("cancel", order), {"then": "basket"}, follow=True).context[
        "basket"
    ]

    assert [line.quantity for line in basket.all_lines()] == [1]
    again = client.get(payment_page("return", order)).content.decode()
    assert "Put the items back" not in again


def test_p10_staff_take_their_cancellation_back(
    rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = place_order()
    pipeline = {"Pending": ("Cancelled",), "Cancelled": ("Pending",)}
    monkeypatch.setattr(Order, "pipeline", pipeline)
    opened(order)
    handler = get_class("order.processing", "EventHandler")()
    for status in ("Cancelled", "Pending"):
        handler.handle_order_status_change(Order.objects.get(), status)

    for _ in range(2):
        reconcile()

    order.refresh_from_db()
    assert order.status == "Pending"
    assert opened(order).in_use


def test_an_invoice_that_was_made_wrongly_does_not_keep_the_order(
    rehive: Any, place_order: Any, client: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = place_order()
    answer_lost(rehive, order)
    real = Client.invoices
    monkeypatch.setattr(
        Client,
        "invoices",
        lambda self, **sought: (dataclasses.replace(one, redirect_url="") for one in real(self)),
    )

    assert client.post(payment_page("cancel", order)).status_code == 302

    order.refresh_from_db()
    assert order.status == "Cancelled"
    assert payable_at(rehive, order) == []

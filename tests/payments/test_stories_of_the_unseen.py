"""What went back in Rehive's own app, what others hold, and what was seen but not settled (P1, P3, P6)."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from django.db import OperationalError
from oscar.core.loading import get_class, get_model
from oscar.test.factories import create_basket, create_order, create_product

from oscar_rehive.models import Attention, Entry, Invoice, OrderPayment
from oscar_rehive.payments.cancelling import cancel_order, claim_basket
from oscar_rehive.payments.deciding import NotAcceptable, accept, refund_offered
from oscar_rehive.payments.deliveries import store, work_on
from oscar_rehive.payments.gateway import client_for
from oscar_rehive.payments.placing import expect_payment
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.payments.settling import business_of
from oscar_rehive.rehive.client import Client
from oscar_rehive.rehive.exceptions import Unreachable
from oscar_rehive.shop import confirmation
from oscar_rehive.shop.shopper import refill_basket
from oscar_rehive.simulator.process import SimulatorProcess
from tests.steps import (
    answer_lost,
    moved,
    opened,
    other_source,
    payable_at,
    rehive_tells,
    settled,
    stands_as,
    taking_back_is_allowed,
    waiting_for_a_person,
    window_over,
)

pytestmark = pytest.mark.django_db(transaction=True)

Order = get_model("order", "Order")
Basket = get_model("basket", "Basket")
StockRecord = get_model("partner", "StockRecord")


def refunded_in_the_app(rehive: Any, invoice: Invoice, amount: int) -> None:
    made = client_for(business_of(invoice)).create_refund(
        invoice.remote_id or "",
        amount=amount,
        currency=invoice.currency,
        reason="in the app",
        idempotency_key="in the app",
    )
    rehive.refund(made.id)


def test_what_went_back_in_rehives_app_is_not_accepted(rehive: Any, held: Invoice) -> None:
    refunded_in_the_app(rehive, held, 1000)
    with contextlib.suppress(NotAcceptable):
        accept(Attention.objects.get(), by="ann")

    assert stands_as(Order.objects.get()) == "Pending"


def test_p3_a_confirmation_that_was_due_is_due_again_when_the_order_is_taken_back(
    rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    taking_back_is_allowed(monkeypatch)
    order = place_order()
    rehive.outcome(opened(order).remote_id, "pay")
    with monkeypatch.context() as down:

        def fails(*args: Any, **kwargs: Any) -> None:
            raise OSError("the mail server is down")

        down.setattr(confirmation, "send", fails)
        reconcile()
    assert mail.outbox == []
    moved(order, "Cancelled")
    reconcile()
    moved(order, "Being processed")
    for _ in range(2):
        reconcile()

    assert len(mail.outbox) == 1


def test_a_basket_is_refilled_though_the_first_try_lost_a_deadlock(
    rehive: Any, place_order: Any
) -> None:
    order = place_order()
    cancel_order(order.number, reason="x", source=Entry.Source.CHECKOUT)
    basket = Basket()
    basket.save()  # as the page does: what is made under the lock is made again
    basket.strategy = get_class("partner.strategy", "Selector")().strategy()
    tries = []

    class Cause(Exception):
        sqlstate = "40P01"

    def refill() -> Any:
        refilled = refill_basket(order.number, basket)
        tries.append(1)
        if len(tries) == 1:
            raise OperationalError("deadlock detected") from Cause()
        return refilled

    refilled = claim_basket(order.number, refill)
    assert refilled is not None
    assert len(refilled.put_back) == 1
    assert Basket.objects.get(pk=basket.pk).num_items == 1


def test_a_part_in_another_currency_is_not_said_to_pay(place_order: Any, settings: Any) -> None:
    with SimulatorProcess("--business", "us:USD", "--business", "eu:EUR") as rehive:
        settings.OSCAR_REHIVE = {
            **settings.OSCAR_REHIVE,
            "API_URL": rehive.api_url,
            "PAYMENT_REQUESTS_URL": rehive.payment_requests_url,
            "TOKEN": rehive.token,
            "BUSINESS_ID": "us",
            "BUSINESSES": {"EUR": {"BUSINESS_ID": "eu"}, "USD": {"BUSINESS_ID": "us"}},
        }
        order = place_order()
        first = opened(order)
        rehive.outcome(first.remote_id, "pay_less", amount=500)
        rehive.outcome(first.remote_id, "expire")
        settled(first)
        Order.objects.update(currency="EUR")
        second = opened(order)
        assert (second.currency, second.amount) == ("EUR", 1234)
        rehive.outcome(second.remote_id, "pay")
        settled(second)

        offered = [refund_offered(one) for one in Attention.objects.filter(resolved_at=None)]
        assert offered == [Decimal("5.00")]


def test_p6_what_was_seen_when_an_attempt_was_found_is_still_news(
    rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = place_order()
    answer_lost(rehive, order)
    rehive.outcome(rehive.invoice()["id"], "pay")
    Invoice.objects.update(lease_ends_at=None)
    with monkeypatch.context() as down:

        def fails(*args: Any, **kwargs: Any) -> Any:
            raise Unreachable("timeout")

        down.setattr(Client, "invoice", fails)
        reconcile()
    assert Invoice.objects.get().remote_status == "paid"

    work_on(
        store(b'{"data": {"id": "%s"}}' % str(Invoice.objects.get().remote_id).encode()).remote_id
    )

    assert stands_as(order) == "Being processed"


def test_a_payment_that_is_noted_before_its_order_is_made_is_the_orders_own(
    rehive: Any, db: None
) -> None:
    expect_payment("1001", language="en")
    basket = create_basket(empty=True)
    basket.add_product(create_product(price=Decimal("20.00"), num_in_stock=5))
    create_order(basket=basket, number="1001", status="Pending")

    assert OrderPayment.objects.get().order_number == "1001"


def test_a_gift_card_of_an_order_that_the_clock_cancels_is_told(
    rehive: Any, place_order: Any
) -> None:
    order = place_order()
    other_source(order, debited="5.00")
    opened(order)
    window_over(order)
    for _ in range(2):
        reconcile()

    assert stands_as(order) == "Pending" or waiting_for_a_person() != []


def test_p5_an_unknown_status_does_not_keep_an_invoice_of_a_cancelled_order_payable_untold(
    rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = place_order()
    opened(order)
    with monkeypatch.context() as odd:
        rehive_tells(odd, status="on_hold")
        reconcile()
        (attention,) = Attention.objects.all()
        attention.resolved_at, attention.resolved_by = attention.raised_at, "ann"
        attention.save()
        moved(order, "Cancelled")
        for _ in range(3):
            reconcile()
        assert not payable_at(rehive, order) or waiting_for_a_person()


def test_a_part_refunded_in_the_app_does_not_pay(rehive: Any, place_order: Any) -> None:
    order = place_order()
    first = opened(order)
    rehive.outcome(first.remote_id, "pay_less", amount=500)
    rehive.outcome(first.remote_id, "expire")
    settled(first)
    second = opened(order)
    refunded_in_the_app(rehive, first, 500)
    rehive.outcome(second.remote_id, "pay")
    for _ in range(2):
        reconcile()

    assert stands_as(order) == "Pending"

"""How many statements the shop's part of a payment takes: each is a round trip under the order's lock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.sites.models import Site
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from oscar.core.loading import get_model
from oscar.test.factories import ShippingAddressFactory, UserFactory

from oscar_rehive.models import OrderPayment
from oscar_rehive.shop import Standing, get_shop

pytestmark = pytest.mark.django_db

Line = get_model("order", "Line")
Order = get_model("order", "Order")
SourceType = get_model("payment", "SourceType")
PaymentEventType = get_model("order", "PaymentEventType")


@contextmanager
def at_most(count: int) -> Iterator[None]:
    with CaptureQueriesContext(connection) as captured:
        yield
    assert len(captured) <= count, "\n".join(one["sql"] for one in captured)


@pytest.fixture
def shop(db: None) -> Any:
    """In the transaction that is counted; ``migrate`` has made the types that all orders share."""
    assert SourceType.objects.filter(code="rehive").exists()
    assert PaymentEventType.objects.filter(name__in=("Paid", "Refunded")).count() == 2
    with transaction.atomic():
        yield get_shop()


def paid(shop: Any, order: Any, amount: str = "10.00", invoice_id: str = "i") -> None:
    shop.record_payment(
        order.number,
        amount=Decimal(amount),
        currency="USD",
        invoice_id=invoice_id,
        reference="r",
    )


def test_to_lock_and_to_find(shop: Any, buy: Any) -> None:
    order = buy()

    with at_most(3):
        assert shop.lock(order.number)
    with at_most(2):
        assert shop.find(order.number)


def test_a_first_payment(shop: Any, buy: Any) -> None:
    order = buy()
    shop.lock(order.number)

    with at_most(5):
        paid(shop, order)

    assert order.sources.get().transactions.count() == 2


def test_the_next_payment_through_the_same_invoice(shop: Any, buy: Any) -> None:
    order = buy()
    shop.lock(order.number)
    paid(shop, order, "4.00")

    with at_most(5):
        paid(shop, order, "6.00")

    source = order.sources.get()
    assert (source.amount_allocated, source.amount_debited) == (Decimal(10), Decimal(10))
    amounts = source.transactions.order_by("pk").values_list("txn_type", "amount", "status")
    assert list(amounts) == [
        ("Authorise", Decimal(4), "authorised"),
        ("Debit", Decimal(4), "debited"),
        ("Authorise", Decimal(6), "authorised"),
        ("Debit", Decimal(6), "debited"),
    ]


def test_a_refund(shop: Any, buy: Any) -> None:
    order = buy()
    shop.lock(order.number)
    paid(shop, order)

    with at_most(5):
        shop.record_refund(order.number, amount=Decimal(1), invoice_id="i", reference="r")


@pytest.mark.parametrize(("cascade", "count"), [({}, 7), ({"Being processed": "Paid for"}, 8)])
def test_paid(
    shop: Any, buy: Any, monkeypatch: pytest.MonkeyPatch, cascade: dict[str, str], count: int
) -> None:
    """One more for the line, where the order's status changes its lines' too."""
    monkeypatch.setattr(Order, "cascade", cascade)
    monkeypatch.setattr(Line, "pipeline", {"Pending": ("Paid for",)})
    order = buy()
    shop.lock(order.number)
    paid(shop, order)

    with at_most(count):
        shop.set_paid(order.number, amount=Decimal(10), reference="r")

    assert order.lines.get().status == cascade.get("Being processed", "Pending")
    assert order.payment_events.get().line_quantities.get().quantity == 1


@pytest.mark.parametrize(("registered", "count"), [(False, 5), (True, 6)])
def test_the_confirmation_of_one_line_with_all_that_oscar_asks_for(
    buy: Any, mailoutbox: list[Any], registered: bool, count: int
) -> None:
    """The order, its lines, its surcharges, and the type of message twice; and the mail is kept for
    a customer."""
    order = buy(user=UserFactory() if registered else None)
    Order.objects.update(shipping_address=ShippingAddressFactory())
    Site.objects.get_current()  # remembered by every process

    with at_most(count):
        get_shop().send_confirmation(order.number, language="en")

    assert len(mailoutbox) == 1


def test_orders_that_stand_like_this(shop: Any, buy: Any) -> None:
    order = buy()
    with at_most(1):
        found = shop.standing_as(Standing.PENDING, OrderPayment.objects.values("order_number"))

    assert found == [order.number]

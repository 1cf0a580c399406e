"""What must be true of an order, whatever happened on the way."""

from __future__ import annotations

from decimal import Decimal

from tests.e2e.shopper import Shopper
from tests.e2e.shops import Placed, Shop, eventually

PRICE = Decimal("18.00")
"""Of the stoneware mug, which everybody here buys."""


def expect_paid(shop: Shop, shopper: Shopper, *, attempts: int = 1) -> Placed:
    """The shopper's only order is paid, once, at the last of the attempts; nobody need look at it."""
    (number,) = shop.orders_of(shopper.email)
    eventually(lambda: shop.mails(number))
    order = shop.order(number)
    assert order.status == "Being processed"
    assert order.basket == "Submitted"
    assert order.ledger == [("rehive", "Authorise", PRICE), ("rehive", "Debit", PRICE)]
    assert order.attention == []
    assert order.stages == ["closed"] * (attempts - 1) + ["paid"]
    assert order.payable == []
    assert [mail["To"] for mail in order.mails] == [shopper.email]
    return order


def expect_unpaid(shop: Shop, shopper: Shopper) -> Placed:
    """The shopper's only order waits for its payment, and at most one invoice of it can be paid."""
    order = shop.order_of(shopper.email)
    assert order.status == "Pending"
    assert order.basket == "Submitted"
    assert order.ledger == []
    assert order.mails == []
    assert len(order.payable) <= 1
    return order

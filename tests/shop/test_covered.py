"""What other payment sources hold of an order, and which orders stand how."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from oscar.core.loading import get_model

from oscar_rehive.models import OrderPayment
from oscar_rehive.shop import Standing, get_shop

pytestmark = pytest.mark.django_db

Order = get_model("order", "Order")
Source = get_model("payment", "Source")
SourceType = get_model("payment", "SourceType")


@pytest.mark.parametrize(
    ("sources", "covered"),
    [
        ([], "0"),
        ([("cash", "4", "0", "0")], "4"),
        ([("cash", "0", "4", "0")], "4"),
        # Allocated and debited are the same money.
        ([("cash", "4", "4", "0")], "4"),
        ([("cash", "4", "3", "0")], "4"),
        # Each source is asked by itself.
        ([("cash", "4", "0", "0"), ("gift card", "0", "3", "0")], "7"),
        ([("cash", "4", "4", "0"), ("cash", "2", "2", "0")], "6"),
        # Money that was given back covers nothing (it was "paid already" for ever).
        ([("cash", "10", "10", "10")], "0"),
        ([("cash", "10", "10", "2.50")], "7.50"),
        ([("cash", "4", "4", "6"), ("gift card", "3", "3", "0")], "3"),
        # Our own money is not somebody else's.
        ([("rehive", "10", "10", "0"), ("cash", "1.10", "0", "0")], "1.10"),
    ],
)
def test_what_other_sources_hold(
    buy: Any, sources: list[tuple[str, str, str, str]], covered: str
) -> None:
    order = buy()
    for code, allocated, debited, refunded in sources:
        source_type, _ = SourceType.objects.get_or_create(code=code, defaults={"name": code})
        Source.objects.create(
            order=order,
            source_type=source_type,
            currency="USD",
            amount_allocated=Decimal(allocated),
            amount_debited=Decimal(debited),
            amount_refunded=Decimal(refunded),
        )

    found = get_shop().find(order.number)

    assert found is not None
    assert found.covered == Decimal(covered)


def test_money_of_another_currency_covers_nothing(buy: Any) -> None:
    order, other = buy(), buy()
    cash = SourceType.objects.create(code="cash", name="Cash")
    Source.objects.create(order=order, source_type=cash, currency="EUR", amount_debited=10)
    Source.objects.create(order=other, source_type=cash, currency="USD", amount_debited=10)

    found = get_shop().find(order.number)

    assert found is not None
    assert found.covered == 0


@pytest.mark.parametrize(
    ("standing", "statuses"),
    [
        (Standing.PENDING, {"Pending"}),
        (Standing.CANCELLED, {"Cancelled"}),
    ],
)
def test_those_of_many_orders_that_stand_like_this(
    buy: Any, standing: Standing, statuses: set[str]
) -> None:
    orders = {
        status: buy() for status in ("Pending", "Cancelled", "Being processed", "Whatever", "")
    }
    for status, order in orders.items():
        Order.objects.filter(pk=order.pk).update(status=status)
    among = OrderPayment.objects.exclude(order_number=orders[""].number)
    OrderPayment.objects.create(order_number="no such order", window_ends_at=order.date_placed)

    found = get_shop().standing_as(standing, among.values_list("order_number"))

    assert sorted(found) == sorted(orders[status].number for status in statuses)

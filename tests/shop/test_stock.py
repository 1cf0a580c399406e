"""P4: stock is held exactly while an order is payable or paid, and released once."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from oscar.core.loading import get_class, get_model
from oscar.test.factories import create_product

from oscar_rehive.models import Entry
from oscar_rehive.payments.cancelling import NotCancellable, cancel_order
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.shop import get_shop
from tests.steps import opened, settled, window_over

pytestmark = pytest.mark.django_db

EventHandler = get_class("order.processing", "EventHandler")
ShippingEventType = get_model("order", "ShippingEventType")
StockRecord = get_model("partner", "StockRecord")


def cancel(order: Any) -> None:
    cancel_order(order.number, reason="Test.", source=Entry.Source.STAFF)


def stock() -> tuple[int, int]:
    """How many are in stock, and how many of them are promised to orders."""
    record = StockRecord.objects.get()
    return record.num_in_stock, record.num_allocated or 0


def test_a_pending_order_holds_its_stock_and_a_cancelled_one_does_not(buy: Any) -> None:
    order = buy(quantity=3)
    assert stock() == (10, 3)

    cancel(order)

    assert stock() == (10, 0)
    assert order.lines.get().allocation_cancelled


def test_it_is_released_once_however_often_it_is_asked_for(buy: Any) -> None:
    order, another = buy(quantity=3), None
    another = buy(order.lines.get().product, quantity=2)

    cancel(order)
    for _ in range(3):
        with pytest.raises(NotCancellable):
            cancel(order)
        reconcile()
        with transaction.atomic():
            get_shop().release(order.number)

    assert stock() == (10, 2)
    assert another.lines.get().num_allocated == 2


def test_a_paid_order_keeps_it(rehive: Any, buy: Any) -> None:
    order = buy(quantity=3)
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay")
    settled(invoice)
    window_over(order)

    reconcile()

    assert stock() == (10, 3)


def test_a_closed_attempt_keeps_it_until_the_window_ends(rehive: Any, buy: Any) -> None:
    order = buy(quantity=3)
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "expire")
    settled(invoice)
    reconcile()
    assert stock() == (10, 3)

    window_over(order)
    reconcile()

    assert stock() == (10, 0)


def test_trap_a_partly_shipped_line_gives_back_what_is_left(buy: Any) -> None:
    """Oscar's own ``cancel_stock_allocations`` silently does nothing for such a line."""
    order = buy(quantity=3)
    order.lines.get().consume_allocation(1)
    assert stock() == (9, 2)

    cancel(order)

    assert stock() == (9, 0)


def test_a_fully_shipped_line_gives_back_nothing(buy: Any) -> None:
    order = buy(quantity=3)
    order.lines.get().consume_allocation(3)

    cancel(order)

    assert stock() == (7, 0)


def test_trap_a_stock_record_that_was_deleted(buy: Any) -> None:
    """Oscar's own way raises ``AttributeError`` there."""
    order = buy(
        create_product(price=Decimal(1), num_in_stock=5),
        create_product(price=Decimal(2), num_in_stock=5),
    )
    StockRecord.objects.order_by("pk").first().delete()

    cancel(order)

    order.refresh_from_db()
    assert order.status == "Cancelled"
    assert stock() == (5, 0)


def test_a_product_that_was_deleted(buy: Any) -> None:
    order = buy()
    order.lines.get().product.delete()

    cancel(order)

    order.refresh_from_db()
    assert order.status == "Cancelled"


def test_products_whose_stock_is_not_tracked(buy: Any) -> None:
    product = create_product(price=Decimal(1), num_in_stock=5, product_class="Songs")
    product.product_class.track_stock = False
    product.product_class.save()
    order = buy(product, quantity=2)
    assert stock() == (5, 0)

    cancel(order)

    assert stock() == (5, 0)


def test_a_shop_that_releases_stock_by_itself_is_not_released_twice(
    buy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = buy(quantity=3)
    buy(order.lines.get().product, quantity=2)
    change = EventHandler.handle_order_status_change

    def change_and_release(self: Any, order: Any, new_status: str, **kwargs: Any) -> None:
        change(self, order, new_status, **kwargs)
        self.cancel_stock_allocations(order)

    monkeypatch.setattr(EventHandler, "handle_order_status_change", change_and_release)

    cancel(order)

    assert stock() == (10, 2)


def test_staff_cancel_the_order_and_the_next_reconcile_releases(
    buy: Any, django_capture_on_commit_callbacks: Any
) -> None:
    order = buy(quantity=3)
    with django_capture_on_commit_callbacks(execute=True):
        EventHandler().handle_order_status_change(order, "Cancelled")

    reconcile()
    reconcile()

    assert stock() == (10, 0)

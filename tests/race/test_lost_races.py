"""A transaction of ours that the database ends for another one's sake is done once more, at once."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection, transaction
from oscar.core.loading import get_class, get_model

from oscar_rehive.models import Attention
from oscar_rehive.payments.cancelling import cancel_order
from oscar_rehive.shop.oscar import OscarShop
from tests.race.test_lost_updates import bought_in_another_order
from tests.race.threads import SECONDS, InAThread, wait_until_somebody_waits
from tests.steps import opened, settled, stands_as

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("isolation"),
]

Order = get_model("order", "Order")
StockRecord = get_model("partner", "StockRecord")


def test_a_deadlock_with_staff_who_took_stock_and_order_the_other_way_round(
    rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = place_order()
    has_stock, has_order = threading.Event(), threading.Event()
    tries = []
    real = OscarShop.release

    def release(shop: Any, number: str) -> Any:
        tries.append(number)
        if len(tries) == 1:
            has_order.set()
            wait_until_somebody_waits()
        return real(shop, number)

    def edit() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            # PostgreSQL ends whoever looks first: not staff.
            cursor.execute("SET LOCAL deadlock_timeout = '10min'")
            StockRecord.objects.update(low_stock_threshold=3)
            has_stock.set()
            assert has_order.wait(SECONDS)
            Order.objects.update(guest_email="other@example.com")

    monkeypatch.setattr(OscarShop, "release", release)
    staff = InAThread(edit)
    assert has_stock.wait(SECONDS)
    cancel_order(order.number, reason="why", source="checkout")
    staff.join()

    assert len(tries) >= 2
    assert stands_as(order) == "Cancelled"
    assert order.guest_email == "other@example.com"
    record = StockRecord.objects.get()
    assert (record.num_allocated, record.low_stock_threshold) == (0, 3)
    assert order.status_changes.count() == 1


def test_a_deadlock_of_two_payments_whose_shop_moves_stock_as_it_sets_the_status(
    rehive: Any, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The products of the second order stand in it the other way round."""
    orders = [Order.objects.get(number=number) for number in bought_in_another_order()]
    invoices = [opened(order) for order in orders]
    for invoice in invoices:
        rehive.outcome(invoice.remote_id, "pay")
    handler = get_class("order.processing", "EventHandler")
    real = handler.handle_order_status_change
    each_has_one = threading.Barrier(2, timeout=SECONDS)
    tries: list[str] = []

    def moves_stock(self: Any, order: Any, status: str, **kwargs: Any) -> None:
        real(self, order, status, **kwargs)
        is_first_try = order.number not in tries
        tries.append(order.number)
        for nth, line in enumerate(order.lines.order_by("pk")):
            line.consume_allocation(line.quantity)
            if is_first_try and nth == 0:
                each_has_one.wait()

    monkeypatch.setattr(handler, "handle_order_status_change", moves_stock)
    at_once = [InAThread(lambda invoice=invoice: settled(invoice)) for invoice in invoices]
    for settling in at_once:
        settling.join()

    assert len(tries) >= 3
    assert not Attention.objects.exists()
    for order in orders:
        assert stands_as(order) == "Being processed"
        assert order.sources.get().amount_debited == order.total_incl_tax
        assert order.status_changes.count() == 1
    for record in StockRecord.objects.all():
        assert (record.num_in_stock, record.num_allocated) == (7, 0)

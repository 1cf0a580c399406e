"""Orders that give up and take back while others do the same: one winner, and no deadlock."""

from __future__ import annotations

import threading
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from oscar.core.loading import get_class, get_model
from oscar.test.factories import create_product

from tests.race.test_lost_updates import InAThread
from tests.shop import discounts
from tests.shop.steps import give_up, take_back

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

OrderCreator = get_class("order.utils", "OrderCreator")
StockRecord = get_model("partner", "StockRecord")
Voucher = get_model("voucher", "Voucher")


@pytest.fixture
def meet() -> Any:
    """Lets two threads go on once both are there; one that waits for the other's lock is waited for
    no longer than a second."""
    both = threading.Barrier(2, timeout=1)

    def meet() -> None:
        with suppress(threading.BrokenBarrierError):
            both.wait()

    return meet


def test_two_orders_want_the_last_piece_back(
    buy: Any, meet: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    mug = create_product(title="Mug", price=Decimal(10), num_in_stock=1)
    orders = [buy(mug), buy(mug)]
    released = [give_up(order) for order in orders]
    real = StockRecord.allocate

    def together(self: Any, quantity: int) -> None:
        meet()
        real(self, quantity)

    monkeypatch.setattr(StockRecord, "allocate", together)
    refused: list[str] = []
    at_once = [
        InAThread(lambda order=order, note=note: refused.extend(take_back(order, note)))
        for order, note in zip(orders, released, strict=True)
    ]
    for thread in at_once:
        thread.join()

    assert refused == ["Mug: 0 of 1 are held again; no more are in stock."]
    assert StockRecord.objects.get().num_allocated == 1


def test_two_orders_want_a_voucher_back_that_can_be_used_once(
    buy: Any, meet: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    voucher = discounts.voucher(usage="Single use")
    orders, released = [], []
    for _ in range(2):
        orders.append(buy(voucher=voucher))
        released.append(give_up(orders[-1]))
    real = Voucher.is_available_to_user

    def together(self: Any, user: Any) -> Any:
        answer = real(self, user)
        meet()
        return answer

    monkeypatch.setattr(Voucher, "is_available_to_user", together)
    refused: list[str] = []
    at_once = [
        InAThread(lambda order=order, note=note: refused.extend(take_back(order, note)))
        for order, note in zip(orders, released, strict=True)
    ]
    for thread in at_once:
        thread.join()

    assert len(refused) == 1
    assert voucher.applications.count() == 1


def test_a_placing_and_a_cancellation_do_not_wait_for_each_other(
    buy: Any, meet: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Oscar's placing takes the vouchers first and the stock last.

    The release begins once the placing has its voucher: Oscar counts a use in memory and saves the
    whole row, so a release in between is not in ``num_orders`` (docs/traps.md).
    """
    mug = create_product(title="Mug", price=Decimal(10), num_in_stock=9)
    voucher = discounts.voucher(usage="Multi-use")
    order = buy(mug, voucher=voucher)
    real_placing, real_release = OrderCreator.update_stock_records, StockRecord.cancel_allocation

    has_its_voucher = threading.Event()

    def placing(self: Any, line: Any) -> None:
        has_its_voucher.set()
        meet()
        real_placing(self, line)

    def release(self: Any, quantity: int) -> None:
        real_release(self, quantity)
        meet()

    monkeypatch.setattr(OrderCreator, "update_stock_records", placing)
    monkeypatch.setattr(StockRecord, "cancel_allocation", release)
    buyer = InAThread(lambda: buy(mug, voucher=voucher))
    assert has_its_voucher.wait(30)
    at_once = [buyer, InAThread(lambda: give_up(order))]
    for thread in at_once:
        thread.join()

    assert StockRecord.objects.get().num_allocated == 1
    voucher.refresh_from_db()
    assert (voucher.num_orders, voucher.applications.count()) == (1, 1)

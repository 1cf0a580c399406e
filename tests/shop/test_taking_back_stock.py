"""A cancelled order that is taken back holds exactly the pieces that it gave up, and a person hears of what
somebody else has bought meanwhile (P4)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from oscar.apps.order.signals import order_status_changed
from oscar.core.loading import get_model
from oscar.test.factories import create_product

from oscar_rehive.shop import get_shop
from tests.shop import discounts
from tests.shop.steps import give_up, product, take_back

pytestmark = pytest.mark.django_db

StockRecord = get_model("partner", "StockRecord")
Voucher = get_model("voucher", "Voucher")


def held(order: Any) -> list[tuple[int, int]]:
    """Of each line: how many pieces it holds, and its stock record altogether."""
    lines = order.lines.order_by("pk").select_related("stockrecord")
    return [(line.num_allocated, line.stockrecord.num_allocated) for line in lines]


def test_again_and_again(buy: Any) -> None:
    mug = product()
    order, another = buy(mug, quantity=3), buy(mug, quantity=2)

    for _ in range(3):
        released = give_up(order)
        assert held(order) == [(0, 2)]
        assert give_up(order)["stock"] == []

        assert take_back(order, released) == []
        assert held(order) == [(3, 5)]
        assert not order.lines.get().allocation_cancelled
    assert held(another) == [(2, 5)]


def test_what_was_shipped_is_not_held_again(buy: Any) -> None:
    order = buy(product(), quantity=5)
    order.lines.get().consume_allocation(2)

    released = give_up(order)

    assert released["stock"] == [{"line": order.lines.get().pk, "title": "Mug", "pieces": 3}]
    assert take_back(order, released) == []
    assert held(order) == [(3, 3)]


def test_nobody_hears_of_a_line_that_was_wholly_shipped(buy: Any) -> None:
    order = buy(product("Mug"), product("Pot"), quantity=2)
    order.lines.get(title="Pot").consume_allocation(2)

    assert take_back(order, give_up(order)) == []
    assert held(order) == [(2, 2), (0, 0)]


@pytest.mark.parametrize("receiver_knows", [True, False])
def test_what_a_receiver_of_the_cancellation_shipped_is_not_released(
    buy: Any, receiver_knows: bool
) -> None:
    """The lines that were locked are old news by then."""
    order = buy(product(), quantity=5)

    def ship(order: Any, **kwargs: Any) -> None:
        line = order.lines.all()[0] if receiver_knows else type(order).objects.get().lines.get()
        line.consume_allocation(2)

    order_status_changed.connect(ship)
    with transaction.atomic():
        shop = get_shop()
        shop.lock(order.number)
        shop.set_cancelled(order.number, reason="Test.")
        released = shop.release(order.number)
    order_status_changed.disconnect(ship)

    assert [note["pieces"] for note in released["stock"]] == [3]
    assert held(order) == [(0, 0)]


def test_somebody_else_bought_the_last_pieces(buy: Any) -> None:
    mug = product(in_stock=4)
    order = buy(mug, product("Pot"), quantity=3)
    released = give_up(order)
    buy(mug, quantity=2)

    assert take_back(order, released) == ["Mug: 2 of 3 are held again; no more are in stock."]
    assert held(order) == [(2, 4), (3, 3)]

    # From now on it is these two.
    assert take_back(order, give_up(order)) == []
    assert held(order) == [(2, 4), (3, 3)]


def test_nothing_is_left(buy: Any) -> None:
    mug = product(in_stock=3)
    order = buy(mug, quantity=3)
    released = give_up(order)
    StockRecord.objects.update(num_in_stock=0, num_allocated=1)  # oversold

    assert take_back(order, released) == ["Mug: 0 of 3 are held again; no more are in stock."]
    assert held(order) == [(0, 1)]
    assert order.lines.get().allocation_cancelled


def test_two_lines_of_one_product_share_what_is_left(buy: Any) -> None:
    mug = product(in_stock=2)
    order = buy(mug, product("Pot"), quantity=2)
    order.lines.filter(title="Pot").update(stockrecord=mug.stockrecords.get())
    StockRecord.objects.filter(product=mug).update(num_allocated=4)
    released = give_up(order)
    assert held(order) == [(0, 0), (0, 0)]

    assert take_back(order, released) == ["Pot: 0 of 2 are held again; no more are in stock."]
    assert held(order) == [(2, 2), (0, 2)]


def test_lines_and_stock_records_that_were_deleted(buy: Any) -> None:
    order = buy(product("Mug"), product("Pot"), product("Pan"))
    released = give_up(order)
    order.lines.get(title="Mug").delete()
    StockRecord.objects.get(product__title="Pot").delete()

    assert take_back(order, released) == [
        "Mug (1): its line was deleted, so nothing of it is held again.",
        "Pot (1): its stock record was deleted, so nothing is held again.",
    ]
    assert order.lines.get(title="Pan").num_allocated == 1


def test_stock_that_is_not_tracked_is_neither_released_nor_held(buy: Any) -> None:
    song = create_product(price=Decimal(1), num_in_stock=5, product_class="Songs")
    song.product_class.track_stock = False
    song.product_class.save()
    order = buy(song, quantity=2)

    released = give_up(order)

    assert released["stock"] == []
    assert order.lines.get().num_allocated == 2
    assert take_back(order, released) == []


def test_stock_that_is_no_longer_tracked(buy: Any) -> None:
    mug = product()
    order = buy(mug, quantity=2)
    released = give_up(order)
    mug.product_class.track_stock = False
    mug.product_class.save()

    assert take_back(order, released) == []
    assert held(order) == [(0, 0)]


def test_what_the_shop_itself_gave_back_is_not_ours_to_take_and_a_person_hears_of_it(
    buy: Any,
) -> None:
    order = buy(product(), quantity=2)
    order.lines.get().cancel_allocation(2)

    assert take_back(order, give_up(order)) == [
        "Mug: somebody else gave its stock back, so it is not held again."
    ]
    assert held(order) == [(0, 0)]


def test_what_the_shop_itself_took_again_is_not_taken_twice(buy: Any) -> None:
    order = buy(product(), quantity=2)
    released = give_up(order)
    take_back(order, released)

    assert take_back(order, released) == []
    assert held(order) == [(2, 2)]


def test_nobody_noted_what_it_was(buy: Any) -> None:
    """It was cancelled by a version that noted nothing."""
    order = buy(product(), voucher=discounts.voucher(usage="Multi-use"))
    give_up(order)

    (sentence,) = take_back(order, None)

    assert "is not known" in sentence
    assert held(order) == [(0, 0)]
    assert Voucher.objects.get().num_orders == 0

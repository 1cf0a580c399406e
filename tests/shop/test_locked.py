"""One object of the shop remembers the order that it has locked, and is never wrong about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.db.models.signals import post_save
from oscar.apps.order.signals import order_status_changed
from oscar.core.loading import get_model

from oscar_rehive.shop import StatusRefused, get_shop

pytestmark = pytest.mark.django_db

Order = get_model("order", "Order")


@pytest.fixture
def listen() -> Iterator[Callable[..., None]]:
    """Connects a receiver of the shop for as long as the test."""
    connected: list[Any] = []

    def listen(signal: Any, receiver: Any, sender: Any = None) -> None:
        signal.connect(receiver, sender=sender)
        connected.append((signal, receiver, sender))

    yield listen
    for signal, receiver, sender in connected:
        signal.disconnect(receiver, sender=sender)


def pay(shop: Any, order: Any) -> None:
    shop.record_payment(
        order.number, amount=Decimal(10), currency="USD", invoice_id="i", reference="r"
    )


def test_bug23_what_a_receiver_notes_on_the_order_when_money_is_written_stays(
    buy: Any, listen: Any
) -> None:
    """The change of status saves the whole row."""
    order = buy()

    def note(**kwargs: Any) -> None:
        Order.objects.update(guest_email="noted@example.com")

    for name in ("Source", "Transaction"):
        listen(post_save, note, get_model("payment", name))
        with transaction.atomic():
            shop = get_shop()
            shop.lock(order.number)
            pay(shop, order)
            shop.set_paid(order.number, amount=Decimal(10), reference="r")

        order.refresh_from_db()
        assert (order.status, order.guest_email) == ("Being processed", "noted@example.com")
        Order.objects.update(status="Pending", guest_email="")


def test_bug23_and_when_a_refund_is_written(buy: Any, listen: Any) -> None:
    order = buy()

    def note(**kwargs: Any) -> None:
        Order.objects.update(guest_email="noted@example.com")

    with transaction.atomic():
        shop = get_shop()
        shop.lock(order.number)
        pay(shop, order)
        listen(post_save, note, get_model("order", "PaymentEvent"))
        shop.record_refund(order.number, amount=Decimal(10), invoice_id="i", reference="r")
        shop.set_cancelled(order.number, reason="Test.")

    order.refresh_from_db()
    assert (order.status, order.guest_email) == ("Cancelled", "noted@example.com")


def test_bug23_what_a_receiver_notes_when_the_status_changes_stays(buy: Any, listen: Any) -> None:
    order = buy()

    def note(**kwargs: Any) -> None:
        Order.objects.update(guest_email="noted@example.com")

    listen(order_status_changed, note)
    with transaction.atomic():
        shop = get_shop()
        shop.lock(order.number)
        shop.set_paid(order.number, amount=Decimal(10), reference="r")
        order_status_changed.disconnect(note)
        shop.set_cancelled(order.number, reason="Test.")

    order.refresh_from_db()
    assert (order.status, order.guest_email) == ("Cancelled", "noted@example.com")


def test_a_refused_status_does_not_count_as_set(buy: Any, listen: Any) -> None:
    """Oscar's object has the status by then; the database has not."""
    order, refuses = buy(), [False, True]

    def refuse(**kwargs: Any) -> None:
        if refuses.pop():
            raise ZeroDivisionError

    listen(order_status_changed, refuse)
    with transaction.atomic():
        shop = get_shop()
        shop.lock(order.number)
        with pytest.raises(StatusRefused):
            shop.set_paid(order.number, amount=Decimal(10), reference="r")
        shop.set_paid(order.number, amount=Decimal(10), reference="r")

    order.refresh_from_db()
    assert order.status == "Being processed"
    assert order.lines.get().status == "Being processed"


def test_another_order_than_the_one_that_is_locked(buy: Any) -> None:
    order, other = buy(), buy()
    with transaction.atomic():
        shop = get_shop()
        shop.lock(order.number)
        pay(shop, other)

    assert not order.sources.exists()
    assert other.sources.count() == 1


def test_a_number_that_is_an_int_right_after_placing(
    buy: Any, django_assert_num_queries: Any
) -> None:
    order = buy()
    with transaction.atomic():
        shop = get_shop()
        shop.lock(int(order.number))  # type: ignore[arg-type]  # on purpose
        pay(shop, order)
        with django_assert_num_queries(5):
            pay(shop, order)


@pytest.mark.parametrize("locked", [True, False])
def test_the_shop_s_own_code_sees_the_lines_with_their_order(
    buy: Any, listen: Any, locked: bool
) -> None:
    order, seen = buy(), []

    def look(order: Any, **kwargs: Any) -> None:
        seen.extend([line.order == order, line.status] for line in order.lines.all())
        # PostgreSQL locks no join: what is made of the lines must not want to lock as they did.
        assert list(order.lines.select_related("stockrecord", "product").order_by("-pk"))
        assert order.lines.filter(status="Being processed").count() == 1

    listen(order_status_changed, look)
    with transaction.atomic():
        shop = get_shop()
        if locked:
            shop.lock(order.number)
        shop.set_paid(order.number, amount=Decimal(10), reference="r")

    assert seen == [[True, "Being processed"]]
    assert order.lines.get().status == "Being processed"

"""What a shopper is shown right after placing or cancelling is read where it is written too: the pay page was
404 right after placing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.core.signing import Signer
from oscar.core.loading import get_class, get_model
from oscar.test.factories import ShippingAddressFactory, UserFactory, create_basket

from oscar_rehive.shop import get_shop, shopper
from tests.shop import discounts
from tests.shop.replica import Replica
from tests.shop.steps import give_up, product

pytestmark = pytest.mark.django_db

Basket = get_model("basket", "Basket")
Option = get_model("catalogue", "Option")
Order = get_model("order", "Order")


def test_the_pages_of_an_order_that_was_placed_a_moment_ago(replica: Replica, buy: Any) -> None:
    user = UserFactory()
    replica.copy()
    order = buy(user=user)
    Basket.objects.update(status=Basket.FROZEN)
    guests = create_basket(empty=True)
    guests.freeze()
    replica.read()

    assert shopper.order_of_basket(order.basket_id) == (order.pk, order.number)
    assert shopper.number_of_order(order.pk) == order.number
    assert order.number in shopper.order_path(order.number, user.pk)
    assert shopper.is_being_ordered(order.basket_id)
    assert shopper.basket_just_ordered(user_id=user.pk, cookie="") == order.basket_id
    cookie = Signer().sign(str(guests.pk))
    assert shopper.basket_just_ordered(user_id=None, cookie=cookie) == guests.pk


@pytest.mark.parametrize("registered", [True, False])
def test_the_confirmation_of_an_order_that_was_placed_a_moment_ago(
    replica: Replica, buy: Any, mailoutbox: list[Any], registered: bool
) -> None:
    replica.copy()
    order = buy(user=UserFactory(email="new@example.com") if registered else None)
    Order.objects.update(shipping_address=ShippingAddressFactory(line1="Elm Street 1"))
    order.surcharges.create(name="Wrapping", code="wrap", incl_tax=Decimal(3), excl_tax=Decimal(3))
    replica.read()

    get_shop().send_confirmation(order.number, language="en")

    (mail,) = mailoutbox
    assert mail.to == ["new@example.com" if registered else "guest@example.com"]
    assert "Elm Street 1" in mail.body
    assert order.lines.using("default").get().title in mail.body
    assert "7.00" in mail.body  # the basket: the total less the wrapping


def test_a_basket_that_is_filled_again_right_after_the_cancellation(
    replica: Replica, buy: Any
) -> None:
    """On the replica the last lamp is still sold, and the voucher used."""
    lamp, user = product("Last lamp", 1), UserFactory()
    voucher = discounts.voucher(usage="Single use")
    order = buy(lamp, user=user, voucher=voucher)
    replica.copy()
    give_up(order)
    basket = new_basket(user)
    replica.read()

    refilled = shopper.refill_basket(order.number, basket)

    replica.at_home()
    assert refilled.put_back == ["Last lamp"]
    assert list(basket.vouchers.all()) == [voucher]


@pytest.mark.parametrize(("usage", "used"), [("Single use", True), ("Once per customer", False)])
def test_and_right_after_the_placing(replica: Replica, buy: Any, usage: str, used: bool) -> None:
    """On the replica there is no such order, nor customer, and its voucher is free."""
    lamp, option = product("Lamp", 9), Option.objects.create(name="Colour")
    voucher = discounts.voucher(usage=usage)
    replica.copy()
    user = UserFactory()
    order = buy(lamp, user=user, voucher=voucher if used else None)
    order.basket.vouchers.add(voucher)
    order.lines.get().attributes.create(option=option, type="colour", value="red")
    basket = new_basket(user)
    replica.read()

    refilled = shopper.refill_basket(order.number, basket)

    replica.at_home()
    assert refilled.put_back == ["Lamp"]
    assert basket.lines.get().attributes.get().value == "red"
    assert list(basket.vouchers.all()) == ([] if used else [voucher])


def new_basket(owner: Any) -> Any:
    basket = create_basket(empty=True)
    basket.owner = owner
    basket.save()
    basket.strategy = get_class("partner.strategy", "Selector")().strategy()
    return basket

"""A cancelled order gives back its use of vouchers and offers: they can be used again."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from oscar.core.loading import get_model
from oscar.test.factories import UserFactory, create_basket

from oscar_rehive.models import Entry
from oscar_rehive.payments.cancelling import cancel_order
from oscar_rehive.shop import get_shop
from oscar_rehive.shop.shopper import refill_basket
from tests.shop import discounts

pytestmark = pytest.mark.django_db

ConditionalOffer = get_model("offer", "ConditionalOffer")


def cancel(order: Any) -> None:
    cancel_order(order.number, reason="Test.", source=Entry.Source.STAFF)


@pytest.mark.parametrize("usage", ["Single use", "Multi-use", "Once per customer"])
def test_a_voucher_can_be_used_again(buy: Any, usage: str) -> None:
    user = UserFactory()
    voucher = discounts.voucher(usage=usage)
    order = buy(voucher=voucher, user=user)
    voucher.refresh_from_db()
    assert order.total_incl_tax == Decimal(5)
    assert (voucher.num_orders, voucher.total_discount) == (1, 5)
    assert voucher.is_available_to_user(user)[0] is (usage == "Multi-use")

    cancel(order)

    voucher.refresh_from_db()
    assert (voucher.num_orders, voucher.total_discount) == (0, 0)
    assert voucher.is_available_to_user(user)[0] is True
    assert buy(voucher=voucher, user=user).total_incl_tax == Decimal(5)


def test_the_voucher_of_another_order_is_left_alone(buy: Any) -> None:
    voucher = discounts.voucher(usage="Multi-use")
    first, _ = buy(voucher=voucher), buy(voucher=voucher)

    cancel(first)

    voucher.refresh_from_db()
    assert (voucher.num_orders, voucher.total_discount) == (1, 5)
    assert voucher.applications.count() == 1


def test_a_deleted_voucher_is_no_obstacle(buy: Any) -> None:
    voucher = discounts.voucher(usage="Single use")
    order = buy(voucher=voucher)
    voucher.delete()

    cancel(order)

    order.refresh_from_db()
    assert order.status == "Cancelled"


def test_a_deleted_offer_is_no_obstacle(buy: Any) -> None:
    offer = discounts.offer()
    order = buy()
    offer.delete()

    cancel(order)

    order.refresh_from_db()
    assert order.status == "Cancelled"


@pytest.mark.parametrize(
    "limit",
    [
        pytest.param({"max_global_applications": 1}, id="once for all"),
        pytest.param({"max_discount": Decimal(5)}, id="until five were given"),
        pytest.param({"max_user_applications": 1}, id="once for each customer"),
    ],
)
def test_a_limited_offer_applies_again(buy: Any, limit: dict[str, Any]) -> None:
    user = UserFactory()
    discounts.offer(**limit)
    order = buy(user=user)
    assert order.total_incl_tax == Decimal(5)
    assert buy(user=user).total_incl_tax == Decimal(10)

    cancel(order)

    offer = ConditionalOffer.objects.get()
    assert (offer.num_orders, offer.num_applications, offer.total_discount) == (0, 0, 0)
    assert buy(user=user).total_incl_tax == Decimal(5)


def test_a_suspended_offer_stays_suspended(buy: Any) -> None:
    offer = discounts.offer(max_global_applications=1)
    order = buy()
    offer.refresh_from_db()
    offer.suspend()

    cancel(order)

    offer.refresh_from_db()
    assert offer.is_suspended


def test_given_back_twice_counts_once(buy: Any) -> None:
    discounts.offer()
    first, _ = buy(), buy()

    cancel(first)
    with transaction.atomic():
        get_shop().release(first.number)

    offer = ConditionalOffer.objects.get()
    assert (offer.num_orders, offer.total_discount) == (1, 5)


def test_what_the_order_s_page_shows_of_its_discounts_stays(buy: Any) -> None:
    voucher = discounts.voucher(usage="Single use")
    order = buy(voucher=voucher)

    cancel(order)

    discount = order.discounts.get()
    assert (discount.amount, discount.voucher_code) == (Decimal(5), "FIVE")


def test_totals_that_staff_have_set_back_do_not_become_negative(buy: Any) -> None:
    voucher = discounts.voucher(usage="Multi-use")
    order = buy(voucher=voucher)
    for model in (discounts.Voucher, ConditionalOffer):
        model.objects.update(total_discount=0)

    cancel(order)

    voucher.refresh_from_db()
    assert (voucher.total_discount, ConditionalOffer.objects.get().total_discount) == (0, 0)


def test_a_customer_s_voucher_is_not_put_into_a_guest_s_basket(buy: Any) -> None:
    """Oscar's own question whether it may be used fails for nobody at all."""
    order = buy(user=UserFactory())
    order.basket.vouchers.add(discounts.voucher(usage="Once per customer"))
    basket = create_basket(empty=True)
    basket.save()

    assert refill_basket(order.number, basket).left_out == []

    assert not basket.vouchers.exists()

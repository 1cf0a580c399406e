"""A cancelled order that is taken back uses the vouchers and offers again that it gave up, and a person hears
of those that somebody else has used up meanwhile."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from oscar.core.loading import get_model
from oscar.test.factories import UserFactory

from tests.shop import discounts
from tests.shop.steps import give_up, take_back

pytestmark = pytest.mark.django_db

ConditionalOffer = get_model("offer", "ConditionalOffer")
Voucher = get_model("voucher", "Voucher")


class TestVouchers:
    @pytest.mark.parametrize("usage", ["Single use", "Multi-use", "Once per customer"])
    def test_again_and_again(self, buy: Any, usage: str) -> None:
        user, voucher = UserFactory(), discounts.voucher(usage=usage)
        order = buy(voucher=voucher, user=user)

        for _ in range(3):
            released = give_up(order)
            voucher.refresh_from_db()
            assert (voucher.num_orders, voucher.total_discount) == (0, 0)
            assert give_up(order)["vouchers"] == []

            assert take_back(order, released) == []
            voucher.refresh_from_db()
            assert (voucher.num_orders, voucher.total_discount) == (1, 5)
            assert voucher.applications.get(order=order).user == user
            assert voucher.is_available_to_user(user)[0] is (usage == "Multi-use")

    def test_of_a_guest(self, buy: Any) -> None:
        voucher = discounts.voucher(usage="Single use")
        order = buy(voucher=voucher)

        assert take_back(order, give_up(order)) == []

        assert voucher.applications.get(order=order).user is None

    @pytest.mark.parametrize("usage", ["Single use", "Once per customer"])
    def test_used_by_another_order_meanwhile(self, buy: Any, usage: str) -> None:
        user, voucher = UserFactory(), discounts.voucher(usage=usage)
        order = buy(voucher=voucher, user=user)
        released = give_up(order)
        other = buy(voucher=voucher, user=user)

        assert take_back(order, released) == [
            "Voucher FIVE was used by another order meanwhile; this order keeps its discount."
        ]
        voucher.refresh_from_db()
        assert (voucher.num_orders, voucher.total_discount) == (1, 5)
        assert voucher.applications.get().order == other

        # And so it has nothing to give back.
        assert give_up(order)["vouchers"] == []
        voucher.refresh_from_db()
        assert (voucher.num_orders, voucher.total_discount) == (1, 5)

    def test_expired_meanwhile_is_no_matter(self, buy: Any) -> None:
        voucher = discounts.voucher(usage="Single use")
        order = buy(voucher=voucher)
        released = give_up(order)
        Voucher.objects.update(end_datetime=voucher.start_datetime)

        assert take_back(order, released) == []
        assert voucher.applications.count() == 1

    def test_deleted_meanwhile_limits_nobody(self, buy: Any) -> None:
        voucher = discounts.voucher(usage="Single use")
        order = buy(voucher=voucher)
        released = give_up(order)
        voucher.delete()

        assert take_back(order, released) == []

    @pytest.mark.parametrize(("usage", "uses"), [("Single use", 1), ("Once per customer", 0)])
    def test_of_a_customer_who_was_deleted(self, buy: Any, usage: str, uses: int) -> None:
        user, voucher = UserFactory(), discounts.voucher(usage=usage)
        order = buy(voucher=voucher, user=user)
        released = give_up(order)
        user.delete()

        assert take_back(order, released) == []
        assert voucher.applications.count() == uses

    def test_taken_once_however_often_it_is_asked_for(self, buy: Any) -> None:
        voucher = discounts.voucher(usage="Multi-use")
        order = buy(voucher=voucher)
        released = give_up(order)

        for _ in range(2):
            assert take_back(order, released) == []

        voucher.refresh_from_db()
        assert (voucher.num_orders, voucher.total_discount) == (1, 5)

    def test_counters_that_staff_set_back_come_back_as_they_were(self, buy: Any) -> None:
        voucher = discounts.voucher(usage="Multi-use")
        order = buy(voucher=voucher)
        Voucher.objects.update(total_discount=2, num_orders=0)
        ConditionalOffer.objects.update(total_discount=2, num_orders=0, num_applications=0)

        released = give_up(order)

        voucher.refresh_from_db()
        offer = ConditionalOffer.objects.get()
        assert (voucher.num_orders, voucher.total_discount) == (0, 0)
        assert (offer.num_orders, offer.num_applications, offer.total_discount) == (0, 0, 0)

        assert take_back(order, released) == []

        voucher.refresh_from_db()
        offer.refresh_from_db()
        assert (voucher.num_orders, voucher.total_discount) == (0, 2)
        assert (offer.num_orders, offer.num_applications, offer.total_discount) == (0, 0, 2)


class TestOffers:
    @pytest.mark.parametrize(
        "limit",
        [
            pytest.param({"max_global_applications": 1}, id="once for all"),
            pytest.param({"max_discount": Decimal(5)}, id="until five were given"),
            pytest.param({"max_user_applications": 1}, id="once for each customer"),
        ],
    )
    def test_used_up_by_another_order_meanwhile(self, buy: Any, limit: dict[str, Any]) -> None:
        user = UserFactory()
        discounts.offer(**limit)
        order = buy(user=user)
        released = give_up(order)
        buy(user=user)

        assert take_back(order, released) == [
            "Offer “Five off Site” was used up by other orders meanwhile; this order keeps its"
            " discount."
        ]
        offer = ConditionalOffer.objects.get()
        assert (offer.num_orders, offer.num_applications, offer.total_discount) == (1, 1, 5)

        # And so it has nothing to give back.
        assert give_up(order)["offers"] == []

    @pytest.mark.parametrize(
        ("limit", "status"),
        [
            ({}, "Open"),
            ({"max_global_applications": 1}, "Consumed"),
            ({"max_global_applications": 2}, "Open"),
            ({"max_discount": Decimal(5)}, "Consumed"),
            ({"max_user_applications": 1}, "Open"),
        ],
    )
    def test_again_and_again(self, buy: Any, limit: dict[str, Any], status: str) -> None:
        user = UserFactory()
        offer = discounts.offer(**limit)
        order = buy(user=user)

        for _ in range(3):
            released = give_up(order)
            offer.refresh_from_db()
            assert (offer.num_orders, offer.num_applications, offer.total_discount) == (0, 0, 0)
            assert (offer.status, order.discounts.get().frequency) == ("Open", 0)
            assert give_up(order)["offers"] == []

            assert take_back(order, released) == []
            offer.refresh_from_db()
            assert (offer.num_orders, offer.num_applications, offer.total_discount) == (1, 1, 5)
            assert (offer.status, order.discounts.get().frequency) == (status, 1)

    def test_another_customer_s_use_is_no_matter(self, buy: Any) -> None:
        discounts.offer(max_user_applications=1)
        order = buy(user=UserFactory())
        released = give_up(order)
        buy(user=UserFactory())

        assert take_back(order, released) == []

    def test_what_one_basket_may_have_is_no_matter(self, buy: Any) -> None:
        offer = discounts.offer()
        order = buy()
        order.discounts.update(frequency=3)
        ConditionalOffer.objects.update(num_applications=3, max_global_applications=3)
        released = give_up(order)

        assert take_back(order, released) == []
        offer.refresh_from_db()
        assert (offer.num_applications, offer.max_basket_applications) == (3, 1)

    def test_suspended_meanwhile_is_counted_and_stays_suspended(self, buy: Any) -> None:
        offer = discounts.offer(max_global_applications=1)
        order = buy()
        released = give_up(order)
        offer.refresh_from_db()
        offer.suspend()

        assert take_back(order, released) == []
        offer.refresh_from_db()
        assert (offer.status, offer.num_applications) == ("Suspended", 1)

    def test_deleted_meanwhile_limits_nobody(self, buy: Any) -> None:
        offer = discounts.offer()
        order = buy()
        released = give_up(order)
        offer.delete()

        assert take_back(order, released) == []

    def test_taken_once_however_often_it_is_asked_for(self, buy: Any) -> None:
        offer = discounts.offer()
        order = buy()
        released = give_up(order)

        for _ in range(2):
            assert take_back(order, released) == []

        offer.refresh_from_db()
        assert (offer.num_orders, offer.num_applications, offer.total_discount) == (1, 1, 5)

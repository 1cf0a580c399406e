"""The shopper cancels the unpaid order and has the basket back, to change it or to pay otherwise."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.utils import timezone
from oscar.core.loading import get_model
from oscar.test.factories import UserFactory, create_product

from oscar_rehive.models import Entry, OrderPayment
from tests.checkout.conftest import Shopper
from tests.checkout.pages import buttons_of, stage_of
from tests.shop.discounts import voucher as new_voucher
from tests.steps import payable_at, payment_page

pytestmark = pytest.mark.django_db

Basket = get_model("basket", "Basket")
Order = get_model("order", "Order")
StockRecord = get_model("partner", "StockRecord")


@pytest.fixture
def order(rehive: Any, shopper: Shopper) -> Any:
    """The shopper's order, with its invoice open."""
    shopper.go_to_payment()
    shopper.choose("rehive")
    shopper.client.get(shopper.place().headers["Location"])
    return Order.objects.get()


def contents(answer: Any) -> list[tuple[str, int]]:
    """What is in the basket that the answered request had."""
    basket = answer.wsgi_request.basket
    return [(line.product.title, line.quantity) for line in basket.all_lines()]


def said(answer: Any) -> str:
    return " ".join(str(message) for message in get_messages(answer.wsgi_request))


class TestTheBasketComesBack:
    @pytest.mark.parametrize(("then", "page"), [("pay", "/checkout/"), ("basket", "/basket/")])
    def test_to_pay_in_another_way_or_to_change_it(
        self, rehive: Any, order: Any, shopper: Shopper, product: Any, then: str, page: str
    ) -> None:
        answer = shopper.client.post(payment_page("cancel", order), {"then": then})

        order.refresh_from_db()
        assert answer.headers["Location"] == page
        assert order.status == "Cancelled"
        assert payable_at(rehive, order) == []
        assert contents(shopper.client.get("/basket/")) == [(product.title, 1)]
        assert order.number in said(answer)

    def test_bug20_it_is_a_new_basket_so_the_next_order_has_a_number_of_its_own(
        self, order: Any, shopper: Shopper
    ) -> None:
        shopper.client.post(payment_page("cancel", order))
        shopper.client.post("/checkout/", {"username": "g@example.com", "options": "anonymous"})
        shopper.go_to_payment()
        shopper.choose("rehive")

        answer = shopper.place()

        assert "/rehive/pay/" in answer.headers["Location"]
        numbers = list(Order.objects.values_list("number", flat=True))
        assert len(set(numbers)) == 2
        assert Basket.objects.get(pk=order.basket_id).status == Basket.SUBMITTED

    def test_p4_the_stock_is_given_back_once(self, order: Any, shopper: Shopper) -> None:
        assert StockRecord.objects.get().num_allocated == 1

        for _ in range(3):
            shopper.client.post(payment_page("cancel", order))

        assert StockRecord.objects.get().num_allocated == 0

    def test_so_are_vouchers(self, rehive: Any, shopper: Shopper, product: Any) -> None:
        voucher = new_voucher(usage="Single use")
        shopper.client.post("/basket/vouchers/add/", {"code": voucher.code})
        shopper.go_to_payment()
        shopper.choose("rehive")
        shopper.place()
        order = Order.objects.get()
        assert order.total_incl_tax == Decimal("7.34")

        shopper.client.post(payment_page("cancel", order))

        answer = shopper.client.get("/basket/")
        basket = answer.wsgi_request.basket
        assert list(basket.vouchers.all()) == [voucher]
        assert basket.total_incl_tax == Decimal("7.34")

    @pytest.mark.parametrize("usage", ["Single use", "Once per customer"])
    def test_a_voucher_that_was_used_up_meanwhile_stays_out(
        self, rehive: Any, shopper: Shopper, product: Any, place_order: Any, usage: str
    ) -> None:
        """It would not be seen in the basket, and no order could be placed with it."""
        customer = UserFactory()
        shopper.client.force_login(customer)
        voucher = new_voucher(usage=usage)
        shopper.client.post("/basket/vouchers/add/", {"code": voucher.code})
        shopper.go_to_payment(guest=None)
        shopper.choose("rehive")
        shopper.place()
        voucher.applications.create(order=place_order(), user=customer)

        shopper.client.post(payment_page("cancel", Order.objects.get(user=customer)))

        basket = shopper.client.get("/basket/").wsgi_request.basket
        assert [line.product for line in basket.all_lines()] == [product]
        assert list(basket.vouchers.all()) == []
        shopper.go_to_payment(guest=None)
        shopper.choose("rehive")
        assert "/rehive/pay/" in shopper.place().headers["Location"]

    def test_so_does_one_that_has_ended(self, rehive: Any, shopper: Shopper, product: Any) -> None:
        voucher = new_voucher(usage="Multi-use")
        shopper.client.post("/basket/vouchers/add/", {"code": voucher.code})
        shopper.go_to_payment()
        shopper.choose("rehive")
        shopper.place()
        type(voucher).objects.update(end_datetime=timezone.now())

        shopper.client.post(payment_page("cancel", Order.objects.get()))

        basket = shopper.client.get("/basket/").wsgi_request.basket
        assert list(basket.vouchers.all()) == []

    def test_what_is_no_longer_for_sale_stays_out_and_is_named(
        self, rehive: Any, shopper: Shopper, product: Any
    ) -> None:
        shopper.add(create_product(title="Last lamp", price=Decimal(5), num_in_stock=1))
        shopper.go_to_payment()
        shopper.choose("rehive")
        shopper.place()
        order = Order.objects.get()
        StockRecord.objects.filter(product__title="Last lamp").update(num_in_stock=0)

        answer = shopper.client.post(payment_page("cancel", order), {"then": "basket"})

        assert contents(shopper.client.get("/basket/")) == [(product.title, 1)]
        assert "Not available any more: Last lamp." in said(answer)
        assert "are back in your basket" not in said(answer)

    def test_when_nothing_is_left_for_sale_the_shopper_can_ask_again_later(
        self, order: Any, shopper: Shopper, product: Any
    ) -> None:
        # With no stock left the product cannot be bought, and neither crashes nor is oversold.
        StockRecord.objects.update(num_in_stock=0)
        answer = shopper.client.post(payment_page("cancel", order), follow=True)

        assert stage_of(answer) == "cancelled"
        assert f"Not available any more: {product.title}." in answer.content.decode()
        assert contents(shopper.client.get("/basket/")) == []

        StockRecord.objects.update(num_in_stock=5)
        shopper.client.post(buttons_of(answer)["Put the items back into my basket"])
        assert contents(shopper.client.get("/basket/")) == [(product.title, 1)]

    def test_a_product_that_was_deleted_stays_out(
        self, order: Any, shopper: Shopper, product: Any
    ) -> None:
        product.delete()

        assert shopper.client.post(payment_page("cancel", order)).status_code == 302
        assert contents(shopper.client.get("/basket/")) == []

    def test_what_was_put_into_the_basket_meanwhile_stays_in(
        self, order: Any, shopper: Shopper, product: Any
    ) -> None:
        shopper.add(create_product(title="Late idea", price=Decimal(5), num_in_stock=3), 2)

        shopper.client.post(payment_page("cancel", order))

        found = contents(shopper.client.get("/basket/"))
        assert sorted(found) == sorted([("Late idea", 2), (product.title, 1)])

    def test_a_basket_in_another_currency_stays_as_it_is(
        self, order: Any, shopper: Shopper, product: Any
    ) -> None:
        in_euros = create_product(title="In euros", price=Decimal(5), num_in_stock=3)
        StockRecord.objects.filter(product=in_euros).update(price_currency="EUR")
        shopper.add(in_euros)

        answer = shopper.client.post(payment_page("cancel", order))

        assert contents(shopper.client.get("/basket/")) == [("In euros", 1)]
        assert f"Not available any more: {product.title}." in said(answer)

    def test_bug16_in_another_browser_it_is_that_browsers_basket(
        self, order: Any, product: Any
    ) -> None:
        wallet = Client()

        wallet.post(payment_page("cancel", order))

        assert contents(wallet.get("/basket/")) == [(product.title, 1)]


class TestItIsNotCancelled:
    def test_by_a_link_or_a_prefetch(self, order: Any, shopper: Shopper) -> None:
        assert shopper.client.get(payment_page("cancel", order)).status_code == 405
        order.refresh_from_db()
        assert order.status == "Pending"

    @pytest.mark.parametrize("outcomes", [["pay"], ["start", "start"], ["pay_less"], ["pay_more"]])
    def test_bug9_when_money_came_and_nobody_has_told_us_yet(
        self, rehive: Any, order: Any, shopper: Shopper, outcomes: list[str]
    ) -> None:
        for outcome in outcomes:
            rehive.outcome(rehive.invoice()["id"], outcome)

        answer = shopper.client.post(payment_page("cancel", order))

        order.refresh_from_db()
        assert answer.headers["Location"] == payment_page("return", order)
        assert order.status != "Cancelled"
        assert rehive.invoice()["status"] != "cancelled"
        assert contents(shopper.client.get("/basket/")) == []

    def test_when_it_is_paid_and_the_shopper_is_told_why(
        self, rehive: Any, order: Any, shopper: Shopper
    ) -> None:
        rehive.outcome(rehive.invoice()["id"], "pay")
        shopper.client.get(payment_page("return", order))

        answer = shopper.client.post(payment_page("cancel", order))

        assert answer.headers["Location"] == payment_page("return", order)
        assert "cannot be cancelled" in said(answer)

    @pytest.mark.parametrize("status", ["Being processed", "Complete"])
    def test_p10_when_staff_have_moved_it_on_meanwhile(
        self, order: Any, shopper: Shopper, status: str
    ) -> None:
        Order.objects.update(status=status)

        answer = shopper.client.post(payment_page("cancel", order), follow=True)

        order.refresh_from_db()
        assert order.status == status
        assert stage_of(answer) == "with_the_shop"
        assert "was cancelled" not in said(answer)
        assert contents(shopper.client.get("/basket/")) == []

    def test_when_it_has_been_cancelled_already_nothing_is_added_twice(
        self, order: Any, shopper: Shopper, product: Any
    ) -> None:
        shopper.client.post(payment_page("cancel", order))

        shopper.client.post(payment_page("cancel", order))

        assert contents(shopper.client.get("/basket/")) == [(product.title, 1)]

    @pytest.mark.parametrize(
        "fault", [{"error_status": True}, {"html": True}, {"throttle": True}, {"lose_answer": True}]
    )
    def test_while_rehive_cannot_confirm_that_nothing_was_paid(
        self, rehive: Any, order: Any, shopper: Shopper, fault: dict[str, Any]
    ) -> None:
        rehive.faults(**fault)

        answer = shopper.client.post(payment_page("cancel", order), follow=True)

        order.refresh_from_db()
        assert stage_of(answer) == "ending"
        assert order.status == "Pending"
        assert OrderPayment.objects.get().cancel_reason

        rehive.clear_faults()
        # A second click finishes what the first could not.
        shopper.client.post(payment_page("cancel", order))
        order.refresh_from_db()
        assert order.status == "Cancelled"

    def test_with_broken_settings_there_is_an_answer(
        self, order: Any, shopper: Shopper, settings: Any
    ) -> None:
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "TOKEN": ""}

        answer = shopper.client.post(payment_page("cancel", order))

        assert answer.status_code == 302
        order.refresh_from_db()
        assert order.status == "Pending"


def test_who_cancelled_stands_in_the_history(order: Any, shopper: Shopper) -> None:
    shopper.client.post(payment_page("cancel", order))

    last = OrderPayment.objects.get().entries.last()
    assert last is not None
    assert last.source == Entry.Source.CHECKOUT
    assert "The shopper cancelled it." in last.reason

"""A shop with a checkout of its own: the mixin, and the README's example."""

from __future__ import annotations

from typing import Any

import pytest
from oscar.core.loading import get_class, get_model

from oscar_rehive.models import OrderPayment
from oscar_rehive.tokens import payment_token
from tests.checkout.conftest import Shopper
from tests.steps import payment_page

pytestmark = pytest.mark.django_db

Basket = get_model("basket", "Basket")
Order = get_model("order", "Order")
Source = get_model("payment", "Source")
StockRecord = get_model("partner", "StockRecord")
PaymentDetailsView = get_class("checkout.views", "PaymentDetailsView")

REHIVE = "oscar_rehive.checkout.methods.Rehive"


class TestAShopWithACheckoutOfItsOwn:
    @pytest.fixture(autouse=True)
    def _own_checkout(self, settings: Any) -> None:
        settings.ROOT_URLCONF = "tests.checkout.urls_own_checkout"

    def test_the_mixin_adds_rehive_and_keeps_what_the_shop_does(
        self, rehive: Any, shopper: Shopper, mailoutbox: list[Any]
    ) -> None:
        shopper.go_to_payment()
        assert shopper.preview().headers["Location"] == "/checkout/payment-method/"
        shopper.choose("rehive")

        answer = shopper.place()

        order = Order.objects.get()
        assert answer.headers["Location"] == payment_page("pay", order)
        assert order.status == "Pending"
        assert OrderPayment.objects.get().order_number == order.number
        assert [source.label for source in order.sources.all()] == ["Loyalty points"]
        assert mailoutbox == []
        assert rehive.requests() == []

    def test_and_leaves_its_other_methods_alone(
        self, shopper: Shopper, mailoutbox: list[Any]
    ) -> None:
        shopper.go_to_payment()
        shopper.choose("cash-on-delivery")

        assert shopper.place().headers["Location"] == "/checkout/thank-you/"

        order = Order.objects.get()
        assert order.status == "Being processed"
        assert order.sources.count() == 2
        assert len(mailoutbox) == 1

    @pytest.mark.parametrize(
        "setting",
        [
            pytest.param({}, id="Rehive and cash"),
            pytest.param({"PAYMENT_METHODS": [REHIVE]}, id="Rehive alone"),
            pytest.param(
                {"PAYMENT_METHODS": [REHIVE], "BUSINESSES": {"EUR": {}}}, id="another currency"
            ),
            pytest.param({"PAYMENT_METHODS": [REHIVE], "TOKEN": ""}, id="broken"),
            pytest.param({"PAYMENT_METHODS": 5}, id="broken list of methods"),
        ],
    )
    def test_and_what_is_paid_the_shops_own_way(
        self, shopper: Shopper, settings: Any, mailoutbox: list[Any], setting: dict[str, Any]
    ) -> None:
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, **setting}
        shopper.go_to_payment()
        shopper.choose("transfer")
        assert shopper.preview().status_code == 200

        assert shopper.place().headers["Location"] == "/checkout/thank-you/"

        order = Order.objects.get()
        assert order.status == "Being processed"
        assert [source.label for source in order.sources.all()] == ["Loyalty points"]
        assert not OrderPayment.objects.exists()
        assert len(mailoutbox) == 1

    def test_but_rehive_is_never_taken_for_the_shops_own_way(
        self, shopper: Shopper, settings: Any
    ) -> None:
        """Nobody would take the payment, and the order would be sent."""
        shopper.go_to_payment()
        shopper.choose("rehive")
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "PAYMENT_METHODS": 5}

        assert shopper.place().headers["Location"] == "/checkout/payment-method/"
        assert not Order.objects.exists()


def test_the_readme_s_example_of_a_checkout_of_ones_own(
    rehive: Any, shopper: Shopper, settings: Any, only_rehive: None
) -> None:
    """Earlier it led to Oscar's "Enter payment details", and to a preview that did not name Rehive."""
    settings.ROOT_URLCONF = "tests.checkout.urls_readme_checkout"

    step = shopper.go_to_payment()
    details = shopper.client.get("/checkout/payment-details/")
    preview = shopper.preview().content.decode()
    placed = shopper.place()
    thanks = shopper.client.get("/checkout/thank-you/")

    order = Order.objects.get()
    assert step.headers["Location"] == "/checkout/preview/"
    assert details.headers["Location"] == "/checkout/payment-method/"
    assert "You pay on Rehive&#x27;s secure page" in preview
    assert placed.headers["Location"] == payment_page("pay", order)
    assert thanks.headers["Location"] == f"/rehive/return/{payment_token(order.number)}/"

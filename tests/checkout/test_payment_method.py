"""The step to choose how to pay: when it is shown, and what it offers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from bs4 import BeautifulSoup
from oscar.core.loading import get_model
from oscar.core.prices import Price
from oscar.test.factories import create_product

from oscar_rehive.checkout.methods import Rehive
from oscar_rehive.models import OrderPayment
from tests.checkout.conftest import Shopper

pytestmark = pytest.mark.django_db

Order = get_model("order", "Order")


def radio_buttons(answer: Any) -> dict[str, bool]:
    """The offered methods, and whether each is the chosen one."""
    page = BeautifulSoup(answer.content, "html.parser")
    return {
        str(radio["value"]): radio.has_attr("checked")
        for radio in page.select("#payment_method_form input[type=radio][name=method]")
    }


def offered(shopper: Shopper) -> list[str]:
    """What the shopper can choose from at the payment step."""
    return list(radio_buttons(shopper.go_to_payment()))


def goes_to(answer: Any) -> str:
    assert answer.status_code == 302, answer.content.decode()[:300]
    return str(answer.headers["Location"])


class TestTheStep:
    def test_with_several_methods_there_is_a_choice(self, shopper: Shopper) -> None:
        answer = shopper.go_to_payment()

        assert radio_buttons(answer) == {"rehive": False, "cash-on-delivery": False}
        text = answer.content.decode()
        assert "Pay the courier in cash" in text
        assert "You pay on Rehive&#x27;s secure page" in text

    def test_with_a_single_method_it_steps_aside(self, shopper: Shopper, only_rehive: None) -> None:
        assert goes_to(shopper.go_to_payment()) == "/checkout/preview/"
        assert shopper.preview().status_code == 200

    def test_the_choice_is_remembered_shown_and_can_be_changed(self, shopper: Shopper) -> None:
        shopper.go_to_payment()

        assert goes_to(shopper.choose("cash-on-delivery")) == "/checkout/preview/"

        preview = shopper.preview().content.decode()
        assert "Pay the courier in cash" in preview
        assert 'href="/checkout/payment-method/"' in preview
        again = shopper.client.get("/checkout/payment-method/")
        assert radio_buttons(again) == {"rehive": False, "cash-on-delivery": True}
        shopper.choose("rehive")
        assert "Rehive&#x27;s secure page" in shopper.preview().content.decode()

    @pytest.mark.parametrize(
        ("data", "error"),
        [
            ({}, "Please choose how to pay."),
            ({"method": ""}, "Please choose how to pay."),
            ({"method": "bitcoin"}, "Select a valid choice"),
            ({"method": "<script>"}, "&lt;script&gt;"),
            ({"method": "nul\0"}, "Select a valid choice"),
        ],
    )
    def test_without_a_usable_choice_it_says_so_and_keeps_the_earlier_one(
        self, shopper: Shopper, data: dict[str, str], error: str
    ) -> None:
        shopper.go_to_payment()
        shopper.choose("rehive")

        answer = shopper.client.post("/checkout/payment-method/", data)

        assert answer.status_code == 200
        assert error in answer.content.decode()
        assert "<script>&quot;" not in answer.content.decode()
        assert set(radio_buttons(answer)) == {"rehive", "cash-on-delivery"}
        assert shopper.preview().status_code == 200

    def test_trap_the_step_cannot_be_skipped_by_address(self, shopper: Shopper) -> None:
        shopper.go_to_payment()

        for answer in (shopper.preview(), shopper.place()):
            assert goes_to(answer) == "/checkout/payment-method/"

        assert not OrderPayment.objects.exists()

    def test_trap_nor_by_the_page_of_payment_details(self, shopper: Shopper) -> None:
        shopper.go_to_payment()

        assert goes_to(shopper.client.get("/checkout/payment-details/")) == (
            "/checkout/payment-method/"
        )
        answer = shopper.client.post("/checkout/payment-details/", {"action": "place_order"})
        assert answer.status_code == 400
        assert not OrderPayment.objects.exists()

    def test_a_choice_that_is_no_longer_offered_must_be_made_anew(
        self, shopper: Shopper, settings: Any
    ) -> None:
        shopper.go_to_payment()
        shopper.choose("rehive")
        settings.OSCAR_REHIVE = {
            **settings.OSCAR_REHIVE,
            "MAXIMUM": "1",
            "PAYMENT_METHODS": [
                "oscar_rehive.checkout.methods.Rehive",
                "sandbox.shop.methods.CashOnDelivery",
                "tests.checkout.own_methods.Invoice",
            ],
        }

        assert goes_to(shopper.place()) == "/checkout/payment-method/"

    def test_nor_does_another_one_silently_take_its_place(
        self, shopper: Shopper, settings: Any
    ) -> None:
        """The basket has grown above MAXIMUM in another tab, and cash is all that is left."""
        shopper.go_to_payment()
        shopper.choose("rehive")
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "MAXIMUM": "1"}

        answer = shopper.client.post("/checkout/preview/", {"action": "place_order"}, follow=True)

        assert [where for where, _ in answer.redirect_chain] == [
            "/checkout/payment-method/",
            "/checkout/preview/",
        ]
        text = answer.content.decode()
        assert "What you chose to pay with is not available for this order any more." in text
        assert "Pay the courier in cash" in text
        assert not Order.objects.exists()
        assert goes_to(shopper.place()) == "/checkout/thank-you/"

    def test_a_method_that_was_taken_from_the_setting_places_no_order_unpaid(
        self, shopper: Shopper, settings: Any
    ) -> None:
        shopper.go_to_payment()
        shopper.choose("cash-on-delivery")
        methods = settings.OSCAR_REHIVE["PAYMENT_METHODS"]
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "PAYMENT_METHODS": methods[:1]}

        assert goes_to(shopper.place()) == "/checkout/payment-method/"
        assert not Order.objects.exists()

    def test_earlier_steps_cannot_be_skipped_either(self, shopper: Shopper) -> None:
        assert goes_to(shopper.client.get("/checkout/payment-method/")) == "/checkout/"
        assert goes_to(shopper.choose("rehive")) == "/checkout/"

    def test_a_total_of_zero_needs_no_payment(self, visitor: Shopper) -> None:
        visitor.add(create_product(price=Decimal("0.00"), num_in_stock=1))

        assert goes_to(visitor.go_to_payment()) == "/checkout/preview/"
        assert "There is nothing to pay" in visitor.preview().content.decode()
        assert goes_to(visitor.place()) == "/checkout/thank-you/"
        assert not OrderPayment.objects.exists()

    def test_a_basket_without_shipping(self, visitor: Shopper) -> None:
        product = create_product(price=Decimal("5.00"), num_in_stock=1, product_class="Downloads")
        product.product_class.requires_shipping = False
        product.product_class.save()
        visitor.add(product)

        # Nothing is delivered in person, so Rehive is the only way.
        assert goes_to(visitor.go_to_payment()) == "/checkout/preview/"
        assert "/rehive/pay/" in goes_to(visitor.place())


class TestWhenRehiveIsOffered:
    @pytest.mark.parametrize(
        ("limits", "is_offered"),
        [
            ({"MINIMUM": "12.34"}, True),
            ({"MINIMUM": "12.35"}, False),
            ({"MAXIMUM": "12.34"}, True),
            ({"MAXIMUM": Decimal("12.33")}, False),
            ({"MAXIMUM": 0}, False),
            ({"MINIMUM": 0}, True),
            ({"MINIMUM": 12, "MAXIMUM": 13}, True),
        ],
    )
    def test_inside_its_limits_both_included(
        self, shopper: Shopper, settings: Any, limits: dict[str, Any], is_offered: bool
    ) -> None:
        settings.OSCAR_REHIVE = {
            **settings.OSCAR_REHIVE,
            **limits,
            "PAYMENT_METHODS": [
                *settings.OSCAR_REHIVE["PAYMENT_METHODS"],
                "tests.checkout.own_methods.Invoice",
            ],
        }

        assert ("rehive" in offered(shopper)) is is_offered

    def test_with_a_business_for_the_currency(
        self, shopper: Shopper, settings: Any, only_rehive: None
    ) -> None:
        settings.OSCAR_REHIVE = {
            **settings.OSCAR_REHIVE,
            "BUSINESSES": {"EUR": {"BUSINESS_ID": "euros"}},
        }

        answer = shopper.go_to_payment()

        assert goes_to(answer) == "/basket/"
        assert "no way to pay for this basket" in shopper.client.get("/basket/").content.decode()

    @pytest.mark.parametrize(
        ("limits", "told", "logged"),
        [
            ({"MINIMUM": "13"}, "Rehive takes payments of $13.00 or more.", "below MINIMUM"),
            ({"MAXIMUM": "12"}, "Rehive takes payments of up to $12.00.", "above MAXIMUM"),
            (
                {"BUSINESSES": {"EUR": {"BUSINESS_ID": "e"}}, "TITLE": "Coins"},
                "Coins takes no payments in USD.",
                "no business invoices in USD",
            ),
            ({"TOKEN": ""}, "Please contact us.", "TOKEN"),
        ],
    )
    def test_where_nothing_is_offered_shopper_and_owner_are_told_why(
        self,
        shopper: Shopper,
        settings: Any,
        only_rehive: None,
        limits: dict[str, Any],
        told: str,
        logged: str,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """An empty log and all ticks, and nobody could buy."""
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, **limits}

        assert goes_to(shopper.go_to_payment()) == "/basket/"

        assert told in shopper.client.get("/basket/").content.decode()
        (warning,) = [one for one in caplog.records if "turned away" in one.getMessage()]
        assert warning.levelname == "WARNING"
        assert logged in warning.getMessage()

    @pytest.mark.parametrize("limits", [{"MINIMUM": "12.34"}, {"MAXIMUM": "12.34"}, {}])
    def test_limits_that_are_kept_are_not_told(self, settings: Any, limits: dict[str, str]) -> None:
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, **limits}

        for total in (
            Price("USD", Decimal("12.34"), tax=Decimal(0)),
            Price("USD", Decimal("12.00")),  # the tax may add what is missing
            Price("USD", Decimal(0), tax=Decimal(0)),
        ):
            assert Rehive().why_not(total) == ""

    @pytest.mark.parametrize(
        "broken",
        [{"TOKEN": ""}, {"TOKE": "x"}, {"MINIMUM": 1.5}, {"BUSINESSES": 5}, {"LATE_PAYMENTS": "?"}],
    )
    def test_with_sound_settings_and_the_other_methods_go_on_without_it(
        self, shopper: Shopper, settings: Any, broken: dict[str, Any]
    ) -> None:
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, **broken}

        assert goes_to(shopper.go_to_payment()) == "/checkout/preview/"
        assert "Cash on delivery" in shopper.preview().content.decode()
        assert goes_to(shopper.place()) == "/checkout/thank-you/"

    def test_with_its_addresses_in_the_urlconf(self, shopper: Shopper, settings: Any) -> None:
        settings.ROOT_URLCONF = "tests.checkout.urls_without_rehive"

        assert goes_to(shopper.go_to_payment()) == "/checkout/preview/"
        assert "Cash on delivery" in shopper.preview().content.decode()

    @pytest.mark.parametrize("path", ["not.there.Method", "tests.test_checks.NoMethod"])
    def test_a_method_that_cannot_be_had_does_not_take_the_checkout_down(
        self, shopper: Shopper, settings: Any, path: str
    ) -> None:
        methods = [path, *settings.OSCAR_REHIVE["PAYMENT_METHODS"]]
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "PAYMENT_METHODS": methods}

        assert offered(shopper) == ["rehive", "cash-on-delivery"]

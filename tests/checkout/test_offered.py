"""Rehive is offered only when it can work: what the currency cannot express, and a tax that is not known
yet."""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import Any

import pytest
from django.core.cache import cache
from oscar.apps.partner.strategy import US
from oscar.core.loading import get_class, get_model
from oscar.core.prices import Price
from oscar.test.factories import create_product

from oscar_rehive import conf
from oscar_rehive.checkout.methods import Rehive, ToPay, to_pay
from oscar_rehive.models import OrderPayment
from oscar_rehive.payments.gateway import currency_key
from tests.checkout.conftest import Shopper
from tests.checkout.test_payment_method import goes_to, radio_buttons
from tests.checkout.urls_own_checkout import OwnPaymentDetailsView

pytestmark = pytest.mark.django_db

Order = get_model("order", "Order")
CheckoutSession = get_class("checkout.session", "CheckoutSessionMixin")
Selector = get_class("partner.strategy", "Selector")


def is_offered(total: Price) -> bool:
    return Rehive().is_available(None, total)  # type: ignore[arg-type]  # it looks at the total only


def of(amount: str, currency: str = "USD") -> Price:
    """A total of ``amount`` whose tax is known."""
    return Price(currency=currency, excl_tax=Decimal("0.01"), incl_tax=Decimal(amount))


def before_tax(amount: str) -> Price:
    """A total whose tax is not known yet."""
    return Price(currency="USD", excl_tax=Decimal(amount))


class TestWhatTheCurrencyCannotExpress:
    """JPY 1111.50 after a voucher: the order was placed, stock and voucher were taken, and the pay page
    failed for ever."""

    @pytest.fixture(autouse=True)
    def _yen(self, settings: Any) -> None:
        settings.OSCAR_DEFAULT_CURRENCY = "JPY"

    @pytest.fixture
    def half_a_yen(self, visitor: Shopper) -> Shopper:
        """Somebody whose basket comes to 1111.50 yen."""
        product = create_product(price=Decimal("1111.50"), num_in_stock=1)
        product.stockrecords.update(price_currency="JPY")
        visitor.add(product)
        return visitor

    def test_rehive_is_not_offered_and_no_order_is_placed(
        self, half_a_yen: Shopper, only_rehive: None, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "oscar_rehive")

        assert goes_to(half_a_yen.go_to_payment()) == "/basket/"
        assert goes_to(half_a_yen.place()) == "/checkout/payment-method/"

        assert not Order.objects.exists()
        assert (
            "Rehive is not offered at the checkout: JPY: 1111.50 has more decimals" in caplog.text
        )

    def test_the_other_methods_go_on(self, half_a_yen: Shopper) -> None:
        assert goes_to(half_a_yen.go_to_payment()) == "/checkout/preview/"
        assert "Pay the courier in cash" in half_a_yen.preview().content.decode()

    def test_a_choice_that_a_voucher_makes_impossible_must_be_made_anew(
        self, visitor: Shopper
    ) -> None:
        product = create_product(price=Decimal("1111"), num_in_stock=1)
        product.stockrecords.update(price_currency="JPY")
        visitor.add(product)
        visitor.go_to_payment()
        visitor.choose("rehive")
        product.stockrecords.update(price=Decimal("1111.50"))

        assert goes_to(visitor.place()) == "/checkout/payment-method/"
        assert not Order.objects.exists()

    @pytest.mark.parametrize(
        ("amount", "offered"),
        [
            ("1111", True),
            ("1111.00", True),
            ("1111.50", False),
            ("0.01", False),
            ("1111.004", True),
        ],
    )
    def test_it_is_judged_by_the_amount_that_the_order_will_keep(
        self, amount: str, offered: bool
    ) -> None:
        assert is_offered(of(amount, "JPY")) is offered

    def test_by_what_rehive_says_of_the_currency(self) -> None:
        cache.set(currency_key(conf.current().businesses["JPY"]), ("JPY", 2))

        assert is_offered(of("1111.50", "JPY"))


@pytest.mark.parametrize("currency", ["USD", "KWD", "BTC"])
def test_of_a_currency_with_decimals_any_total_is_offered(settings: Any, currency: str) -> None:
    settings.OSCAR_DEFAULT_CURRENCY = currency

    # A tax with more decimals than an order keeps, as shops leave it behind.
    for amount in ("12.34", "0.01", "12.3456"):
        assert is_offered(of(amount, currency))


class TestATaxThatIsNotKnownYet:
    """Oscar's strategy for the US: the tax follows from the address, and many shops ask for it at the
    preview. The payment step failed there."""

    @pytest.fixture(autouse=True)
    def _no_tax_yet(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Selector, "strategy", lambda self, request=None, **kwargs: US(request))

    @pytest.fixture
    def known_when_placing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The shop asks for the tax, of 1.00 a piece, when the order is placed."""
        real = CheckoutSession.build_submission

        def build_submission(view: Any, **kwargs: Any) -> Any:
            if view.request.method == "POST":
                for line in view.request.basket.all_lines():
                    line.purchase_info.price.tax = Decimal("1.00")
            return real(view, **kwargs)

        monkeypatch.setattr(CheckoutSession, "build_submission", build_submission)

    def test_the_shopper_chooses_and_pays(self, shopper: Shopper, known_when_placing: None) -> None:
        assert radio_buttons(shopper.go_to_payment()) == {
            "rehive": False,
            "cash-on-delivery": False,
        }
        assert goes_to(shopper.preview()) == "/checkout/payment-method/"
        assert goes_to(shopper.choose("rehive")) == "/checkout/preview/"
        preview = shopper.preview()
        assert preview.status_code == 200
        assert "You pay on Rehive&#x27;s secure page" in preview.content.decode()

        assert "/rehive/pay/" in goes_to(shopper.place())

        assert Order.objects.get().total_incl_tax == Decimal("13.34")
        assert OrderPayment.objects.count() == 1

    def test_with_a_single_method_the_step_steps_aside(
        self, shopper: Shopper, only_rehive: None
    ) -> None:
        assert goes_to(shopper.go_to_payment()) == "/checkout/preview/"
        assert "There is nothing to pay" not in shopper.preview().content.decode()

    def test_where_no_method_is_offered_the_preview_does_not_say_that_nothing_is_to_be_paid(
        self, shopper: Shopper, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """In a shop that has ways to pay of its own, and our preview."""
        settings.ROOT_URLCONF = "tests.checkout.urls_own_checkout"
        ours = "oscar_rehive/checkout/preview.html"
        monkeypatch.setattr(OwnPaymentDetailsView, "template_name_preview", ours)
        shopper.go_to_payment()
        shopper.choose("transfer")

        preview = shopper.preview()

        assert preview.status_code == 200
        assert "There is nothing to pay" not in preview.content.decode()

    def test_what_costs_nothing_has_no_tax_either(self, visitor: Shopper) -> None:
        """Oscar skips the payment step then: to send the shopper there would go on for ever."""
        visitor.add(create_product(price=Decimal("0.00"), num_in_stock=1))

        assert goes_to(visitor.go_to_payment()) == "/checkout/preview/"
        assert "There is nothing to pay" in visitor.preview().content.decode()

    @pytest.mark.parametrize(
        ("limits", "amount", "offered"),
        [
            ({"MAXIMUM": "12.34"}, "12.34", True),
            ({"MAXIMUM": "12.33"}, "12.34", False),
            ({"MINIMUM": "12.35"}, "12.34", True),
            ({}, "0.01", True),
            ({}, "0.00", False),
            ({"BUSINESSES": {"EUR": {"BUSINESS_ID": "euros"}}}, "12.34", False),
        ],
    )
    def test_what_the_tax_may_still_change_is_not_judged(
        self, settings: Any, limits: dict[str, Any], amount: str, offered: bool
    ) -> None:
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, **limits}

        assert is_offered(before_tax(amount)) is offered

    def test_nor_are_decimals(self, settings: Any) -> None:
        settings.OSCAR_DEFAULT_CURRENCY = "JPY"

        assert is_offered(Price(currency="JPY", excl_tax=Decimal("1010.45")))


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"MINIMUM": 13}, "12.34 USD are below MINIMUM"),
        ({"MAXIMUM": 12}, "12.34 USD are above MAXIMUM"),
        ({"BUSINESSES": {"EUR": {"BUSINESS_ID": "e"}}}, "no business invoices in USD"),
    ],
)
def test_the_log_tells_why_it_is_not_offered(
    settings: Any, limits: dict[str, Any], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, **limits}
    caplog.set_level(logging.INFO, "oscar_rehive")

    assert not is_offered(of("12.34"))

    assert f"Rehive is not offered at the checkout: {reason}." in caplog.text


@pytest.mark.parametrize(
    ("total", "due"),
    [
        (None, None),
        (of("0.00"), None),
        (of("-1.00"), None),
        (of("12.34"), ToPay(Decimal("12.34"), is_exact=True)),
        (before_tax("12.34"), ToPay(Decimal("12.34"), is_exact=False)),
        (before_tax("0.00"), None),
    ],
)
def test_what_is_to_be_paid_of_a_total(total: Price | None, due: ToPay | None) -> None:
    assert to_pay(total) == due

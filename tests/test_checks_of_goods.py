"""The system checks of what is for sale: nobody learns otherwise why it is not bought."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.core.checks import CheckMessage, Tags, run_checks
from oscar.core.loading import get_model
from oscar.test.factories import create_product

from tests.steps import not_migrated
from tests.test_checks import told as told_without_a_database

pytestmark = pytest.mark.django_db

StockRecord = get_model("partner", "StockRecord")

ALONE = {"PAYMENT_METHODS": ["oscar_rehive.checkout.methods.Rehive"]}


def told() -> list[CheckMessage]:
    """What is told by ``migrate`` and ``check --database default``."""
    found = run_checks(tags=[Tags.database], databases=["default"])
    return [one for one in found if str(one.id).startswith("oscar_rehive.")]


def on_sale(price: str | None, currency: str = "USD", **about: Any) -> None:
    product = create_product(price=Decimal("1.00"), num_in_stock=1)
    product.stockrecords.update(price=price and Decimal(price), price_currency=currency)
    type(product).objects.filter(pk=product.pk).update(**about)


class TestW013Currencies:
    """ "There is no way to pay for this basket", an empty log, and all ticks."""

    def test_in_which_no_business_invoices(self) -> None:
        for price, currency in (("1.00", "USD"), ("2.00", "GBP"), ("3.00", "GBP"), ("4.00", "EUR")):
            on_sale(price, currency)

        pounds, euros = told()

        assert pounds.id == euros.id == "oscar_rehive.W013"
        assert "2 of the products for sale are priced in GBP" in pounds.msg
        assert "1 of the products for sale is priced in EUR" in euros.msg
        assert "Price them in USD" in str(pounds.hint)
        assert "BUSINESSES" in str(pounds.hint)

    def test_in_which_one_does(self, settings: Any) -> None:
        businesses = {"USD": {"BUSINESS_ID": "us"}, "GBP": {"BUSINESS_ID": "uk"}}
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "BUSINESSES": businesses}
        on_sale("1.00", "USD")
        on_sale("2.00", "GBP")

        assert told() == []

    def test_what_nobody_can_buy_does_not_count(self) -> None:
        on_sale(None, "GBP")
        on_sale("2.00", "GBP", is_public=False)

        assert told() == []


class TestW014Limits:
    def test_goods_that_alone_are_below_or_above(self, settings: Any) -> None:
        limits = {"MINIMUM": "5", "MAXIMUM": "100"}
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, **ALONE, **limits}
        for price in ("0.00", "4.99", "5.00", "100.00", "100.01", "200.00"):
            on_sale(price)

        below, above = told()

        assert below.id == above.id == "oscar_rehive.W014"
        assert "1 of the products for sale costs less than MINIMUM (5 USD)" in below.msg
        assert "2 of the products for sale cost more than MAXIMUM (100 USD)" in above.msg
        assert "Lower it, or add another payment method" in str(below.hint)
        assert "Raise it, or add another payment method" in str(above.hint)

    @pytest.mark.parametrize("limits", [{}, {"MINIMUM": "1"}, {"MAXIMUM": "4.99"}])
    def test_where_all_fit(self, settings: Any, limits: dict[str, str]) -> None:
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, **ALONE, **limits}
        on_sale("4.99")

        assert told() == []

    def test_where_there_is_another_way_to_pay(self, settings: Any) -> None:
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "MINIMUM": "5"}
        on_sale("4.99")

        assert told() == []


class TestTheDatabase:
    @pytest.fixture(autouse=True)
    def _something_to_tell(self, settings: Any) -> None:
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, **ALONE, "MINIMUM": "5"}
        on_sale("4.99")
        on_sale("4.99", "GBP")
        assert len(told()) == 2

    def test_is_asked_only_where_it_may_be(self) -> None:
        assert told_without_a_database() == []

    def test_is_not_asked_while_the_settings_are_not_sound(self, settings: Any) -> None:
        settings.OSCAR_REHIVE = {}

        assert told() == []

    def test_may_not_be_migrated_yet(self) -> None:
        """``migrate`` runs these checks first."""
        with not_migrated(StockRecord):
            assert told() == []

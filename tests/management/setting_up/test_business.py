"""``manage.py rehive_setup``: which business of the token is meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from oscar.core.loading import get_model
from oscar.test.factories import create_product

from oscar_rehive.management.commands import rehive_setup
from oscar_rehive.rehive.client import Client
from oscar_rehive.simulator.process import SimulatorProcess
from tests.management.setting_up.conftest import SECRET, SetUp, crosses

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def several() -> Iterator[SimulatorProcess]:
    """A Rehive with four businesses; one token manages all, and others fewer."""
    options = [
        *("--business", "us:USD", "--business", "eu:EUR"),
        *("--business", "eu-2:EUR", "--business", "jp:JPY"),
    ]
    with SimulatorProcess(*options, token="of-all of-two=us,eu of-one=jp of-none=x") as process:
        yield process


class TestWhichBusiness:
    @pytest.fixture
    def choose(
        self, several: SimulatorProcess, live_server: Any, settings: Any, set_up: SetUp
    ) -> SetUp:
        settings.OSCAR_REHIVE = None  # `del` tells nobody

        def choose(*arguments: str, token: str) -> tuple[int, list[str]]:
            return set_up(
                *("--api-url", several.api_url),
                *("--payment-requests-url", several.payment_requests_url),
                *("--base-url", live_server.url),
                *arguments,
                token=token,
            )

        return choose

    def test_the_only_one_whatever_it_invoices_in(self, choose: SetUp) -> None:
        text = "\n".join(choose(token="of-one")[1])

        assert '"BUSINESS_ID": "jp",' in text
        assert 'OSCAR_DEFAULT_CURRENCY = "JPY"  # was "USD"' in text

    def test_the_one_of_the_currency_that_the_shop_sells_in(self, choose: SetUp) -> None:
        text = "\n".join(choose(token="of-two")[1])

        assert '"BUSINESS_ID": "us",' in text
        assert "OSCAR_DEFAULT_CURRENCY" not in text

    def test_one_for_each_currency_that_products_are_priced_in(self, choose: SetUp) -> None:
        create_product(price=5, num_in_stock=1)
        create_product(price=5, num_in_stock=1).stockrecords.update(price_currency="EUR")
        get_model("partner", "StockRecord").objects.exclude(price_currency="EUR").update(
            price_currency="USD"
        )

        text = "\n".join(choose(token="of-two")[1])

        assert '"USD": {"BUSINESS_ID": "us"},' in text
        assert '"EUR": {"BUSINESS_ID": "eu"},' in text

    def test_where_there_are_two_one_must_be_named(self, choose: SetUp, settings: Any) -> None:
        settings.OSCAR_DEFAULT_CURRENCY = "EUR"

        code, lines = choose(token="of-all")
        assert code == 1
        assert "several businesses for one currency" in lines[-2]
        assert "eu-2" in lines[-2]
        assert "--business" in lines[-1]

        text = "\n".join(choose("--business", "eu-2", token="of-all")[1])
        assert '"BUSINESS_ID": "eu-2",' in text

    def test_none_of_what_the_shop_sells_in(self, choose: SetUp, settings: Any) -> None:
        settings.OSCAR_DEFAULT_CURRENCY = "GBP"

        code, lines = choose(token="of-two")

        assert code == 1
        assert "No business of the token invoices in GBP" in lines[-2]

    def test_no_business_at_all(self, choose: SetUp) -> None:
        assert "manages no business" in choose(token="of-none")[1][-2]

    @pytest.mark.parametrize("how", ["named", "in the settings"])
    def test_the_token_of_another_business(self, choose: SetUp, settings: Any, how: str) -> None:
        arguments = ["--business", "us"] if how == "named" else []
        if how != "named":
            settings.OSCAR_REHIVE = {"TOKEN": "old", "BUSINESS_ID": "us"}

        code, lines = choose(*arguments, token="of-one")

        assert code == 1
        assert "does not manage the business us. It manages jp" in lines[-2]

    def test_each_business_with_a_token_of_its_own(
        self,
        several: SimulatorProcess,
        live_server: Any,
        settings: Any,
        set_up: SetUp,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        several.faults(webhook_hold=True)
        monkeypatch.setattr(rehive_setup, "sleep", lambda seconds: several.flush_deliveries())
        settings.OSCAR_REHIVE = {
            "API_URL": several.api_url,
            "PAYMENT_REQUESTS_URL": several.payment_requests_url,
            "BASE_URL": live_server.url,
            "WEBHOOK_SECRET": SECRET,
            "BUSINESSES": {
                "USD": {"TOKEN": "of-two", "BUSINESS_ID": "us"},
                "JPY": {"TOKEN": "of-one", "BUSINESS_ID": "jp"},
            },
        }

        code, lines = set_up()

        assert (code, crosses(lines)) == (0, [])
        for currency in ("USD", "JPY"):
            assert any(f"The round trip works for {currency}" in line for line in lines)

    def test_where_rehive_lists_none_the_id_is_asked_for(
        self, choose: SetUp, several: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from oscar_rehive.rehive.exceptions import NotFound

        def shut(client: Client) -> Any:
            raise NotFound("404")

        monkeypatch.setattr(Client, "businesses", shut)

        assert "with --business" in choose(token="of-all")[1][-1]
        assert '"BUSINESS_ID": "eu",' in "\n".join(choose("--business", "eu", token="of-all")[1])
        assert (
            "does not manage the business xx" in choose("--business", "xx", token="of-all")[1][-2]
        )

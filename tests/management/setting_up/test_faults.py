"""``manage.py rehive_setup`` where something does not fit: the last line says what to mend."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import CommandError
from oscar.test.factories import create_product

from oscar_rehive import webhooks
from oscar_rehive.management.commands import rehive_setup
from oscar_rehive.models import Delivery
from oscar_rehive.simulator.process import SimulatorProcess
from tests.management.conftest import registered
from tests.management.setting_up.conftest import SECRET, SetUp, crosses
from tests.steps import not_migrated

pytestmark = pytest.mark.django_db(transaction=True)


class TestWhatDoesNotFit:
    """The last line says what to mend."""

    def mend(self, told: tuple[int, list[str]]) -> str:
        code, lines = told
        assert code == 1
        assert crosses(lines) or "Put these lines in" in lines[-1]
        assert lines[-1].startswith("To mend: ")
        return "\n".join(lines)

    def test_no_token_and_no_terminal(self, settings: Any, set_up: SetUp) -> None:
        settings.OSCAR_REHIVE = {}

        assert "environment variable REHIVE_TOKEN" in self.mend(set_up())

    @pytest.mark.parametrize("token", ["two words", "abc…"])
    def test_a_token_that_is_none(self, shop: Any, set_up: SetUp, token: str) -> None:
        assert "Copy it again" in self.mend(set_up(token=token))

    def test_a_wrong_token(self, shop: Any, set_up: SetUp) -> None:
        told = self.mend(set_up(token="f" * 64))

        assert "Rehive does not accept the token" in told
        assert "permanent API token" in told

    @pytest.mark.parametrize("address", ["shop.example.com", "https://shop.example.com/?a=b"])
    def test_an_address_that_is_none(self, shop: Any, set_up: SetUp, address: str) -> None:
        assert "Give an absolute one" in self.mend(set_up("--base-url", address))
        assert "Give an absolute one" in self.mend(set_up("--api-url", address))

    def test_no_address_and_no_terminal(self, shop: Any, settings: Any, set_up: SetUp) -> None:
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "BASE_URL": ""}

        assert "Give it with --base-url" in self.mend(set_up())

    def test_a_host_that_is_not_reached(self, shop: Any, set_up: SetUp) -> None:
        assert "Rehive cannot be reached" in self.mend(set_up("--api-url", "http://127.0.0.1:9/"))

    @pytest.mark.parametrize("fault", [{"error_status": True}, {"html": True}, {"throttle": True}])
    def test_rehive_in_trouble(
        self, shop: Any, rehive: SimulatorProcess, set_up: SetUp, fault: dict[str, Any]
    ) -> None:
        rehive.faults(**fault)

        assert "Rehive could not be asked" in self.mend(set_up())

    def test_the_tables_are_not_there(
        self, shop: Any, rehive: SimulatorProcess, set_up: SetUp
    ) -> None:
        with not_migrated(Delivery):
            told = self.mend(set_up())

        assert "manage.py migrate" in told

    def test_a_shop_that_does_not_answer(
        self, shop: Any, rehive: SimulatorProcess, settings: Any, set_up: SetUp
    ) -> None:
        """Nothing is registered there: Rehive would disable it."""
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "BASE_URL": "http://127.0.0.1:9"}

        told = self.mend(set_up())

        assert "does not answer" in told.splitlines()[-4]
        assert "Start the shop" in told.splitlines()[-1]
        assert registered(rehive) == rehive.invoices() == []

    def test_a_real_rehive_cannot_call_this_machine(
        self, shop: Any, settings: Any, set_up: SetUp, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rehive_setup, "is_loopback", lambda host: host == "localhost")

        assert "a tunnel will do" in self.mend(set_up())

    def test_a_key_that_is_misspelt(self, shop: Any, settings: Any, set_up: SetUp) -> None:
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "MINIMUN": 5}

        assert "Did you mean 'MINIMUM'?" in self.mend(set_up())

    def test_nor_do_lines_that_are_printed_hide_it(
        self, shop: Any, settings: Any, set_up: SetUp
    ) -> None:
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "MINIMUN": 5, "BASE_URL": ""}

        told = self.mend(set_up("--base-url", shop.url))

        assert "Did you mean 'MINIMUM'?" in told
        assert f'"BASE_URL": "{shop.url}",' in told

    def test_what_can_wait_is_told_when_all_else_works(
        self, shop: Any, rehive: SimulatorProcess, set_up: SetUp
    ) -> None:
        create_product(price=5, num_in_stock=1).stockrecords.update(price_currency="GBP")

        told = self.mend(set_up())

        assert "The round trip works for USD" in told
        assert "priced in GBP" in told
        assert "Price them in USD" in told.splitlines()[-1]

    def test_a_call_that_does_not_come(
        self, shop: Any, rehive: SimulatorProcess, set_up: SetUp
    ) -> None:
        rehive.faults(webhook_drop=True)

        told = self.mend(set_up(wait="0.5"))

        assert f"did not come in at {shop.webhook}" in told
        assert "firewall" in told.splitlines()[-1]
        assert {invoice["status"] for invoice in rehive.invoices()} == {"cancelled"}

    def test_a_call_that_comes_without_its_secret(
        self, shop: Any, rehive: SimulatorProcess, set_up: SetUp, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A proxy at the way in from outside, which this machine does not pass."""
        take = webhooks._take

        def stripped(request: Any, header: str) -> Any:
            is_rehives = request.META.get("HTTP_USER_AGENT") == "rehive-simulator"
            return "" if is_rehives and header == "Authorization" else take(request, header)

        monkeypatch.setattr(webhooks, "_take", stripped)

        told = self.mend(set_up(wait="1"))

        assert "Rehive's call came, and was refused" in told
        assert "Authorization" in told.splitlines()[-1]

    @pytest.mark.parametrize("method", ["POST", "PATCH"])
    def test_an_invoice_that_is_not_made_or_not_ended(
        self, shop: Any, rehive: SimulatorProcess, set_up: SetUp, method: str
    ) -> None:
        rehive.register_webhook(shop.webhook, SECRET)
        rehive.faults(error_status={"value": 500, "methods": [method]})

        told = self.mend(set_up())

        assert "could not be made or ended" in told
        assert "ends by itself within 15 minutes" in told.splitlines()[-1]
        for invoice in rehive.invoices():
            assert invoice["expiration_date"] - invoice["created"] <= 15 * 60 * 1000

    @pytest.mark.parametrize("argument", ["--token=abc123", "abc123"])
    def test_a_token_as_an_argument_is_refused_and_not_repeated(
        self, shop: Any, set_up: SetUp, argument: str
    ) -> None:
        code, lines = set_up(argument)

        assert code == 2
        assert "everybody on this machine can read" in lines[0]
        assert "abc123" not in "\n".join(lines)

    @pytest.mark.parametrize("wait", ["0", "-1", "nan", "inf", "soon"])
    def test_a_wait_that_is_none(self, shop: Any, set_up: SetUp, wait: str) -> None:
        with pytest.raises(CommandError, match="more than 0 and at most 3600 seconds"):
            set_up(wait=wait)

    def test_arguments_that_do_not_exist(self, set_up: SetUp) -> None:
        with pytest.raises(CommandError, match="--no-such-thing"):
            set_up("--no-such-thing")

"""``manage.py rehive_setup``: from a token to a tick, and what is left when it is broken off."""

from __future__ import annotations

import getpass
from types import SimpleNamespace
from typing import Any

import pytest

from oscar_rehive.management import finding_out
from oscar_rehive.management.commands import rehive_setup
from oscar_rehive.models import Delivery
from oscar_rehive.rehive.client import Client
from oscar_rehive.simulator.process import SimulatorProcess
from tests.management.conftest import registered
from tests.management.setting_up.conftest import SetUp, crosses

pytestmark = pytest.mark.django_db(transaction=True)


class TestTheWholeWay:
    def test_ends_with_a_tick(self, shop: Any, rehive: SimulatorProcess, set_up: SetUp) -> None:
        code, lines = set_up()

        assert code == 0
        assert crosses(lines) == []
        assert lines[-1].startswith("✓ All is set up")
        assert registered(rehive) == [shop.webhook]

    def test_an_invoice_of_the_smallest_amount_was_made_and_ended(
        self, shop: Any, rehive: SimulatorProcess, set_up: SetUp
    ) -> None:
        _, lines = set_up()

        (invoice,) = rehive.invoices()
        assert (invoice["request_amount"], invoice["status"]) == (1, "cancelled")
        assert any("Rehive's call came in after" in line for line in lines)

    def test_its_delivery_is_done_and_belongs_to_no_order(
        self, shop: Any, rehive: SimulatorProcess, set_up: SetUp
    ) -> None:
        set_up()

        (delivery,) = Delivery.objects.all()
        assert delivery.remote_id == rehive.invoice()["id"]
        assert (delivery.state, delivery.reason) == (
            Delivery.State.DONE,
            "A trial of rehive_setup, which belongs to no order.",
        )

    def test_again_it_changes_nothing(
        self, shop: Any, rehive: SimulatorProcess, set_up: SetUp
    ) -> None:
        set_up()
        before = [one["method"] for one in rehive.requests() if "webhooks" in one["path"]]

        assert set_up()[0] == 0

        after = [one["method"] for one in rehive.requests() if "webhooks" in one["path"]]
        assert "POST" in before
        assert set(after[len(before) :]) == {"GET"}


class TestAtATerminal:
    @pytest.fixture(autouse=True)
    def _terminal(self, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
        monkeypatch.setattr(finding_out.sys, "stdin", SimpleNamespace(isatty=lambda: True))

    def test_token_and_address_are_asked_for(
        self,
        rehive_simulator: SimulatorProcess,
        settings: Any,
        set_up: SetUp,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        settings.OSCAR_REHIVE = {"API_URL": rehive_simulator.api_url}
        monkeypatch.setattr(getpass, "getpass", lambda prompt: f" {rehive_simulator.token}\n")
        monkeypatch.setattr("builtins.input", lambda prompt: "https://shop.example.com/ ")

        code, lines = set_up()

        assert code == 1
        assert '        "BASE_URL": "https://shop.example.com",' in lines
        assert rehive_simulator.token not in "\n".join(lines), "P9"

    @pytest.mark.parametrize(
        ("answer", "code", "last"),
        [(EOFError, 1, "REHIVE_TOKEN"), (KeyboardInterrupt, 130, "Ended. No invoice was made.")],
    )
    def test_no_answer(
        self,
        settings: Any,
        set_up: SetUp,
        monkeypatch: pytest.MonkeyPatch,
        answer: type[BaseException],
        code: int,
        last: str,
    ) -> None:
        settings.OSCAR_REHIVE = {}

        def none(prompt: str) -> str:
            raise answer

        monkeypatch.setattr(getpass, "getpass", none)

        ended, lines = set_up()

        assert ended == code
        assert last in lines[-1]


class TestCtrlC:
    def test_while_it_waits(
        self, shop: Any, rehive: SimulatorProcess, set_up: SetUp, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupted(seconds: float) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(rehive_setup, "sleep", interrupted)

        code, lines = set_up()

        assert (code, lines[-1]) == (130, "Ended. No invoice is left behind.")
        assert rehive.invoice()["status"] == "cancelled"

    def test_between_making_and_ending(
        self, shop: Any, rehive: SimulatorProcess, set_up: SetUp, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        update, times = Client.update_invoice, []

        def interrupted(*args: Any, **kwargs: Any) -> Any:
            times.append(1)
            if len(times) == 1:
                raise KeyboardInterrupt
            return update(*args, **kwargs)

        monkeypatch.setattr(Client, "update_invoice", interrupted)

        code, lines = set_up()

        assert (code, lines[-1]) == (130, "Ended. No invoice is left behind.")
        assert rehive.invoice()["status"] == "cancelled"

"""``manage.py rehive_setup`` in a fresh shop: the lines that it prints are all that is missing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.urls import clear_url_caches
from oscar.core.loading import get_model

from oscar_rehive.simulator.process import SimulatorProcess
from tests.management.setting_up.conftest import SetUp, crosses

pytestmark = pytest.mark.django_db(transaction=True)


class TestAFreshShop:
    """Nothing is there but the app among the others."""

    @pytest.fixture(autouse=True)
    def _fresh(self, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        settings.OSCAR_REHIVE = None  # `del` tells nobody
        settings.OSCAR_DEFAULT_CURRENCY = "GBP"
        settings.ROOT_URLCONF = "tests.checkout.urls_without_rehive"
        monkeypatch.setattr(get_model("order", "Order"), "pipeline", {})

    @pytest.fixture
    def known(self, rehive_simulator: SimulatorProcess, live_server: Any) -> list[str]:
        return [
            *("--api-url", rehive_simulator.api_url),
            *("--payment-requests-url", rehive_simulator.payment_requests_url),
            *("--base-url", live_server.url),
        ]

    def test_the_lines_that_are_printed_are_all_that_is_missing(
        self,
        rehive_simulator: SimulatorProcess,
        known: list[str],
        set_up: SetUp,
        settings: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """They are put where they belong, and the next run ends with a tick."""
        code, lines = set_up(*known, token=rehive_simulator.token)
        assert code == 1
        assert lines[-1].startswith("To mend: Put these lines in, run manage.py migrate, restart")
        assert rehive_simulator.invoices() == []

        blocks = dict(blocks_of(lines))
        for line in blocks["environment"]:
            name, _, value = line.partition("=")
            monkeypatch.setenv(name, rehive_simulator.token if "…" in value else value)
        pasted: dict[str, Any] = {"DATABASES": settings.DATABASES}
        exec("\n".join(blocks["settings"]), pasted)
        urls: dict[str, Any] = {}
        exec(
            "\n".join(blocks["URLconf"]).replace("path(", "urlpatterns = [path(").rstrip(",") + "]",
            urls,
        )
        for name in ("OSCAR_REHIVE", "OSCAR_DEFAULT_CURRENCY"):
            setattr(settings, name, pasted[name])
        monkeypatch.setattr(
            get_model("order", "Order"), "pipeline", pasted["OSCAR_ORDER_STATUS_PIPELINE"]
        )
        settings.ROOT_URLCONF = type("urls", (), urls)
        clear_url_caches()

        code, lines = set_up()

        assert (code, crosses(lines)) == (0, [])
        assert lines[-1].startswith("✓ All is set up")

    def test_a_new_secret_is_made_each_time_until_one_is_there(
        self,
        rehive_simulator: SimulatorProcess,
        known: list[str],
        set_up: SetUp,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def secret() -> str:
            _, lines = set_up(*known, token=rehive_simulator.token)
            (line,) = [one for one in lines if "REHIVE_WEBHOOK_SECRET=" in one]
            return line.partition("=")[2]

        first, second = secret(), secret()
        assert first != second
        assert len(first) >= 32

        monkeypatch.setenv("REHIVE_WEBHOOK_SECRET", first)
        assert first not in secret()

    def test_the_cron_line_is_of_this_shop(
        self, rehive_simulator: SimulatorProcess, known: list[str], set_up: SetUp
    ) -> None:
        _, lines = set_up(*known, token=rehive_simulator.token)

        note, line = dict(blocks_of(lines))["crontab"]
        assert note.startswith("# cron does not know the shop's environment")
        assert line.endswith("rehive_reconcile -v 0")
        assert sys.executable in line

    @pytest.mark.parametrize("part", ["checkout", "dashboard"])
    def test_oscars_own_is_to_go(
        self,
        rehive_simulator: SimulatorProcess,
        known: list[str],
        set_up: SetUp,
        monkeypatch: pytest.MonkeyPatch,
        part: str,
    ) -> None:
        from oscar_rehive.management import lines as module

        config = f"{part}.apps.{part.capitalize()}Config"
        old = f"oscar.apps.{config}"
        monkeypatch.setattr(
            module, "settings", SimpleNamespace(INSTALLED_APPS=[old], ROOT_URLCONF="x")
        )

        _, lines = set_up(*known, token=rehive_simulator.token)

        (line,) = [one for one in lines if "INSTALLED_APPS" in one]
        assert f'"oscar_rehive.{config}", in the place of "{old}"' in line

    @pytest.mark.parametrize(
        ("pipeline", "first", "words"),
        [
            (
                {"Neu": ("Bezahlt", "Cancelled"), "Bezahlt": (), "Cancelled": ()},
                "Neu",
                '{"pending": "Neu", "paid": "Bezahlt", "cancelled": "Cancelled"}',
            ),
            # Which of them means paid, only the owner knows.
            ({"Neu": ("Bezahlt", "Verpackt", "Cancelled")}, "Neu", ""),
            ({"Pending": ("Being processed", "Cancelled")}, "Pending", ""),
        ],
    )
    def test_the_words_of_the_shops_own_pipeline_are_taken(
        self,
        rehive_simulator: SimulatorProcess,
        known: list[str],
        set_up: SetUp,
        settings: Any,
        monkeypatch: pytest.MonkeyPatch,
        pipeline: dict[str, Any],
        first: str,
        words: str,
    ) -> None:
        monkeypatch.setattr(get_model("order", "Order"), "pipeline", pipeline)
        settings.OSCAR_INITIAL_ORDER_STATUS = first

        _, lines = set_up(*known, token=rehive_simulator.token)

        told = [line.strip() for line in lines if "ORDER_STATUS" in line]
        assert told == ([f'"ORDER_STATUS": {words},'] if words else [])


def blocks_of(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """The blocks that were printed, each under a word of where it belongs."""
    where, block = "", []
    for line in [*lines, "Into the end"]:
        if line.startswith("Into the "):
            if where:
                yield where, block
            where, block = line.split()[2].strip(",:"), []
        elif line.startswith("    "):
            block.append(line[4:])

"""Runs ``manage.py rehive_setup`` in a shop that Rehive, the simulator, really calls."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import call_command

from oscar_rehive.management.commands import rehive_setup
from oscar_rehive.simulator.process import SimulatorProcess

SECRET = "the-webhook-secret-of-the-shop"

SetUp = Callable[..., tuple[int, list[str]]]


@pytest.fixture(autouse=True)
def _calls_come_while_it_waits(
    rehive_simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever the command waits, Rehive's calls are made and answered: nothing depends on the time, and the
    shop and the command never use the tests' database at once."""
    rehive_simulator.faults(webhook_hold=True)
    monkeypatch.setattr(rehive_setup, "sleep", lambda seconds: rehive_simulator.flush_deliveries())


@pytest.fixture
def set_up(monkeypatch: pytest.MonkeyPatch) -> SetUp:
    """Runs the command; its exit code, and the lines that it printed. None of them shows a token or the secret
    that was there."""
    for name in ("REHIVE_TOKEN", "REHIVE_WEBHOOK_SECRET"):
        monkeypatch.delenv(name, raising=False)

    def set_up(*arguments: str, token: str = "", wait: str = "10") -> tuple[int, list[str]]:
        if token:
            monkeypatch.setenv("REHIVE_TOKEN", token)
        out, code = StringIO(), 0
        try:
            call_command("rehive_setup", *arguments, "--wait", wait, stdout=out, stderr=out)
        except SystemExit as end:
            code = int(str(end.code))
        assert not token or token not in out.getvalue(), "P9"
        assert SECRET not in out.getvalue(), "P9"
        return code, out.getvalue().splitlines()

    return set_up


@pytest.fixture
def shop(rehive: SimulatorProcess, live_server: Any, settings: Any) -> SimpleNamespace:
    """A shop with sound settings, at an address where Rehive reaches it."""
    settings.OSCAR_REHIVE = {
        **settings.OSCAR_REHIVE,
        "BASE_URL": live_server.url,
        "WEBHOOK_SECRET": SECRET,
    }
    return SimpleNamespace(url=live_server.url, webhook=f"{live_server.url}/rehive/webhook/")


def crosses(lines: list[str]) -> list[str]:
    """The lines with a cross."""
    return [line for line in lines if line.startswith("✗")]

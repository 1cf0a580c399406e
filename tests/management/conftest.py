"""A shop at its public address, to run ``manage.py rehive_check`` in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
import responses
from django.core.management import call_command
from django.test import Client

SHOP = "https://shop.example.com"
WEBHOOK = f"{SHOP}/rehive/webhook/"
SECRET = "the-webhook-secret"

Check = Callable[..., tuple[int, str]]


@pytest.fixture
def internet(rehive: Any, settings: Any) -> Iterator[responses.RequestsMock]:
    """The simulator as it is, and nothing else but what a test puts there."""
    settings.OSCAR_REHIVE = {
        **settings.OSCAR_REHIVE,
        "BASE_URL": SHOP,
        "WEBHOOK_SECRET": SECRET,
    }
    with responses.RequestsMock(assert_all_requests_are_fired=False) as internet:
        internet.add_passthru(rehive.origin)
        yield internet


@pytest.fixture
def shop(internet: responses.RequestsMock, rehive: Any) -> responses.RequestsMock:
    """The shop at its public address, and its webhook registered: all is well."""
    rehive.register_webhook(WEBHOOK, SECRET)
    answers_at(internet, WEBHOOK)
    return internet


@pytest.fixture
def check(rehive: Any) -> Check:
    """Runs the command; its exit code, and all that it printed."""

    def check(*arguments: str) -> tuple[int, str]:
        out, code = StringIO(), 0
        try:
            call_command("rehive_check", *arguments, stdout=out)
        except SystemExit as end:
            code = int(str(end.code))
        assert rehive.token not in out.getvalue()
        assert SECRET not in out.getvalue()
        return code, out.getvalue()

    return check


def answers_at(
    internet: responses.RequestsMock,
    address: str,
    *,
    without: str = "",
    headers: dict[str, str] | None = None,
) -> None:
    """Let our own webhook answer at ``address``, behind something that takes the header ``without`` away, or
    puts other ``headers`` in the place of those that are there."""

    def answer(request: Any) -> tuple[int, dict[str, str], bytes]:
        passed = {name: value for name, value in request.headers.items() if name != without}
        passed |= {name: value for name, value in (headers or {}).items() if name in passed}
        found = Client().post(
            "/rehive/webhook/",
            request.body,
            content_type="application/json",
            headers=passed,
        )
        return found.status_code, dict(found.headers), found.content

    internet.add_callback(responses.POST, address, answer)


def crosses(out: str) -> list[str]:
    """The lines with a cross, each with the hint below it."""
    lines = out.splitlines()
    return [
        f"{line} | {below.strip()}"
        for line, below in zip(lines, [*lines[1:], ""], strict=True)
        if line.startswith("✗")
    ]


def the_cross(out: str) -> str:
    (only,) = crosses(out)
    return only


def registered(rehive: Any) -> list[str]:
    found = rehive._request(
        "GET",
        f"{rehive.payment_requests_url}user/webhooks/",
        None,
        {"Authorization": f"Token {rehive.token}"},
    )
    return [hook["url"] for hook in found["data"]["results"]]

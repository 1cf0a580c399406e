"""The settings of being told: a mistake in them stops no payment, and opens nothing."""

from __future__ import annotations

from typing import Any

import pytest

from oscar_rehive import conf
from tests.test_conf import configure, told

__all__ = ["configure"]

TOKEN = "what-the-monitor-shows"


def test_the_shops_managers_are_told_where_nobody_is_named(configure: Any, settings: Any) -> None:
    configure()
    settings.MANAGERS = [("Kim", "kim@example.com"), "sam@example.com"]

    assert conf.current().tell == ("kim@example.com", "sam@example.com")


@pytest.mark.parametrize(
    ("given", "told_are"),
    [
        ("kim@example.com", ("kim@example.com",)),
        (["kim@example.com", "sam@example.com"], ("kim@example.com", "sam@example.com")),
        ([], ()),
    ],
)
def test_those_who_are_named_are_told_and_nobody_else(
    configure: Any, settings: Any, given: Any, told_are: tuple[str, ...]
) -> None:
    settings.MANAGERS = [("Kim", "managers@example.com")]
    configure(TELL=given)

    assert conf.problems() == ()
    assert conf.current().tell == told_are


@pytest.mark.parametrize("managers", [None, (), []])
def test_a_shop_without_managers_tells_nobody(configure: Any, settings: Any, managers: Any) -> None:
    configure()
    settings.MANAGERS = managers

    assert conf.problems() == ()
    assert conf.current().tell == ()


@pytest.mark.parametrize(
    "managers", ["kim@example.com", 5, [("Kim",)], [("Kim", None)], [5], [{}], {"Kim": "k@e.com"}]
)
def test_managers_that_are_none_stop_no_payment(
    configure: Any, settings: Any, managers: Any
) -> None:
    """Django looks at them when it mails them: nobody else has complained before."""
    configure()
    settings.MANAGERS = managers

    assert "MANAGERS" in told()
    assert conf.current().tell == ()


@pytest.mark.parametrize("given", ["kim", ["kim@example.com", "@"], 5, [5], [None], True])
def test_what_is_no_address_is_complained_of(configure: Any, given: Any) -> None:
    configure(TELL=given)

    assert '["TELL"] is not a list of mail addresses' in told()
    assert conf.current().tell == ()  # raises nothing: payments go on


@pytest.mark.parametrize(
    "given", ["", "short", "x" * 15, "two words in it long", "ü" * 20, 5, b"x" * 20]
)
def test_p9_a_token_that_could_be_guessed_or_not_be_sent_opens_nothing(
    configure: Any, given: Any
) -> None:
    configure(HEALTH_TOKEN=given)

    assert "what a monitor asks stays closed" in told()
    assert conf.current().health_token == ""


def test_p9_the_monitors_token_is_a_secret(configure: Any) -> None:
    configure(HEALTH_TOKEN=f" {TOKEN}\n")

    assert conf.problems() == ()
    assert conf.current().health_token == TOKEN
    assert TOKEN in conf.secrets()
    assert TOKEN not in f"{conf.current()!r}{conf.current().health_token!r}"

"""The system checks of tokens, secrets, and the addresses to which they go."""

from __future__ import annotations

from typing import Any

import pytest

from oscar_rehive.simulator.demo import DEMO_TOKEN, DEMO_WEBHOOK_SECRET
from tests.test_checks import told


@pytest.mark.parametrize("token", ["two words", "tok\ten", "tok\nen", "abc…", "schlüssel"])
def test_e007_a_token_that_no_request_can_carry(settings: Any, token: str) -> None:
    settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "TOKEN": token}

    (error,) = told()

    assert error.id == "oscar_rehive.E007"
    assert error.is_serious()
    assert token not in f"{error.msg}{error.hint}"
    assert "again" in str(error.hint)


@pytest.mark.parametrize("key", ["API_URL", "PAYMENT_REQUESTS_URL"])
def test_w007_the_token_in_clear(settings: Any, key: str) -> None:
    settings.OSCAR_REHIVE = {
        **settings.OSCAR_REHIVE,
        "TOKEN": "a-token-of-its-own",
        "WEBHOOK_SECRET": "a-secret-of-its-own",
        key: "http://rehive.example.com/",
    }

    (warning,) = told()

    assert warning.id == "oscar_rehive.W007"
    assert key in str(warning.msg)
    assert "https://" in str(warning.hint)


def test_w007_of_addresses_that_several_businesses_share_only_once(settings: Any) -> None:
    settings.OSCAR_REHIVE = {
        "TOKEN": "a-token-of-its-own",
        "API_URL": "http://rehive.example.com/",
        "BUSINESSES": {"USD": {"BUSINESS_ID": "us"}, "EUR": {"BUSINESS_ID": "eu"}},
    }

    assert len(told("W007")) == 1


@pytest.mark.parametrize(
    "address",
    [
        "http://localhost:1/",
        "http://127.9.9.9/",
        "http://[::1]:8001/x/",
        "http://a.localhost/",
        "https://rehive.example.com/",
        # Another check's business.
        "http://[",
        "rehive.example.com",
    ],
)
def test_w007_not_of_others(settings: Any, address: str) -> None:
    settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "PAYMENT_REQUESTS_URL": address}

    assert told("W007") == []


@pytest.mark.parametrize(
    ("key", "published"),
    [("TOKEN", DEMO_TOKEN), ("WEBHOOK_SECRET", ["a-secret-of-its-own", DEMO_WEBHOOK_SECRET])],
)
def test_w008_a_secret_that_everybody_knows(settings: Any, key: str, published: Any) -> None:
    sound = {
        **settings.OSCAR_REHIVE,
        "TOKEN": "a-token-of-its-own",
        "WEBHOOK_SECRET": "a-secret-of-its-own",
        "API_URL": "https://rehive.example.com/",
    }
    settings.OSCAR_REHIVE = sound
    assert told() == []

    settings.OSCAR_REHIVE = {**sound, key: published}
    (warning,) = told()

    assert warning.id == "oscar_rehive.W008"
    assert key in str(warning.msg)
    assert key in str(warning.hint)


@pytest.mark.parametrize(
    ("secret", "warned"),
    [("x", True), ("x" * 15, True), ("x" * 16, False), (["x" * 16, "old"], True)],
)
def test_w009_a_webhook_secret_that_can_be_guessed(
    settings: Any, secret: Any, warned: bool
) -> None:
    settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "WEBHOOK_SECRET": secret}

    assert [message.id for message in told()] == ["oscar_rehive.W009"] * warned
    assert all("token_urlsafe" in str(message.hint) for message in told())


@pytest.mark.parametrize("secret", ["a-first-long-secret\na-second-long-one", "nul\0" * 10])
def test_w009_a_secret_that_no_request_can_carry(settings: Any, secret: str) -> None:
    settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "WEBHOOK_SECRET": secret}

    (warning,) = told()

    assert warning.id == "oscar_rehive.W009"
    assert "every delivery would be refused" in str(warning.msg)
    assert secret not in f"{warning.msg}{warning.hint}"

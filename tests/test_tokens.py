"""The tokens in the addresses of the shopper's pages: they work in any browser, and only they do
(peer bug 16)."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
from django.core.signing import Signer, TimestampSigner
from django.test import override_settings

from oscar_rehive import tokens


@pytest.mark.parametrize("number", ["100042", "CS-RJXC", "Ä/ö ?&#%", "0042", "x" * 128])
def test_a_token_gives_back_its_order_number_and_is_safe_in_a_path(number: str) -> None:
    token = tokens.payment_token(number)

    assert tokens.read_payment_token(token) == number
    # Rehive pastes the return address unencoded into its own (rehive-api.md, "Invoices").
    assert re.fullmatch(r"[A-Za-z0-9:_.-]+", token)


@pytest.mark.parametrize(
    "forged",
    [
        "",
        ":",
        "100042",
        "eyJ9:x",
        "\0",
        "\udcff",
        "x" * 10_000,
        Signer(salt="another").sign_object("100042"),
        Signer(key="another key", salt="oscar_rehive.payment").sign_object("100042"),
        Signer(salt="oscar_rehive.payment").sign("100042"),
        Signer(salt="oscar_rehive.payment").sign_object(100042),
        Signer(salt="oscar_rehive.payment").sign_object(["100042"]),
        Signer(salt="oscar_rehive.payment").sign_object(None),
        tokens.placed_token(42),
        tokens.payment_token("100042")[:-1],
        tokens.payment_token("100042").swapcase(),
    ],
    ids=itertools.count(),
)
def test_anything_else_is_no_token(forged: str) -> None:
    assert tokens.read_payment_token(forged) is None


def test_a_placed_token_gives_back_its_basket_and_is_safe_in_a_path() -> None:
    token = tokens.placed_token(42)
    assert tokens.read_placed_token(token) == 42
    assert re.fullmatch(r"[A-Za-z0-9:_.-]+", token)


def test_a_payment_token_does_not_open_the_waiting_page() -> None:
    assert tokens.read_placed_token(tokens.payment_token("100042")) is None


def test_tokens_survive_a_change_of_the_secret_key_while_it_is_a_fallback(settings: Any) -> None:
    token = tokens.payment_token("100042")

    with override_settings(SECRET_KEY="new", SECRET_KEY_FALLBACKS=[settings.SECRET_KEY]):
        assert tokens.read_payment_token(token) == "100042"
    with override_settings(SECRET_KEY="new"):
        assert tokens.read_payment_token(token) is None


def test_the_probe_of_rehive_check_is_known_for_a_minute_only() -> None:
    class AnHourAgo(TimestampSigner):
        def timestamp(self) -> str:
            return "0"

    assert tokens.is_probe(tokens.probe_token())
    assert not tokens.is_probe(AnHourAgo(salt="oscar_rehive.probe").sign("probe"))
    assert not tokens.is_probe(tokens.payment_token("probe"))
    assert not tokens.is_probe("")

"""The tokens in the addresses of the shopper's pages: they work in any browser, and only they do
(peer bug 16), for the one payment that they were made for."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
from django.core.signing import Signer, TimestampSigner
from django.test import override_settings

from oscar_rehive import tokens
from oscar_rehive.models import OrderPayment
from oscar_rehive.payments.placing import expect_payment

pytestmark = pytest.mark.django_db


def placed(number: str) -> OrderPayment:
    """Order ``number`` is placed, to be paid through Rehive."""
    return expect_payment(number, language="en")


def mailed_earlier(number: str) -> str:
    """A token as it was made before it named the payment, in a mail or a browser's tab."""
    return Signer(salt="oscar_rehive.payment").sign_object(number)


@pytest.mark.parametrize("number", ["100042", "CS-RJXC", "Ä/ö ?&#%", "0042", "x" * 128])
def test_a_token_gives_back_its_order_number_and_is_safe_in_a_path(number: str) -> None:
    payment = placed(number)

    token = tokens.payment_token(number)

    assert token == tokens.token_of(payment)
    assert tokens.read_payment_token(token) == number
    # Rehive pastes the return address unencoded into its own (rehive-api.md, "Invoices").
    assert re.fullmatch(r"[A-Za-z0-9:_.-]+", token)


def test_a_number_used_again_gets_tokens_of_its_own() -> None:
    """An old pay link opened, and cancelled, the new order of that number."""
    old = tokens.token_of(placed("100042"))

    new = tokens.token_of(placed("100042"))

    deleted, current = OrderPayment.objects.order_by("pk")
    assert tokens.payment_token("100042") == new != old
    assert tokens.read_payment_token(new) == current.order_number == "100042"
    assert tokens.read_payment_token(old) == deleted.order_number
    assert deleted.order_number == f"100042 (deleted, {deleted.pk})"


def test_a_token_of_before_a_new_database_does_not_open_what_got_its_key() -> None:
    token = tokens.token_of(placed("100042"))

    OrderPayment.objects.update(order_number="100007", reference="100007")

    assert tokens.read_payment_token(token) is None


def test_making_one_needs_no_query_and_reading_one_a_single_one(
    django_assert_num_queries: Any,
) -> None:
    """It is made while an order is placed, and read each time that a page which waits looks again."""
    payment = placed("100042")

    with django_assert_num_queries(0):
        token = tokens.token_of(payment)
    for one in (token, mailed_earlier("100042")):
        with django_assert_num_queries(1):
            tokens.read_payment_token(one)


class TestTokensThatWereMailedBeforeTheyNamedThePayment:
    def test_they_stay_valid(self) -> None:
        placed("100042")

        assert tokens.read_payment_token(mailed_earlier("100042")) == "100042"

    def test_until_their_number_is_used_again(self) -> None:
        placed("100042")
        placed("100042")

        assert tokens.read_payment_token(mailed_earlier("100042")) is None

    def test_they_do_not_open_what_never_was_theirs(self) -> None:
        placed("100042")
        deleted = placed("100042")

        assert tokens.read_payment_token(mailed_earlier(deleted.order_number)) is None
        assert tokens.read_payment_token(mailed_earlier("100043")) is None


@pytest.mark.parametrize(
    "forge",
    [
        lambda token: "",
        lambda token: ":",
        lambda token: "100042",
        lambda token: "eyJ9:x",
        lambda token: "\0",
        lambda token: "\udcff",
        lambda token: "x" * 10_000,
        lambda token: Signer(salt="another").sign_object("100042"),
        lambda token: Signer(key="another key", salt="oscar_rehive.payment").sign_object("100042"),
        lambda token: Signer(salt="oscar_rehive.payment").sign("100042"),
        lambda token: Signer(salt="oscar_rehive.payment").sign_object(100042),
        lambda token: Signer(salt="oscar_rehive.payment").sign_object(["100042"]),
        lambda token: Signer(salt="oscar_rehive.payment").sign_object(None),
        lambda token: tokens.placed_token(42),
        lambda token: token[:-1],
        lambda token: token.swapcase(),
    ],
    ids=itertools.count(),
)
def test_anything_else_is_no_token(forge: Any) -> None:
    token = tokens.token_of(placed("100042"))

    assert tokens.read_payment_token(forge(token)) is None


def test_of_an_order_that_is_paid_otherwise_there_is_no_token() -> None:
    with pytest.raises(LookupError, match="Order 100042 is not to be paid through Rehive"):
        tokens.payment_token("100042")


def test_a_placed_token_gives_back_its_basket_and_is_safe_in_a_path() -> None:
    token = tokens.placed_token(42)
    assert tokens.read_placed_token(token) == 42
    assert re.fullmatch(r"[A-Za-z0-9:_.-]+", token)


def test_a_payment_token_does_not_open_the_waiting_page() -> None:
    assert tokens.read_placed_token(tokens.token_of(placed("100042"))) is None


def test_tokens_survive_a_change_of_the_secret_key_while_it_is_a_fallback(settings: Any) -> None:
    token = tokens.token_of(placed("100042"))

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
    assert not tokens.is_probe(tokens.token_of(placed("100042")))
    assert not tokens.is_probe("")

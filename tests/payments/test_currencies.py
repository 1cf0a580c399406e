"""What is known of a business's currency while an order is placed, when nobody may ask Rehive."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from babel.numbers import get_currency_precision
from django.core.cache import cache

from oscar_rehive import conf
from oscar_rehive.models import Invoice, OrderPayment
from oscar_rehive.payments.currencies import WITHOUT_DECIMALS, known_divisibility
from oscar_rehive.payments.gateway import currency_key, divisibility_of
from tests.steps import not_migrated, opened

pytestmark = pytest.mark.django_db


def business(**changes: Any) -> conf.BusinessConfig:
    return dataclasses.replace(conf.current().businesses["USD"], **changes)


def an_invoice(place_order: Any, **changes: Any) -> Invoice:
    """An attempt made by the business earlier."""
    made = {"business_id": business().business_id, "currency": "USD", "divisibility": 2}
    payment = OrderPayment.objects.get(order_number=place_order().number)
    return Invoice.objects.create(
        payment=payment,
        attempt=1,
        total="12.34",
        amount=1234,
        state="closed",
        **{**made, **changes},
    )


def test_what_rehive_told_last_is_known(rehive: Any) -> None:
    assert known_divisibility(business()) is None
    asked = divisibility_of(business())
    requests = len(rehive.requests())

    assert known_divisibility(business()) == asked == 2
    assert len(rehive.requests()) == requests


def test_it_comes_before_invoices_and_those_before_iso_4217(place_order: Any) -> None:
    """A company at Rehive can give its yen decimals."""
    yen = business(currency="JPY")
    assert known_divisibility(yen) == 0
    an_invoice(place_order, currency="JPY", divisibility=1)
    an_invoice(place_order, currency="JPY", divisibility=2)
    assert known_divisibility(yen) == 2

    cache.set(currency_key(yen), ("JPY", 3))

    assert known_divisibility(yen) == 3


@pytest.mark.parametrize("other", [{"business_id": "another"}, {"currency": "EUR"}])
def test_invoices_of_others_tell_nothing(place_order: Any, other: dict[str, str]) -> None:
    an_invoice(place_order, **other)

    assert known_divisibility(business()) is None


def test_nor_does_an_answer_about_another_currency() -> None:
    """Of a business that was re-keyed, or that is named under the wrong currency."""
    cache.set(currency_key(business()), ("JPY", 0))

    assert known_divisibility(business()) is None


def test_what_iso_4217_does_not_know_is_not_guessed_at() -> None:
    assert [known_divisibility(business(currency=code)) for code in ("BTC", "EUR")] == [None, None]


def test_iso_4217_and_babel_agree_where_iso_says_that_there_are_no_decimals() -> None:
    assert {get_currency_precision(code) for code in WITHOUT_DECIMALS} == {0}


def test_a_cache_that_is_down_does_not_take_the_checkout_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def down(*args: Any, **kwargs: Any) -> Any:
        raise ConnectionError("the cache is down")

    monkeypatch.setattr(cache, "get", down)

    assert known_divisibility(business(currency="JPY")) == 0


def test_nor_does_a_database_that_is_not_migrated(rehive: Any, place_order: Any) -> None:
    opened(place_order())
    cache.clear()
    with not_migrated(Invoice):
        assert known_divisibility(business(currency="JPY")) == 0
    # And the transaction around is whole.
    assert known_divisibility(business()) == 2

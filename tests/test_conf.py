"""The setting ``OSCAR_REHIVE``: what it may hold, and what each mistake in it is told."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy, override

from oscar_rehive import conf

SHORTEST = {"TOKEN": "the-token", "BUSINESS_ID": "the-business", "WEBHOOK_SECRET": "the-secret"}


@pytest.fixture
def configure(settings: Any) -> Any:
    """Makes ``OSCAR_REHIVE`` the shortest one that is sound, with some keys of its own."""

    def configure(more: Any = (), /, **keys: Any) -> None:
        settings.OSCAR_REHIVE = {**SHORTEST, **dict(more), **keys}

    return configure


def told() -> str:
    """All that the checks say about the setting, each line with its hint."""
    return "\n".join(f"{problem.message} | {problem.hint}" for problem in conf.problems())


def test_three_keys_are_enough(configure: Any) -> None:
    configure()

    config = conf.current()

    assert conf.problems() == ()
    assert list(config.businesses) == ["USD"]
    assert config.businesses["USD"].api_url == "https://business.services.rehive.com/api/"
    assert config.payment_window == timedelta(hours=24)
    assert config.keep_deliveries == timedelta(days=90)
    assert config.accept_late is True
    assert (config.tolerance_amount, config.tolerance_percent) == (0, 0)
    assert config.payment_methods == ("oscar_rehive.checkout.methods.Rehive",)
    assert asdict(config.order_status) == {
        "pending": "Pending",
        "paid": "Being processed",
        "cancelled": "Cancelled",
    }


def test_the_single_business_invoices_in_the_shops_currency(configure: Any, settings: Any) -> None:
    configure()
    settings.OSCAR_DEFAULT_CURRENCY = "JPY"

    assert conf.business_for("JPY") is not None
    assert conf.business_for("USD") is None


def test_each_currency_has_its_business_and_inherits_what_is_shared(settings: Any) -> None:
    settings.OSCAR_REHIVE = {
        "TOKEN": "shared-token",
        "WEBHOOK_SECRET": "shared-secret",
        "API_URL": "https://staging.example.com/api/",
        "MINIMUM": "5",
        "BUSINESSES": {
            "USD": {"BUSINESS_ID": "us"},
            "EUR": {"BUSINESS_ID": "eu", "TOKEN": "its-own", "MINIMUM": Decimal("10")},
        },
    }

    usd, eur = conf.business_for("USD"), conf.business_for("EUR")

    assert conf.problems() == ()
    assert usd is not None
    assert eur is not None
    assert (usd.business_id, usd.token, usd.minimum) == ("us", "shared-token", 5)
    assert (eur.business_id, eur.token, eur.minimum) == ("eu", "its-own", 10)
    assert usd.api_url == eur.api_url == "https://staging.example.com/api/"
    assert usd.webhook_secrets == eur.webhook_secrets == ("shared-secret",)


def test_a_complaint_names_the_business_that_it_is_about(configure: Any) -> None:
    configure(TOKEN="", BUSINESSES={"USD": {}, "EUR": {"TOKEN": "its-own", "BUSINESS_ID": "e"}})

    (problem,) = conf.problems()

    assert 'OSCAR_REHIVE["BUSINESSES"]["USD"]["TOKEN"]' in problem.message


@pytest.mark.parametrize(
    "key",
    [
        "API_URL",
        "PAYMENT_REQUESTS_URL",
        "BASE_URL",
        "LATE_PAYMENTS",
        "PAYMENT_WINDOW",
        "KEEP_DELIVERIES",
        "ORDER_STATUS",
        "PAYMENT_METHODS",
        "TITLE",
        "MINIMUM",
        "CALLS_PER_MINUTE",
    ],
)
def test_none_is_as_good_as_none(configure: Any, key: str) -> None:
    """What ``os.environ.get`` gives for a variable that is not set."""
    configure()
    without = conf.current()

    configure(**{key: None})

    assert conf.current() == without


@pytest.mark.parametrize(
    ("keys", "complaint", "hint"),
    [
        pytest.param({"TOKEN": ""}, '["TOKEN"] is missing or empty', "API token", id="no token"),
        pytest.param({"TOKEN": "  "}, '["TOKEN"] is missing or empty', "API token", id="blank"),
        pytest.param({"TOKEN": None}, '["TOKEN"] is missing or empty', "API token", id="None"),
        pytest.param({"TOKEN": ["t"]}, '["TOKEN"] is not a text', "quotation marks", id="list"),
        pytest.param({"TOKEN": True}, '["TOKEN"] is not a text', "quotation marks", id="bool"),
        pytest.param({"BUSINESS_ID": ""}, '["BUSINESS_ID"] is missing', "id", id="no business"),
        pytest.param({"TOKE": "t"}, "unknown key 'TOKE'", "'TOKEN'", id="misspelt"),
        pytest.param({"token": "t"}, "unknown key 'token'", "'TOKEN'", id="small letters"),
        pytest.param(
            {"PAYMENT_METHOD": []}, "'PAYMENT_METHOD'", "'PAYMENT_METHODS'", id="singular"
        ),
        pytest.param({"QUX": 1}, "unknown key 'QUX'", "Known: TOKEN", id="far from all"),
        pytest.param({5: "x"}, "unknown key 5", "Known: TOKEN", id="not even a text"),
        pytest.param({"API_URL": "business.rehive.com"}, "API_URL", "https://", id="no scheme"),
        pytest.param({"API_URL": ""}, "API_URL", "https://", id="blank address"),
        pytest.param({"API_URL": "ftp://rehive.com/"}, "API_URL", "https://", id="ftp"),
        pytest.param({"API_URL": "https://rehive.com/\r\nX: 1"}, "API_URL", "https://", id="CRLF"),
        pytest.param({"PAYMENT_REQUESTS_URL": 5}, "PAYMENT_REQUESTS_URL", "https://", id="int"),
        pytest.param({"BASE_URL": "shop.example.com"}, "BASE_URL", "https://shop", id="base"),
        pytest.param({"MINIMUM": 1.5}, '["MINIMUM"] is not an amount', "not a float", id="float"),
        pytest.param({"MAXIMUM": 100.0}, '["MAXIMUM"]', "not a float", id="whole float"),
        pytest.param({"TOLERANCE_AMOUNT": 0.01}, '["TOLERANCE_AMOUNT"]', "not a float", id="cent"),
        pytest.param({"TOLERANCE_PERCENT": 0.5}, '["TOLERANCE_PERCENT"]', "not a float", id="half"),
        pytest.param(
            {"TOLERANCE_PERCENT": 100}, "any payment would do", "below 100", id="all of it"
        ),
        pytest.param({"MINIMUM": "NaN"}, '["MINIMUM"] is not an amount', "whole number", id="nan"),
        pytest.param({"MINIMUM": "sNaN"}, '["MINIMUM"] is not an amount', "number", id="snan"),
        pytest.param({"MINIMUM": Decimal("Infinity")}, '["MINIMUM"]', "number", id="infinity"),
        pytest.param({"MINIMUM": "-1"}, '["MINIMUM"]', "nothing below zero", id="negative"),
        pytest.param({"MINIMUM": "ten"}, '["MINIMUM"]', "whole number", id="a word"),
        pytest.param({"MINIMUM": True}, '["MINIMUM"]', "whole number", id="True is not 1"),
        pytest.param({"MINIMUM": (0, (1,), 0)}, '["MINIMUM"]', "whole number", id="tuple"),
        pytest.param({"MINIMUM": "9", "MAXIMUM": "8"}, "above MAXIMUM", "Exchange", id="crossed"),
        pytest.param({"LATE_PAYMENTS": "maybe"}, "'maybe'", '"hold"', id="late"),
        pytest.param({"LATE_PAYMENTS": 5.5}, "LATE_PAYMENTS", "quotation marks", id="late float"),
        pytest.param({"API_URL": "https://x/?a=1"}, "a query", "leave out", id="query"),
        pytest.param({"API_URL": "https://sam:pw@x/"}, "a password in it", "@", id="password"),
        pytest.param({"BASE_URL": "https://shop..example.com"}, "BASE_URL", "For inst", id="dots"),
        pytest.param({"API_URL": f"https://{'a' * 64}.com"}, "API_URL", "For inst", id="long name"),
        pytest.param({"BASE_URL": "https://sam@x"}, "a user's name", "Leave out", id="user"),
        pytest.param({"BASE_URL": "https://x/#a"}, "a fragment", "leave out", id="fragment"),
        pytest.param(
            {"BUSINESSES": {"USD": {}, "EUR": {}}}, "the same BUSINESS_ID", "own", id="shared id"
        ),
        pytest.param({"PAYMENT_WINDOW": 0}, "PAYMENT_WINDOW", "timedelta", id="no window"),
        pytest.param({"PAYMENT_WINDOW": -5}, "PAYMENT_WINDOW", "timedelta", id="window below zero"),
        pytest.param({"PAYMENT_WINDOW": 1.5}, "PAYMENT_WINDOW", "timedelta", id="float window"),
        pytest.param({"PAYMENT_WINDOW": True}, "PAYMENT_WINDOW", "timedelta", id="bool window"),
        pytest.param({"PAYMENT_WINDOW": "1 day"}, "PAYMENT_WINDOW", "timedelta", id="text window"),
        pytest.param({"PAYMENT_WINDOW": 10**30}, "at most 366 days", "seconds", id="beyond time"),
        pytest.param({"PAYMENT_WINDOW": timedelta.max}, "366 days", "seconds", id="overflow later"),
        pytest.param({"KEEP_DELIVERIES": 90}, "at least 1 day", "seconds", id="days for seconds"),
        pytest.param({"KEEP_DELIVERIES": "90"}, "KEEP_DELIVERIES", "timedelta", id="text to keep"),
        pytest.param({"KEEP_DELIVERIES": timedelta.max}, "3660 days", "seconds", id="for ever"),
        pytest.param({"CALLS_PER_MINUTE": 9}, "CALLS_PER_MINUTE", "instance 150", id="few calls"),
        pytest.param({"CALLS_PER_MINUTE": 99.5}, "CALLS_PER_MINUTE", "150", id="half a call"),
        pytest.param({"CALLS_PER_MINUTE": True}, "CALLS_PER_MINUTE", "150", id="True calls"),
        pytest.param({"CALLS_PER_MINUTE": "150"}, "CALLS_PER_MINUTE", "150", id="text of calls"),
        pytest.param({"OFFERED_DURING_OUTAGE": 0}, "OFFERED_DURING", "timedelta", id="no outage"),
        pytest.param({"OFFERED_DURING_OUTAGE": "1h"}, "OFFERED_DURING", "timedelta", id="text"),
        pytest.param({"ORDER_STATUS": "Paid"}, "ORDER_STATUS", "For instance", id="not a dict"),
        pytest.param({"ORDER_STATUS": {"payed": "P"}}, "ORDER_STATUS", "paid", id="wrong word"),
        pytest.param({"ORDER_STATUS": {"paid": ""}}, "ORDER_STATUS", "paid", id="blank status"),
        pytest.param({"ORDER_STATUS": {"paid": None}}, "ORDER_STATUS", "paid", id="None status"),
        pytest.param(
            {"ORDER_STATUS": {"cancelled": "Pending"}}, "'Pending'", "of their own", id="the same"
        ),
        pytest.param({"TITLE": 5}, '["TITLE"] is not a text', "quotation marks", id="title"),
        pytest.param({"DESCRIPTION": ["x"]}, '["DESCRIPTION"]', "quotation marks", id="described"),
        pytest.param({"PAYMENT_METHODS": []}, "PAYMENT_METHODS", "For instance", id="no methods"),
        pytest.param({"PAYMENT_METHODS": "a.B"}, "PAYMENT_METHODS", "For instance", id="one text"),
        pytest.param({"PAYMENT_METHODS": [object]}, "PAYMENT_METHODS", "For inst", id="a class"),
        pytest.param({"BUSINESSES": {}}, "BUSINESSES", '{"USD":', id="no businesses"),
        pytest.param({"BUSINESSES": ["USD"]}, "BUSINESSES", '{"USD":', id="list of businesses"),
        pytest.param({"BUSINESSES": {"USD": "id"}}, '["USD"] is not a dict', "TOKEN", id="flat"),
        pytest.param({"BUSINESSES": {"": {}}}, "not a currency", '"USD"', id="blank currency"),
        pytest.param({"BUSINESSES": {5: {}}}, "not a currency", '"USD"', id="number as currency"),
        pytest.param(
            {"BUSINESSES": {"USD": {"TITLE": "x"}}}, "unknown key 'TITLE'", "Known", id="misplaced"
        ),
        pytest.param(
            {"WEBHOOK_SECRET": 12345678}, "neither a text nor", "long random text", id="secret"
        ),
        pytest.param(
            {"WEBHOOK_SECRET": ["a", 5]}, "neither a text nor", "long random text", id="secrets"
        ),
    ],
)
def test_a_mistake_is_told_with_the_way_to_mend_it_and_stops_payments(
    configure: Any, keys: dict[str, Any], complaint: str, hint: str
) -> None:
    configure(keys)

    problems = [problem for problem in conf.problems() if complaint in problem.message]

    assert problems, told()
    assert hint in problems[0].hint
    assert problems[0].fatal
    with pytest.raises(ImproperlyConfigured):
        conf.current()


@pytest.mark.parametrize("key", ["API_URL", "PAYMENT_REQUESTS_URL", "BASE_URL"])
def test_a_password_in_an_address_is_repeated_nowhere(configure: Any, key: str) -> None:
    configure({key: "http://sam:the-password@rehive.example.com/"})

    assert key in told()
    assert "the-password" not in told() + "".join(map(str, run_checks()))
    assert "the-password" not in repr(conf.as_it_is())


@pytest.mark.parametrize("missing", ["TOKEN", "BUSINESS_ID"])
def test_a_missing_key_is_told(settings: Any, missing: str) -> None:
    settings.OSCAR_REHIVE = {key: value for key, value in SHORTEST.items() if key != missing}

    with pytest.raises(ImproperlyConfigured, match=missing):
        conf.current()


@pytest.mark.parametrize("setting", [None, [], "", "TOKEN=1"])
def test_without_the_setting_the_first_thing_told_is_how_to_add_it(
    settings: Any, setting: Any
) -> None:
    settings.OSCAR_REHIVE = setting

    assert "missing or not a dict" in conf.problems()[0].message
    assert "BUSINESS_ID" in conf.problems()[0].hint


def test_every_fault_is_told_at_once_and_not_one_after_the_other(configure: Any) -> None:
    configure(TOKEN="", MINIMUM=1.5, LATE_PAYMENTS="no", QUX=1)

    assert len(conf.problems()) == 4


@pytest.mark.parametrize(
    ("given", "usable", "warned"),
    [
        ("one", ("one",), False),
        (["new", "old"], ("new", "old"), False),
        (("new",), ("new",), False),
        ("", (), True),
        ("   ", (), True),
        ([], (), True),
        ([""], (), True),
        (["good", " "], ("good",), True),
        (None, (), True),
        # Out of a file: a header could never carry the line's end, and nothing would match.
        ("one\n", ("one",), False),
    ],
)
def test_bug24_an_empty_secret_is_no_secret(
    configure: Any, given: Any, usable: tuple[str, ...], warned: bool
) -> None:
    configure(WEBHOOK_SECRET=given)

    assert conf.current().businesses["USD"].webhook_secrets == usable
    assert bool(conf.problems()) is warned
    assert not any(problem.fatal for problem in conf.problems())


@pytest.mark.parametrize("amount", ["9.99", Decimal("9.99")])
def test_amounts_are_exact_decimals(configure: Any, amount: Any) -> None:
    configure(MAXIMUM=amount, TOLERANCE_AMOUNT=amount, TOLERANCE_PERCENT=amount)

    config = conf.current()

    assert config.businesses["USD"].maximum == Decimal("9.99")
    assert (config.tolerance_amount, config.tolerance_percent) == (Decimal("9.99"),) * 2


@pytest.mark.parametrize("window", [5400, timedelta(minutes=90)])
def test_the_payment_window_is_a_span_or_seconds(configure: Any, window: Any) -> None:
    configure(PAYMENT_WINDOW=window)

    assert conf.current().payment_window == timedelta(minutes=90)


@pytest.mark.parametrize("rate", [10, 150, 400])
def test_a_business_has_a_rate_of_its_own(settings: Any, rate: int) -> None:
    settings.OSCAR_REHIVE = {
        **SHORTEST,
        "BUSINESSES": {"USD": {}, "EUR": {"BUSINESS_ID": "eu", "CALLS_PER_MINUTE": rate}},
    }

    config = conf.current()

    assert conf.problems() == ()
    assert config.businesses["USD"].calls_per_minute == 150
    assert config.businesses["EUR"].calls_per_minute == rate


def test_in_an_outage_rehive_is_offered_for_a_while_or_for_ever(configure: Any) -> None:
    """Here None says something: for ever."""
    configure()
    assert conf.current().offered_during_outage == timedelta(minutes=10)
    configure(OFFERED_DURING_OUTAGE=90)
    assert conf.current().offered_during_outage == timedelta(seconds=90)
    configure(OFFERED_DURING_OUTAGE=None)
    assert conf.current().offered_during_outage is None
    assert conf.problems() == ()


def test_pending_and_paid_may_be_the_same_status(configure: Any) -> None:
    """Some shops map them so (peer bug 2); what is forbidden is to mistake cancelled for them."""
    configure(ORDER_STATUS={"pending": "Open", "paid": "Open"})

    assert conf.problems() == ()


def test_titles_stay_lazy_until_the_shoppers_language_is_known(configure: Any) -> None:
    configure(TITLE=gettext_lazy("Yes"))

    title = conf.current().title

    assert isinstance(title, Promise)
    with override("de"):
        assert str(title) == "Ja"


def test_a_change_of_the_settings_takes_effect_at_once(configure: Any) -> None:
    configure()
    with override_settings(OSCAR_REHIVE={**SHORTEST, "BUSINESS_ID": "another"}):
        assert conf.current().businesses["USD"].business_id == "another"
    with override_settings(OSCAR_DEFAULT_CURRENCY="EUR"):
        assert list(conf.current().businesses) == ["EUR"]

    assert conf.current().businesses["USD"].business_id == "the-business"


def test_p9_token_and_secrets_are_in_no_text_that_a_log_or_an_error_page_shows(
    configure: Any,
) -> None:
    configure()

    shown = repr(conf.current()) + str(conf.current().businesses["USD"])

    assert "the-token" not in shown
    assert "the-secret" not in shown
    assert "the-business" in shown


@pytest.mark.parametrize(
    "keys", [{"WEBHOOK_SECRET": ["the-secret", 5]}, {"TOKEN": ["the-token"]}, {"LATE_PAYMENTS": 1}]
)
def test_p9_no_complaint_repeats_a_secret(configure: Any, keys: dict[str, Any]) -> None:
    configure(**keys)

    assert conf.problems()
    assert "the-token" not in told()
    assert "the-secret" not in told()


def test_payment_methods_are_known_whatever_is_wrong_with_rehive(configure: Any) -> None:
    configure(TOKEN="", PAYMENT_METHODS=["sandbox.shop.methods.CashOnDelivery"])

    assert conf.payment_methods() == ("sandbox.shop.methods.CashOnDelivery",)


def test_p9_what_must_not_be_stored_is_known_whatever_is_wrong_otherwise(configure: Any) -> None:
    configure(
        WEBHOOK_SECRET=["new", "new-and-longer"],
        BUSINESSES={"USD": {}, "EUR": {"TOKEN": "another-token", "QUX": 1}},
    )

    assert conf.secrets() == ["new-and-longer", "another-token", "the-token", "new"]

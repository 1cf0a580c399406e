"""The system checks: each fault of an installation has one, with a hint that mends it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import oscar.core.loading
import pytest
from django.apps import apps
from django.core.checks import CheckMessage, run_checks
from django.urls import include as django_include
from django.urls import path, reverse
from oscar.apps.checkout import views as oscar_views
from oscar.core.loading import get_model

from oscar_rehive import urls as oscar_rehive_urls
from oscar_rehive.checkout.methods import PaymentMethod

ROOT = Path(__file__).resolve().parent.parent

Order = get_model("order", "Order")


def told(check_id: str = "") -> list[CheckMessage]:
    """What our checks say: all of it, or under one id."""
    return [
        message
        for message in run_checks()
        if str(message.id).startswith(f"oscar_rehive.{check_id}")
    ]


class NoTitle(PaymentMethod):
    """The checkout would fail when it shows it."""

    code = "no-title"


class NoMethod:
    """Importable, but no payment method."""

    code = "none"


def test_a_sound_installation_is_silent() -> None:
    assert told() == []


def test_the_sandbox_is_a_sound_installation(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "sandbox" / "manage.py", "check"],
        env={
            **{key: value for key, value in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"},
            "SANDBOX_VAR": str(tmp_path),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "System check identified no issues (0 silenced).\n"


@pytest.mark.parametrize("setting", [None, {}, {"TOKEN": "t"}, {"TOKE": 1, "BUSINESSES": 5}])
def test_e001_settings_that_stop_payments(settings: Any, setting: Any) -> None:
    settings.OSCAR_REHIVE = setting

    assert told("E001")
    assert all(message.hint and message.is_serious() for message in told("E001"))


def test_w001_settings_that_only_slow_payments_down(settings: Any) -> None:
    settings.OSCAR_REHIVE = {
        "TOKEN": "t",
        "BUSINESS_ID": "b",
        "BASE_URL": "https://shop.example.com",
    }

    (warning,) = told()

    assert warning.id == "oscar_rehive.W001"
    assert not warning.is_serious()
    assert "rehive_setup" in str(warning.hint)


@pytest.mark.parametrize(
    "path",
    [
        "oscar_rehive.checkout.methods.Rehvie",
        "shop.that.is.not.There",
        "no_dots",
        "..x",
        "tests.test_checks.NoMethod",
        "tests.test_checks.NoTitle",
        "oscar_rehive.checkout.methods.PaymentMethod",
    ],
)
def test_e002_a_payment_method_that_cannot_be_used(settings: Any, path: str) -> None:
    settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "PAYMENT_METHODS": [path]}

    (error,) = told()

    assert error.id == "oscar_rehive.E002"
    assert repr(path) in error.msg
    assert "PAYMENT_METHODS" in str(error.hint)


def test_e002_a_payment_method_that_would_be_shown_twice(settings: Any) -> None:
    method = "oscar_rehive.checkout.methods.Rehive"
    settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "PAYMENT_METHODS": [method, method]}

    (error,) = told("E002")

    assert "Name each method once" in str(error.hint)


def test_e002_two_payment_methods_that_the_form_could_not_tell_apart(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sandbox.shop.methods import CashOnDelivery

    monkeypatch.setattr(CashOnDelivery, "code", "rehive")
    settings.OSCAR_REHIVE = {
        **settings.OSCAR_REHIVE,
        "PAYMENT_METHODS": [
            "oscar_rehive.checkout.methods.Rehive",
            "sandbox.shop.methods.CashOnDelivery",
        ],
    }

    (error,) = told("E002")

    assert "same code 'rehive'" in error.msg


@pytest.mark.parametrize(
    ("pipeline", "faults"),
    [
        ({}, ["'Being processed'", "'Cancelled'"]),
        ({"Pending": ("Being processed",)}, ["'Cancelled'"]),
        ({"Pending": ("Cancelled",), "Being processed": ()}, ["'Being processed'"]),
        ({"Pending": ("Cancelled", "Being processed")}, []),
    ],
)
def test_w002_a_pipeline_that_payments_cannot_pass(
    monkeypatch: pytest.MonkeyPatch, pipeline: dict[str, Any], faults: list[str]
) -> None:
    monkeypatch.setattr(Order, "pipeline", pipeline)

    found = told()

    assert [message.id for message in found] == ["oscar_rehive.W002"] * len(faults)
    for message, status in zip(found, faults, strict=True):
        assert status in message.msg
        assert "OSCAR_ORDER_STATUS_PIPELINE" in message.msg
        assert "ORDER_STATUS" in str(message.hint)


def test_w002_the_shops_own_words_are_looked_for(settings: Any) -> None:
    settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "ORDER_STATUS": {"pending": "Neu"}}

    assert {message.id for message in told()} == {"oscar_rehive.W002"}


@pytest.mark.parametrize(
    ("words", "pipeline", "says", "meant"),
    [
        ({"paid": "Being procesed"}, {}, "No order can be 'Being procesed'", "'Being processed'"),
        ({"pending": "pending"}, {}, "No order can be 'pending'", "'Pending'"),
        ({"cancelled": "Canceled"}, {}, "No order can be 'Canceled'", "'Cancelled'"),
        (
            {"paid": "Being procesed"},
            {"Pending": ("Being procesed", "Cancelled")},
            "leads nowhere",
            "'Being processed'",
        ),
    ],
)
def test_w002_a_status_with_a_typo(
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    words: dict[str, str],
    pipeline: dict[str, Any],
    says: str,
    meant: str,
) -> None:
    monkeypatch.setattr(Order, "pipeline", {**Order.pipeline, **pipeline})
    settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "ORDER_STATUS": words}

    (warning,) = told()

    assert warning.id == "oscar_rehive.W002"
    assert says in warning.msg
    assert f"Did you mean {meant}?" in str(warning.hint)


def test_e003_the_addresses_are_not_included(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.checkout.urls_without_rehive"

    (error,) = told()

    assert error.id == "oscar_rehive.E003"
    assert 'include(apps.get_app_config("oscar_rehive").urls[0])' in str(error.hint)


def test_the_documented_include_keeps_the_namespace() -> None:
    """Trap: including only ``urls[0]`` drops the namespace that stands beside it."""
    assert reverse("oscar_rehive:webhook") == "/rehive/webhook/"


@pytest.mark.parametrize(
    ("include", "reversed_by_name"),
    [("oscar_rehive.urls", True), (oscar_rehive_urls.urlpatterns, False)],
)
def test_e003_an_include_without_the_namespace(
    settings: Any, include: Any, reversed_by_name: bool
) -> None:
    """The module brings its namespace along; its bare patterns cannot, and that is told."""
    settings.ROOT_URLCONF = type("urls", (), {"urlpatterns": [path("r/", django_include(include))]})

    errors = told()

    if reversed_by_name:
        assert errors == []
        assert reverse("oscar_rehive:webhook") == "/r/webhook/"
    else:
        (error,) = errors
        assert error.id == "oscar_rehive.E003"
        assert "without their namespace" in error.msg
        assert "in the place of what is there" in str(error.hint)


def test_w012_the_public_address_is_not_known(settings: Any) -> None:
    settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "BASE_URL": ""}

    (warning,) = told()

    assert warning.id == "oscar_rehive.W012"
    assert 'Set OSCAR_REHIVE["BASE_URL"]' in str(warning.hint)


def test_e008_oscars_own_checkout_was_left_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its orders go out unpaid: an error, which stops ``migrate`` and ``runserver``."""
    monkeypatch.setattr(
        oscar.core.loading, "get_class", lambda *args: oscar_views.PaymentDetailsView
    )
    monkeypatch.setattr(apps, "is_installed", lambda name: name == "oscar.apps.checkout")

    (error,) = told()

    assert error.id == "oscar_rehive.E008"
    assert error.is_serious()
    assert "still Oscar's own" in str(error.msg)
    assert "unpaid" in str(error.msg)


def test_e008_a_checkout_that_does_not_know_of_rehive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        oscar.core.loading, "get_class", lambda *args: oscar_views.PaymentDetailsView
    )

    (error,) = told()

    assert error.id == "oscar_rehive.E008"
    assert error.is_serious()
    assert "does not offer Rehive" in str(error.msg)
    assert "oscar_rehive.checkout.apps.CheckoutConfig" in str(error.hint)
    assert "README" in str(error.hint)


@pytest.mark.parametrize(
    ("left_out", "check_id", "says"),
    [
        ("PaymentMethodView", "E008", "does not let the shopper choose"),
        ("ThankYouView", "W003", "not paid yet"),
    ],
)
def test_e008_w003_a_checkout_that_knows_of_rehive_by_half(
    monkeypatch: pytest.MonkeyPatch, left_out: str, check_id: str, says: str
) -> None:
    """The first of them would send the shopper from page to page, for ever."""
    real = oscar.core.loading.get_class

    def get_class(module: str, name: str) -> Any:
        return getattr(oscar_views, name) if name == left_out else real(module, name)

    monkeypatch.setattr(oscar.core.loading, "get_class", get_class)

    (message,) = told()

    assert message.id == f"oscar_rehive.{check_id}"
    assert says in str(message.msg)

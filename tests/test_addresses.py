"""P9: the address of a payment is a key to its pages, and stands in no log of the shop, whoever refuses it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from oscar_rehive import views
from oscar_rehive.addresses import without_tokens
from oscar_rehive.payments import deliveries
from oscar_rehive.tokens import payment_token, placed_token
from tests.checkout.pages import buttons_of
from tests.steps import payment_page

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _hears_django(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """The sandbox's logger of Django's keeps to its own handlers."""
    logger = logging.getLogger("django")
    logger.addHandler(caplog.handler)
    yield
    logger.removeHandler(caplog.handler)


PAGES = ("pay", "return", "status", "cancel")


@pytest.mark.parametrize("page", PAGES)
def test_a_method_that_a_page_does_not_know_is_logged_without_its_token(
    page: str, place_order: Any, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    order = place_order()

    answer = client.delete(payment_page(page, order))

    assert answer.status_code == 405
    assert "Method Not Allowed" in caplog.text
    assert payment_token(order.number) not in caplog.text


def test_a_press_without_the_csrf_cookie_is_logged_without_its_token(
    place_order: Any, caplog: pytest.LogCaptureFixture
) -> None:
    order = place_order()

    answer = Client(enforce_csrf_checks=True).post(payment_page("cancel", order))

    assert answer.status_code == 403
    assert "CSRF cookie not set" in caplog.text
    assert payment_token(order.number) not in caplog.text


def test_an_error_of_the_shops_own_code_is_logged_without_the_token(
    place_order: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = place_order()
    monkeypatch.setattr(views, "progress_of", lambda number: 1 / 0)

    answer = Client(raise_request_exception=False).get(payment_page("return", order))

    assert answer.status_code == 500
    assert "Internal Server Error" in caplog.text
    assert payment_token(order.number) not in caplog.text


def test_an_address_with_something_behind_it_is_logged_without_its_token(
    place_order: Any, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    order = place_order()

    assert client.get(f"{payment_page('return', order)}and/more/").status_code == 404

    assert "Not Found" in caplog.text
    assert payment_token(order.number) not in caplog.text


def test_the_page_that_waits_for_an_order_is_logged_without_its_token(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    token = placed_token(1)

    assert client.delete(f"/rehive/placed/{token}/").status_code == 405

    assert token not in caplog.text


def test_other_addresses_are_logged_as_they_are(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    client.get("/rehive/nothing:here/")

    assert "/rehive/nothing:here/" in caplog.text


def test_at_the_address_of_the_cancel_button_is_the_page_with_the_button(
    place_order: Any, client: Client
) -> None:
    """It stays in the browser's history."""
    order = place_order()

    answer = client.get(payment_page("cancel", order))

    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST, OPTIONS")
    assert buttons_of(answer)["Choose another payment method"] == payment_page("cancel", order)


def test_a_delivery_that_names_the_return_address_is_kept_without_its_token(
    place_order: Any,
) -> None:
    """It is shown in the admin, and given out with what is kept of a customer."""
    order = place_order()
    address = f"https://shop.example.com{payment_page('return', order)}"
    body = {"data": {"id": "abc", "return_url": address, "webhook": "https://a.example/b"}}

    delivery = deliveries.store(json.dumps(body).encode())

    assert payment_token(order.number) not in delivery.body
    assert json.loads(delivery.body)["data"]["webhook"] == "https://a.example/b"


@pytest.mark.parametrize("text", ["x" * 10**6, "x:" * 10**6, f"{'x' * 10**6}:{'y' * 10**6}:"])
def test_a_long_text_takes_no_time(text: str) -> None:
    """It did not end: whoever knows the webhook's secret could have held the shop with a few deliveries."""
    assert without_tokens(text) == text


def test_the_address_of_a_coin_is_no_address_of_a_payment() -> None:
    text = f'"litecoin:ltc1q{"x" * 38}"'
    assert without_tokens(text) == text

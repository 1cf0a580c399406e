"""Shops as they are: the same way to a paid order with the settings that real shops have."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from tests.e2e.expecting import PRICE, expect_paid
from tests.e2e.shopper import Shopper
from tests.e2e.shops import Shop, eventually

pytestmark = pytest.mark.e2e

ATOMIC_LETTERS_PROXY = {
    "SANDBOX_ATOMIC_REQUESTS": "1",
    "SANDBOX_ORDER_NUMBERS": "letters",
    "SANDBOX_BEHIND_PROXY": "1",
}
LANGUAGE_LOGIN = {"SANDBOX_I18N_PATTERNS": "1", "SANDBOX_LOGIN_REQUIRED": "1"}
NO_PIPELINE_NO_GUESTS = {"SANDBOX_NO_PIPELINE": "1", "SANDBOX_ANON_CHECKOUT": "0"}


def in_shop(**switches: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("shop_kind", [switches], ids=["+".join(switches)])


@in_shop(**ATOMIC_LETTERS_PROXY)
@pytest.mark.parametrize("shopper", ["guest", "customer"], indirect=True)
def test_with_atomic_requests_and_letters_in_the_order_number(shop: Shop, shopper: Shopper) -> None:
    page = shopper.press(shopper.buy(), "Pay")
    assert page.stage == "paid"
    shop.quiet()
    order = expect_paid(shop, shopper)
    assert order.number.startswith("CS-")
    assert order.number in page.lead


@in_shop(**ATOMIC_LETTERS_PROXY)
def test_with_atomic_requests_an_unreachable_rehive_leaves_a_committed_order(
    shop: Shop, guest: Shopper
) -> None:
    guest.add_to_basket()
    preview = guest.go_to_preview()
    shop.rehive.faults(lose_answer={"methods": ["POST"]})
    page = guest.place(preview)
    assert page.status == 503
    shop.rehive.clear_faults()
    page = guest.get(page.url)
    assert guest.press(page, "Pay").stage == "paid"
    assert expect_paid(shop, guest).remote == ["paid"]


@in_shop(**ATOMIC_LETTERS_PROXY)
def test_behind_a_proxy_the_return_address_is_https(shop: Shop) -> None:
    guest = Shopper(shop.base_url.replace("http:", "https:"))
    hosted = guest.buy()
    invoice = shop.rehive.invoice(hosted.invoice_id)
    assert invoice["return_url"].startswith(f"{guest.base_url}/rehive/return/")
    assert guest.press(hosted, "Pay").stage == "paid"
    shop.quiet()
    expect_paid(shop, guest)


@in_shop(**LANGUAGE_LOGIN)
@pytest.mark.parametrize("language", ["en", "de"])
def test_peer_bug_15_with_the_language_in_every_address(
    shop: Shop, customer: Shopper, language: str
) -> None:
    customer.session.headers["Accept-Language"] = language
    hosted = customer.buy()
    return_url = shop.rehive.invoice(hosted.invoice_id)["return_url"]
    assert urlsplit(return_url).path.startswith(f"/{language}/rehive/return/")
    page = customer.press(hosted, "Pay")
    assert page.stage == "paid"
    shop.quiet()
    delivered = shop.rehive.deliveries()["log"][-1]
    assert (urlsplit(delivered["url"]).path, delivered["status"]) == ("/en/rehive/webhook/", 200)
    expect_paid(shop, customer)


@in_shop(**LANGUAGE_LOGIN)
def test_peer_bug_16_where_login_is_required_the_return_opens_in_another_browser(
    shop: Shop, customer: Shopper
) -> None:
    paid = shop.rehive.outcome(customer.buy().invoice_id, "pay")
    stranger = Shopper(shop.base_url)
    assert "/login/" in stranger.get("/en/basket/").url, "login is required elsewhere"
    page = stranger.get(paid["return_url"])
    assert page.url == paid["return_url"]
    assert page.stage == "paid"
    assert customer.what_is_private_on(page) == []


@in_shop(**NO_PIPELINE_NO_GUESTS)
def test_without_guests_the_checkout_asks_for_an_account_and_can_be_paid(
    shop: Shop, customer: Shopper
) -> None:
    guest = Shopper(shop.base_url)
    guest.add_to_basket()
    assert "/login/" in guest.get("/checkout/").url
    hosted = customer.buy()
    assert customer.press(hosted, "Pay").stage == "paid"


@in_shop(**NO_PIPELINE_NO_GUESTS)
def test_without_a_pipeline_the_payment_is_recorded_and_a_person_is_called(
    shop: Shop, customer: Shopper
) -> None:
    page = customer.press(customer.buy(), "Pay")
    assert page.stage == "paid"
    shop.quiet()
    order = shop.order_of(customer.email)
    assert order.ledger == [("rehive", "Authorise", PRICE), ("rehive", "Debit", PRICE)]
    assert order.attention == ["refused_status"]
    assert order.stages == ["paid"]
    assert len(eventually(lambda: shop.mails(order.number))) == 1

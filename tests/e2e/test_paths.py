"""The whole way to a paid order, whoever brings the news of the payment first."""

from __future__ import annotations

import pytest

from tests.e2e.expecting import expect_paid, expect_unpaid
from tests.e2e.shopper import Page, Shopper
from tests.e2e.shops import Shop

pytestmark = pytest.mark.e2e

guest_and_customer = pytest.mark.parametrize("shopper", ["guest", "customer"], indirect=True)


@guest_and_customer
def test_the_return_comes_before_the_webhook(shop: Shop, shopper: Shopper) -> None:
    hosted = shopper.buy()
    shop.rehive.faults(webhook_hold=True)
    page = shopper.press(hosted, "Pay")
    assert page.stage == "paid"
    expect_paid(shop, shopper)
    answers = shop.rehive.flush_deliveries()
    assert {answer["status"] for answer in answers} == {200}
    shop.quiet()
    expect_paid(shop, shopper)


@guest_and_customer
def test_the_webhook_comes_before_the_return(shop: Shop, shopper: Shopper) -> None:
    hosted = shopper.buy()
    paid = shop.rehive.outcome(hosted.invoice_id, "pay")
    shop.quiet()
    expect_paid(shop, shopper)
    assert shopper.get(paid["return_url"]).stage == "paid"
    expect_paid(shop, shopper)


@guest_and_customer
def test_the_shopper_never_returns_and_the_webhook_suffices(shop: Shop, shopper: Shopper) -> None:
    hosted = shopper.buy()
    expect_unpaid(shop, shopper)
    shop.rehive.outcome(hosted.invoice_id, "pay")
    shop.quiet()
    expect_paid(shop, shopper)


@guest_and_customer
def test_without_webhook_and_return_reconcile_suffices(
    shop_without_webhook: Shop, shopper: Shopper
) -> None:
    shop = shop_without_webhook
    hosted = shopper.buy()
    shop.rehive.outcome(hosted.invoice_id, "pay")
    expect_unpaid(shop, shopper)
    shop.reconcile()
    expect_paid(shop, shopper)


def test_the_order_number_is_the_reference_and_the_total_is_in_cents(
    shop: Shop, guest: Shopper
) -> None:
    invoice = shop.rehive.invoice(guest.buy().invoice_id)
    (number,) = shop.orders_of(guest.email)
    assert invoice["request_reference"] == number
    assert invoice["request_amount"] == 1800
    assert not set("?&#") & set(invoice["return_url"])


def test_peer_bug_16_the_return_works_in_another_browser_and_tells_only_number_and_total(
    shop: Shop, guest: Shopper
) -> None:
    hosted = guest.buy()
    paid = shop.rehive.outcome(hosted.invoice_id, "pay")
    stranger = Shopper(shop.base_url)
    page = stranger.get(paid["return_url"])
    assert page.stage == "paid"
    order = expect_paid(shop, guest)
    assert order.number in page.text
    assert "$18.00" in page.text
    assert guest.what_is_private_on(page) == []
    assert stranger.get(paid["return_url"].replace("/return/", "/status/")).response.json() == {
        "stage": "paid",
        "final": True,
    }


def test_peer_bug_16_no_link_on_the_return_page_leads_strangers_to_the_address(
    shop: Shop, guest: Shopper
) -> None:
    address = shop.rehive.invoice(guest.buy().invoice_id)["return_url"]
    stranger = Shopper(shop.base_url)
    page = stranger.get(address)
    links = {str(link["href"]) for link in page.soup.select("#rehive-payment a[href]")}
    assert links
    told = {link: guest.what_is_private_on(stranger.get(link)) for link in links}
    assert not any(told.values()), told


@pytest.mark.parametrize("page", ["return", "pay", "status", "placed"])
@pytest.mark.parametrize("forgery", ["other number", "other signature", "other page", "garbage"])
def test_a_forged_or_foreign_token_opens_nothing(
    shop: Shop, return_address: str, page: str, forgery: str
) -> None:
    token = return_address.rstrip("/").rpartition("/")[2]
    number, _, signature = token.partition(":")
    forged = {
        "other number": f"IjEwMDAwMiI:{signature}" if number != "IjEwMDAwMiI" else "IjEi:x",
        "other signature": f"{number}:{signature[::-1]}",
        "other page": token if page == "placed" else f"{token}x",
        "garbage": "%00%F0%9F%92%A5:::",
    }[forgery]
    answer = Shopper(shop.base_url).get(f"/rehive/{page}/{forged}/")
    assert answer.status == 404


@pytest.fixture
def return_address(shop: Shop, guest: Shopper) -> str:
    """Of an unpaid order."""
    invoices = shop.rehive.invoices()
    return str((invoices or [shop.rehive.invoice(guest.buy().invoice_id)])[0]["return_url"])


def test_peer_bug_22_the_dashboard_works_and_shows_the_payment(shop: Shop, guest: Shopper) -> None:
    hosted = guest.buy()
    guest.press(hosted, "Pay")
    order = expect_paid(shop, guest)
    make_staff(shop)
    staff = Shopper(shop.base_url)
    staff.login("sam@example.com", "a-password-of-its-own")
    assert staff.get("/dashboard/").status == 200
    assert order.number in staff.get("/dashboard/orders/").text
    detail = staff.get(f"/dashboard/orders/{order.number}/")
    assert detail.status == 200
    assert "Rehive" in detail.text
    assert hosted.invoice_id in detail.text
    for page in _admin_pages(staff):
        assert staff.get(page).status == 200, page


def make_staff(shop: Shop) -> None:
    """As the shop's owner does: with an API_URL the sandbox has no accounts with known passwords."""
    made = shop.manage(
        *("shell", "-c"),
        "from django.contrib.auth import get_user_model as users;"
        "users().objects.create_superuser('sam', 'sam@example.com', 'a-password-of-its-own')",
    )
    assert made.returncode == 0, made.stderr


def _admin_pages(staff: Shopper) -> list[str]:
    index: Page = staff.get("/admin/oscar_rehive/")
    links = {str(link["href"]) for link in index.soup.select("a[href*='/admin/oscar_rehive/']")}
    assert len(links) >= 3, links
    return sorted(links)

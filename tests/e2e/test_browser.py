"""The shop in a real browser: what only a browser does with our pages.

Skipped where there is no Chromium (``apt-get install chromium``); ``.ci/run`` installs it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browser import CHROMIUM, BrowserShopper, chromium
from tests.e2e.expecting import expect_paid, expect_unpaid
from tests.e2e.shops import Shop, eventually

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium"),
]

PHONE = {"width": 360, "height": 740}
DESK = {"width": 1100, "height": 800}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def viewport() -> dict[str, int]:
    return DESK


@pytest.fixture
def shopper(browser: Browser, shop: Shop, viewport: Any) -> Iterator[BrowserShopper]:
    """A guest, whose browser must have had nothing to complain about by the end of the test."""
    context = browser.new_context(viewport=viewport, locale="en")
    context.set_default_timeout(15_000)
    shopper = BrowserShopper(context.new_page(), shop.base_url)
    shopper.email = f"{uuid.uuid4().hex[:12]}@example.com"
    yield shopper
    context.close()
    assert shopper.complaints == []
    assert shopper.strangers == set()


def hosted(shop: Shop, shopper: BrowserShopper) -> None:
    """The shopper is on Rehive's page."""
    shopper.page.wait_for_url(f"{shop.rehive.origin}/**")


def returned(shopper: BrowserShopper, stage: str) -> None:
    """The shopper is on the return page, which says how things are."""
    expect(shopper.page.locator("#rehive-payment")).to_have_attribute("data-stage", stage)


def start_to_pay(shop: Shop, shopper: BrowserShopper) -> None:
    """The shopper paid, and waits on the return page for Rehive to say so."""
    shopper.page.clock.install()
    shopper.buy()
    hosted(shop, shopper)
    shopper.page.click("button[value=start]")
    returned(shopper, "confirming")


def time_passes(shopper: BrowserShopper) -> str | None:
    """What the page says after what are ten seconds for the browser alone."""
    shopper.page.clock.run_for(10_000)
    return shopper.stage


def invoice_of(shop: Shop, shopper: BrowserShopper) -> str:
    """The id of the invoice of the shopper's only order."""
    (number,) = shop.orders_of(shopper.email)
    return str(shop.rehive.invoice(reference=number)["id"])


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_from_the_catalogue_to_a_paid_order(shop: Shop, shopper: BrowserShopper) -> None:
    shopper.go_to_payment()
    assert fits(shopper)
    shopper.choose_rehive()
    assert fits(shopper)
    shopper.page.click("#place-order")
    hosted(shop, shopper)
    shopper.page.click("button[value=back]")
    returned(shopper, "open")
    assert fits(shopper)
    shopper.page.click("text=Pay now")
    hosted(shop, shopper)
    shopper.page.click("button[value=pay]")
    returned(shopper, "paid")
    assert fits(shopper)
    expect_paid(shop, shopper)


def fits(shopper: BrowserShopper) -> bool:
    """Whether nothing of the page sticks out at the side, once there is all of it: a click returns
    when the next page begins to come, as CI, which is slower, was the first to see."""
    shopper.page.wait_for_load_state()
    inside: bool = shopper.page.evaluate(
        "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )
    return inside


def test_peer_bug_21_a_double_click_places_one_order(shop: Shop, shopper: BrowserShopper) -> None:
    shopper.go_to_payment()
    shopper.choose_rehive()
    shopper.page.dblclick("#place-order")
    hosted(shop, shopper)
    assert expect_unpaid(shop, shopper).remote == ["initiated"]


def test_the_page_that_waits_shows_the_payment_by_itself(
    shop: Shop, shopper: BrowserShopper
) -> None:
    start_to_pay(shop, shopper)
    shop.rehive.faults(webhook_hold=True)
    shop.rehive.outcome(invoice_of(shop, shopper), "pay")
    eventually(lambda: time_passes(shopper) == "paid")
    expect_paid(shop, shopper)


def test_a_page_that_waits_keeps_waiting_while_the_shop_is_in_trouble(
    shop: Shop, shopper: BrowserShopper
) -> None:
    start_to_pay(shop, shopper)
    shopper.page.route("**/status/**", lambda route: route.fulfill(status=502, body="<html>"))
    with shopper.page.expect_response("**/status/**"):
        time_passes(shopper)
    shopper.page.unroute("**/status/**")
    shop.rehive.outcome(invoice_of(shop, shopper), "pay")
    eventually(lambda: time_passes(shopper) == "paid")
    # The browser itself writes the 502 to the console.
    shopper.complaints.clear()


def test_peer_bug_20_back_from_rehives_page_leads_to_the_order_that_waits(
    shop: Shop, shopper: BrowserShopper
) -> None:
    shopper.buy()
    hosted(shop, shopper)
    shopper.page.go_back()
    returned(shopper, "open")
    assert expect_unpaid(shop, shopper).remote == ["initiated"]
    shopper.page.click("text=Cancel the order and change the basket")
    expect(shopper.page.locator(".basket-items")).to_contain_text("Stoneware mug")
    assert shop.order_of(shopper.email).status == "Cancelled"

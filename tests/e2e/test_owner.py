"""A store's owner from an empty shop to the end of the first trouble, as they click, in a real browser. On
each page axe looks at our own markup.

Skipped where there is no Chromium (``apt-get install chromium``); ``.ci/run`` installs it.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from playwright.sync_api import Browser, Page, expect

from tests.e2e import accessibility as axe
from tests.e2e.browser import CHROMIUM, BrowserShopper, chromium, sign_in
from tests.e2e.shopper import Shopper
from tests.e2e.shops import Shop

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium"),
]

FITS = """one => {
    // Oscar's script has measured the selects already, when the page was wider.
    document.querySelectorAll(".select2-container").forEach(its => { its.style.width = "100%" });
    return one.getBoundingClientRect().left + one.scrollWidth <= innerWidth;
}"""
DESK = {"width": 1100, "height": 800}
PHONE = {"width": 360, "height": 740}
EMAIL, PASSWORD = "staff@example.com", "of-this-test-alone"


@pytest.fixture
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def shop(served_shop: Shop) -> Iterator[Shop]:
    """A shop in which nobody has ordered yet, with its webhook and an account for its owner."""
    # The sandbox has one, and takes its password away where Rehive is not its own simulator.
    password = PBKDF2PasswordHasher().encode(PASSWORD, "salt", iterations=1)
    served_shop.execute("UPDATE auth_user SET password = %s WHERE email = %s", password, EMAIL)
    with served_shop.webhook():
        yield served_shop


def test_from_an_empty_shop_to_trouble_dealt_with(shop: Shop, browser: Browser) -> None:
    walk = Walk(shop, browser)
    walk.finds_nothing_yet()
    walk.is_paid_by_a_guest()
    walk.gives_a_part_back()
    walk.is_paid_too_much()
    walk.deals_with_it()
    assert walk.faults == []
    assert walk.guest.complaints == []


class Walk:
    """``faults`` is what axe had to say on the way, and what sticks out at the side on a phone."""

    def __init__(self, shop: Shop, browser: Browser) -> None:
        self.shop = shop
        self.faults: list[str] = []
        self.page = self._new_page(browser)
        self.guest = BrowserShopper(self._new_page(browser), shop.base_url)

    def _new_page(self, browser: Browser) -> Page:
        context = browser.new_context(viewport=DESK, locale="en")
        context.set_default_timeout(15_000)
        return context.new_page()

    def looks(self, ours: str, page: Page | None = None) -> None:
        page = page or self.page
        # Narrow: there axe sees what must be pushed aside as well.
        page.set_viewport_size(PHONE)
        self.faults += axe.faults(page, ours)
        if not page.locator(ours).evaluate(FITS):
            self.faults.append(f"{page.url} is too wide for a phone: {ours}")
        page.set_viewport_size(DESK)

    def clicks(self, text: str) -> None:
        self.page.click(f"a:text-is('{text}'), button:text-is('{text}')")

    def chooses(self, entry: str) -> None:
        """Something of the menu."""
        self.page.click(".navbar-primary a:has-text('Rehive')")
        self.page.click(f".navbar-primary .dropdown-menu a:has-text('{entry}')")

    def reads(self, sentence: str, where: str = "[data-sentence]") -> None:
        expect(self.page.locator(where).first).to_contain_text(sentence)

    def finds_nothing_yet(self) -> None:
        sign_in(self.page, self.shop.base_url, EMAIL, PASSWORD)
        assert not self.page.locator(axe.HOME_BOX).count()
        self.chooses("Payments")
        self.reads("Nobody has chosen to pay through Rehive yet.", "[data-nothing]")
        self.looks(axe.DESK_PAGE)

    def is_paid_by_a_guest(self) -> None:
        page = self.guest.page
        self.guest.go_to_payment()
        self.looks(axe.METHODS, page)
        self.guest.choose_rehive()
        self.looks(axe.CHOSEN_METHOD, page)
        page.click("#place-order")
        page.click("button[value=back]")
        self.looks(axe.PAYMENT, page)
        page.click("text=Pay now")
        page.click("button[value=pay]")
        expect(page.locator(axe.PAYMENT)).to_have_attribute("data-stage", "paid")
        self.looks(axe.PAYMENT, page)

    def gives_a_part_back(self) -> None:
        self.chooses("Payments")
        self.looks(axe.DESK_PAGE)
        (number,) = self.shop.orders_of(self.guest.email)
        self.clicks(number)
        self.reads("Paid.")
        self.looks(axe.DESK_PAGE)
        self.clicks(number)  # on to Oscar's page of the order
        self.reads("Paid.", axe.ORDER_PANEL)
        self.clicks("Refund …")
        self.page.check("input[name=of][value=part]")
        self.page.fill("input[name=amount]", "5")
        self.page.fill("input[name=reason]", "A scratch")
        self.looks(axe.DESK_PAGE)
        self.clicks("Go on")
        self.reads(
            f"Refund 5.00 USD of 18.00 USD to the payer of order {number}.", "[data-question]"
        )
        self.looks(axe.DESK_PAGE)
        self.clicks("Refund")
        self.reads("Paid; a refund of 5.00 USD is on its way.")
        (refund,) = self.shop.column("SELECT remote_id FROM oscar_rehive_refund")
        self.shop.rehive.refund(refund)
        self.clicks("Ask Rehive now")
        self.clicks("Ask Rehive now")  # the page that asks once
        self.reads("Paid; 5.00 USD of it was given back since.")
        self.looks(axe.ORDER_PANEL)
        self.clicks("See it at Rehive")
        self.looks(axe.DESK_PAGE)

    def is_paid_too_much(self) -> None:
        """By somebody who never comes back: the webhook tells of it."""
        hosted = Shopper(self.shop.base_url).buy()
        self.shop.rehive.outcome(hosted.invoice_id, "pay_more", amount=2000)
        self.shop.quiet()

    def deals_with_it(self) -> None:
        self.page.click(".navbar-primary a:has-text('Dashboard')")
        self.reads("1 fact about payments through Rehive waits for a person.", axe.HOME_BOX)
        self.looks(axe.HOME_BOX)
        self.clicks("Look at it")
        self.reads("2.00 USD more than due came", "[data-fact=excess]")
        self.looks(axe.DESK_PAGE)
        self.clicks("All about it")
        self.looks(axe.DESK_PAGE)
        self.chooses("Attention")
        self.page.click("summary:has-text('Add a note')")
        self.page.fill("textarea[name=text]", "She wants us to keep it.")
        self.clicks("Keep the note")
        self.reads("She wants us to keep it.", "[data-fact=excess]")
        self.page.check("[data-fact=excess] input[type=checkbox]")
        self.clicks("What is chosen was dealt with")
        self.looks(axe.DESK_PAGE)
        self.clicks("Dealt with")
        self.reads("Nothing waits for a person.", "[data-nothing]")

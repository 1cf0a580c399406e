"""A shopper with a real browser: Chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, Request, sync_playwright

ADDRESS = {
    "first_name": "Barbara",
    "last_name": "Liskov",
    "line1": "1 Type Street",
    "line4": "London",
    "postcode": "N1 9RT",
}

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
"""Debian's, as Playwright's own cannot be had from a package index."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser."""
    with sync_playwright() as playwright:
        # "no-sandbox" because Chromium refuses to start for root otherwise, as CI runs it.
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        try:
            yield browser
        finally:
            browser.close()


def sign_in(page: Page, shop: str, email: str, password: str) -> None:
    """Enter the dashboard of ``shop``."""
    page.goto(f"{shop}/dashboard/login/")
    page.fill("[name=username]", email)
    page.fill("[name=password]", password)
    page.press("[name=password]", "Enter")
    page.wait_for_url(f"{shop}/dashboard/")


class BrowserShopper:
    """A guest who buys a mug. ``complaints`` is what the browser's console had to say, and
    ``strangers`` are the hosts that were asked for anything beside shop and Rehive."""

    def __init__(self, page: Page, base_url: str) -> None:
        self.page, self.base_url = page, base_url
        self.email = "guest@example.com"
        self.complaints: list[str] = []
        self.strangers: set[str] = set()
        page.on("console", lambda said: self._hear(said.type, said.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._see)

    def _hear(self, kind: str, text: str) -> None:
        if kind == "error":
            self.complaints.append(text)

    def _see(self, request: Request) -> None:
        host = urlsplit(request.url).hostname
        if host not in (None, "127.0.0.1"):
            self.strangers.add(host)

    @property
    def stage(self) -> str | None:
        """What the return page says, as its ``data-stage``."""
        return self.page.get_attribute("#rehive-payment", "data-stage")

    def go_to_payment(self) -> None:
        """From the catalogue to the choice of the payment method."""
        page = self.page
        page.goto(f"{self.base_url}/catalogue/")
        page.click("text=Stoneware mug >> nth=0")
        page.click("text=Add to cart")
        page.goto(f"{self.base_url}/checkout/")
        page.fill("input[name=username]", self.email)
        page.click("label:has-text('guest')")
        page.click("button:has-text('Continue')")
        for name, value in ADDRESS.items():
            page.fill(f"#new_shipping_address [name={name}]", value)
        page.select_option("[name=country]", "GB")
        page.click("#new_shipping_address button[type=submit]")
        page.wait_for_url("**/checkout/payment-method/")

    def choose_rehive(self) -> None:
        """From there to the preview."""
        self.page.click("label[for=method-rehive]")
        self.page.click("#payment_method_form button[type=submit]")
        self.page.wait_for_url("**/checkout/preview/")

    def buy(self) -> None:
        """From the catalogue to Rehive's page."""
        self.go_to_payment()
        self.choose_rehive()
        self.page.click("#place-order")

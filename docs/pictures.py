"""Takes the README's pictures from a running sandbox (``make sandbox``)::

    python -m docs.pictures http://127.0.0.1:8000

Uses Debian's Chromium (``apt-get install chromium``).
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import Page

from tests.e2e.browser import BrowserShopper, chromium

HERE = Path(__file__).parent / "pictures"


def main(shop: str) -> None:
    """Walk through the checkout as a guest and take a picture of each page that is ours."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1100, "height": 720})
        shopper = BrowserShopper(page, shop)
        shopper.go_to_payment()
        page.click("label[for=method-rehive]")
        picture(page, "checkout")
        shopper.choose_rehive()
        picture(page, "preview")
        page.click("#place-order")
        picture(page, "hosted-page")
        page.click("button[value=back]")
        picture(page, "return-open")
        page.click("text=Pay now")
        page.click("button[value=start]")
        page.click("button:has-text('Go on paying')")
        page.click("button[value=start]")
        picture(page, "return-confirming")
        page.goto(page.url.replace("/return/", "/pay/"))
        page.click("button[value=confirm]")
        picture(page, "return-paid")


def picture(page: Page, name: str) -> None:
    """Keep what the page shows."""
    page.wait_for_load_state("load")
    page.screenshot(path=str(HERE / f"{name}.png"))


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"))

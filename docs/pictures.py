"""Takes the README's pictures from a running sandbox (``make sandbox``)::

    pip install playwright && python docs/pictures.py http://127.0.0.1:8000

Uses Debian's Chromium (``apt-get install chromium``).
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).parent / "pictures"


def main(shop: str) -> None:
    """Walk through the checkout as a guest and take a picture of each page that is ours."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1100, "height": 720})
        page.goto(f"{shop}/catalogue/")
        page.click("text=Stoneware mug >> nth=0")
        page.click("text=Add to cart")
        page.goto(f"{shop}/checkout/")
        page.fill("input[name=username]", "guest@example.com")
        page.click("label:has-text('guest')")
        page.click("button:has-text('Continue')")
        fields = {"first_name": "Barbara", "last_name": "Liskov", "line1": "1 Type Street"}
        for name, value in {**fields, "line4": "London", "postcode": "N1 9RT"}.items():
            page.fill(f"#new_shipping_address [name={name}]", value)
        page.select_option("[name=country]", "GB")
        page.click("#new_shipping_address button[type=submit]")
        page.click("label[for=method-rehive]")
        picture(page, "checkout")
        page.click("#payment_method_form button[type=submit]")
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
        browser.close()


def picture(page: Page, name: str) -> None:
    """Keep what the page shows."""
    page.wait_for_load_state("load")
    page.screenshot(path=str(HERE / f"{name}.png"))


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"))

"""Takes all pictures of the docs: ``make screenshots``.

Starts a sandbox of its own, with the demonstration in it, at free ports and in a folder that is gone
afterwards. A page of the desk is one line in ``DESK``. Uses Debian's Chromium (``apt-get install chromium``).
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page

from tests.e2e.browser import BrowserShopper, chromium, sign_in

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "docs" / "pictures"
WIDTHS = {"": 1100, "-phone": 360}
HIGHEST = {"": 1400, "-phone": 1800}
"""What is below that on a page is more of the same."""
START_SECONDS = 120


@dataclass(frozen=True)
class Picture:
    """A page by the name of its URL, for which ``of`` finds the order of a story. ``shows``: this element
    and what is in it, instead of the whole page. ``after``: what is done on the page first."""

    name: str
    url: str
    of: str = ""
    shows: str = ""
    query: str = ""
    after: Callable[[Page], object] = lambda page: None


def _asks_for_a_refund(page: Page) -> None:
    page.check("input[name=of][value=part]")
    page.fill("input[name=amount]", "12.00")
    page.fill("input[name=reason]", "One of them was broken.")
    page.click("button:has-text('Go on')")


DESK = [
    Picture("desk-home", "dashboard:index"),
    Picture("desk-panel", "dashboard:order-detail", of="overpaid", shows="[data-rehive-panel]"),
    Picture("desk-attention", "dashboard:rehive-attention", query="by=money"),
    Picture("desk-payments", "dashboard:rehive-payments"),
    Picture("desk-payment", "dashboard:rehive-payment", of="part refunded"),
    Picture("desk-refund", "dashboard:rehive-refund", of="overpaid", after=_asks_for_a_refund),
    Picture("desk-at-rehive", "dashboard:rehive-invoice", of="paid in Bitcoin"),
    Picture("desk-health", "dashboard:rehive-health"),
]
"""What is not mounted (yet) is left out. Reports of ours follow by themselves."""


def main() -> None:
    """Take them all."""
    with tempfile.TemporaryDirectory() as folder:
        shop, simulator = _free_port(), _free_port()
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "sandbox.settings",
            "SANDBOX_VAR": folder,
            "SANDBOX_DEBUG": "0",
            "SANDBOX_DEMO": "1",
            "SANDBOX_SIMULATOR_PORT": str(simulator),
            "SHOP_BASE_URL": f"http://127.0.0.1:{shop}",
        }
        for name in ("REHIVE_API_URL", "DATABASE_URL"):
            os.environ.pop(name, None)
        with _sandbox(Path(folder) / "sandbox.log"):
            # Before the browser is there, beside which Django would not ask the database.
            pages = list(_desk_pages())
            with chromium() as browser:
                for suffix, width in WIDTHS.items():
                    _desk(browser, os.environ["SHOP_BASE_URL"], pages, suffix, width)
                _checkout(browser, os.environ["SHOP_BASE_URL"])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _sandbox(log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 -- this very program
            [sys.executable, ROOT / "sandbox" / "serve.py"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while "Ctrl-C ends it" not in log.read_text():
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"The sandbox does not start:\n{log.read_text()}")
            time.sleep(0.2)
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


def _desk_pages() -> Iterator[tuple[Picture, str]]:
    """What there is, each with its address."""
    import django

    django.setup()

    from django.urls import NoReverseMatch, reverse
    from oscar.core.loading import get_class

    known = get_class("dashboard.reports.utils", "GeneratorRepository")().get_report_generators()
    ours = [report.code for report in known if report.code.startswith("rehive")]
    reports = [
        Picture(f"desk-report-{code}", "dashboard:reports-index", query=f"report_type={code}")
        for code in ours
    ]
    for picture in [*DESK, *reports]:
        try:
            yield picture, f"{reverse(picture.url, args=_arguments(picture))}?{picture.query}"
        except NoReverseMatch:
            print(f"{picture.name}: there is no such page yet")


def _arguments(picture: Picture) -> list[object]:
    from oscar_rehive.models import Invoice
    from sandbox.shop import demo, stories

    if not picture.of:
        return []
    story = next(one for one in stories.STORIES if one.shows == picture.of)
    number = demo.order_of(story)
    if picture.url == "dashboard:order-detail":
        return [number]
    invoice = Invoice.objects.filter(payment__order_number=number).latest("attempt")
    return [invoice.payment_id if picture.url == "dashboard:rehive-payment" else invoice.pk]


def _desk(
    browser: Browser, shop: str, pages: list[tuple[Picture, str]], suffix: str, width: int
) -> None:
    from sandbox.shop.accounts import STAFF_EMAIL, STAFF_PASSWORD

    page = browser.new_page(viewport={"width": width, "height": 740})
    sign_in(page, shop, STAFF_EMAIL, STAFF_PASSWORD)
    for picture, address in pages:
        page.goto(shop + address)
        picture.after(page)
        page.wait_for_load_state()
        _keep(page, picture.name + suffix, highest=HIGHEST[suffix], shows=picture.shows)


def _checkout(browser: Browser, shop: str) -> None:
    """Walk through the checkout as a guest, with a picture of each page that is ours."""
    page = browser.new_page(viewport={"width": 1100, "height": 720})
    shopper = BrowserShopper(page, shop)
    shopper.go_to_payment()
    page.click("label[for=method-rehive]")
    _keep(page, "checkout")
    shopper.choose_rehive()
    _keep(page, "preview")
    page.click("#place-order")
    _keep(page, "hosted-page")
    page.click("button[value=back]")
    _keep(page, "return-open")
    page.click("text=Pay now")
    page.click("button[value=start]")
    page.click("button:has-text('Go on paying')")
    page.click("button[value=start]")
    _reload_until(page, "being confirmed")
    _keep(page, "return-confirming")
    page.goto(page.url.replace("/return/", "/pay/"))
    page.click("button[value=confirm]")
    _reload_until(page, "Thank you")
    _keep(page, "return-paid")


def _reload_until(page: Page, title: str) -> None:
    """The shopper's pages ask Rehive no more often than once in a few seconds."""
    for _ in range(10):
        page.wait_for_load_state()
        if title in page.inner_text("h1, h2"):
            return
        page.wait_for_timeout(1000)
        page.reload()
    sys.exit(f"{page.url} does not come to say {title!r}")


def _keep(page: Page, name: str, *, highest: int = 0, shows: str = "") -> None:
    """What the page shows in its window, or all of it down to ``highest``."""
    page.wait_for_load_state("load")
    whole = bool(highest)
    taken = page.locator(shows).screenshot() if shows else page.screenshot(full_page=whole)
    picture = Image.open(BytesIO(taken)).convert("RGB")
    if highest:
        picture = picture.crop((0, 0, picture.width, min(picture.height, highest)))
    # A page has few colours, and the repository keeps every picture for ever.
    # Whatever covers little of it, a red badge say, keeps its colour.
    few = picture.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.NONE)
    few.save(HERE / f"{name}.png", optimize=True)
    print(f"{name}.png", picture.size, flush=True)


if __name__ == "__main__":
    main()

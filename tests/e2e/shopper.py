"""A shopper with a browser that has cookies and forms but no JavaScript."""

from __future__ import annotations

import time
import uuid
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import requests
from bs4 import BeautifulSoup, Tag
from requests.adapters import HTTPAdapter

SECONDS = 30
"""More than any page may take; a page that hangs fails the test instead of stopping it."""

MUG = "Stoneware mug"
PASSWORD = "correct-horse-battery"
NAME = ("Barbara", "Liskov")
STREET = "1 Type Street"

_products: dict[tuple[str, str], str] = {}
"""The addresses of products, which the first shopper has looked up in the catalogue."""


class Page:
    """One page as the shopper sees it."""

    def __init__(self, response: requests.Response) -> None:
        self.response = response
        self.url = response.url
        self.status = response.status_code
        self.seconds = 0.0

    @cached_property
    def soup(self) -> BeautifulSoup:
        return BeautifulSoup(self.response.text, "html.parser")

    @property
    def text(self) -> str:
        return " ".join(self.soup.get_text(" ").split())

    @property
    def refresh(self) -> str:
        """When and where the browser goes by itself, or nothing."""
        written = self.soup.select_one("meta[http-equiv=refresh]")
        return str(written["content"]) if written else self.response.headers.get("Refresh", "")

    @property
    def stage(self) -> str:
        """What the return page says, as its ``data-stage``."""
        found = self.soup.select_one("#rehive-payment")
        assert found is not None, f"{self.url} is not a payment page: {self.text[:300]}"
        return str(found["data-stage"])

    @property
    def says_logged_in(self) -> bool:
        """The shop's pages and the dashboard write it differently."""
        return "Logout" in self.text or "Log out" in self.text

    @property
    def lead(self) -> str:
        """The sentence with which the return page says how things are."""
        return " ".join(self.form("#rehive-payment .lead").get_text(" ").split())

    @property
    def invoice_id(self) -> str:
        """The invoice of Rehive's hosted page."""
        asked = parse_qs(urlsplit(self.url).query)
        assert "request" in asked, f"{self.url} is not Rehive's page: {self.text[:300]}"
        return asked["request"][0]

    def form(self, selector: str) -> Tag:
        found = self.soup.select_one(selector)
        assert found is not None, f"no {selector} on {self.url}: {self.text[:500]}"
        return found

    def buttons(self) -> list[str]:
        return [button.get_text(" ", strip=True) for button in self.soup.select("form button")]

    def button(self, text: str) -> Tag:
        for button in self.soup.select("form button"):
            if button.get_text(" ", strip=True) == text:
                return button
        raise AssertionError(f"no button {text!r} on {self.url}, but {self.buttons()}")

    def has(self, selector: str) -> bool:
        return self.soup.select_one(selector) is not None


class Shopper:
    """Walks through the shop over HTTP. ``email`` is this shopper's alone, a guest's until
    ``register``."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.email = f"{uuid.uuid4().hex[:12]}@example.com"
        self.registered = False
        self.session = requests.Session()
        self.session.headers["Accept-Language"] = "en"
        if base_url.startswith("https:"):
            self.session.mount(base_url, BehindProxy())

    # A browser

    def get(self, url: str, **kwargs: object) -> Page:
        return self.visit("GET", urljoin(self.base_url, url), **kwargs)

    def press(self, page: Page, button: str, /, *, follow: bool = True, **changes: str) -> Page:
        """Press the button with that text on it, with some fields of its form filled in."""
        found = page.button(button)
        form = found.find_parent("form")
        assert form is not None, f"the button {button!r} stands in no form"
        if found.get("name"):
            changes = {str(found["name"]): str(found.get("value") or ""), **changes}
        return self._submit(page, form, changes, follow=follow)

    def submit(self, page: Page, selector: str, /, *, follow: bool = True, **changes: str) -> Page:
        """Submit the form at ``selector`` as it stands on ``page``, with some fields filled in."""
        return self._submit(page, page.form(selector), changes, follow=follow)

    def _submit(self, page: Page, form: Tag, changes: dict[str, str], *, follow: bool) -> Page:
        fields = {**_fields(form), **changes}
        method = str(form.get("method") or "get").upper()
        return self.visit(
            method,
            urljoin(page.url, str(form.get("action") or "")),
            headers={"Referer": page.url},
            allow_redirects=follow,
            **({"data": fields} if method == "POST" else {"params": fields}),
        )

    def visit(self, method: str, url: str, **kwargs: object) -> Page:
        """One request with its redirects. However bad things are, there is always a page to read."""
        started = time.monotonic()
        page = Page(self.session.request(method, url, timeout=SECONDS, **kwargs))
        page.seconds = time.monotonic() - started
        assert page.status < 500 or (page.status == 503 and page.has("h1")), (
            f"{page.status} at {page.url}: {page.text[:1000]}"
        )
        return page

    def wait(self, page: Page) -> Page:
        """Where a page that refreshes itself ends, looking more often than a browser would."""
        deadline = time.monotonic() + SECONDS
        while refresh := page.refresh:
            assert time.monotonic() < deadline, f"{page.url} refreshes itself for ever"
            time.sleep(0.1)
            page = self.get(urljoin(page.url, refresh.partition("url=")[2]))
        return page

    def twin(self) -> Shopper:
        """Another tab: the same cookies, to be used in another thread."""
        twin = Shopper(self.base_url)
        twin.email, twin.registered = self.email, self.registered
        twin.session.cookies.update(self.session.cookies)
        return twin

    # A shopper

    def register(self) -> None:
        page = self.submit(
            self.get("/accounts/login/"),
            "form#register_form",
            **{
                "registration-email": self.email,
                "registration-password1": PASSWORD,
                "registration-password2": PASSWORD,
                "registration_submit": "1",
            },
        )
        assert page.says_logged_in, page.text[:1000]
        self.registered = True

    def login(self, email: str, password: str) -> None:
        page = self.submit(
            self.get("/accounts/login/"),
            "form#login_form",
            **{"login-username": email, "login-password": password, "login_submit": "1"},
        )
        assert page.says_logged_in, page.text[:1000]
        self.email, self.registered = email, True

    def add_to_basket(self, title: str = MUG) -> None:
        if (self.base_url, title) not in _products:
            page = self.get("/catalogue/")
            for link in page.soup.select("article.product_pod h3 a"):
                url = urljoin(page.url, str(link["href"]))
                _products[self.base_url, str(link.get("title") or link.text).strip()] = url
        page = self.get(_products[self.base_url, title])
        answer = self.submit(page, "form#add_to_basket_form", follow=False)
        assert answer.status == 302, answer.text

    def go_to_payment(self) -> Page:
        """From the basket to the payment step (or the preview, when there is none)."""
        page = self.get("/checkout/")
        if not self.registered:
            form = "form:has([name=options])"
            page = self.submit(page, form, username=self.email, options="anonymous")
        if page.has("form#new_shipping_address"):
            page = self.submit(
                page,
                "form#new_shipping_address",
                first_name=NAME[0],
                last_name=NAME[1],
                line1=STREET,
                line4="London",
                postcode="N1 9RT",
                country="GB",
            )
        return page

    def go_to_preview(self, method: str = "rehive") -> Page:
        """From the basket to the page with the button that places the order."""
        page = self.go_to_payment()
        if page.has("#payment_method_form"):
            page = self.submit(page, "#payment_method_form", method=method)
        assert page.has("#place_order_form"), f"{page.url}: {page.text[:1000]}"
        return page

    def place(self, page: Page) -> Page:
        """Place the order; where that ends is, if all is well, Rehive's page."""
        return self.submit(page, "#place_order_form")

    def buy(self, title: str = MUG, *, method: str = "rehive") -> Page:
        """All the way from the catalogue to where placing the order ends."""
        self.add_to_basket(title)
        return self.place(self.go_to_preview(method))

    def what_is_private_on(self, page: Page) -> list[str]:
        """What ``page`` tells of this shopper and strangers must not know."""
        return [fact for fact in (*NAME, STREET, self.email) if fact in page.response.text]


class BehindProxy(HTTPAdapter):
    """A proxy in front of the shop: https as far as the shopper sees, plain http behind it."""

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        behind = request.copy()
        behind.url = str(request.url).replace("https:", "http:", 1)
        behind.headers["X-Forwarded-Proto"] = "https"
        response = super().send(behind, **kwargs)
        response.url, response.request = str(request.url), request
        return response


def _fields(form: Tag) -> dict[str, str]:
    fields = {}
    for field in form.select("input[name], textarea[name]"):
        kind = str(field.get("type") or "text")
        if kind in ("radio", "checkbox") and not field.has_attr("checked"):
            continue
        if kind in ("submit", "image", "button", "file"):
            continue
        fields[str(field["name"])] = str(field.get("value") or "")
    for select in form.select("select[name]"):
        chosen = select.select_one("option[selected]") or select.select_one("option")
        fields[str(select["name"])] = str(chosen.get("value") or "") if chosen else ""
    return fields

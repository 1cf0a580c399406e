"""A shopper with a browser that has cookies and forms but no JavaScript."""

from __future__ import annotations

from urllib.parse import urljoin

import requests
from bs4 import BeautifulSoup, Tag

SECONDS = 30
"""More than any page may take; a page that hangs fails the test instead of stopping it."""


class Page:
    """One page as the shopper sees it."""

    def __init__(self, response: requests.Response) -> None:
        self.response = response
        self.url = response.url
        self.status = response.status_code
        self.soup = BeautifulSoup(response.text, "html.parser")

    @property
    def text(self) -> str:
        return " ".join(self.soup.get_text(" ").split())

    @property
    def stage(self) -> str:
        """What the return page says, as its ``data-stage``."""
        found = self.soup.select_one("#rehive-payment")
        assert found is not None, f"{self.url} is not a payment page: {self.text[:300]}"
        return str(found["data-stage"])

    def form(self, selector: str) -> Tag:
        found = self.soup.select_one(selector)
        assert found is not None, f"no {selector} on {self.url}: {self.text[:500]}"
        return found

    def has(self, selector: str) -> bool:
        return self.soup.select_one(selector) is not None


class Shopper:
    """Walks through the shop over HTTP."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.session = requests.Session()
        self.session.headers["Accept-Language"] = "en"

    def get(self, url: str, **kwargs: object) -> Page:
        return Page(self.session.get(urljoin(self.base_url, url), timeout=SECONDS, **kwargs))

    def submit(self, page: Page, selector: str, /, **changes: str) -> Page:
        """Submit the form at ``selector`` as it stands on ``page``, with some fields filled in."""
        return Page(self._send(page, selector, changes, follow=True))

    def submit_and_stop(self, page: Page, selector: str, /, **changes: str) -> requests.Response:
        """The same without following the redirect, for pages that lead away from the shop."""
        return self._send(page, selector, changes, follow=False)

    def _send(
        self, page: Page, selector: str, changes: dict[str, str], *, follow: bool
    ) -> requests.Response:
        form = page.form(selector)
        fields = {**_fields(form), **changes}
        url = urljoin(page.url, str(form.get("action") or ""))
        method = str(form.get("method") or "get").lower()
        arguments = {"data": fields} if method == "post" else {"params": fields}
        return self.session.request(
            method,
            url,
            headers={"Referer": page.url},
            allow_redirects=follow,
            timeout=SECONDS,
            **arguments,
        )

    def login(self, email: str, password: str) -> None:
        page = self.get("/accounts/login/")
        page = self.submit(
            page,
            "form#login_form",
            **{"login-username": email, "login-password": password, "login_submit": "1"},
        )
        assert "Log out" in page.text or "Logout" in page.text, page.text[:500]

    def add_to_basket(self, title: str) -> None:
        page = self.get("/catalogue/")
        links = page.soup.select("article.product_pod h3 a")
        link = next(link for link in links if str(link.get("title") or link.text).strip() == title)
        self.submit(self.get(str(link["href"])), "form#add_to_basket_form")

    def go_to_payment(self, *, guest: str | None = None) -> Page:
        """From the basket to the payment step (or the preview, when there is none)."""
        page = self.get("/checkout/")
        if guest is not None:
            page = self.submit(page, "main form, .page form", username=guest, options="anonymous")
        if "shipping-address" in page.url and page.has("form#new_shipping_address"):
            page = self.submit(
                page,
                "form#new_shipping_address",
                first_name="Barbara",
                last_name="Liskov",
                line1="1 Type Street",
                line4="London",
                postcode="N1 9RT",
                country="GB",
            )
        if "shipping-method" in page.url:
            page = self.submit(page, "form[action*=shipping-method]")
        return page

    def choose_and_place(self, page: Page, method: str = "rehive") -> requests.Response:
        """Choose the method, place the order; the answer of the placing, not followed."""
        if page.has("#payment_method_form"):
            page = self.submit(page, "#payment_method_form", method=method)
        return self.submit_and_stop(page, "#place_order_form")


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

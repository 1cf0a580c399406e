"""The hosted page and the control page, by their HTML forms, as a browser without JavaScript."""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin

import pytest
import requests
from bs4 import BeautifulSoup, Tag

from oscar_rehive.simulator.server import Simulator

from .conftest import BUSINESS, NEW, RETURN_URL, TOKEN

Json = dict[str, Any]


class Browser:
    """Opens pages and presses buttons."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.session = requests.Session()
        self.page = BeautifulSoup()
        self.url = ""

    def open(self, url: str) -> Browser:
        response = self.session.get(url, timeout=10)
        assert response.status_code == 200, response.text
        assert "<script" not in response.text
        self.url, self.page = url, BeautifulSoup(response.text, "html.parser")
        return self

    @property
    def text(self) -> str:
        return " ".join(self.page.get_text(" ").split())

    def buttons(self) -> list[str]:
        return [button.get_text() for button in self.page.find_all("button")]

    def press(self, label: str, **fields: str) -> requests.Response:
        """Send the form of the first button so labelled, with all that a browser would send."""
        button = next(b for b in self.page.find_all("button") if b.get_text() == label)
        form = button.find_parent("form")
        data: list[tuple[str, str]] = []
        for control in form.find_all(["input", "select"]):
            name = str(control.get("name") or "")
            value = fields.get(name, self._value(control))
            if name and value is not None:
                data.append((name, value))
        if button.get("name"):
            data.append((str(button["name"]), str(button["value"])))
        return self.session.request(
            str(form["method"]),
            urljoin(self.url, str(form["action"])),
            data=data,
            allow_redirects=False,
            timeout=10,
        )

    @staticmethod
    def _value(control: Tag) -> str | None:
        if control.name == "select":
            return str((control.find("option", selected=True) or control.option).get_text())
        if control.get("type") == "checkbox" and control.get("checked") is None:
            return None
        return str(control.get("value", ""))


@pytest.fixture
def browser(simulator: Simulator) -> Browser:
    return Browser(simulator)


def new(simulator: Simulator, **fields: Any) -> Json:
    return simulator.rehive.create_invoice(BUSINESS, NEW | {"return_url": RETURN_URL} | fields)


def status(simulator: Simulator, invoice: Json) -> str:
    return str(simulator.rehive.invoice(BUSINESS, invoice["id"])["status"])


def test_the_page_says_what_is_asked(browser: Browser) -> None:
    invoice = new(
        browser.simulator,
        request_amount=123_456_789,
        request_reference="100042",
        description="<b>Two</b> hats",
        due_date=1_900_000_000_000,
    )
    text = browser.open(invoice["redirect_url"]).text
    for words in ("1,234,567.89 USD", "100042", "<b>Two</b> hats", "initiated", "no real money"):
        assert words in text
    assert "2030-03-17 17:46:40 UTC" in text


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("Pay", "paid"),
        ("Choose how to pay", "processing"),
        ("Pay too little", "underpaid"),
        ("Pay too much", "overpaid"),
        ("Pay, but late", "late"),
        ("Fail", "failed"),
        ("Expire", "expired"),
        ("Back to the shop", "initiated"),
    ],
)
def test_each_button_leads_back_to_the_shop(browser: Browser, label: str, expected: str) -> None:
    invoice = new(browser.simulator)
    answer = browser.open(invoice["redirect_url"]).press(label)
    assert (answer.status_code, answer.headers["Location"]) == (303, RETURN_URL)
    assert status(browser.simulator, invoice) == expected


def test_the_long_way_in_bitcoin_staying_on_the_page(browser: Browser) -> None:
    invoice = new(browser.simulator)
    address = invoice["redirect_url"]
    steps = [
        ("Choose how to pay", "processing"),
        ("Send the money (unconfirmed)", "received"),
        ("Confirm the payment", "paid"),
        ("Complete (convert)", "complete"),
    ]
    for label, expected in steps:
        answer = browser.open(address).press(label, currency="BTC", stay="1")
        assert answer.status_code == 303
        address = urljoin(address, answer.headers["Location"])
        assert status(browser.simulator, invoice) == expected
    text = browser.open(address).text
    assert "0.00020000 BTC of 0.00020000 BTC" in text
    assert browser.buttons() == ["Back to the shop"]
    assert browser.press("Back to the shop").headers["Location"] == RETURN_URL


def test_paying_the_rest(browser: Browser) -> None:
    invoice = new(browser.simulator)
    browser.open(invoice["redirect_url"]).press("Pay too little")
    browser.open(invoice["redirect_url"])
    assert "Still to pay 5.00 USD" in browser.text
    browser.press("Pay the rest")
    assert status(browser.simulator, invoice) == "paid"


def test_a_page_that_is_older_than_the_invoice(browser: Browser) -> None:
    invoice = new(browser.simulator)
    browser.open(invoice["redirect_url"]).press("Pay")
    refused = browser.press("Fail")
    assert refused.status_code == 409
    assert refused.headers["Content-Type"].startswith("text/html")
    assert "Not possible: the invoice is paid." in refused.text


def test_a_draft_has_no_ways_to_pay(browser: Browser) -> None:
    invoice = new(browser.simulator, status="draft")
    assert "Not open for payment yet." in browser.open(invoice["redirect_url"]).text
    assert "Pay" not in browser.buttons()


def test_without_a_return_url_one_stays(browser: Browser) -> None:
    invoice = new(browser.simulator, return_url=None)
    answer = browser.open(invoice["redirect_url"]).press("Pay")
    again = browser.open(urljoin(invoice["redirect_url"], answer.headers["Location"]))
    assert "paid" in again.text
    assert "Back to the shop" not in again.buttons()


def test_a_return_url_with_a_query_loses_its_end_as_at_rehive(browser: Browser) -> None:
    invoice = new(browser.simulator, return_url="http://shop.example/return/?order=1&token=abc")
    answer = browser.open(invoice["redirect_url"]).press("Pay")
    assert answer.headers["Location"] == "http://shop.example/return/?order=1"


def test_nobody_is_sent_to_another_site(browser: Browser) -> None:
    invoice = new(browser.simulator)
    origin = browser.simulator.origin
    evil = f"{origin}/?request={invoice['id']}&return_url=http://evil.example/"
    assert browser.open(evil).press("Pay").headers["Location"] == RETURN_URL


def test_unknown_pages_and_invoices_are_readable(simulator: Simulator) -> None:
    for path, code, words in (
        ("/?request=nothing", 404, "Invoice not found."),
        ("/nowhere/", 404, "Error 404"),
        ("/control/reset/", 405, "Error 405"),
    ):
        response = requests.get(simulator.origin + path, timeout=10)
        assert response.status_code == code
        assert words in response.text


def test_the_control_page(browser: Browser) -> None:
    rules = browser.simulator.rehive
    hook = {"url": "http://127.0.0.1:9/hook/", "secret": "s3cret-of-the-shop"}
    rules.create_webhook(hook | {"event": "service_payment_requests.request.update"})
    invoice = new(browser.simulator, request_reference="100042")
    rules.outcome(invoice["id"], "pay")
    refund = {"amount": 300, "currency": "USD", "type": "native", "reason": "One hat back"}
    rules.create_refund(BUSINESS, invoice["id"], refund)
    browser.open(browser.simulator.origin)
    assert browser.press("Deliver all now").status_code == 303
    browser.open(browser.simulator.origin)
    for words in ("100042", "10.00 USD", "One hat back", "3.00 USD", hook["url"], "refused"):
        assert words in browser.text
    for secret in (hook["secret"], TOKEN):
        assert secret not in str(browser.page)
    links = [str(link["href"]) for link in browser.page.find_all("a")]
    assert f"/?request={invoice['id']}" in links

    assert browser.press("Complete").status_code == 303
    assert rules.refunds(BUSINESS, invoice["id"])["results"][0]["status"] == "complete"
    before = rules.now()
    browser.press("minutes later", minutes="60")
    assert rules.now() - before >= 60 * 60_000
    browser.press("Forget everything")
    assert "None yet." in browser.open(browser.simulator.origin).text


@pytest.mark.parametrize("minutes", ["5000000000", "9" * 40])
def test_a_clock_that_is_set_too_far_is_refused_and_the_page_still_opens(
    browser: Browser, minutes: str
) -> None:
    """A slip of the hand; where the state is kept, the page would stay shut over restarts."""
    origin = browser.simulator.origin
    answer = browser.open(origin).press("minutes later", minutes=minutes)

    assert answer.status_code == 400
    assert "the year 9000" in answer.text
    assert "Simulated Rehive" in browser.open(origin).text


def test_faults_by_form(browser: Browser) -> None:
    rules = browser.simulator.rehive
    rules.faults.set({"throttle": {"value": 9, "methods": ["POST"], "times": 2}})
    browser.open(browser.simulator.origin)
    browser.press("Set these faults", webhook_double="1", **{"latency_ms": "250"})
    expected = {
        "throttle": {"value": 9, "methods": ["POST"], "times": 2},
        "latency_ms": {"value": 250},
        "webhook_double": {"value": True},
    }
    assert rules.faults.wire() == expected
    refused = browser.open(browser.simulator.origin).press("Set these faults", html="1")
    assert refused.status_code == 400
    assert rules.faults.wire() == expected
    fields = dict.fromkeys(("throttle", "latency_ms"), "")
    browser.press("Set these faults", **fields)
    assert list(rules.faults.wire()) == ["webhook_double"]


def test_several_tokens_and_businesses(simulator: Simulator) -> None:
    for token, code in ((TOKEN, 200), ("second-token", 200), ("third-token", 401)):
        for business, currency_code in ((BUSINESS, "USD"), ("other", "JPY")):
            response = requests.get(
                f"{simulator.origin}/business/manager/businesses/{business}/",
                headers={"Authorization": f"Token {token}"},
                timeout=10,
            )
            assert response.status_code == code
            if code == 200:
                assert response.json()["data"]["currency"]["code"] == currency_code

"""A page of somebody else in the developer's browser can neither press the simulator's buttons nor read it."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from oscar_rehive.simulator.demo import DEMO_TOKEN
from oscar_rehive.simulator.server import Options, Simulator
from oscar_rehive.simulator.web import create_app

from .conftest import BUSINESS, NEW, TOKEN

FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "http://[evil"},
    {"Referer": "https://evil.example/page"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


def status(simulator: Simulator, invoice: dict[str, Any]) -> str:
    return str(simulator.rehive.invoice(BUSINESS, invoice["id"])["status"])


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_a_foreign_page_presses_no_button(simulator: Simulator, headers: dict[str, str]) -> None:
    invoice = simulator.rehive.create_invoice(BUSINESS, NEW)

    for method, path in (
        ("POST", f"/hosted/{invoice['id']}/"),
        ("POST", "/control/reset/"),
        ("POST", f"/simulator/invoices/{invoice['id']}/outcome/"),
        ("PUT", "/simulator/faults/"),
        ("PATCH", f"/business/manager/businesses/{BUSINESS}/invoices/{invoice['id']}/"),
        ("DELETE", "/payment-requests/user/webhooks/1/"),
    ):
        refused = requests.request(
            method,
            f"{simulator.origin}{path}",
            data={"outcome": "pay"},
            headers={"Authorization": f"Token {TOKEN}", **headers},
            timeout=10,
        )
        assert refused.status_code == 403, path
        assert f"{simulator.origin}/" in refused.text

    assert status(simulator, invoice) == "initiated"


def test_its_own_page_and_programs_do(simulator: Simulator) -> None:
    for headers in (
        {},
        {"Origin": simulator.origin, "Sec-Fetch-Site": "same-origin"},
        {"Referer": f"{simulator.origin}/?request=1"},
        {"Sec-Fetch-Site": "none"},
    ):
        invoice = simulator.rehive.create_invoice(BUSINESS, NEW)
        requests.post(
            f"{simulator.origin}/hosted/{invoice['id']}/",
            data={"outcome": "pay"},
            headers=headers,
            allow_redirects=False,
            timeout=10,
        )
        assert status(simulator, invoice) == "paid", headers


def test_behind_a_proxy_its_own_page_is_the_one_of_its_origin() -> None:
    simulator = Simulator(Options(port=0, origin="https://pay.example"))
    client = create_app(simulator.rehive, simulator.sender, [TOKEN]).test_client()

    for host in ("127.0.0.1:8001", "pay.example"):
        headers = {"Host": host, "Origin": "https://pay.example"}
        assert client.post("/control/flush/", headers=headers).status_code == 303

    simulator._socket.close()


@pytest.mark.parametrize("path", ["/", "/simulator/invoices/", "/business/", "/nowhere/"])
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8001", "[evil", ":80"])
def test_a_name_that_a_stranger_can_own_leads_nowhere(
    simulator: Simulator, host: str, path: str
) -> None:
    """A page of evil.example whose name leads to this machine is of the same origin to the browser."""
    refused = requests.get(f"{simulator.origin}{path}", headers={"Host": host}, timeout=10)

    assert refused.status_code == 403
    assert "--origin" in refused.text


@pytest.mark.parametrize(
    "host", ["localhost:8001", "127.0.0.1", "[::1]:8001", "192.168.1.5", "rehive", "host.internal"]
)
def test_a_name_that_nobody_can_own_is_welcome(simulator: Simulator, host: str) -> None:
    """In a network of containers it is the name of its service."""
    answer = requests.get(simulator.origin, headers={"Host": host}, timeout=10)

    assert answer.status_code == 200


def test_no_page_can_be_laid_unseen_under_another(simulator: Simulator) -> None:
    for path in ("/", "/nowhere/", "/simulator/invoices/"):
        headers = requests.get(f"{simulator.origin}{path}", timeout=10).headers
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Content-Security-Policy"] == "frame-ancestors 'none'"


def test_the_control_page_shows_no_part_of_a_token_that_it_was_given() -> None:
    simulator = Simulator(Options(port=0))
    client = create_app(simulator.rehive, simulator.sender, ["abc-real", DEMO_TOKEN]).test_client()

    page = client.get("/").get_data(as_text=True)

    assert "abc" not in page
    assert "as given" in page
    assert DEMO_TOKEN in page
    simulator._socket.close()

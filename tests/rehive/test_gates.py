"""Every call of a client goes through its gate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import responses

from oscar_rehive.rehive.client import Client
from oscar_rehive.rehive.exceptions import RehiveError, Throttled, Unreachable
from oscar_rehive.rehive.gates import route
from tests.rehive.calls import Call, error_of, every_call
from tests.rehive.samples import (
    API,
    BUSINESS_ID,
    PAYMENT_REQUESTS,
    TOKEN,
)


class Noting:
    """A gate that notes what goes through it; ``refusal`` is what it says instead of an exchange."""

    def __init__(self, refusal: RehiveError | None = None) -> None:
        self.refusal = refusal
        self.asked = 0
        self.sent: list[tuple[str, str]] = []

    def patiently(self, ask: Callable[[], Any]) -> Any:
        self.asked += 1
        outcome = ask()
        return ask() if isinstance(outcome, Throttled) else outcome

    def through(self, method: str, url: str, send: Callable[[], Any]) -> Any:
        self.sent.append((method, url))
        return self.refusal or send()


def client_with(gate: Noting, api_url: str = API) -> Client:
    return Client(
        api_url=api_url,
        payment_requests_url=PAYMENT_REQUESTS,
        token=TOKEN,
        business_id=BUSINESS_ID,
        gate=gate,
    )


@every_call
def test_every_call_goes_through_it(rehive_answers: responses.RequestsMock, call: Call) -> None:
    rehive_answers.add(call.method, call.url, **call.response(call.answer))
    gate = Noting()

    call.make(client_with(gate))

    assert (gate.asked, gate.sent) == (1, [(call.method, call.url)])


@every_call
def test_what_it_refuses_is_not_sent(rehive_answers: responses.RequestsMock, call: Call) -> None:
    refusal = Unreachable("down", may_have_happened=False)

    assert error_of(client_with(Noting(refusal)), call) is refusal
    assert not rehive_answers.calls


@every_call
def test_it_may_ask_again(rehive_answers: responses.RequestsMock, call: Call) -> None:
    """With the same idempotency key: Rehive keeps no 429."""
    rehive_answers.add(call.method, call.url, status=429, json={"status": "error"})
    rehive_answers.add(call.method, call.url, **call.response(call.answer))

    call.make(client_with(Noting()))

    sent = [one.request.headers.get("Idempotency-Key") for one in rehive_answers.calls]
    assert sent == [call.key, call.key]


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("manager/businesses/b-1/", "/manager/businesses/{id}/"),
        ("manager/businesses/b-1/invoices/", "/manager/businesses/{id}/invoices/"),
        (
            "manager/businesses/b-1/invoices/i-2/refunds/",
            "/manager/businesses/{id}/invoices/{id}/refunds/",
        ),
        ("user/webhooks/7/?page=2", "/user/webhooks/{id}/"),
        ("user/requests/?request_reference=1001", "/user/requests/"),
        ("a-secret/", "/"),
    ],
)
@pytest.mark.parametrize("base", ["https://rehive.example/api/", "https://user:pw@proxy/a-secret/"])
def test_an_address_is_shown_without_ids_and_whatever_else_is_not_known(
    base: str, path: str, shown: str
) -> None:
    assert route(base + path) == shown


@every_call
def test_the_address_of_every_call_is_shown_as_rehive_documents_it(call: Call) -> None:
    shown = route(call.url)

    assert BUSINESS_ID not in shown
    assert (
        shown.startswith(("/manager/businesses/{id}/", "/user/")) or shown == "/manager/businesses/"
    )
    assert shown.count("{id}") <= 2

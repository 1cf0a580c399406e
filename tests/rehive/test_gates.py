"""Every call of a client goes through its gate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import responses

from oscar_rehive.rehive.client import Client
from oscar_rehive.rehive.exceptions import RehiveError, Throttled, Unreachable
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
        self.sent: list[str] = []

    def patiently(self, ask: Callable[[], Any]) -> Any:
        self.asked += 1
        outcome = ask()
        return ask() if isinstance(outcome, Throttled) else outcome

    def through(self, url: str, send: Callable[[], Any]) -> Any:
        self.sent.append(url)
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

    assert (gate.asked, gate.sent) == (1, [call.url])


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

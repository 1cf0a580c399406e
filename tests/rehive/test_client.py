"""What the client sends, and what it says of a write that was not answered."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import requests
import responses

from oscar_rehive.rehive.client import Client
from oscar_rehive.rehive.exceptions import (
    Unreachable,
)
from tests.rehive.calls import CALLS, Call, error_of, every_call
from tests.rehive.samples import (
    API,
    BUSINESS,
    BUSINESS_URL,
    INVOICES_URL,
    TOKEN,
    WEBHOOKS_URL,
)

Answers = responses.RequestsMock


# What is sent


@every_call
def test_each_call_sends_what_the_schema_says(
    client: Client, rehive_answers: Answers, call: Call
) -> None:
    rehive_answers.add(call.method, call.url, **call.response(call.answer))

    call.make(client)

    (sent,) = [one.request for one in rehive_answers.calls]
    assert (sent.method, sent.url.partition("?")[0]) == (call.method, call.url)
    assert json.loads(sent.body or "null") == call.sent
    assert sent.headers["Authorization"] == f"Token {TOKEN}"
    assert sent.headers["Accept"] == "application/json"
    assert sent.headers.get("Idempotency-Key") == call.key
    assert TOKEN not in sent.url, "P9"


@pytest.mark.parametrize(
    ("business_id", "quoted"),
    [("shop", "shop"), ("a/b", "a%2Fb"), ("a?b#c", "a%3Fb%23c"), ("a b", "a%20b"), ("ä", "%C3%A4")],
)
def test_a_business_id_stays_one_part_of_the_address(
    make_client: Callable[..., Client], rehive_answers: Answers, business_id: str, quoted: str
) -> None:
    rehive_answers.get(f"{API}manager/businesses/{quoted}/", json=BUSINESS)

    make_client(business_id=business_id).business()

    assert rehive_answers.calls[0].request.url == f"{API}manager/businesses/{quoted}/"


@pytest.mark.parametrize("api_url", [API, API.rstrip("/")])
def test_the_services_address_may_end_with_a_slash_or_not(
    make_client: Callable[..., Client], rehive_answers: Answers, api_url: str
) -> None:
    rehive_answers.get(BUSINESS_URL, json=BUSINESS)

    assert make_client(api_url=api_url).business().id == "shop"


@pytest.mark.parametrize("hostile", ["", "..", "../..", "a/b", "a?b", "a#b", "%2e%2e", "a\nb"])
def test_an_id_that_could_reach_another_address_is_never_sent(
    client: Client, rehive_answers: Answers, hostile: str
) -> None:
    for call in (
        lambda: client.invoice(hostile),
        lambda: client.update_invoice(hostile, {}, idempotency_key="k"),
        lambda: list(client.transactions(hostile)),
        lambda: list(client.refunds(hostile)),
    ):
        with pytest.raises(ValueError, match="not an invoice's id"):
            call()
    assert not rehive_answers.calls


@pytest.mark.parametrize("hostile", ["", ".", ".."])
def test_deleting_no_webhook_deletes_nothing_else(
    client: Client, rehive_answers: Answers, hostile: str
) -> None:
    with pytest.raises(ValueError, match="not a webhook's id"):
        client.delete_webhook(hostile)
    assert not rehive_answers.calls


def test_a_webhooks_id_stays_one_part_of_the_address(
    client: Client, rehive_answers: Answers
) -> None:
    rehive_answers.delete(f"{WEBHOOKS_URL}a%2F..%2Fb/", status=204)

    client.delete_webhook("a/../b")


# What did not come back


@pytest.mark.parametrize(
    "dropped",
    [
        requests.ReadTimeout("timed out"),
        requests.ConnectionError("Connection aborted."),
        requests.exceptions.ChunkedEncodingError("broken"),
        requests.exceptions.SSLError("bad record"),
        ConnectionResetError(104, "reset"),
        TimeoutError("late"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_write_whose_answer_is_lost_may_have_happened(
    client: Client, rehive_answers: Answers, dropped: Exception
) -> None:
    rehive_answers.post(INVOICES_URL, body=dropped)

    error = error_of(client, CALLS["create_invoice"])

    assert isinstance(error, Unreachable)
    assert error.may_have_happened is True
    assert len(rehive_answers.calls) == 1, "never sent again by itself"

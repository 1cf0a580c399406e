"""Every call of the client, with the answer that satisfies it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from oscar_rehive.rehive.client import Client, Timeouts
from oscar_rehive.rehive.exceptions import RehiveError
from tests.rehive.samples import (
    API,
    BUSINESS,
    BUSINESS_URL,
    INVOICE,
    INVOICE_ID,
    INVOICE_URL,
    INVOICES_URL,
    MOVEMENT,
    PAYOUT,
    REFUND,
    REQUESTS_URL,
    SECRET,
    TRANSACTION,
    WEBHOOK,
    WEBHOOKS_URL,
    Json,
    page,
)


@dataclass(frozen=True)
class Call:
    """How to make a call, what goes over the wire, and what Rehive answers with."""

    make: Callable[[Client], Any]
    method: str
    url: str
    answer: Json | None
    sent: Json | None = None
    key: str | None = None

    @property
    def is_list(self) -> bool:
        return self.answer is not None and "results" in self.answer.get("data", {})

    def response(self, answer: Any) -> Json:
        return {"status": 204} if self.method == "DELETE" else {"json": answer}


NEW = {"request_reference": "100001", "request_amount": 1234, "status": "initiated"}
ASKED_REFUND = {"amount": 500, "currency": "USD", "type": "native", "reason": "Returned"}

CALLS = {
    "businesses": Call(
        lambda client: list(client.businesses()),
        "GET",
        f"{API}manager/businesses/",
        page([BUSINESS]),
    ),
    "business": Call(lambda client: client.business(), "GET", BUSINESS_URL, BUSINESS),
    "create_invoice": Call(
        lambda client: client.create_invoice(NEW, idempotency_key="k1"),
        "POST",
        INVOICES_URL,
        INVOICE,
        NEW,
        "k1",
    ),
    "invoice": Call(lambda client: client.invoice(INVOICE_ID), "GET", INVOICE_URL, INVOICE),
    "invoices": Call(lambda client: list(client.invoices()), "GET", INVOICES_URL, page([INVOICE])),
    "payment_requests": Call(
        lambda client: list(client.payment_requests()), "GET", REQUESTS_URL, page([INVOICE])
    ),
    "update_invoice": Call(
        lambda client: client.update_invoice(
            INVOICE_ID, {"status": "cancelled"}, idempotency_key="k2"
        ),
        "PATCH",
        INVOICE_URL,
        INVOICE,
        {"status": "cancelled"},
        "k2",
    ),
    "transactions": Call(
        lambda client: list(client.transactions(INVOICE_ID)),
        "GET",
        f"{INVOICE_URL}transactions/",
        page([TRANSACTION]),
    ),
    "refunds": Call(
        lambda client: list(client.refunds(INVOICE_ID)),
        "GET",
        f"{INVOICE_URL}refunds/",
        page([REFUND]),
    ),
    "create_refund": Call(
        lambda client: client.create_refund(
            INVOICE_ID, amount=500, currency="USD", reason="Returned", idempotency_key="k3"
        ),
        "POST",
        f"{INVOICE_URL}refunds/",
        REFUND,
        ASKED_REFUND,
        "k3",
    ),
    "movements": Call(
        lambda client: list(client.movements()),
        "GET",
        f"{BUSINESS_URL}transactions/",
        page([MOVEMENT]),
    ),
    "payouts": Call(
        lambda client: list(client.payouts()), "GET", f"{BUSINESS_URL}payouts/", page([PAYOUT])
    ),
    "webhooks": Call(lambda client: list(client.webhooks()), "GET", WEBHOOKS_URL, page([WEBHOOK])),
    "create_webhook": Call(
        lambda client: client.create_webhook(url=WEBHOOK["url"], secret=SECRET),
        "POST",
        WEBHOOKS_URL,
        WEBHOOK,
        {"url": WEBHOOK["url"], "secret": SECRET, "event": WEBHOOK["event"]},
    ),
    "delete_webhook": Call(
        lambda client: client.delete_webhook("w1"), "DELETE", f"{WEBHOOKS_URL}w1/", None
    ),
}


def _each(calls: Iterable[tuple[str, Call]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("call", [pytest.param(call, id=name) for name, call in calls])


every_call = _each(CALLS.items())
every_read = _each((name, call) for name, call in CALLS.items() if call.method == "GET")
every_list = _each((name, call) for name, call in CALLS.items() if call.is_list)


def error_of(client: Client, call: Call = CALLS["invoice"]) -> RehiveError:
    """What the call raises, which must be an error of ours."""
    with pytest.raises(RehiveError) as caught:
        call.make(client)
    return caught.value


QUICK = Timeouts(connect=10, read=0.3)
PATIENT = Timeouts(connect=2, read=5)


def failure(client: Client, timeouts: Timeouts = QUICK) -> RehiveError:
    """What a call to a bad server raises."""
    return error_of(
        client, replace(CALLS["business"], make=lambda client: client.business(timeouts=timeouts))
    )

"""What Rehive sends, with every field that rehive-api.md lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import strategies as st

import oscar_rehive.simulator

Json = dict[str, Any]

SCHEMA = Path(oscar_rehive.simulator.__file__).with_name("rehive.openapi.yaml")

API = "https://business.rehive.example/api/"
PAYMENT_REQUESTS = "https://payment-requests.rehive.example/api/"
TOKEN = "3f9a" * 16
SECRET = "a-webhook-secret-of-the-shop"
BUSINESS_ID = "shop"
INVOICE_ID = "5c8a1f0e-6a0f-4d8e-9a53-0b9c4a1e7d21"

BUSINESS_URL = f"{API}manager/businesses/{BUSINESS_ID}/"
INVOICES_URL = f"{BUSINESS_URL}invoices/"
INVOICE_URL = f"{INVOICES_URL}{INVOICE_ID}/"
REQUESTS_URL = f"{PAYMENT_REQUESTS}user/requests/"
WEBHOOKS_URL = f"{PAYMENT_REQUESTS}user/webhooks/"

USD: Json = {
    "code": "USD",
    "display_code": "USD",
    "description": "US dollar",
    "symbol": "$",
    "unit": "dollar",
    "divisibility": 2,
}
BTC: Json = {**USD, "code": "BTC", "symbol": "₿", "unit": "bitcoin", "divisibility": 8}

BUSINESS: Json = {
    "id": BUSINESS_ID,
    "name": "The shop",
    "status": "verified",
    "account": "ABC123",
    "currency": USD,
    "timezone": "UTC",
}
QUOTE: Json = {
    "id": "q1",
    "request": 7,
    "reference": "tb1q",
    "deposit_details": {"account_field": "tb1q"},
    "payment_processor": {"id": "p1", "unique_string_name": "native_bitcoin", "type": "crypto"},
    "currency": BTC,
    "amount": 20_000,
    "total_paid": 10_000,
    "total_pending": 5_000,
    "expiration_date": 1_800_000_100_000,
    "status": "underpaid",
    "conversion_quote": {"conversion_quote_id": "c1", "rate": "61700", "status": "quoted"},
}
INVOICE: Json = {
    "id": INVOICE_ID,
    "user": {"id": "u1"},
    "account": "ABC123",
    "request_reference": "100001",
    "request_amount": 1234,
    "request_currency": USD,
    "description": "Order 100001",
    "status": "underpaid",
    "return_url": "https://shop.example/return/abc/",
    "redirect_url": f"https://pay.rehive.example/?request={INVOICE_ID}",
    "primary_payment_processor": {"id": "p1"},
    "payer_user": None,
    "payer_email": "ann@example.com",
    "payer_mobile_number": None,
    "payment_processor_quotes": [QUOTE],
    "available_payment_processors": [{"id": "p1"}],
    "expiration_date": 1_800_000_900_000,
    "due_date": None,
    "send_request_on": None,
    "send_reminders": False,
    "metadata": {"oscar_rehive_attempt": 1},
    "refunded": True,
    "created": 1_800_000_000_000,
    "updated": 1_800_000_000_500,
}
TRANSACTION: Json = {
    "rehive_code": "t1",
    "settled": True,
    "status": "complete",
    "payment_processor_quote": 1,
    "details": {"id": "t1", "amount": 10_000},
}
MOVEMENT: Json = {
    "id": "m1",
    "collection": None,
    "parent": None,
    "partner": None,
    "tx_type": "credit",
    "subtype": "receive_payment",
    "note": "",
    "metadata": {"service_payment_requests": {"request_id": INVOICE_ID}},
    "status": "complete",
    "reference": "",
    "amount": 1000,
    "total_amount": 1015,
    "balance": 5000,
    "currency": USD,
    "account": "a1",
    "created": 1,
    "updated": 2,
}
PAYOUT: Json = {
    "id": "p1",
    "reference": "P1",
    "status": "complete",
    "currency": USD,
    "amount": 900,
    "destinations": [],
    "errors": [],
    "created": 1,
    "updated": 2,
}
REFUND: Json = {
    "identifier": "r1",
    "amount": 500,
    "currency": USD,
    "status": "pending",
    "type": "native",
    "transaction_collection": None,
    "request": INVOICE_ID,
    "reason": "Returned",
    "created": 1,
    "updated": 2,
}
WEBHOOK: Json = {
    "id": "w1",
    "url": "https://shop.example/rehive/webhook/",
    "event": "service_payment_requests.request.update",
    "secret": SECRET,
}


def enveloped(data: Any) -> Json:
    return {"status": "success", "data": data}


def page(results: list[Any], *, next_url: str | None = None) -> Json:
    return enveloped(
        {"count": len(results), "next": next_url, "previous": None, "results": results}
    )


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**300, max_value=10**301)
    | st.floats()
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


def mangled(sample: Json) -> st.SearchStrategy[Json]:
    """``sample`` with any of its fields, or of the objects in it, missing or replaced."""

    def bend(value: Any) -> st.SearchStrategy[Any]:
        kept: st.SearchStrategy[Any] = st.just(value)
        if isinstance(value, dict) and value:
            kept = mangled(value)
        elif isinstance(value, list) and value:
            kept = st.lists(bend(value[0]), max_size=2)
        return kept | st.just(value) | anything

    return st.fixed_dictionaries({}, optional={name: bend(value) for name, value in sample.items()})

"""Each call of the client against the simulator, over HTTP: what is sent and what comes back fits
``rehive.openapi.yaml``, and is understood."""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import requests
from openapi_core import OpenAPI
from openapi_core.contrib.requests import RequestsOpenAPIRequest, RequestsOpenAPIResponse
from urllib3 import HTTPResponse

from oscar_rehive.rehive.client import Client
from oscar_rehive.rehive.exceptions import NotFound, Refused, Throttled, Unauthorised
from oscar_rehive.rehive.transport import pooled_session
from oscar_rehive.simulator.process import SimulatorProcess
from tests.rehive.samples import SCHEMA, SECRET

RETURN_URL = "https://shop.example/return/abc/"


class CheckedSession(requests.Session):
    """The client's own session, but whatever goes over the wire must fit the schema."""

    def __init__(self, openapi: OpenAPI) -> None:
        super().__init__()
        self.openapi = openapi
        self.operations: list[str] = []
        for prefix, adapter in pooled_session().adapters.items():
            self.mount(prefix, adapter)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        sent = RequestsOpenAPIRequest(request)
        self.openapi.validate_request(sent)
        response = super().send(request, **kwargs)
        # Read by requests, the body cannot be read again by the client.
        body = response.raw.read(decode_content=True)
        checked = requests.Response()
        checked.status_code, checked.headers = response.status_code, response.headers
        checked._content = body
        self.openapi.validate_response(sent, RequestsOpenAPIResponse(checked))
        response.raw = HTTPResponse(io.BytesIO(body), preload_content=False)
        self.operations.append(f"{request.method} {sent.path}")
        return response


@pytest.fixture(scope="module")
def openapi() -> OpenAPI:
    return OpenAPI.from_file_path(str(SCHEMA))


@pytest.fixture
def session(openapi: OpenAPI) -> CheckedSession:
    return CheckedSession(openapi)


@pytest.fixture
def connect(rehive_simulator: SimulatorProcess, session: CheckedSession) -> Callable[..., Client]:
    def connect(**changes: str) -> Client:
        options = {
            "api_url": rehive_simulator.api_url,
            "payment_requests_url": rehive_simulator.payment_requests_url,
            "token": rehive_simulator.token,
            "business_id": rehive_simulator.business_id,
        }
        return Client(**{**options, **changes}, session=session)  # type: ignore[arg-type]  # on purpose

    return connect


@pytest.fixture
def shop(connect: Callable[..., Client]) -> Client:
    return connect()


def order(**changes: Any) -> dict[str, Any]:
    return {
        "request_reference": "100001",
        "request_amount": 1234,
        "status": "initiated",
        "description": "Order 100001",
        "return_url": RETURN_URL,
        "payer_email": "ann@example.com",
        "metadata": {"oscar_rehive_attempt": 1},
        "expiration_date": 4_000_000_000_000,
        **changes,
    }


def key() -> str:
    return uuid.uuid4().hex


def test_the_business_and_its_currency(shop: Client) -> None:
    business = shop.business()

    assert business.is_verified
    assert (business.currency.code, business.currency.divisibility) == ("USD", 2)


def test_the_businesses_that_the_token_may_manage(connect: Callable[..., Client]) -> None:
    """Their ids need not be known."""
    (only,) = connect(business_id="").businesses()

    assert only == connect().business()


def test_an_invoice_from_its_making_to_its_refund(
    shop: Client, rehive_simulator: SimulatorProcess
) -> None:
    made = shop.create_invoice(order(), idempotency_key=key())
    assert (made.status, made.amount, made.reference) == ("initiated", 1234, "100001")
    assert made.has_usable_redirect_url
    assert made.metadata == {"oscar_rehive_attempt": 1}
    assert shop.invoice(made.id) == made
    assert list(shop.invoices()) == [made]
    assert list(shop.transactions(made.id)) == []

    rehive_simulator.outcome(made.id, "pay", currency="BTC")
    paid = shop.invoice(made.id)
    (quote,) = paid.quotes
    assert paid.status == "paid"
    assert (quote.currency.code, quote.total_paid) == ("BTC", quote.amount)
    assert paid.updated is not None
    assert [one.settled for one in shop.transactions(made.id)] == [True]

    refund = shop.create_refund(
        made.id, amount=1234, currency="USD", reason="Returned", idempotency_key=key()
    )
    assert (refund.amount, refund.status) == (1234, "pending")
    rehive_simulator.refund(refund.id, "complete")
    (refunded,) = shop.refunds(made.id)
    assert (refunded.id, refunded.status) == (refund.id, "complete")
    assert shop.invoice(made.id).refunded is True


def test_the_books_of_the_business(shop: Client, rehive_simulator: SimulatorProcess) -> None:
    made = shop.create_invoice(order(), idempotency_key=key())
    rehive_simulator.fee(10)
    rehive_simulator.outcome(made.id, "pay", currency="BTC")
    refund = shop.create_refund(
        made.id, amount=234, currency="USD", reason="Returned", idempotency_key=key()
    )
    rehive_simulator.advance(1000)
    rehive_simulator.refund(refund.id, "complete")
    rehive_simulator.payout(900, "queued")

    back, paid = shop.movements()
    (payout,) = shop.payouts()

    assert (paid.kind, paid.status, paid.amount, paid.fee) == ("credit", "complete", 1234, 12)
    assert (paid.invoice_id, paid.currency.code) == (made.id, "USD")
    assert (back.kind, back.amount, back.invoice_id) == ("debit", 234, "")
    assert (payout.status, payout.amount, payout.currency.code) == ("queued", 900, "USD")


def test_an_invoice_is_cancelled_at_its_own_address(shop: Client) -> None:
    made = shop.create_invoice(order(), idempotency_key=key())

    ended = shop.update_invoice(made.id, {"status": "cancelled"}, idempotency_key=key())

    assert (ended.id, ended.status) == (made.id, "cancelled")


def test_an_idempotency_key_makes_one_invoice(shop: Client) -> None:
    same = key()

    first = shop.create_invoice(order(), idempotency_key=same)

    assert shop.create_invoice(order(), idempotency_key=same).id == first.id
    assert len(list(shop.invoices())) == 1


def test_a_list_longer_than_a_page_is_read_to_its_end(
    shop: Client, monkeypatch: pytest.MonkeyPatch, session: CheckedSession
) -> None:
    monkeypatch.setattr("oscar_rehive.rehive.client.PAGE_SIZE", 2)
    made = {shop.create_invoice(order(), idempotency_key=key()).id for _ in range(5)}
    session.operations.clear()

    assert {invoice.id for invoice in shop.invoices()} == made
    assert len(session.operations) == 3


def test_an_invoice_is_found_by_each_filter(
    shop: Client, rehive_simulator: SimulatorProcess
) -> None:
    one = shop.create_invoice(order(), idempotency_key=key())
    other = shop.create_invoice(order(request_reference="100002"), idempotency_key=key())
    rehive_simulator.outcome(one.id, "pay")

    def found(**filters: str) -> list[str]:
        return [invoice.id for invoice in shop.payment_requests(**filters)]

    assert found(id=one.id) == [one.id]
    assert found(request_reference="100002") == [other.id]
    assert found(status="paid") == [one.id]
    assert found(status__in="initiated,paid") == [other.id, one.id]
    assert found(created__gte=str(one.raw["created"])) == [other.id, one.id]
    assert found(refunded="false", request_reference="100001") == [one.id]
    assert found(request_reference="100003") == []
    (same,) = shop.payment_requests(id=other.id)
    assert same.raw == other.raw | {"refunds": []}


@pytest.mark.parametrize(("door", "error"), [("shut", NotFound), ("forbidden", Unauthorised)])
def test_a_second_door_that_is_closed_is_our_error(
    shop: Client, rehive_simulator: SimulatorProcess, door: str, error: type[Exception]
) -> None:
    rehive_simulator.requests_door(door)

    with pytest.raises(error):
        list(shop.payment_requests(request_reference="100001"))


def test_webhooks_are_registered_and_ended(shop: Client) -> None:
    url = "https://shop.example/rehive/webhook/"

    made = shop.create_webhook(url=url, secret=SECRET)

    assert (made.url, made.event) == (url, "service_payment_requests.request.update")
    assert [one.id for one in shop.webhooks()] == [made.id]
    shop.delete_webhook(made.id)
    assert list(shop.webhooks()) == []


def test_refusals_are_our_errors(
    shop: Client, connect: Callable[..., Client], rehive_simulator: SimulatorProcess
) -> None:
    made = shop.create_invoice(order(), idempotency_key=key())

    with pytest.raises(NotFound):
        shop.invoice(str(uuid.uuid4()))
    with pytest.raises(Unauthorised, match="401"):
        connect(token="f" * 64).business()
    with pytest.raises(Refused) as caught:
        shop.create_refund(made.id, amount=1, currency="USD", reason="", idempotency_key=key())
    assert caught.value.may_have_happened is False
    rehive_simulator.faults(throttle=7)
    with pytest.raises(Throttled) as throttled:
        shop.business()
    assert throttled.value.wait == 7

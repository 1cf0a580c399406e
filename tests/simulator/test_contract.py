"""Every documented endpoint over real HTTP, requests and answers checked against the schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from openapi_core import OpenAPI
from openapi_core.contrib.requests import RequestsOpenAPIRequest, RequestsOpenAPIResponse

import oscar_rehive.simulator
from oscar_rehive.simulator.process import SimulatorProcess

from .conftest import NEW, RETURN_URL

Json = dict[str, Any]

SCHEMA = Path(oscar_rehive.simulator.__file__).with_name("rehive.openapi.yaml")
UPDATE = "service_payment_requests.request.update"


@pytest.fixture(scope="module")
def openapi() -> OpenAPI:
    return OpenAPI.from_file_path(str(SCHEMA))


class Api:
    """Calls the API; whatever goes over the wire must fit the schema."""

    def __init__(self, openapi: OpenAPI, process: SimulatorProcess) -> None:
        self.openapi = openapi
        self.process = process
        self.invoices = f"{process.api_url}manager/businesses/{process.business_id}/invoices/"
        self.webhooks = f"{process.payment_requests_url}user/webhooks/"
        self.requests = f"{process.payment_requests_url}user/requests/"
        self.called: set[str] = set()

    def __call__(
        self,
        method: str,
        url: str,
        status: int,
        json: Any = None,
        *,
        valid: bool = True,
        **more: Any,
    ) -> requests.Response:
        headers = {"Authorization": f"Token {self.process.token}"} | more.pop("headers", {})
        prepared = requests.Request(method, url, json=json, headers=headers, **more).prepare()
        request = RequestsOpenAPIRequest(prepared)
        if valid:
            self.openapi.validate_request(request)
        with requests.Session() as session:
            response = session.send(prepared, timeout=10)
        assert response.status_code == status, response.text
        if status != 204:
            assert response.headers["Content-Type"] == "application/json"
        self.openapi.validate_response(request, RequestsOpenAPIResponse(response))
        return response


@pytest.fixture
def api(openapi: OpenAPI, rehive_simulator: SimulatorProcess) -> Api:
    return Api(openapi, rehive_simulator)


def test_business(api: Api) -> None:
    address = f"{api.process.api_url}manager/businesses/{api.process.business_id}/"
    business = api("GET", address, 200).json()["data"]
    assert business["status"] == "verified"
    assert business["currency"]["code"] == "USD"
    assert business["currency"]["divisibility"] == 2
    api("GET", f"{api.process.api_url}manager/businesses/nobody/", 404)


def test_businesses(api: Api) -> None:
    (only,) = api("GET", f"{api.process.api_url}manager/businesses/", 200).json()["data"]["results"]
    assert only["id"] == api.process.business_id
    assert only["currency"]["code"] == "USD"


def test_a_payment_from_beginning_to_end(api: Api, rehive_simulator: SimulatorProcess) -> None:
    """Create, read, list, pay too little, pay the rest, look at transactions, refund."""
    order = NEW | {
        "request_reference": "100001",
        "description": "Order 100001",
        "return_url": RETURN_URL,
        "payer_email": "ann@example.com",
        "metadata": {"attempt": 1, "nested": {"a_b": [1, 2]}},
        "expiration_date": 4_000_000_000_000,
        "due_date": 3_900_000_000_000,
    }
    key = {"headers": {"Idempotency-Key": "100001-1"}}
    created = api("POST", api.invoices, 201, order, **key).json()["data"]
    address = f"{api.invoices}{created['id']}/"
    expected = f"{api.process.origin}/?request={created['id']}&return_url={RETURN_URL}"
    assert created["redirect_url"] == expected
    assert created.items() >= order.items()

    replay = api("POST", api.invoices, 201, order, **key)
    assert replay.headers["Idempotent-Replayed"] == "true"
    assert replay.json()["data"] == created
    assert api("GET", address, 200).json()["data"] == created
    page = api("GET", f"{api.invoices}?page=1&page_size=250", 200).json()["data"]
    assert (page["count"], page["results"]) == (1, [created])
    patched = api("PATCH", address, 200, {"description": "A gift"}).json()["data"]
    assert patched["description"] == "A gift"

    api("GET", f"{address}transactions/", 200)
    rehive_simulator.outcome(created["id"], "pay_less", currency="BTC")
    underpaid = api("GET", address, 200).json()["data"]
    quote = underpaid["payment_processor_quotes"][0]
    assert (underpaid["status"], quote["status"]) == ("underpaid", "underpaid")
    assert quote["currency"]["divisibility"] == 8
    assert (quote["amount"], quote["total_paid"]) == (20_000, 10_000)
    rehive_simulator.outcome(created["id"], "pay")
    assert api("GET", address, 200).json()["data"]["status"] == "paid"
    assert api("GET", f"{address}transactions/?page_size=1", 200).json()["data"]["count"] == 2

    refund = {"amount": 1000, "currency": "USD", "type": "native", "reason": "Returned"}
    taken = api("POST", f"{address}refunds/", 201, refund).json()["data"]
    assert taken["status"] == "pending"
    api("POST", f"{address}refunds/", 400, refund)
    rehive_simulator.refund(taken["identifier"], "complete")
    listed = api("GET", f"{address}refunds/", 200).json()["data"]["results"]
    assert [one["status"] for one in listed] == ["complete"]
    assert api("GET", address, 200).json()["data"]["refunded"] is True
    api("PATCH", address, 400, {"status": "cancelled"})


@pytest.mark.parametrize(
    "steps",
    [
        ["start"],
        ["start", "start"],
        ["start", "start", "confirm"],
        ["pay", "complete"],
        ["pay_more"],
        ["pay_late"],
        ["fail"],
        ["expire"],
    ],
    ids="-".join,
)
def test_an_invoice_fits_the_schema_in_every_status(
    api: Api, rehive_simulator: SimulatorProcess, steps: list[str]
) -> None:
    invoice = api("POST", api.invoices, 201, NEW).json()["data"]
    for step in steps:
        rehive_simulator.outcome(invoice["id"], step, currency="ETH" if step != "back" else None)
    api("GET", f"{api.invoices}{invoice['id']}/", 200)
    api("GET", f"{api.invoices}{invoice['id']}/transactions/", 200)


def test_payment_requests_are_the_invoices_with_their_refunds_inside(
    api: Api, rehive_simulator: SimulatorProcess
) -> None:
    invoice = api("POST", api.invoices, 201, NEW | {"request_reference": "1&2"}).json()["data"]
    rehive_simulator.outcome(invoice["id"], "pay")
    refund = {"amount": 300, "currency": "USD", "type": "native", "reason": "Returned"}
    address = f"{api.invoices}{invoice['id']}/"
    taken = api("POST", f"{address}refunds/", 201, refund).json()["data"]
    api("POST", api.invoices, 201, NEW)

    answer = api("GET", api.requests, 200, params={"request_reference": "1&2"}).json()["data"]

    [request] = answer["results"]
    [inside] = request.pop("refunds")
    assert inside.items() <= taken.items()
    assert set(inside) == {*refund, "id", "status", "created", "updated"}
    assert request == api("GET", address, 200).json()["data"]


def test_pages_of_payment_requests_keep_their_filters(api: Api) -> None:
    for reference in ("2", "1&2", "1&2", "1&2"):
        api("POST", api.invoices, 201, NEW | {"request_reference": reference})
    asked = {"request_reference": "1&2", "page_size": 2}

    page = api("GET", api.requests, 200, params=asked).json()["data"]

    assert (page["count"], len(page["results"]), page["previous"]) == (3, 2, None)
    assert len(api("GET", page["next"], 200).json()["data"]["results"]) == 1
    api("GET", api.requests, 404, params=asked | {"page": 3})
    api("GET", api.requests, 401, headers={"Authorization": "Token wrong"})


@pytest.mark.parametrize(
    ("name", "value"), [("id", "7"), ("created__gte", "today"), ("refunded", "maybe")]
)
def test_filters_of_another_type_are_refused(api: Api, name: str, value: str) -> None:
    refusal = api("GET", api.requests, 400, valid=False, params={name: value}).json()
    assert list(refusal["data"]) == [name]


def test_webhooks(api: Api) -> None:
    hook = {"url": "http://shop.example/rehive/", "secret": "s3cret", "event": UPDATE}
    created = api("POST", api.webhooks, 201, hook).json()["data"]
    assert created == hook | {"id": created["id"]}
    address = f"{api.webhooks}{created['id']}/"
    assert api("GET", address, 200).json()["data"] == created
    assert api("GET", api.webhooks, 200).json()["data"]["results"] == [created]
    assert api("PATCH", address, 200, {"secret": "new"}).json()["data"]["secret"] == "new"
    api("DELETE", address, 204)
    api("GET", address, 404)
    api("DELETE", address, 404)
    api("POST", api.webhooks, 400, {"url": "no address", "event": UPDATE}, valid=False)


def test_a_delivery_fits_the_schema(
    openapi: OpenAPI, rehive_simulator: SimulatorProcess, api: Api, shop: Any
) -> None:
    rehive_simulator.register_webhook(shop.url, "s3cret")
    invoice = api("POST", api.invoices, 201, NEW).json()["data"]
    rehive_simulator.outcome(invoice["id"], "pay")
    rehive_simulator.flush_deliveries()
    schema = yaml.safe_load(SCHEMA.read_text())["components"]["schemas"]["Delivery"]
    assert set(shop.got[0][0]) == set(schema["properties"])
    for body, headers in shop.got:
        assert headers["Authorization"] == "Secret s3cret"
        validate_delivery(body)


def validate_delivery(body: Json) -> None:
    import jsonschema

    document = yaml.safe_load(SCHEMA.read_text())
    schema = {"$ref": "#/components/schemas/Delivery", "components": document["components"]}
    jsonschema.Draft202012Validator(schema).validate(body)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"request_amount": None}, "request_amount"),
        ({"request_amount": "12"}, "request_amount"),
        ({"request_amount": 12.5}, "request_amount"),
        ({"request_amount": True}, "request_amount"),
        ({"request_amount": -1}, "request_amount"),
        ({"request_amount": 10**38}, "request_amount"),
        ({"status": "paid"}, "status"),
        ({"request_reference": "x" * 256}, "request_reference"),
        ({"request_reference": 100001}, "request_reference"),
        ({"description": "nul \x00"}, "description"),
        ({"description": "surrogate \ud800"}, "description"),
        ({"return_url": "/checkout/"}, "return_url"),
        ({"return_url": "javascript:alert(1)"}, "return_url"),
        ({"return_url": "http://shop.example/\r\nX-Evil: 1"}, "return_url"),
        ({"return_url": "http://shop.example:port/"}, "return_url"),
        ({"payer_email": "nobody"}, "payer_email"),
        ({"expiration_date": "tomorrow"}, "expiration_date"),
        ({"due_date": 10**15}, "due_date"),
        ({"send_reminders": "yes"}, "send_reminders"),
        ({"metadata": []}, "metadata"),
        ({"metadata": {"a__b": 1}}, "metadata"),
        ({"metadata": {"a-b": 1}}, "metadata"),
        ({"metadata": {"a": None}}, "metadata"),
        ({"metadata": {"a": {"b": None}}}, "metadata"),
        ({"metadata": {"a": "é" * 60_000}}, "metadata"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_wrong_fields(api: Api, change: Json, field: str) -> None:
    refusal = api("POST", api.invoices, 400, NEW | change, valid=False).json()
    assert list(refusal["data"]) == [field]
    assert refusal["message"].startswith(f"{field}: ")


def test_required_fields(api: Api) -> None:
    refusal = api("POST", api.invoices, 400, {}, valid=False).json()
    assert set(refusal["data"]) == {"request_amount", "status"}


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"request_amount": NaN}', "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"request_amount=1", "application/x-www-form-urlencoded", 415),
        (b" " * 2_100_000, "application/json", 413),
    ],
    ids=["cut", "list", "nan", "latin", "deep", "form", "long"],
)
def test_bodies_that_are_no_json_object(api: Api, content: bytes, kind: str, status: int) -> None:
    headers = {"Content-Type": kind}
    api("POST", api.invoices, status, valid=False, data=content, headers=headers)


def test_who_may_not(api: Api) -> None:
    for authorization in ("", "Token", "Token wrong", f"Bearer {api.process.token}", "Token \xe9"):
        headers = {"Authorization": authorization}
        api("GET", api.invoices, 401, headers=headers)


def test_what_is_not_there(api: Api) -> None:
    unknown = "00000000-0000-4000-8000-000000000000"
    api("GET", f"{api.invoices}{unknown}/", 404)
    api("PATCH", f"{api.invoices}{unknown}/", 404, {})
    api("GET", f"{api.invoices}?page=2", 404)
    api("GET", f"{api.invoices}?page=x", 404, valid=False)


def test_methods_and_addresses_that_do_not_exist_answer_in_the_envelope(api: Api) -> None:
    headers = {"Authorization": f"Token {api.process.token}"}
    for method, address, status in (
        ("PATCH", api.invoices, 405),
        ("DELETE", api.invoices, 405),
        ("OPTIONS", api.invoices, 405),
        ("GET", f"{api.process.api_url}nothing/", 404),
    ):
        response = requests.request(method, address, headers=headers, json={}, timeout=10)
        assert response.status_code == status
        assert response.json()["status"] == "error"


def test_a_key_of_100_characters_is_too_long(api: Api) -> None:
    for length, status in ((99, 201), (100, 400)):
        headers = {"Idempotency-Key": "k" * length}
        api("POST", api.invoices, status, NEW, headers=headers, valid=status == 201)


def test_pages(api: Api) -> None:
    ids = [api("POST", api.invoices, 201, NEW).json()["data"]["id"] for _ in range(17)]
    first = api("GET", api.invoices, 200).json()["data"]
    assert (first["count"], len(first["results"]), first["previous"]) == (17, 15, None)
    second = api("GET", first["next"], 200).json()["data"]
    assert second["next"] is None
    assert [one["id"] for one in first["results"] + second["results"]] == ids[::-1]
    assert api("GET", second["previous"], 200).json()["data"]["results"] == first["results"]
    capped = api("GET", f"{api.invoices}?page_size=9999", 200, valid=False).json()["data"]
    assert len(capped["results"]) == 17


def test_logs_tell_who_looked_at_the_payment_page(api: Api) -> None:
    invoice = api("POST", api.invoices, 201, NEW).json()["data"]
    requests.get(invoice["redirect_url"], headers={"User-Agent": "Ann's"}, timeout=10)
    address = f"{api.invoices}{invoice['id']}/logs/"
    headers = {"Authorization": f"Token {api.process.token}"}
    logs = requests.get(address, headers=headers, timeout=10).json()["data"]["results"]
    assert [log["user_agent"] for log in logs] == ["Ann's"]

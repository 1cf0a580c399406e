"""The webhook's address, called by Rehive, by strangers, and by whatever else speaks HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.e2e.expecting import expect_unpaid
from tests.e2e.shopper import Shopper
from tests.e2e.shops import SECRET, Shop

pytestmark = pytest.mark.e2e

on_each_database = pytest.mark.parametrize(
    "database", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
)
ID = "0a9d0b0e-7c3f-4f57-9a51-0d6c2f1b8e42"
DEEP = 100_000


def call(
    shop: Shop,
    body: Any = None,
    *,
    authorization: str | None = f"Secret {SECRET}",
    method: str = "POST",
) -> requests.Response:
    headers = {"Content-Type": "application/json"}
    if authorization is not None:
        headers["Authorization"] = authorization
    return requests.request(method, shop.webhook_url, data=body, headers=headers, timeout=10)


def told(**data: Any) -> bytes:
    return json.dumps({"id": 1, "event": "x", "company": "x", "data": data}).encode()


def deliveries(shop: Shop) -> int:
    return int(shop.value("SELECT count(*) FROM oscar_rehive_delivery"))


def refused(shop: Shop) -> int:
    return int(shop.value("SELECT coalesce(sum(count), 0) FROM oscar_rehive_refuseddeliveries"))


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Secret",
        "Secret ",
        "Secret wrong",
        f"Secret {SECRET}x",
        f"Secret {SECRET[:-1]}",
        SECRET,
        f"Token {SECRET}",
        f"Bearer {SECRET}",
        "Secret \xe9\xff",
    ],
)
def test_peer_bug_24_without_the_right_secret_nothing_is_kept_but_a_count(
    shop_without_webhook: Shop, authorization: str | None
) -> None:
    shop = shop_without_webhook
    before = deliveries(shop), refused(shop)
    answer = call(shop, told(id=ID, status="paid"), authorization=authorization)
    assert answer.status_code == 401
    assert SECRET not in answer.text
    assert (deliveries(shop), refused(shop)) == (before[0], before[1] + 1)


UNUSABLE = {
    "empty": b"",
    "malformed": b'{"data": {"id": ',
    "html": b"<!doctype html><h1>Bad gateway</h1>",
    "not UTF-8": b'{"data": {"id": "\xff\xfe"}}',
    "UTF-16": '{"data": {"id": null}}'.encode("utf-16"),
    "NUL bytes": b"\0" * 100,
    "array 100,000 deep": b"[" * DEEP + b"]" * DEEP,
    "object 100,000 deep": b'{"data":' * DEEP + b"1" + b"}" * DEEP,
    "number of 10,000 digits": b'{"data": {"id": ' + b"9" * 10_000 + b"}}",
    "null": b"null",
    "text": b'"paid"',
    "number": b"1e999",
    "list": b"[]",
    "no data": b"{}",
    "data null": b'{"data": null}',
    "data a list": b'{"data": [{"id": "x"}]}',
    "no id": b'{"data": {"status": "paid"}}',
    "id null": b'{"data": {"id": null}}',
    "id empty": b'{"data": {"id": ""}}',
    "id a number": b'{"data": {"id": 5}}',
    "id an object": b'{"data": {"id": {"$ne": null}}}',
    "id with NUL": b'{"data": {"id": "a\\u0000b"}}',
    "id half a surrogate pair": b'{"data": {"id": "\\ud800"}}',
    "id a path": b'{"data": {"id": "../../user/webhooks"}}',
    "id very long": json.dumps({"data": {"id": "a" * 100_000}}).encode(),
}


@on_each_database
@pytest.mark.parametrize("body", UNUSABLE)
def test_a_body_that_names_no_invoice_is_kept_with_the_reason(
    shop_without_webhook: Shop, database: str, body: str
) -> None:
    shop = shop_without_webhook
    before = deliveries(shop)
    assert call(shop, UNUSABLE[body]).status_code == 400
    assert deliveries(shop) == before + 1
    ((state, reason),) = newest(shop)
    assert state == "unusable"
    assert reason.startswith("The body ")


@on_each_database
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_5_mb_is_refused_and_noted(
    shop_without_webhook: Shop, database: str, chunked: bool
) -> None:
    shop = shop_without_webhook
    parts = [b'{"data": {"id": "x", "description": "', b"a" * 5_000_000, b'"}}']

    def stream() -> Iterator[bytes]:
        yield from parts

    answer = call(shop, stream() if chunked else b"".join(parts))
    assert answer.status_code == 413
    assert newest(shop) == [("unusable", "The body is larger than 1048576 bytes.")]


STRANGE: dict[str, dict[str, Any]] = {
    "nothing but the id": {},
    "status unknown": {"status": "canceled"},
    "status an object": {"status": {"paid": True}},
    "reference a list": {"request_reference": [1, 2]},
    "reference with NUL": {"request_reference": "100\x00001"},
    "reference half a surrogate pair": {"request_reference": "\ud83d"},
    "description half a surrogate pair": {"description": "\udc00\x00"},
    "key half a surrogate pair": {"\ud83d\x00": 1},
    "amount NaN": {"request_amount": float("nan")},
    "deep": {"metadata": json.loads('{"a":' * 500 + "1" + "}" * 500)},
}


@on_each_database
@pytest.mark.parametrize("fields", STRANGE)
def test_an_unknown_invoice_is_taken_and_kept_with_the_reason_however_strange_it_is(
    shop_without_webhook: Shop, database: str, fields: str
) -> None:
    shop = shop_without_webhook
    before = deliveries(shop)
    assert call(shop, told(id=ID, **STRANGE[fields])).status_code == 200
    shop.quiet()
    assert deliveries(shop) == before + 1
    assert newest(shop) == [("unusable", "This shop has no such invoice.")]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_only_post_is_taken(shop_without_webhook: Shop, method: str) -> None:
    shop = shop_without_webhook
    before = deliveries(shop)
    answer = call(shop, told(id=ID), method=method)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST"
    assert deliveries(shop) == before


def test_p1_a_delivery_with_the_right_secret_proves_nothing(shop: Shop, guest: Shopper) -> None:
    hosted = guest.buy()
    invoice = shop.rehive.invoice(hosted.invoice_id)
    assert call(shop, told(**{**invoice, "status": "paid"})).status_code == 200
    shop.quiet()
    assert newest(shop) == [("done", "")]
    expect_unpaid(shop, guest)


def test_p9_no_secret_that_a_delivery_carries_is_kept(shop_without_webhook: Shop) -> None:
    shop = shop_without_webhook
    call(shop, told(id=ID, metadata={"webhook_secret": "hunter2", "api_token": "hunter3"}))
    shop.quiet()
    kept = shop.column("SELECT body FROM oscar_rehive_delivery ORDER BY id DESC LIMIT 1")[0]
    assert "hunter" not in kept
    assert ID in kept
    assert not shop.column("SELECT id FROM oscar_rehive_delivery WHERE body LIKE %s", f"%{SECRET}%")
    assert SECRET not in shop.log()


def newest(shop: Shop) -> list[tuple[Any, ...]]:
    return shop.rows("SELECT state, reason FROM oscar_rehive_delivery ORDER BY id DESC LIMIT 1")

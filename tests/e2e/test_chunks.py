"""Deliveries in chunks, as a proxy or a sender may pass them on; for waitress see test_webhook.py (P7)."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from tests.e2e.shops import SECRET, Shop, eventually

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.parametrize("server", ["gunicorn with threads", "uvicorn"], scope="module"),
]

UNKNOWN = {"data": {"id": "00000000-0000-4000-8000-000000000000", "status": "paid"}}


def in_chunks(shop: Shop, body: bytes, size: int) -> Any:
    chunks = (body[start : start + size] for start in range(0, len(body), size))
    headers = {"Authorization": f"Secret {SECRET}", "Content-Type": "application/json"}
    return requests.post(shop.webhook_url, data=chunks, headers=headers, timeout=20)


@pytest.mark.parametrize("size", [1, 10, 1000])
def test_what_comes_in_chunks_is_stored_and_worked_on(served_shop: Shop, size: int) -> None:
    body = json.dumps(UNKNOWN).encode()

    assert in_chunks(served_shop, body, size).status_code == 200

    newest = "SELECT state, body FROM oscar_rehive_delivery ORDER BY id DESC LIMIT 1"
    eventually(lambda: served_shop.rows(newest)[0][0] == "unusable")  # it was looked for
    assert json.loads(served_shop.rows(newest)[0][1]) == UNKNOWN


def test_what_is_too_large_is_kept_with_its_reason(served_shop: Shop) -> None:
    body = json.dumps(UNKNOWN).encode().ljust(2**20 + 1)

    assert in_chunks(served_shop, body, 2**16).status_code == 413


def test_what_has_a_length_is_read_as_ever(served_shop: Shop) -> None:
    headers = {"Authorization": f"Secret {SECRET}"}
    for _ in range(2):  # on one line
        answer = requests.post(served_shop.webhook_url, json=UNKNOWN, headers=headers, timeout=20)
        assert answer.status_code == 200

"""Deliveries in chunks, as a proxy or a sender may pass them on, to a shop under gunicorn (P7)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.e2e import shops
from tests.e2e.shops import SECRET, Shop, eventually

pytestmark = pytest.mark.e2e

UNKNOWN = {"data": {"id": "00000000-0000-4000-8000-000000000000", "status": "paid"}}


class UnderGunicorn(Shop):
    """A sandbox shop under gunicorn."""

    served_by = "tests.e2e.serve_gunicorn"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Shop]:
    pytest.importorskip("gunicorn")
    base = tmp_path_factory.getbasetemp()
    folder = tmp_path_factory.mktemp("gunicorn") / "var"
    shutil.copytree(shops.template(base if worker_id == "master" else base.parent), folder)
    shop = UnderGunicorn(folder, {})
    try:
        shop.start()
        yield shop
        assert "Traceback" not in shop.log()
    finally:
        shop.stop()


def in_chunks(shop: Shop, body: bytes, size: int) -> Any:
    chunks = (body[start : start + size] for start in range(0, len(body), size))
    headers = {"Authorization": f"Secret {SECRET}", "Content-Type": "application/json"}
    return requests.post(shop.webhook_url, data=chunks, headers=headers, timeout=20)


@pytest.mark.parametrize("size", [1, 10, 1000])
def test_what_comes_in_chunks_is_stored_and_worked_on(shop: Shop, size: int) -> None:
    body = json.dumps(UNKNOWN).encode()

    assert in_chunks(shop, body, size).status_code == 200

    newest = "SELECT state, body FROM oscar_rehive_delivery ORDER BY id DESC LIMIT 1"
    eventually(lambda: shop.rows(newest)[0][0] == "unusable")  # it was looked for
    assert json.loads(shop.rows(newest)[0][1]) == UNKNOWN


def test_what_is_too_large_is_kept_with_its_reason(shop: Shop) -> None:
    body = json.dumps(UNKNOWN).encode().ljust(2**20 + 1)

    assert in_chunks(shop, body, 2**16).status_code == 413


def test_what_has_a_length_is_read_as_ever(shop: Shop) -> None:
    headers = {"Authorization": f"Secret {SECRET}"}
    for _ in range(2):  # on one line
        answer = requests.post(shop.webhook_url, json=UNKNOWN, headers=headers, timeout=20)
        assert answer.status_code == 200

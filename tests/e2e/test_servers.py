"""Work after an answer holds no connection, under the servers that shops run (P11): the next request on it, which
a proxy gives to another shopper, is answered while that work still waits for Rehive."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.e2e import shops
from tests.e2e.shopper import Shopper
from tests.e2e.shops import SECRET, Shop, eventually

pytestmark = pytest.mark.e2e

DELIVERY = {"Authorization": f"Secret {SECRET}"}
UNTOUCHED = "SELECT count(*) FROM oscar_rehive_delivery WHERE state = 'new' AND reason = ''"
WAITING = "SELECT count(*) FROM oscar_rehive_delivery WHERE state = 'new'"


@pytest.fixture(scope="module", params=["gunicorn with threads", "gunicorn sync", "waitress"])
def shop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Iterator[Shop]:
    """A sandbox shop under that server."""
    base = tmp_path_factory.getbasetemp()
    folder = tmp_path_factory.mktemp("servers") / "var"
    shutil.copytree(shops.template(base if worker_id == "master" else base.parent), folder)
    threads = {"gunicorn with threads": "4", "gunicorn sync": "1"}.get(request.param)
    shop = Shop(folder, {"GUNICORN_THREADS": threads} if threads else {})
    if threads:
        shop.served_by = "tests.e2e.serve_gunicorn"
    try:
        shop.start()
        yield shop
        assert "Traceback" not in shop.log()
    finally:
        shop.stop()


@pytest.fixture
def invoice_id(shop: Shop) -> Iterator[str]:
    """The invoice of an order, about which Rehive answers nobody."""
    invoice_id = Shopper(shop.base_url).buy().invoice_id
    shop.rehive.faults(latency_ms={"value": 60_000, "methods": ["GET"]})
    yield invoice_id
    shop.rehive.clear_faults()
    eventually(lambda: not shop.value(UNTOUCHED))
    shop.reconcile()
    eventually(lambda: not shop.value(WAITING))


def told(invoice_id: str) -> dict[str, Any]:
    return {"id": 1, "event": "x", "company": "x", "data": {"id": invoice_id}}


def test_the_next_request_on_the_connection_does_not_wait(shop: Shop, invoice_id: str) -> None:
    with requests.Session() as line:
        answer = line.post(shop.webhook_url, json=told(invoice_id), headers=DELIVERY, timeout=20)
        assert answer.status_code == 200

        assert line.get(shop.webhook_url, timeout=20).status_code == 405

    assert shop.value(UNTOUCHED) == 1, "the work was over before the next request was answered"


def test_a_burst_of_deliveries_is_answered_while_the_first_are_worked_on(
    shop: Shop, invoice_id: str
) -> None:
    def deliver(_: int) -> int:
        sent = requests.post(shop.webhook_url, json=told(invoice_id), headers=DELIVERY, timeout=20)
        return sent.status_code

    with ThreadPoolExecutor(12) as senders:
        answers = list(senders.map(deliver, range(12)))

    assert answers == [200] * 12
    # Four are worked on at a time; the last of them has not had its turn.
    assert shop.value(UNTOUCHED) > 0

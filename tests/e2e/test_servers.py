"""Work after an answer holds no connection, under the servers that shops run (P11): the next request on it, which
a proxy gives to another shopper, is answered while that work still waits for Rehive."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.e2e.shopper import Shopper
from tests.e2e.shops import Shop, eventually

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.parametrize(
        "server",
        ["gunicorn with threads", "gunicorn sync", "gunicorn with gevent", "waitress", "uvicorn"],
        scope="module",
    ),
]

UNTOUCHED = "SELECT count(*) FROM oscar_rehive_delivery WHERE state = 'new' AND reason = ''"
WAITING = "SELECT count(*) FROM oscar_rehive_delivery WHERE state = 'new'"


@pytest.fixture
def invoice_id(served_shop: Shop) -> Iterator[str]:
    """The invoice of an order, about which Rehive answers nobody."""
    shop = served_shop
    invoice_id = Shopper(shop.base_url).buy().invoice_id
    shop.rehive.faults(latency_ms={"value": 60_000, "methods": ["GET"]})
    yield invoice_id
    shop.rehive.clear_faults()
    eventually(lambda: not shop.value(UNTOUCHED))
    shop.reconcile()
    eventually(lambda: not shop.value(WAITING))


def test_the_next_request_on_the_connection_does_not_wait(
    served_shop: Shop, invoice_id: str
) -> None:
    with requests.Session() as line:
        assert served_shop.deliver(invoice_id, line).status_code == 200

        assert line.get(served_shop.webhook_url, timeout=20).status_code == 405

    assert served_shop.value(UNTOUCHED) == 1, (
        "the work was over before the next request was answered"
    )


def test_a_burst_of_deliveries_is_answered_while_the_first_are_worked_on(
    served_shop: Shop, invoice_id: str
) -> None:
    with ThreadPoolExecutor(12) as senders:
        answers = senders.map(lambda _: served_shop.deliver(invoice_id), range(12))

    assert [answer.status_code for answer in answers] == [200] * 12
    # Four are worked on at a time; the last of them has not had its turn.
    assert served_shop.value(UNTOUCHED) > 0

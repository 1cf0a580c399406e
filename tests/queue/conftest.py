"""A shop with workers on either engine, and many orders in it that have just been paid."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from oscar.core.loading import get_model

from oscar_rehive import conf
from oscar_rehive.models import Invoice, OrderPayment
from oscar_rehive.payments.gateway import client_for
from tests.queue.engines import DatabaseEngine, Engine, RedisEngine, redis_server
from tests.steps import RETURN_URL, opened


@pytest.fixture(params=[DatabaseEngine, RedisEngine], ids=["django-tasks-db", "django-tasks-rq"])
def engine(
    request: pytest.FixtureRequest,
    rehive: Any,
    settings: Any,
    tmp_path: Path,
    transactional_db: None,
) -> Iterator[Engine]:
    """The shop's ``TASKS`` name it, and nobody works for it yet."""
    engine: Engine = request.param(rehive, tmp_path)
    settings.TASKS = {"default": {"BACKEND": engine.backend}}
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = str(engine.mails)
    if not isinstance(engine, RedisEngine):
        yield engine
        engine.stop()
        return
    with redis_server() as address:
        settings.RQ_QUEUES = {"default": {"URL": address}}
        engine.environment["TESTS_REDIS"] = address
        yield engine
        engine.stop()


@pytest.fixture
def paid_orders(rehive: Any, place_order: Any) -> Callable[[int], list[Invoice]]:
    """Makes so many orders, paid at Rehive, of which the shop does not know it yet. All but the first are
    copies of its rows: to place a thousand would take longer than to settle them."""
    order_model, line_model = get_model("order", "Order"), get_model("order", "Line")

    def copied(row: Any, **changes: Any) -> Any:
        other = copy.copy(row)
        other._state = copy.copy(row._state)
        other.pk, other._state.adding = None, True
        for name, value in changes.items():
            setattr(other, name, value)
        return other

    def make(count: int) -> list[Invoice]:
        first = place_order(total="10.00")
        invoice = opened(first)
        payment = OrderPayment.objects.get(order_number=first.number)
        line = line_model.objects.get(order=first)
        numbers = [str(int(first.number) + 1 + nth) for nth in range(count - 1)]
        orders = order_model.objects.bulk_create([copied(first, number=one) for one in numbers])
        line_model.objects.bulk_create([copied(line, order=one) for one in orders])
        payments = OrderPayment.objects.bulk_create(
            [
                copied(
                    payment, order_number=one.number, reference=one.number, order_key=str(one.pk)
                )
                for one in orders
            ]
        )
        client = client_for(conf.current().businesses["USD"])
        remote = rehive.invoice(invoice.remote_id)
        others = []
        for one in payments:
            key = uuid.uuid4()
            made = client.create_invoice(
                {
                    "request_reference": one.order_number,
                    "request_amount": 1000,
                    "status": "initiated",
                    "return_url": RETURN_URL,
                    "expiration_date": remote["expiration_date"],
                    "metadata": {
                        name: key.hex if value == invoice.key.hex else value
                        for name, value in remote["metadata"].items()
                    },
                },
                idempotency_key=key.hex,
            )
            others.append(copied(invoice, payment=one, key=key, remote_id=made.id))
        invoices = [invoice, *Invoice.objects.bulk_create(others)]
        for one in invoices:
            rehive.outcome(one.remote_id, "pay")
        return invoices

    return make

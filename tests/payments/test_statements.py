"""How many statements a delivery takes: each is a round trip to the database, most of them under the order's
lock."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.sites.models import Site
from django.db import connection
from django.test.utils import CaptureQueriesContext

from oscar_rehive.models import Delivery, Invoice, OrderPayment
from oscar_rehive.payments import deliveries
from oscar_rehive.payments.mails import send_confirmation
from tests.steps import opened

# Not within a transaction of the test's own: BEGIN and COMMIT are round trips too.
pytestmark = pytest.mark.django_db(transaction=True)


def delivered(invoice: Invoice) -> list[str]:
    """The statements that a delivery about ``invoice`` takes, from its arrival on."""
    hint = {"id": invoice.remote_id, "request_reference": invoice.order_number}
    body = json.dumps({"data": hint}).encode()
    with CaptureQueriesContext(connection) as captured:
        delivery = deliveries.store(body)
        deliveries.work_on(delivery.remote_id)
    delivery.refresh_from_db()
    assert delivery.state == Delivery.State.DONE
    return [one["sql"] for one in captured]


def shown(statements: list[str]) -> str:
    return "\n".join(f"{count:3} {sql[:300]}" for count, sql in enumerate(statements, 1))


@pytest.fixture
def _no_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "send_confirmation_soon", lambda payment: None)


@pytest.fixture
def paid(rehive: Any, place_order: Any) -> Invoice:
    """An invoice of an order with one line that Rehive says is paid, the first in this shop."""
    invoice = opened(place_order())
    rehive.outcome(invoice.remote_id, "pay")
    return invoice


@pytest.mark.usefixtures("_no_mail")
def test_a_first_full_payment(paid: Invoice) -> None:
    statements = delivered(paid)

    assert OrderPayment.objects.get(order_number=paid.order_number).paid_at
    said = " ".join(statements)
    assert "BEGIN" in said  # they are counted
    assert "COMMIT" in said
    assert len(statements) <= 30, shown(statements)


def assert_nothing_new(statements: list[str]) -> None:
    """Three of them read and write the delivery itself; nobody waits, and nobody is kept waiting."""
    assert len(statements) <= 5, shown(statements)
    for sql in statements:
        assert not sql.startswith(("BEGIN", "SAVEPOINT")), shown(statements)
        assert "FOR UPDATE" not in sql
        for model in (OrderPayment, Invoice):
            assert f'UPDATE "{model._meta.db_table}"' not in sql, shown(statements)


@pytest.mark.usefixtures("_no_mail")
def test_a_payment_that_is_told_again(paid: Invoice) -> None:
    delivered(paid)

    for _ in range(2):
        assert_nothing_new(delivered(paid))


@pytest.mark.parametrize("outcome", ["start", "pay_less", "expire"])
def test_an_unpaid_invoice_that_is_told_twice(rehive: Any, place_order: Any, outcome: str) -> None:
    invoice = opened(place_order())
    rehive.outcome(invoice.remote_id, outcome)
    delivered(invoice)

    assert_nothing_new(delivered(invoice))


@pytest.mark.usefixtures("_no_mail")
def test_the_mail(paid: Invoice, mailoutbox: list[Any]) -> None:
    delivered(paid)
    Site.objects.get_current()  # remembered by every process

    with CaptureQueriesContext(connection) as captured:
        assert send_confirmation(paid.order_number)

    statements = [one["sql"] for one in captured]
    assert len(mailoutbox) == 1
    assert len(statements) <= 12, shown(statements)


@pytest.mark.usefixtures("_no_mail")
def test_many_deliveries_about_one_invoice_take_as_many_as_one(paid: Invoice) -> None:
    """After an outage there are hundreds: each was written by itself."""
    delivered(paid)
    for _ in range(9):
        Delivery.objects.create(remote_id=paid.remote_id, reference=paid.order_number)

    assert_nothing_new(delivered(paid))
    assert not Delivery.objects.exclude(state=Delivery.State.DONE).exists()

"""What stands open, as it is told to Prometheus: read when somebody asks, and cheaply."""

from __future__ import annotations

from datetime import datetime, timedelta
from threading import Thread
from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest

from oscar_rehive import collecting, conf
from oscar_rehive.collecting import OpenThings
from oscar_rehive.models import Attention, Delivery, Invoice, OrderPayment
from oscar_rehive.payments.gateway import client_for
from oscar_rehive.rehive.exceptions import Unreachable
from tests.steps import not_migrated, opened, settled


def told(**others: str) -> dict[str, float]:
    """All numbers by their names without prefix, those with labels only where they are ``others``."""
    return {
        sample.name.removeprefix("oscar_rehive_"): sample.value
        for metric in OpenThings().collect()
        for sample in metric.samples
        if sample.labels.items() <= others.items()
    }


def ago(**span: float) -> datetime:
    return timezone.now() - timedelta(**span)


@pytest.mark.django_db
def test_where_nothing_is_open_all_is_zero() -> None:
    numbers = told(kind="late", currency="USD")

    assert set(numbers) == set(collecting.GAUGES)
    assert set(numbers.values()) == {0.0}


@pytest.mark.django_db
def test_deliveries_that_wait() -> None:
    Delivery.objects.create(received_at=ago(days=3), state=Delivery.State.DONE)
    Delivery.objects.create(received_at=ago(minutes=1))
    Delivery.objects.create(received_at=ago(minutes=2))

    assert told()["waiting_deliveries"] == 2
    assert told()["oldest_waiting_delivery_seconds"] == pytest.approx(120, abs=10)


@pytest.mark.django_db
def test_invoices_that_are_open_and_those_past_their_window(rehive: Any, place_order: Any) -> None:
    closed, opening, overdue = (opened(place_order()) for _ in range(3))
    assert told()["oldest_overdue_invoice_seconds"] == 0  # all of them have their time yet
    Invoice.objects.filter(pk=closed.pk).update(state=Invoice.State.CLOSED)
    Invoice.objects.filter(pk=opening.pk).update(state=Invoice.State.OPENING)
    for invoice, hours in ((closed, 5), (overdue, 1)):
        OrderPayment.objects.filter(pk=invoice.payment_id).update(window_ends_at=ago(hours=hours))

    numbers = told()

    assert (numbers["open_invoices"], numbers["overdue_invoices"]) == (2, 1)
    assert numbers["oldest_overdue_invoice_seconds"] == pytest.approx(3600, abs=10)


@pytest.mark.parametrize("money", [{"received": 500}, {"remote_status": "received"}], ids=str)
def test_an_invoice_on_which_money_shows_is_not_overdue(
    rehive: Any, place_order: Any, money: dict[str, Any]
) -> None:
    """Nobody cancels it: the alarm of a shop that waits for a confirmation, or a person, never ended."""
    opened(place_order())
    OrderPayment.objects.update(window_ends_at=timezone.now() - timedelta(hours=1))
    Invoice.objects.update(**money)

    numbers = told()

    assert (numbers["open_invoices"], numbers["overdue_invoices"]) == (1, 0)
    assert numbers["oldest_overdue_invoice_seconds"] == 0


@pytest.mark.django_db
def test_confirmations_that_are_due(rehive: Any, place_order: Any) -> None:
    for sent_at in (None, timezone.now()):
        invoice = opened(place_order())
        rehive.outcome(invoice.remote_id, "pay")
        settled(invoice)
        OrderPayment.objects.filter(pk=invoice.payment_id).update(
            mail_due_at=ago(minutes=5), mail_sent_at=sent_at
        )

    assert told()["due_confirmations"] == 1
    assert told()["oldest_due_confirmation_seconds"] == pytest.approx(300, abs=10)


@pytest.mark.django_db
def test_attention_that_is_not_resolved(held: Invoice) -> None:
    assert told(kind="late")["open_attention"] == 1
    assert told(kind="excess")["open_attention"] == 0

    Attention.objects.update(resolved_at=timezone.now())

    assert told(kind="late")["open_attention"] == 0


@pytest.mark.django_db
def test_an_outage_as_each_business_sees_it(settings: Any, moments: Any) -> None:
    elsewhere = {"BUSINESS_ID": "another", "API_URL": "http://127.0.0.1:10/api/"}
    businesses = {"USD": {}, "EUR": elsewhere}
    settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "BUSINESSES": businesses}
    business = conf.current().businesses["USD"]
    for _ in range(5):
        client_for(business)._gate.through("GET", business.api_url, lambda: Unreachable("silence"))
    moments.go_by(3)

    down, up = told(currency="USD"), told(currency="EUR")

    assert (down["rehive_left_alone"], up["rehive_left_alone"]) == (1, 0)
    assert down["rehive_down_seconds"] == pytest.approx(3, abs=2)
    assert up["rehive_down_seconds"] == 0

    moments.go_by(5)

    assert told(currency="USD")["rehive_left_alone"] == 0  # the next call finds out
    assert told(currency="USD")["rehive_down_seconds"] == pytest.approx(8, abs=2)


@pytest.mark.django_db
def test_settings_that_are_not_sound_hide_nothing(settings: Any) -> None:
    settings.OSCAR_REHIVE = {}
    Delivery.objects.create()

    assert told()["waiting_deliveries"] == 1


@pytest.mark.django_db
def test_four_statements_over_what_is_open(rehive: Any, place_order: Any) -> None:
    opened(place_order())
    with CaptureQueriesContext(connection) as captured:
        told()

    statements = [one["sql"] for one in captured]
    assert len(statements) == 4, statements
    *by_index, attention = statements
    assert Attention._meta.db_table in attention  # which has a row only for what went wrong
    if connection.vendor == "sqlite":  # PostgreSQL walks through a small table anyway
        for sql in by_index:
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
                plan = " ".join(row[-1] for row in cursor.fetchall())
            assert "INDEX" in plan, sql
            assert not any("SCAN" in step and "INDEX" not in step for step in plan.split(" | ")), (
                plan
            )


@pytest.mark.django_db
def test_a_connection_that_the_database_may_have_dropped_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Beside Django's own requests nobody else looks at how old it is."""
    done: list[str] = []
    monkeypatch.setattr(collecting, "close_old_connections", lambda: done.append("closed"))
    monkeypatch.setattr(collecting, "_values", lambda: done.append("read") or ())

    told()

    assert done == ["closed", "read"]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_what_it_opens_it_closes_and_nothing_else() -> None:
    """Prometheus' own server has a thread for each time, which leaves behind what it has opened."""
    left: list[Any] = []

    def tell() -> None:
        told()
        left.append(connections["default"].connection)

    thread = Thread(target=tell)
    thread.start()
    thread.join()
    assert left == [None]

    connection.ensure_connection()
    tell()
    assert left[1] is not None


@pytest.mark.django_db(transaction=True)
def test_a_database_that_cannot_be_asked_takes_no_other_number_with_it(caplog: Any) -> None:
    with not_migrated(Delivery):
        text = generate_latest(REGISTRY).decode()

    assert "oscar_rehive_waiting_deliveries" not in text
    assert "oscar_rehive_requests_held_back_total" in text
    assert "python_info" in text
    assert "What stands open cannot be told" in caplog.text


def test_without_any_connection_it_is_silent_too(caplog: Any) -> None:
    """There is none in this test."""
    assert list(OpenThings().collect()) == []
    assert "What stands open cannot be told" in caplog.text


def test_who_registers_it_asks_no_database() -> None:
    """There is none in this test."""
    registry = CollectorRegistry(auto_describe=True)

    registry.register(OpenThings())

    with pytest.raises(ValueError, match="oscar_rehive_open_invoices"):
        registry.register(OpenThings())


@pytest.mark.django_db
def test_it_is_told_without_further_ado_where_the_shop_tells_its_numbers() -> None:
    assert b"\noscar_rehive_waiting_deliveries 0.0\n" in generate_latest(REGISTRY)

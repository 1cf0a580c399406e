"""Settling: what each status of Rehive does to the order (design.md, status table)."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from django.test import Client as Browser

from oscar_rehive.models import Attention, Entry, Invoice, OrderPayment
from oscar_rehive.payments.mails import send_confirmation_if_due
from oscar_rehive.payments.meanings import received_units
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.payments.settling import settle
from oscar_rehive.rehive.statuses import Status
from tests.steps import opened, payment_page, settled, told

pytestmark = pytest.mark.django_db


def test_p7_what_needs_attention_is_also_logged_once(
    rehive: Any, place_order: Any, caplog: pytest.LogCaptureFixture
) -> None:
    order = place_order(total="10.00")
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay_more", amount=1250)

    for _ in range(2):
        settled(invoice)

    (said,) = [record for record in caplog.records if "attention" in record.getMessage()]
    assert (said.levelname, said.name) == ("WARNING", "oscar_rehive.payments.history")
    assert f"Order #{order.number} needs attention: 2.5" in said.getMessage()


@pytest.mark.parametrize("outcome", ["pay", "pay_late"])
def test_p1_a_paid_invoice_pays_its_order(rehive: Any, place_order: Any, outcome: str) -> None:
    order = place_order(total="12.34")
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, outcome)

    settled(invoice)

    order.refresh_from_db()
    assert order.status == "Being processed"
    source = order.sources.get()
    assert (source.amount_allocated, source.amount_debited) == (Decimal("12.34"), Decimal("12.34"))
    assert [event.amount for event in order.payment_events.all()] == [Decimal("12.34")]
    assert not Attention.objects.exists()


def test_p2_and_p3_the_same_news_ten_times_is_one_payment_and_one_mail(
    rehive: Any, place_order: Any
) -> None:
    order = place_order()
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay")

    for _ in range(10):
        settled(invoice)
        send_confirmation_if_due(order.number)

    assert order.sources.get().amount_debited == Decimal("12.34")
    assert order.sources.get().transactions.count() == 2
    assert len(mail.outbox) == 1


def test_underpaid_records_the_part_and_the_rest_completes_it(
    rehive: Any, place_order: Any
) -> None:
    order = place_order(total="10.00")
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay_less", amount=400)
    settled(invoice)
    order.refresh_from_db()
    assert order.status == "Pending"
    assert order.sources.get().amount_debited == Decimal("4.00")

    rehive.outcome(invoice.remote_id, "pay")
    settled(invoice)

    order.refresh_from_db()
    assert order.status == "Being processed"
    assert order.sources.get().amount_debited == Decimal("10.00")


def test_overpaid_pays_the_order_and_shows_the_excess(rehive: Any, place_order: Any) -> None:
    order = place_order(total="10.00")
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay_more", amount=1250)

    settled(invoice)

    order.refresh_from_db()
    assert order.status == "Being processed"
    assert order.sources.get().amount_debited == Decimal("12.50")
    assert Attention.objects.get().kind == Attention.Kind.EXCESS
    assert "2.50" in Attention.objects.get().reason


@pytest.mark.parametrize("outcome", ["expire", "fail"])
def test_a_closed_attempt_leaves_the_order_payable(
    rehive: Any, place_order: Any, outcome: str
) -> None:
    order = place_order()
    first = opened(order)
    rehive.outcome(first.remote_id, outcome)
    settled(first)
    order.refresh_from_db()
    assert (first.state, order.status) == (Invoice.State.CLOSED, "Pending")

    second = opened(order)

    assert (second.attempt, second.state) == (2, Invoice.State.OPEN)
    assert OrderPayment.objects.get().invoices.count() == 2


class TestAbsurdAnswers:
    def test_more_money_than_the_ledger_holds(
        self, rehive: Any, place_order: Any, client: Browser
    ) -> None:
        order = place_order(total="10.00")
        rehive.outcome(opened(order).remote_id, "pay_more", amount=10**13)

        assert client.get(payment_page("return", order)).status_code == 200

        order.refresh_from_db()
        assert order.status == "Being processed"
        assert Attention.objects.filter(kind=Attention.Kind.MISMATCH).exists()

    def test_a_time_of_change_in_the_far_future(self, rehive: Any, place_order: Any) -> None:
        order = place_order()
        invoice = opened(order)
        future = dataclasses.replace(told(invoice), updated=2**52)
        settle(invoice, future, source=Entry.Source.WEBHOOK)
        rehive.outcome(invoice.remote_id, "pay")

        reconcile()

        order.refresh_from_db()
        assert order.status == "Being processed"

    def test_quotes_in_any_order(self, rehive: Any, place_order: Any) -> None:
        invoice = opened(place_order(total="10.00"))
        rehive.outcome(invoice.remote_id, "pay_less", amount=500)
        rehive.outcome(invoice.remote_id, "pay", currency="BTC")
        remote = told(invoice)
        turned = dataclasses.replace(remote, quotes=tuple(reversed(remote.quotes)))

        assert received_units(remote, Status(remote.status)) == 1000
        assert received_units(turned, Status(turned.status)) == 1000

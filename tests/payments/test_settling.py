"""Settling: what each status of Rehive does to the order (design.md, status table)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.core import mail

from oscar_rehive.models import Attention, Invoice, OrderPayment
from oscar_rehive.payments.mails import send_confirmation_if_due
from tests.steps import opened, settled

pytestmark = pytest.mark.django_db


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

"""Bugs 1 to 12 of the 25 that comparable plugins have shipped: impossible here."""

from __future__ import annotations

from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core import mail
from django.core.management import call_command
from django.test import Client
from oscar.core.loading import get_model

from oscar_rehive.models import Attention, Delivery, Entry, Invoice, OrderPayment, Refund
from oscar_rehive.payments.cancelling import cancel_order
from oscar_rehive.payments.gateway import client_for
from oscar_rehive.payments.mails import send_confirmation_if_due
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.payments.refunding import follow, refund
from oscar_rehive.payments.settling import business_of, settle
from tests.steps import (
    delivered,
    opened,
    paid_by_cash,
    payable_at,
    settled,
    told,
    window_over,
)

pytestmark = pytest.mark.django_db

Order = get_model("order", "Order")
Source = get_model("payment", "Source")
SourceType = get_model("payment", "SourceType")
StockRecord = get_model("partner", "StockRecord")


def test_01_an_abandoned_attempt_expires_on_an_order_paid_another_way(
    rehive: Any, place_order: Any
) -> None:
    order = place_order()
    rehive.outcome(opened(order).remote_id, "expire")
    paid_by_cash(order)
    window_over(order)

    reconcile()

    order.refresh_from_db()
    assert order.status == "Pending"
    assert order.lines.get().num_allocated == 1


def test_02_pending_and_paid_share_one_status(rehive: Any, place_order: Any, settings: Any) -> None:
    """A guard that looks at the status would keep every unpaid order alive here."""
    settings.OSCAR_REHIVE = {
        **settings.OSCAR_REHIVE,
        "ORDER_STATUS": {"pending": "Pending", "paid": "Pending", "cancelled": "Cancelled"},
    }
    unpaid, paid = place_order(), place_order()
    opened(unpaid)
    rehive.outcome(opened(paid).remote_id, "pay")
    reconcile()
    window_over(unpaid)
    window_over(paid)

    reconcile()

    unpaid.refresh_from_db()
    paid.refresh_from_db()
    assert (unpaid.status, paid.status) == ("Cancelled", "Pending")
    assert OrderPayment.objects.get(order_number=paid.number).paid_at is not None


def test_03_the_expiry_of_an_earlier_attempt_meets_a_newer_one(
    rehive: Any, place_order: Any
) -> None:
    order = place_order()
    first = opened(order)
    rehive.outcome(first.remote_id, "fail")
    settled(first)
    second = opened(order)

    rehive.outcome(first.remote_id, "expire", force=True)
    settled(first)
    reconcile()

    order.refresh_from_db()
    second.refresh_from_db()
    assert (order.status, second.state) == ("Pending", Invoice.State.OPEN)


def test_04_two_tabs_are_one_invoice_and_a_second_payment_is_told(
    rehive: Any, place_order: Any
) -> None:
    order = place_order()
    first = opened(order)
    assert opened(order) == first
    rehive.outcome(first.remote_id, "expire")
    settled(first)
    second = opened(order)
    rehive.outcome(second.remote_id, "pay")
    settled(second)

    rehive.outcome(first.remote_id, "pay", force=True)
    settled(first)

    assert Attention.objects.get().kind == Attention.Kind.DUPLICATE
    debited = sum(source.amount_debited for source in order.sources.all())
    assert debited == 2 * order.total_incl_tax


def test_05_webhook_and_return_race(rehive: Any, place_order: Any) -> None:
    order = place_order(in_stock=5)
    by_return, by_webhook = opened(order), Invoice.objects.get()
    rehive.outcome(by_return.remote_id, "pay")
    answers = told(by_return), told(by_webhook)

    settle(by_return, answers[0], source=Entry.Source.RETURN)
    settle(by_webhook, answers[1], source=Entry.Source.WEBHOOK)
    for _ in range(2):
        send_confirmation_if_due(order.number)

    order.refresh_from_db()
    assert len(mail.outbox) == 1
    assert order.status_changes.count() == 1
    assert StockRecord.objects.get().num_allocated == 1


def test_06_the_loser_of_the_race_is_not_dropped(rehive: Any, place_order: Any) -> None:
    """It settles what it was told, or is told to ask again; never "somebody else does it"."""
    order = place_order(total="10.00")
    slow, quick = opened(order), Invoice.objects.get()
    rehive.outcome(slow.remote_id, "pay_less", amount=100)
    settled(quick)
    rehive.outcome(slow.remote_id, "pay")

    assert settle(slow, told(slow), source=Entry.Source.RETURN) is True

    order.refresh_from_db()
    assert order.status == "Being processed"


def test_07_a_delivery_that_cannot_be_worked_on_is_not_forgotten(
    rehive: Any, place_order: Any, client: Client
) -> None:
    order = place_order()
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay")
    rehive.faults(error_status=500)
    assert delivered(client, invoice).status_code == 200
    assert Delivery.objects.get().state == Delivery.State.NEW

    rehive.clear_faults()
    reconcile()

    order.refresh_from_db()
    assert order.status == "Being processed"
    assert Delivery.objects.get().state == Delivery.State.DONE


def test_08_a_wrong_webhook_secret_shows(rehive: Any, client: Client) -> None:
    for _ in range(30):
        client.post("/rehive/webhook/", headers={"Authorization": "Secret last-years"})
    out = StringIO()

    with pytest.raises(SystemExit):
        call_command("rehive_check", stdout=out)

    assert "30 " in out.getvalue()
    assert "refused" in out.getvalue()


def test_09_a_missed_webhook_and_the_end_of_the_window(rehive: Any, place_order: Any) -> None:
    order = place_order()
    rehive.outcome(opened(order).remote_id, "pay")
    window_over(order)

    reconcile()

    order.refresh_from_db()
    assert order.status == "Being processed"


def test_09_rehive_cannot_be_asked_at_the_end_of_the_window(rehive: Any, place_order: Any) -> None:
    order = place_order()
    rehive.outcome(opened(order).remote_id, "pay")
    window_over(order)
    rehive.faults(error_status=503)

    assert reconcile().failures

    order.refresh_from_db()
    assert order.status == "Pending"
    rehive.clear_faults()
    reconcile()
    order.refresh_from_db()
    assert order.status == "Being processed"


def test_10_an_edited_order_is_asked_for_its_new_total(rehive: Any, place_order: Any) -> None:
    order = place_order(total="10.00")
    old = opened(order)
    Order.objects.filter(pk=order.pk).update(total_incl_tax=Decimal("15.00"))

    new = opened(order)

    assert (new.attempt, new.amount) == (2, 1500)
    assert payable_at(rehive, order) == [new.remote_id]
    assert rehive.invoice(old.remote_id)["status"] == "cancelled"


def test_11_paid_arrives_after_the_order_was_cancelled(rehive: Any, place_order: Any) -> None:
    order = place_order(in_stock=5)
    invoice = opened(order)
    cancel_order(order.number, reason="staff", source=Entry.Source.STAFF)
    assert StockRecord.objects.get().num_allocated == 0

    rehive.outcome(invoice.remote_id, "pay", force=True)
    settled(invoice)

    order.refresh_from_db()
    assert order.status == "Cancelled"
    assert StockRecord.objects.get().num_allocated == 0
    assert Attention.objects.get().kind == Attention.Kind.AFTER_CANCEL
    assert order.sources.get().amount_debited == order.total_incl_tax


def test_12_a_refund_is_told_before_the_answer_that_carries_its_id(
    rehive: Any, place_order: Any
) -> None:
    order = place_order(total="10.00")
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay")
    settled(invoice)
    rehive.faults(lose_answer={"value": True, "methods": ["POST"]})
    with pytest.raises(Exception, match="did not answer"):
        refund(invoice, Decimal("4.00"), reason="broken", by="staff")
    rehive.clear_faults()
    made = next(client_for(business_of(invoice)).refunds(invoice.remote_id))
    rehive.refund(made.id, "complete")

    for _ in range(3):
        follow(invoice, Entry.Source.WEBHOOK)

    assert Refund.objects.get().status == Refund.Status.COMPLETE
    assert order.sources.get().amount_refunded == Decimal("4.00")

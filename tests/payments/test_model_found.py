"""Stories that tests/model, or the writing of it, has found."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone
from oscar.core.loading import get_model
from oscar.test.factories import create_basket, create_order, create_product

from oscar_rehive.models import Attention, Entry, Invoice, OrderPayment
from oscar_rehive.payments.cancelling import cancel_order
from oscar_rehive.payments.gateway import business_of, client_for
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.rehive.client import Client
from tests.steps import moved, opened, paid_by_cash, settled, told, window_over

pytestmark = pytest.mark.django_db(transaction=True)

Order = get_model("order", "Order")
Source = get_model("payment", "Source")
StockRecord = get_model("partner", "StockRecord")


def test_cash_that_is_given_back_after_the_window_leaves_no_order_behind(
    rehive: Any, place_order: Any
) -> None:
    """The clock ended the payment while cash covered the order, and never looked at it again: pending
    and holding stock for ever, with no attention."""
    order = place_order(in_stock=5)
    paid_by_cash(order)
    window_over(order)
    reconcile()
    source = Source.objects.get()
    source.amount_refunded = source.amount_debited
    source.save()

    for _ in range(2):
        reconcile()

    order.refresh_from_db()
    payment = OrderPayment.objects.get()
    told = payment.attentions.exists()
    assert told or (order.status, StockRecord.objects.get().num_allocated) == ("Cancelled", 0)


@pytest.mark.parametrize("again", [True, False])
def test_an_order_that_gets_the_number_and_is_paid_otherwise_is_not_paid_by_the_old_invoice(
    rehive: Any, place_order: Any, again: bool
) -> None:
    """The order of that number was deleted; the new one chose another method, so that nothing was
    expected of Rehive, and the old payment took it for its own."""
    order = place_order(total="10.00")
    invoice = opened(order)
    if again:
        reconcile()
    number = order.number
    order.delete()
    basket = create_basket(empty=True)
    basket.add_product(create_product(price=Decimal("10.00"), num_in_stock=5))
    create_order(number=number, basket=basket, status="Pending", guest_email="b@example.com")

    rehive.outcome(invoice.remote_id, "pay")
    reconcile()

    assert Order.objects.get().status == "Pending"
    assert OrderPayment.objects.get().attentions.exists()


def test_an_invoice_that_is_closed_in_the_end_calls_nobody_any_more(
    rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy that lagged said "initiated" of an invoice that had expired; Rehive refused to cancel it,
    and a person was called to do so in Rehive's app, for ever."""
    order = place_order()
    invoice = opened(order)
    before = told(invoice)
    rehive.outcome(invoice.remote_id, "expire")
    with monkeypatch.context() as lag:
        lag.setattr(Client, "invoice", lambda *a, **k: before)
        cancel_order(order.number, reason="shopper", source=Entry.Source.CHECKOUT)
    assert Attention.objects.get().kind == Attention.Kind.UNCLOSABLE

    reconcile()

    assert Attention.objects.get().resolved_at is not None


def test_a_paid_order_that_was_cancelled_before_its_mail_and_taken_back_is_confirmed(
    rehive: Any, place_order: Any
) -> None:
    """While it was cancelled there was nothing to confirm, and later nobody remembered (P3)."""
    order = place_order()
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay")
    settled(invoice)
    moved(order, "Cancelled")
    reconcile()
    Order.objects.update(status="Being processed")

    for _ in range(2):
        reconcile()

    assert len(mail.outbox) == 1
    assert OrderPayment.objects.get().mail_sent_at is not None


def test_a_part_of_money_that_waits_and_was_given_back_at_rehive_is_seen_after_the_window(
    rehive: Any, place_order: Any
) -> None:
    """The clock asks about such an order at every run, and then nobody asked for its refunds, which was
    done only for invoices that nobody had asked about for a day."""
    order = place_order(total="10.00")
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay_less", amount=400)
    rehive.outcome(invoice.remote_id, "expire")
    reconcile()
    made = client_for(business_of(invoice)).create_refund(
        invoice.remote_id or "", amount=100, currency="USD", reason="by hand", idempotency_key="app"
    )
    rehive.refund(made.id, "complete")
    window_over(order)
    Invoice.objects.update(asked_at=timezone.now() - timedelta(days=2))

    reconcile()

    invoice.refresh_from_db()
    assert (invoice.received, invoice.refunded) == (400, 100)

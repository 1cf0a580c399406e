"""A shop's own receivers and handlers run inside a settling: what they do is heard, and what they
raise undoes no record of money (P2, P7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError
from django.db.models.signals import post_save
from django.dispatch import Signal
from django.test import Client
from oscar.apps.order.signals import order_status_changed
from oscar.core.loading import get_model

from oscar_rehive.models import Attention
from oscar_rehive.payments.reconciling import reconcile
from tests.steps import opened, payment_page, settled

pytestmark = pytest.mark.django_db(transaction=True)

PaymentEvent = get_model("order", "PaymentEvent")
StockRecord = get_model("partner", "StockRecord")
Transaction = get_model("payment", "Transaction")


@contextmanager
def listening(signal: Signal, receiver: Callable[..., None], sender: Any = None) -> Iterator[None]:
    """The shop has a receiver of its own."""
    signal.connect(receiver, sender=sender)
    try:
        yield
    finally:
        signal.disconnect(receiver, sender=sender)


def refuse(**kwargs: Any) -> None:
    raise ValueError("no accounting period")


@pytest.mark.parametrize("error", [IntegrityError, ValueError])
def test_a_receiver_of_the_status_that_fails_does_not_undo_the_record_of_money(
    rehive: Any, place_order: Any, error: type[Exception]
) -> None:
    def receiver(**kwargs: Any) -> None:
        raise error("UNIQUE constraint failed: accounting_document.number")

    invoice = opened(place_order(total="10.00"))
    rehive.outcome(invoice.remote_id, "pay")

    with listening(order_status_changed, receiver):
        settled(invoice)

    assert (invoice.received, invoice.recorded) == (1000, Decimal(10))
    assert Attention.objects.get().kind == Attention.Kind.REFUSED_STATUS


def test_a_receiver_of_payment_events_that_fails_does_not_undo_the_record_of_money(
    rehive: Any, place_order: Any
) -> None:
    order = place_order(total="10.00")
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay")

    with listening(post_save, refuse, PaymentEvent):
        reconcile()
        invoice.refresh_from_db()
        assert invoice.recorded == Decimal("10.00")
        assert "no accounting period" in Attention.objects.get().reason
    reconcile()

    order.refresh_from_db()
    assert order.status == "Being processed"
    assert order.payment_events.count() == 1


def test_a_shop_that_cancels_what_was_just_paid_is_heard(rehive: Any, place_order: Any) -> None:
    """A check for fraud, say: what it did was overwritten, and the stock was held for ever (P4)."""

    def check_for_fraud(*, order: Any, new_status: str, **kwargs: Any) -> None:
        if new_status == "Being processed":
            order.set_status("Cancelled")

    order = place_order()
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay")

    with listening(order_status_changed, check_for_fraud):
        settled(invoice)

    order.refresh_from_db()
    assert order.status == "Cancelled"
    assert StockRecord.objects.get().num_allocated == 0
    assert Attention.objects.get().kind == Attention.Kind.AFTER_CANCEL


@pytest.mark.parametrize(("page", "status"), [("cancel", 302), ("pay", 302)])
def test_p11_a_receiver_that_fails_is_no_error_page_for_the_shopper(
    rehive: Any, place_order: Any, client: Client, page: str, status: int
) -> None:
    order = place_order()
    rehive.outcome(opened(order).remote_id, "pay")

    with listening(post_save, refuse, Transaction):
        assert client.post(payment_page(page, order)).status_code == status

    reconcile()
    order.refresh_from_db()
    assert order.status == "Being processed"

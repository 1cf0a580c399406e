"""What happened to a payment stands in its history, in words, with who did it: what staff read first when
a shopper calls, and the only trace of a decision that nobody remembers."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from oscar.core.loading import get_model

from oscar_rehive.models import Attention, Entry, Invoice, Refund
from oscar_rehive.payments.cancelling import cancel_order
from oscar_rehive.payments.deciding import accept, take_for_gone
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.payments.refunding import follow, refund
from oscar_rehive.rehive.client import Client
from oscar_rehive.rehive.exceptions import RehiveError
from tests.steps import (
    moved,
    opened,
    paid_by_cash,
    rehive_forgot,
    rehive_tells,
    settled,
    window_over,
)

pytestmark = pytest.mark.django_db

Order = get_model("order", "Order")

NO_CLOSING = {"value": 503, "methods": ["PATCH"]}
NO_POST = {"value": 500, "methods": ["POST"]}


def history(source: str) -> list[str]:
    """What is noted as told, or done, by ``source``."""
    return [entry.reason for entry in Entry.objects.filter(source=source)]


def wished_to_cancel(rehive: Any, order: Any) -> None:
    """The shopper has cancelled, and Rehive could not be told yet."""
    rehive.faults(error_status=NO_CLOSING)
    with pytest.raises(RehiveError):
        cancel_order(order.number, reason="no longer wanted", source="checkout")
    rehive.clear_faults()


@pytest.fixture
def paid(rehive: Any, place_order: Any) -> Invoice:
    """The invoice of an order over 10.00 that is paid."""
    invoice = opened(place_order(total="10.00"))
    rehive.outcome(invoice.remote_id, "pay")
    return settled(invoice)


class TestOfAnOrder:
    def test_is_opened_and_paid(self, paid: Invoice) -> None:
        assert "The invoice is open at Rehive." in history("checkout")
        told = Entry.objects.get(reason="Rehive told the invoice's status.")
        assert (told.from_status, told.to_status, told.amount) == ("initiated", "paid", 10)
        assert "The order is paid." in history("webhook")

    def test_is_not_paid_in_time(self, place_order: Any, rehive: Any) -> None:
        order = place_order()
        opened(order)
        window_over(order)
        reconcile()

        assert "The order was cancelled: It was not paid in time." in history("reconcile")

    def test_is_asked_for_another_amount(self, place_order: Any, rehive: Any) -> None:
        order = place_order(total="10.00")
        opened(order)
        Order.objects.update(total_incl_tax=Decimal("12.00"))
        opened(order)

        reason = "Something else is missing by now; the invoice is replaced."
        assert reason in history("checkout")

    def test_is_asked_for_another_amount_and_nobody_opens_it(
        self, place_order: Any, rehive: Any
    ) -> None:
        invoice = opened(place_order(total="10.00"))
        Order.objects.update(total_incl_tax=Decimal("12.00"))
        rehive.outcome(invoice.remote_id, "start")
        settled(invoice)

        assert "Something else is missing by now; the invoice is closed." in history("webhook")

    def test_is_ended_before_rehive_has_made_an_invoice(
        self, place_order: Any, rehive: Any
    ) -> None:
        order = place_order()
        rehive.faults(html={"value": 504, "methods": ["POST"]})
        with pytest.raises(RehiveError):
            opened(order)
        rehive.clear_faults()
        Invoice.objects.update(lease_ends_at=None)
        reconcile()

        assert "Rehive does not know the invoice; it was ended." in history("reconcile")

    def test_is_told_from_a_copy_that_lags(
        self, rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        invoice = opened(place_order())
        rehive.outcome(invoice.remote_id, "start")
        settled(invoice)
        rehive_tells(monkeypatch, status="initiated", quotes=(), updated=1)
        settled(invoice)

        assert "Rehive told an older state, initiated; it is asked again." in history("webhook")


class TestOfACancellation:
    def test_that_money_undoes(self, rehive: Any, place_order: Any) -> None:
        order = place_order(total="10.00")
        invoice = opened(order)
        wished_to_cancel(rehive, order)
        rehive.outcome(invoice.remote_id, "pay_less", amount=400)
        settled(invoice)

        assert "The order is not cancelled: money for it is here or on its way." in history(
            "webhook"
        )

    def test_of_an_order_that_was_paid_another_way(self, rehive: Any, place_order: Any) -> None:
        order = place_order()
        opened(order)
        wished_to_cancel(rehive, order)
        paid_by_cash(order)
        reconcile()

        reason = "The order was left as it is: it is no longer waiting for Rehive."
        assert reason in history("reconcile")

    def test_by_staff_and_taken_back(self, rehive: Any, place_order: Any) -> None:
        order = place_order()
        moved(order, "Cancelled")
        reconcile()
        Order.objects.update(status="Pending")
        reconcile()

        assert history("reconcile")[-2:] == [
            "Staff had cancelled the order; it holds nothing any more.",
            "The cancellation of the order was taken back.",
        ]

    def test_by_staff_of_what_is_paid(self, paid: Invoice) -> None:
        Order.objects.update(status="Cancelled")
        reconcile()

        assert "Staff cancelled the order after it had been paid." in history("reconcile")


class TestOfADecision:
    def test_that_late_money_pays(self, held: Invoice) -> None:
        accept(Attention.objects.get(), by="ann")

        assert "ann accepted the payment." in history("staff")

    def test_that_an_invoice_is_gone(
        self, rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        opened(place_order())
        rehive_forgot(monkeypatch)
        reconcile()
        take_for_gone(Attention.objects.get(), by="ann")

        assert "ann takes the invoice for gone." in history("staff")


class TestOfARefund:
    def test_that_is_paid_out(self, rehive: Any, paid: Invoice) -> None:
        made = refund(paid, Decimal("2.50"), reason="broken", by="ann")
        rehive.refund(made.remote_id, "complete")
        follow(paid, "reconcile")

        assert "ann asked for a refund of 2.50 USD: broken" in history("staff")
        assert "A refund of 2.50 USD is complete." in history("reconcile")
        booked = Entry.objects.get(reason="A refund was paid out.")
        assert booked.amount == Decimal("-2.50")

    def test_of_which_rehive_made_another(
        self, paid: Invoice, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = Client.create_refund
        monkeypatch.setattr(
            Client, "create_refund", lambda *a, **k: dataclasses.replace(real(*a, **k), amount=200)
        )
        refund(paid, Decimal("2.50"), reason="broken", by="ann")

        assert "A refund of 2.50 USD was asked for; Rehive made it 2.00." in history("staff")

    def test_that_could_not_be_asked_for(self, rehive: Any, paid: Invoice) -> None:
        rehive.faults(error_status=NO_POST)
        with pytest.raises(RehiveError) as raised:
            refund(paid, Decimal("2.50"), reason="broken", by="ann")

        why = raised.value.__cause__
        assert f"The refund could not be asked for: {why}" in history("staff")

    def test_that_never_reached_rehive(self, rehive: Any, paid: Invoice) -> None:
        rehive.faults(html={"value": 504, "methods": ["POST"]})
        with pytest.raises(RehiveError):
            refund(paid, Decimal("2.50"), reason="broken", by="ann")
        rehive.clear_faults()
        Refund.objects.update(created_at=timezone.now() - timedelta(hours=1))
        follow(paid, "reconcile")

        assert "Rehive does not know the refund; it was not made." in history("reconcile")

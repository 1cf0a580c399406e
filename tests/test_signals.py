"""What staff do to an order in Oscar's own dashboard reaches its invoice (P5)."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from oscar.core.loading import get_model

from oscar_rehive import signals
from oscar_rehive.models import Attention, Entry, OrderPayment
from oscar_rehive.payments.reconciling import reconcile
from tests.steps import moved, opened, payable_at, settled

pytestmark = pytest.mark.django_db(transaction=True)

Order = get_model("order", "Order")
StockRecord = get_model("partner", "StockRecord")


def cancelled_by_staff_again(order: Any) -> None:
    type(order).objects.filter(pk=order.pk).update(status="Pending")
    order.refresh_from_db()
    moved(order, "Cancelled")


def test_an_order_that_staff_cancel_does_not_stay_payable(rehive: Any, place_order: Any) -> None:
    order = place_order(in_stock=5)
    opened(order)
    order.refresh_from_db()

    moved(order, "Cancelled")
    reconcile()

    assert payable_at(rehive, order) == []
    assert StockRecord.objects.get().num_allocated == 0
    assert OrderPayment.objects.get().closed_at is not None


def test_nothing_is_closed_for_a_change_that_is_rolled_back(rehive: Any, place_order: Any) -> None:
    """The bulk action of the order list runs in one transaction: what it takes back, it takes back
    for the invoice too."""
    order = place_order()
    invoice = opened(order)
    order.refresh_from_db()

    with transaction.atomic():
        moved(order, "Cancelled")
        transaction.set_rollback(True)
    reconcile()

    assert payable_at(rehive, order) == [invoice.remote_id]


def test_rehive_down_does_not_keep_staff_from_cancelling(rehive: Any, place_order: Any) -> None:
    order = place_order()
    opened(order)
    order.refresh_from_db()
    rehive.faults(error_status=500)

    moved(order, "Cancelled")
    assert reconcile().failures
    rehive.clear_faults()
    reconcile()

    assert payable_at(rehive, order) == []


def test_a_paid_order_that_staff_cancel_gives_its_stock_back_and_keeps_its_money(
    rehive: Any, place_order: Any
) -> None:
    order = place_order(in_stock=5)
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay")
    settled(invoice, Entry.Source.RETURN)
    order.refresh_from_db()

    moved(order, "Cancelled")
    assert StockRecord.objects.get().num_allocated == 0
    # Allocated anew by hand: released once is released once (P4).
    order.lines.get().stockrecord.allocate(1)
    order.lines.update(num_allocated=1, allocation_cancelled=False)
    cancelled_by_staff_again(order)
    for _ in range(2):
        reconcile()

    order.refresh_from_db()
    assert (order.status, StockRecord.objects.get().num_allocated) == ("Cancelled", 1)
    assert order.sources.get().amount_debited == order.total_incl_tax
    assert OrderPayment.objects.get().paid_at is not None
    assert Attention.objects.get().kind == Attention.Kind.AFTER_CANCEL


class TestStaffTakeTheirCancellationBack:
    """Found by review: such an order could be paid and held no stock, or never be paid again."""

    @pytest.fixture(autouse=True)
    def pipeline(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A shop that allows it."""
        after = ("Pending", "Being processed")
        monkeypatch.setattr(
            Order, "pipeline", {"Pending": ("Cancelled", *after), "Cancelled": after}
        )

    @pytest.mark.parametrize("had_an_invoice", [True, False])
    def test_it_holds_its_stock_and_can_be_paid_again(
        self, rehive: Any, place_order: Any, had_an_invoice: bool
    ) -> None:
        order = place_order(in_stock=5)
        if had_an_invoice:
            opened(order)
        moved(order, "Cancelled")
        reconcile()
        assert StockRecord.objects.get().num_allocated == 0
        OrderPayment.objects.update(window_ends_at=timezone.now())

        moved(order, "Pending")
        reconcile()

        assert StockRecord.objects.get().num_allocated == 1
        rehive.outcome(opened(order).remote_id, "pay")
        reconcile()
        order.refresh_from_db()
        assert order.status == "Being processed"
        assert not Attention.objects.exists()

    def test_it_holds_it_once_and_gives_it_back_once(self, rehive: Any, place_order: Any) -> None:
        order = place_order(in_stock=5)
        for status in ("Cancelled", "Pending", "Cancelled", "Pending", "Cancelled"):
            moved(order, status)
            held = 0 if status == "Cancelled" else 1
            assert StockRecord.objects.get().num_allocated == held
            reconcile()
            assert StockRecord.objects.get().num_allocated == held

    def test_a_process_that_dies_right_after_is_finished_by_reconcile(
        self, rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = place_order(in_stock=5)
        moved(order, "Cancelled")
        monkeypatch.setattr(signals, "clear_up_after_staff", lambda number: None)
        moved(order, "Being processed")
        assert StockRecord.objects.get().num_allocated == 0

        reconcile()

        assert StockRecord.objects.get().num_allocated == 1

    def test_they_cancel_it_again_before_anything_was_done(
        self, rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = place_order(in_stock=5)
        moved(order, "Cancelled")
        monkeypatch.setattr(signals, "clear_up_after_staff", lambda number: None)
        for status in ("Pending", "Cancelled"):
            moved(order, status)

        reconcile()

        assert StockRecord.objects.get().num_allocated == 0
        payment = OrderPayment.objects.get()
        assert (payment.closed_at is not None, payment.cancel_reason) == (True, "")

"""What the payment service sees of an order, and the statuses it sets."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from oscar.apps.order.signals import order_status_changed
from oscar.core.loading import get_class, get_model

from oscar_rehive.models import Attention, Entry, OrderPayment
from oscar_rehive.payments.cancelling import cancel_order
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.shop import Standing, StatusRefused, get_shop
from tests.steps import opened, settled

pytestmark = pytest.mark.django_db

EventHandler = get_class("order.processing", "EventHandler")
Order = get_model("order", "Order")
Source = get_model("payment", "Source")
SourceType = get_model("payment", "SourceType")


@pytest.fixture
def refusing_receiver() -> Any:
    """The shop's own code that hears of each new status, and fails."""

    def refuse(**kwargs: Any) -> None:
        raise ZeroDivisionError("the warehouse's computer is down")

    order_status_changed.connect(refuse, weak=False)
    yield refuse
    order_status_changed.disconnect(refuse)


def paid(rehive: Any, order: Any) -> Any:
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay")
    settled(invoice)
    order.refresh_from_db()
    return order


class TestFinding:
    def test_an_order_as_it_is_now(self, buy: Any) -> None:
        order = buy(quantity=2)

        found = get_shop().find(order.number)

        assert found is not None
        assert (found.number, found.total, found.currency) == (order.number, Decimal(20), "USD")
        assert (found.status, found.standing) == ("Pending", Standing.PENDING)
        assert not found.paid_elsewhere

    def test_trap_right_after_placing_oscars_number_is_an_int(self, buy: Any) -> None:
        order = buy()

        found = get_shop().find(int(order.number))  # type: ignore[arg-type]  # on purpose

        assert found is not None
        assert found.number == order.number
        assert isinstance(found.number, str)
        assert isinstance(OrderPayment.objects.get().order_number, str)

    @pytest.mark.parametrize("number", ["", "0", "no such order"])
    def test_no_order(self, buy: Any, number: str) -> None:
        buy()

        assert get_shop().find(number) is None
        with transaction.atomic():
            assert get_shop().lock(number) is None

    @pytest.mark.parametrize(
        ("status", "standing"),
        [
            ("Pending", Standing.PENDING),
            ("Cancelled", Standing.CANCELLED),
            ("Being processed", Standing.MOVED_ON),
            ("Complete", Standing.MOVED_ON),
            ("Whatever staff write", Standing.MOVED_ON),
        ],
    )
    def test_what_a_status_means(self, buy: Any, status: str, standing: Standing) -> None:
        order = buy()
        Order.objects.update(status=status)

        found = get_shop().find(order.number)

        assert found is not None
        assert found.standing is standing

    @pytest.mark.parametrize(
        ("sources", "is_paid"),
        [
            ([], False),
            ([("cash", "0", "0")], False),
            ([("cash", "0", "9.99")], False),
            ([("cash", "0", "10.00")], True),
            ([("cash", "10.00", "0")], True),
            ([("cash", "10.00", "10.00")], True),
            ([("cash", "4.00", "0"), ("voucher", "6.00", "6.00")], True),
            ([("cash", "4.00", "4.00"), ("voucher", "5.99", "5.99")], False),
            # Our own money is not somebody else's.
            ([("rehive", "10.00", "10.00")], False),
        ],
    )
    def test_bug2_whether_it_is_paid_elsewhere_is_asked_of_the_money(
        self, buy: Any, sources: list[tuple[str, str, str]], is_paid: bool
    ) -> None:
        order = buy()
        for code, allocated, debited in sources:
            source_type, _ = SourceType.objects.get_or_create(code=code, defaults={"name": code})
            Source.objects.create(
                order=order,
                source_type=source_type,
                amount_allocated=Decimal(allocated),
                amount_debited=Decimal(debited),
            )

        found = get_shop().find(order.number)

        assert found is not None
        assert found.paid_elsewhere is is_paid

    def test_a_free_order_is_not_paid_elsewhere(self, buy: Any) -> None:
        order = buy()
        Order.objects.update(total_incl_tax=0)

        found = get_shop().find(order.number)

        assert found is not None
        assert not found.paid_elsewhere


class TestStatuses:
    def test_p2_paid_is_status_event_and_ledger(self, rehive: Any, buy: Any) -> None:
        order = paid(rehive, buy(quantity=2))

        assert order.status == "Being processed"
        event = order.payment_events.get()
        assert (event.event_type.name, event.amount) == ("Paid", Decimal(20))
        assert [quantity.quantity for quantity in event.line_quantities.all()] == [2]
        source = order.sources.get()
        assert (source.source_type.code, source.currency) == ("rehive", "USD")
        assert source.balance == 0
        assert source.reference == event.reference
        changes = order.status_changes.values_list("old_status", "new_status")
        assert list(changes) == [("Pending", "Being processed")]

    def test_cancelled_has_a_note_for_staff(self, buy: Any) -> None:
        order = buy()

        cancel_order(order.number, reason="Nobody paid.", source=Entry.Source.STAFF)

        assert order.notes.get().message == "Nobody paid."

    def test_trap_a_receiver_that_fails_leaves_no_trace_of_the_status(
        self, rehive: Any, buy: Any, refusing_receiver: Any
    ) -> None:
        """Oscar saves the status before it sends the signal, and the history after it."""
        order = buy()

        with pytest.raises(StatusRefused, match="warehouse"), transaction.atomic():
            get_shop().set_paid(order.number, amount=Decimal(10), reference="x")

        order.refresh_from_db()
        assert order.status == "Pending"
        assert not order.status_changes.exists()
        assert not order.payment_events.exists()
        assert order.lines.get().status == "Pending"

    def test_p7_the_money_is_recorded_although_the_status_was_refused(
        self, rehive: Any, buy: Any, refusing_receiver: Any, mailoutbox: list[Any]
    ) -> None:
        order = paid(rehive, buy())

        assert (order.status, order.sources.get().amount_debited) == ("Pending", Decimal(10))
        assert Attention.objects.get().kind == Attention.Kind.REFUSED_STATUS
        assert "warehouse" in Attention.objects.get().reason

        order_status_changed.disconnect(refusing_receiver)
        reconcile()

        order.refresh_from_db()
        assert order.status == "Being processed"
        assert order.payment_events.count() == 1
        assert order.sources.get().amount_debited == Decimal(10)
        assert len(mailoutbox) == 1

    @pytest.mark.parametrize("pipeline", [{}, {"Pending": ("Complete",)}])
    def test_a_pipeline_that_refuses_is_the_same(
        self, rehive: Any, buy: Any, monkeypatch: pytest.MonkeyPatch, pipeline: dict[str, Any]
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(Order, "pipeline", pipeline)
            order = paid(rehive, buy())
            assert order.status == "Pending"
            assert not order.status_changes.exists()
            assert "OSCAR_ORDER_STATUS_PIPELINE" in Attention.objects.get().ways_out

        reconcile()

        order.refresh_from_db()
        assert order.status == "Being processed"

    def test_p4_a_cancellation_that_is_refused_releases_nothing(
        self, buy: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = buy(quantity=3)
        with monkeypatch.context() as patch:
            patch.setattr(Order, "pipeline", {})
            assert not cancel_order(order.number, reason="Test.", source=Entry.Source.STAFF)

        order.refresh_from_db()
        assert order.status == "Pending"
        assert order.lines.get().num_allocated == 3
        assert Attention.objects.get().kind == Attention.Kind.REFUSED_STATUS

        reconcile()

        order.refresh_from_db()
        assert order.status == "Cancelled"
        assert order.lines.get().num_allocated == 0

    def test_bug23_a_stale_copy_in_memory_does_not_undo_what_staff_did(
        self, rehive: Any, buy: Any
    ) -> None:
        order = buy()
        invoice = opened(order)
        Order.objects.update(guest_email="corrected@example.com")
        rehive.outcome(invoice.remote_id, "pay")

        settled(invoice)

        order.refresh_from_db()
        assert (order.status, order.guest_email) == ("Being processed", "corrected@example.com")

    def test_p10_paid_before_staff_shipped_stays_shipped(self, rehive: Any, buy: Any) -> None:
        order = buy()
        invoice = opened(order)
        rehive.outcome(invoice.remote_id, "pay")
        Order.objects.update(status="Complete")

        settled(invoice)

        order.refresh_from_db()
        assert order.status == "Complete"
        assert order.sources.get().amount_debited == Decimal(10)
        assert Attention.objects.get().kind == Attention.Kind.MOVED_ON

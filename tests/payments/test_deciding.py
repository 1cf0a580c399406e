"""What the shop set, and what a person decides: tolerance, late payments, attention's ways out."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse
from oscar.core.loading import get_model

from oscar_rehive.models import Attention, Invoice, OrderPayment
from oscar_rehive.payments.deciding import (
    can_accept,
    refund_offered,
)
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.payments.refunding import refund, refundable
from tests.steps import (
    asked,
    opened,
    payable_at,
    rehive_tells,
    settled,
    window_over,
)

pytestmark = pytest.mark.django_db

Order = get_model("order", "Order")


def decide(client: Client, decision: str) -> Any:
    """At the desk."""
    fact = Attention.objects.get()
    address = reverse("dashboard:rehive-attention-decide", args=[fact.pk, decision])
    return client.post(address, asked(client, address), follow=True)


@pytest.mark.parametrize(
    ("tolerance", "paid", "accepted"),
    [
        ({"TOLERANCE_AMOUNT": "0.05"}, 995, True),
        ({"TOLERANCE_AMOUNT": "0.05"}, 994, False),
        ({"TOLERANCE_PERCENT": 1}, 990, True),
        ({"TOLERANCE_PERCENT": 1}, 989, False),
        ({"TOLERANCE_PERCENT": 1, "TOLERANCE_AMOUNT": "0.20"}, 980, True),
        ({}, 999, False),
    ],
)
def test_almost_paid_is_paid_within_the_tolerance(
    rehive: Any,
    place_order: Any,
    settings: Any,
    tolerance: dict[str, Any],
    paid: int,
    accepted: bool,
) -> None:
    settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, **tolerance}
    order = place_order(total="10.00")
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay_less", amount=paid)

    for _ in range(2):
        reconcile()

    order.refresh_from_db()
    assert order.status == ("Being processed" if accepted else "Pending")
    assert order.sources.get().amount_debited == Decimal(paid) / 100
    kinds = [attention.kind for attention in Attention.objects.all()]
    assert kinds == (["difference"] if accepted else [])
    assert len(payable_at(rehive, order)) == (0 if accepted else 1), "P5"


class TestLatePaymentsThatAreHeld:
    @pytest.fixture
    def order(self, held: Invoice) -> Any:
        return Order.objects.get(number=held.order_number)

    def test_wait_for_a_person(self, order: Any) -> None:
        order.refresh_from_db()
        assert order.status == "Pending"
        assert order.sources.get().amount_debited == Decimal("10.00")
        assert Attention.objects.get().kind == Attention.Kind.LATE
        assert mail.outbox == []

    def test_pay_the_order_when_accepted(self, order: Any, admin_client: Client) -> None:
        decide(admin_client, "accept")

        order.refresh_from_db()
        assert order.status == "Being processed"
        assert Attention.objects.get().resolved_by == "admin"
        assert len(mail.outbox) == 1

    def test_go_back_in_one_click(self, rehive: Any, order: Any, admin_client: Client) -> None:
        page = admin_client.get(reverse("dashboard:rehive-attention"))
        assert "Refund 10.00 USD" in page.content.decode()

        decide(admin_client, "refund")

        assert Invoice.objects.get().refunds.get().amount == 1000
        assert not can_accept(Attention.objects.get())
        order.refresh_from_db()
        assert order.status == "Pending"


def test_only_the_excess_is_offered_for_refund(
    rehive: Any, place_order: Any, admin_client: Client
) -> None:
    order = place_order(total="10.00")
    rehive.outcome(opened(order).remote_id, "pay_more", amount=1250)
    reconcile()
    assert refund_offered(Attention.objects.get()) == Decimal("2.50")

    decide(admin_client, "refund")

    assert Invoice.objects.get().refunds.get().amount == 250


def test_an_excess_of_which_rehive_does_not_tell_how_much_is_shown(
    rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = opened(place_order())
    rehive.outcome(invoice.remote_id, "pay")
    rehive_tells(monkeypatch, status="overpaid")

    settled(invoice)

    assert "not by how much" in Attention.objects.get(kind=Attention.Kind.EXCESS).reason


def test_a_decision_that_fails_says_so_and_leaves_the_fact_open(
    rehive: Any, place_order: Any, admin_client: Client
) -> None:
    rehive.outcome(opened(place_order()).remote_id, "pay_more")
    reconcile()
    rehive.faults(error_status=500)

    page = decide(admin_client, "refund")

    assert "trouble of its own" in page.content.decode()
    assert Attention.objects.get(kind="excess").resolved_at is None


@pytest.mark.parametrize("decision", ["nonsense", "dealt-with"])
def test_nothing_happens_without_a_decision(
    rehive: Any, place_order: Any, admin_client: Client, decision: str
) -> None:
    rehive.outcome(opened(place_order()).remote_id, "pay_more")
    reconcile()

    decide(admin_client, decision)

    assert Attention.objects.get().resolved_at is None


def test_strangers_decide_nothing(rehive: Any, place_order: Any, client: Client) -> None:
    rehive.outcome(opened(place_order()).remote_id, "pay_more")
    reconcile()

    decide(client, "resolve")

    assert Attention.objects.get().resolved_at is None


@pytest.mark.parametrize("status", ["Being processed", "Complete"])
def test_an_order_that_staff_moved_on_keeps_its_status(
    rehive: Any, place_order: Any, status: str
) -> None:
    """P10: paid after staff changed the order by hand is money recorded, and told."""
    order = place_order()
    invoice = opened(order)
    type(order).objects.filter(pk=order.pk).update(status=status)
    rehive.outcome(invoice.remote_id, "pay")

    reconcile()

    order.refresh_from_db()
    assert order.status == status
    assert order.sources.get().amount_debited == order.total_incl_tax
    assert Attention.objects.get().kind == Attention.Kind.MOVED_ON


def test_a_pipeline_that_refuses_is_told_and_asked_again(
    rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shop without a status pipeline: the payment is recorded, and the status follows later."""
    order = place_order()
    pipeline = type(order).pipeline
    monkeypatch.setattr(type(order), "pipeline", {})
    rehive.outcome(opened(order).remote_id, "pay")
    reconcile()
    order.refresh_from_db()
    assert order.status == "Pending"
    assert order.sources.get().amount_debited == order.total_incl_tax
    assert Attention.objects.get().kind == Attention.Kind.REFUSED_STATUS

    monkeypatch.setattr(type(order), "pipeline", pipeline)
    reconcile()

    order.refresh_from_db()
    assert order.status == "Being processed"
    assert not OrderPayment.objects.get().status_due


@pytest.mark.parametrize("why", ["late and held", "total edited", "part paid and expired"])
def test_the_clock_does_not_cancel_an_order_whose_money_waits_for_a_person(
    rehive: Any, place_order: Any, settings: Any, why: str
) -> None:
    settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "LATE_PAYMENTS": "hold"}
    order = place_order(total="10.00")
    invoice = opened(order)
    if why == "late and held":
        rehive.outcome(invoice.remote_id, "pay_late")
    elif why == "total edited":
        type(order).objects.filter(pk=order.pk).update(total_incl_tax=Decimal("12.00"))
        rehive.outcome(invoice.remote_id, "pay")
    else:
        rehive.outcome(invoice.remote_id, "pay_less")
        rehive.outcome(invoice.remote_id, "expire")
    reconcile()
    window_over(order)
    reconcile()
    order.refresh_from_db()
    assert order.status == "Pending"
    assert Attention.objects.count() == 1

    made = refund(Invoice.objects.get(), refundable(Invoice.objects.get()), reason="no", by="staff")
    rehive.refund(made.remote_id, "complete")
    for _ in range(2):
        reconcile()

    order.refresh_from_db()
    assert order.status == "Cancelled"

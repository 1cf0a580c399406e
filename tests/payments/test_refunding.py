"""Refunds: never more than was received, in the ledger once, followed to their end (P2, bug 12)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from oscar_rehive.models import Attention, Entry, Invoice, Refund
from oscar_rehive.payments import refunds_told
from oscar_rehive.payments.deliveries import store, work_on
from oscar_rehive.payments.gateway import client_for
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.payments.refunding import (
    NotRefundable,
    follow,
    refund,
    refund_decided,
    refundable,
    units_left,
)
from oscar_rehive.payments.settling import Listed, business_of, refresh
from oscar_rehive.rehive.client import Client
from oscar_rehive.rehive.exceptions import RehiveError
from oscar_rehive.rehive.wire import RemoteRefund
from tests.steps import opened, settled, told

pytestmark = pytest.mark.django_db


@pytest.fixture
def order(rehive: Any, place_order: Any) -> Any:
    """An order over 10.00 USD that is paid."""
    order = place_order(total="10.00")
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay")
    settled(invoice)
    return order


def paid_invoice() -> Invoice:
    return Invoice.objects.get()


def refunded_in_the_app(*, units: int) -> RemoteRefund:
    """Rehive takes a refund on that the shop knows nothing of."""
    return client_for(business_of(paid_invoice())).create_refund(
        paid_invoice().remote_id or "",
        amount=units,
        currency="USD",
        reason="by hand",
        idempotency_key="app",
    )


def never_answered(rehive: Any) -> None:
    """Rehive takes a refund of 4.00 on that the shop asks for, and its answer is lost."""
    rehive.faults(lose_answer={"value": True, "methods": ["POST"]})
    with pytest.raises(RehiveError):
        refund(paid_invoice(), Decimal("4.00"), reason="", by="ann")
    rehive.clear_faults()


def refunded(order: Any) -> Decimal:
    amount: Decimal = order.sources.get().amount_refunded
    return amount


def test_a_refund_is_in_the_ledger_when_it_is_paid_out_and_not_before(
    rehive: Any, order: Any
) -> None:
    made = refund(paid_invoice(), Decimal("4.00"), reason="broken", by="staff")
    follow(paid_invoice(), Entry.Source.RECONCILE)
    assert refunded(order) == 0

    rehive.refund(made.remote_id, "processing")
    reconcile()
    assert refunded(order) == 0

    rehive.refund(made.remote_id, "complete")
    for _ in range(3):
        reconcile()

    assert refunded(order) == Decimal("4.00")
    assert [event.amount for event in order.payment_events.filter(event_type__name="Refunded")] == [
        Decimal("4.00")
    ]


def test_a_refund_on_its_way_is_looked_at_in_each_run(rehive: Any, order: Any) -> None:
    refund(paid_invoice(), Decimal("4.00"), reason="broken", by="staff")

    assert [reconcile().asked for _ in range(2)] == [1, 1]


def test_several_refunds_never_exceed_what_was_received(rehive: Any, order: Any) -> None:
    for amount in ("3.00", "3.00", "4.00"):
        made = refund(paid_invoice(), Decimal(amount), reason="", by="staff")
        rehive.refund(made.remote_id, "complete")
    reconcile()
    assert (refunded(order), refundable(paid_invoice())) == (Decimal("10.00"), 0)

    with pytest.raises(NotRefundable, match=r"At most 0\.00 USD"):
        refund(paid_invoice(), Decimal("0.01"), reason="", by="staff")


@pytest.mark.parametrize("amount", ["0.00", "-1.00", "10.01"])
def test_an_impossible_amount_is_refused_before_anything_is_sent(
    rehive: Any, order: Any, amount: str
) -> None:
    with pytest.raises(NotRefundable):
        refund(paid_invoice(), Decimal(amount), reason="", by="staff")
    assert not Refund.objects.exists()


def test_a_failed_refund_can_be_made_again_and_is_shown(rehive: Any, order: Any) -> None:
    made = refund(paid_invoice(), Decimal("10.00"), reason="", by="staff")
    rehive.refund(made.remote_id, "failed")
    reconcile()

    assert Attention.objects.get().kind == Attention.Kind.REFUND_FAILED
    assert refundable(paid_invoice()) == Decimal("10.00")
    assert refunded(order) == 0


def test_a_refund_made_in_rehives_own_app_is_discovered(rehive: Any, order: Any) -> None:
    rehive.refund(refunded_in_the_app(units=250).id, "complete")
    body = b'{"data": {"id": "%s"}}' % str(paid_invoice().remote_id).encode()

    for _ in range(2):
        work_on(store(body).remote_id)

    assert refunded(order) == Decimal("2.50")
    assert Refund.objects.get().requested_by == ""


def test_what_was_refunded_in_rehives_own_app_is_not_refunded_again(
    rehive: Any, order: Any
) -> None:
    """Nobody has told the shop yet."""
    refunded_in_the_app(units=700)

    with pytest.raises(NotRefundable, match=r"At most 3\.00 USD"):
        refund(paid_invoice(), Decimal("4.00"), reason="", by="staff")
    made = refund_decided(paid_invoice(), units_left, reason="", by="staff")

    assert made.amount == 300


def test_nothing_is_refunded_while_nobody_knows_what_was_refunded_already(
    rehive: Any, order: Any
) -> None:
    refunded_in_the_app(units=1000)
    rehive.faults(error_status={"value": 503, "methods": ["GET"]})

    for give in (
        lambda: refund(paid_invoice(), Decimal("4.00"), reason="", by="staff"),
        lambda: refund_decided(paid_invoice(), units_left, reason="", by="staff"),
    ):
        with pytest.raises(RehiveError):
            give()

    assert not Refund.objects.exists()


@pytest.mark.parametrize("fault", [{"error_status": 500}, {"throttle": 3}, {"html": 502}])
def test_a_refund_that_never_reached_rehive_is_told_and_can_be_made_again(
    rehive: Any, order: Any, fault: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    rehive.faults(**{name: {"value": value, "methods": ["POST"]} for name, value in fault.items()})
    with pytest.raises(RehiveError):
        refund(paid_invoice(), Decimal("4.00"), reason="", by="staff")
    rehive.clear_faults()
    monkeypatch.setattr(refunds_told, "REQUEST_OVER_AFTER", timedelta(0))

    reconcile()

    assert Refund.objects.get().status == Refund.Status.FAILED
    assert refundable(paid_invoice()) == Decimal("10.00")


@pytest.fixture
def refunds_told_as(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """From now on Rehive tells its refunds with these fields changed."""
    real = Client.refunds

    def tell_as(**fields: Any) -> None:
        def told(*args: Any, **kwargs: Any) -> Iterator[RemoteRefund]:
            return (dataclasses.replace(one, **fields) for one in real(*args, **kwargs))

        monkeypatch.setattr(Client, "refunds", told)

    return tell_as


@pytest.mark.parametrize("status", ["rejected", "requested", ""])
def test_an_unknown_status_calls_a_person_and_counts_as_given(
    order: Any, refunds_told_as: Callable[..., None], status: str
) -> None:
    made = refund(paid_invoice(), Decimal("4.00"), reason="", by="staff")

    refunds_told_as(status=status)
    for _ in range(2):
        reconcile()

    attention = Attention.objects.get()
    assert attention.kind == Attention.Kind.UNKNOWN_STATUS
    assert attention.subject == f"refund {made.remote_id}: {status}"
    assert refundable(paid_invoice()) == Decimal("6.00")


@pytest.mark.parametrize("units", [300, 500])
def test_the_ledger_holds_what_rehive_gave_back_whatever_was_asked_for(
    rehive: Any, order: Any, refunds_told_as: Callable[..., None], units: int
) -> None:
    made = refund(paid_invoice(), Decimal("4.00"), reason="", by="staff")
    rehive.refund(made.remote_id, "complete")

    refunds_told_as(amount=units)
    for _ in range(2):
        reconcile()

    given = Decimal(units) / 100
    assert refunded(order) == given
    assert refundable(paid_invoice()) == 10 - given


@pytest.mark.parametrize("told", ["", "Scratched", "written by somebody else"])
def test_a_refund_whose_reason_rehive_tells_otherwise_is_one_refund(
    rehive: Any, order: Any, monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    """Found by review: staff were told that it had not arrived, and to refund again."""
    _tell_reasons_as(monkeypatch, told)

    refund(paid_invoice(), Decimal("4.00"), reason="Scratched in transport, sorry", by="ann")
    Refund.objects.update(created_at=F("created_at") - timedelta(minutes=5))
    reconcile()

    assert [one.amount for one in Refund.objects.all()] == [400]
    assert not Attention.objects.exists()


def test_a_refund_that_is_discovered_before_its_own_answer_comes_is_one_refund(
    rehive: Any, order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _tell_reasons_as(monkeypatch, "written by somebody else")
    real = Client.create_refund

    def slowly(*args: Any, **kwargs: Any) -> Any:
        answer = real(*args, **kwargs)
        follow(paid_invoice(), "reconcile")
        return answer

    monkeypatch.setattr(Client, "create_refund", slowly)
    made = refund(paid_invoice(), Decimal("4.00"), reason="why", by="ann")
    rehive.refund(made.remote_id, "complete")
    reconcile()

    assert [(one.amount, one.status) for one in Refund.objects.all()] == [(400, "complete")]
    assert refunded(order) == Decimal("4.00")


def _tell_reasons_as(monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    """From now on Rehive tells another reason for each refund than it was given."""
    real = Client._send

    def send(self: Client, method: str, url: str, **kwargs: Any) -> Any:
        answer = real(self, method, url, **kwargs)
        if "refunds/" in url:
            for one in answer["data"].get("results", [answer["data"]]):
                one["reason"] = told
        return answer

    monkeypatch.setattr(Client, "_send", send)


def test_an_amount_with_too_many_decimals_is_refused(order: Any) -> None:
    with pytest.raises(NotRefundable, match=r"USD has 2 decimals; 0\.001 has more"):
        refund(paid_invoice(), Decimal("0.001"), reason="", by="ann")


def test_a_refund_that_is_asked_for_while_rehives_list_is_read_is_not_missing_there(
    rehive: Any, order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Client.refunds

    def read_a_moment_too_early(*args: Any, **kwargs: Any) -> Any:
        told = list(real(*args, **kwargs))
        monkeypatch.setattr(Client, "refunds", real)
        never_answered(rehive)
        return told

    monkeypatch.setattr(refunds_told, "REQUEST_OVER_AFTER", timedelta(0))
    monkeypatch.setattr(Client, "refunds", read_a_moment_too_early)
    follow(paid_invoice(), Entry.Source.RECONCILE)

    assert Refund.objects.get().status == Refund.Status.REQUESTED
    assert not Attention.objects.exists()


def test_nor_one_that_is_asked_for_while_a_run_waits_with_what_a_list_told(
    rehive: Any, order: Any
) -> None:
    """Rehive's limit was met between the list, which knew of no refund, and its settling."""
    invoice = paid_invoice()
    listed = Listed(told(invoice), timezone.now() - timedelta(minutes=4), refunds=())
    never_answered(rehive)
    a_while = 2 * refunds_told.REQUEST_OVER_AFTER
    Refund.objects.update(created_at=F("created_at") - a_while)
    Invoice.objects.update(asked_at=F("asked_at") - timedelta(hours=1))

    refresh(invoice, Entry.Source.RECONCILE, with_refunds=True, listed=listed)

    assert Refund.objects.get().status == Refund.Status.REQUESTED
    assert not Attention.objects.exists()


def test_a_refund_that_failed_is_not_taken_for_the_one_that_was_never_answered(
    rehive: Any, order: Any, refunds_told_as: Callable[..., None]
) -> None:
    rehive.faults(throttle={"value": 3, "methods": ["POST"]})
    with pytest.raises(RehiveError):
        refund(paid_invoice(), Decimal("4.00"), reason="", by="ann")
    never_answered(rehive)

    refunds_told_as(raw={})
    follow(paid_invoice(), Entry.Source.RECONCILE)

    assert [one.status for one in Refund.objects.order_by("pk")] == ["failed", "pending"]


def test_each_refund_that_fails_is_a_fact_of_its_own(rehive: Any, order: Any) -> None:
    for amount in ("3.00", "4.00"):
        made = refund(paid_invoice(), Decimal(amount), reason="", by="ann")
        rehive.refund(made.remote_id, "failed")

    reconcile()

    assert Attention.objects.filter(kind=Attention.Kind.REFUND_FAILED).count() == 2

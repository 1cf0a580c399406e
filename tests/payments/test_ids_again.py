"""An invoice's id that Rehive gives again, and a list in which the attempt that is looked for may be what nobody
can read: nothing is mixed up or asked for ever, and a person hears of it (P5, P7)."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from oscar.core.loading import get_model

from oscar_rehive.models import Attention, Invoice, OrderPayment
from oscar_rehive.payments.adopting import NotOpened
from oscar_rehive.payments.deciding import can_be_gone, take_for_gone
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.rehive import wire
from oscar_rehive.rehive.client import Client
from oscar_rehive.rehive.exceptions import Unintelligible
from oscar_rehive.rehive.wire import RemoteInvoice
from tests.steps import answer_lost, as_told_by, opened, payable_at, settled, window_over

pytestmark = pytest.mark.django_db

Order = get_model("order", "Order")


def test_an_invoice_with_the_id_of_another_order_pays_neither_twice(
    rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = place_order(), place_order()
    used = opened(first)
    real = Client.create_invoice
    monkeypatch.setattr(
        Client,
        "create_invoice",
        lambda *args, **kwargs: dataclasses.replace(real(*args, **kwargs), id=used.remote_id),
    )
    with pytest.raises(NotOpened):
        opened(second)
    monkeypatch.undo()

    attempt = Invoice.objects.get(payment__order_number=second.number)
    assert (attempt.state, attempt.remote_id, attempt.may_exist) == ("closed", None, False)
    assert Attention.objects.get().invoice == attempt
    rehive.outcome(used.remote_id, "pay")
    settled(used)
    paid = OrderPayment.objects.exclude(paid_at=None)
    assert [payment.order_number for payment in paid] == [first.number]
    assert opened(second).remote_id in payable_at(rehive, second)


def test_a_lost_attempt_that_is_found_under_a_used_id_ends_and_the_others_are_found(
    rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = opened(place_order())
    lost = [answer_lost(rehive, place_order()) for _ in range(2)]

    def mixed_up(remote: RemoteInvoice) -> RemoteInvoice:
        is_first = remote.reference == lost[0].order_number
        return dataclasses.replace(remote, id=used.remote_id) if is_first else remote

    as_told_by(monkeypatch, mixed_up)
    reconcile()

    for invoice in lost:
        invoice.refresh_from_db()
    assert (lost[0].state, lost[0].remote_id) == ("closed", None)
    assert lost[1].remote_id is not None
    assert [one.invoice for one in Attention.objects.all()] == [lost[0]]


@pytest.fixture
def unreadable(rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch) -> Invoice:
    """An attempt whose answer was lost, and which nobody can read in Rehive's list."""
    lost = answer_lost(rehive, place_order())
    real = wire.read_invoice

    def read(row: Any) -> Any:
        if row["request_reference"] == lost.order_number:
            raise Unintelligible("It has no status.")
        return real(row)

    monkeypatch.setattr(wire, "read_invoice", read)
    return lost


def test_a_person_hears_once_of_an_attempt_that_may_be_what_nobody_can_read(
    unreadable: Invoice,
) -> None:
    for _ in range(2):
        reconcile()

    attention = Attention.objects.get()
    assert (attention.kind, attention.invoice) == (Attention.Kind.UNREADABLE, unreadable)


def test_that_is_over_when_it_can_be_read(
    unreadable: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    reconcile()
    monkeypatch.undo()

    reconcile()

    unreadable.refresh_from_db()
    assert unreadable.remote_id is not None
    assert Attention.objects.get().resolved_by == "Rehive"


def test_who_takes_it_for_gone_lets_the_order_end(unreadable: Invoice) -> None:
    order = Order.objects.get(number=unreadable.order_number)
    window_over(order)
    reconcile()
    order.refresh_from_db()
    assert order.status == "Pending"

    attention = Attention.objects.get()
    assert can_be_gone(attention)
    take_for_gone(attention, by="ann")
    reconcile()

    order.refresh_from_db()
    assert order.status == "Cancelled"

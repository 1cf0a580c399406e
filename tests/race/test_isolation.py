"""REPEATABLE READ: a transaction sees what stood in the database when it began, so that whoever has waited
for a lock may decide from what stood there before the other one. Two clicks refunded an excess twice.

The lock is a write, before anything is read: the database refuses it to whom has waited for another one,
and all is read and decided once more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from django.db import OperationalError, transaction
from oscar.core.loading import get_class, get_model

from oscar_rehive.databases import is_lost_race
from oscar_rehive.models import Attention, Invoice, OrderPayment, Refund
from oscar_rehive.payments import (
    cancelling,
    carrying_out,
    deciding,
    mails,
    opening,
    refunding,
    settling,
)
from oscar_rehive.payments.locking import locked
from oscar_rehive.shop.oscar import OscarShop
from tests.race.threads import (
    SECONDS,
    InAThread,
    the_first_waits_for_a_second,
    wait_until_somebody_waits,
)
from tests.steps import (
    creates,
    opened,
    payable_at,
    settled,
    stands_as,
    told,
    waiting_for_a_person,
    window_over,
)

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("repeatable_read"),
]

Line = get_model("order", "Line")


def excess_given_back(invoice: Invoice) -> None:
    deciding.give_back(Attention.objects.get(), by="staff")


def most_of_it_given_back(invoice: Invoice) -> None:
    refunding.refund(invoice, Decimal("7.00"), reason="why", by="staff")


@pytest.mark.parametrize("click", [excess_given_back, most_of_it_given_back])
def test_two_clicks_on_refund(
    rehive: Any,
    place_order: Any,
    monkeypatch: pytest.MonkeyPatch,
    click: Callable[[Invoice], None],
) -> None:
    invoice = opened(place_order(total="10.00"))
    rehive.outcome(invoice.remote_id, "pay_more", amount=1250)
    settled(invoice)
    both, real = threading.Barrier(2), refunding.follow

    def follow(*args: Any, **kwargs: Any) -> None:
        # Both have asked Rehive what was refunded already, before either has asked for more.
        real(*args, **kwargs)
        both.wait(SECONDS)

    monkeypatch.setattr(refunding, "follow", follow)
    the_first_waits_for_a_second(monkeypatch, refunding, "_note")

    def clicked() -> None:
        with suppress(deciding.NotAcceptable, refunding.NotRefundable):
            click(invoice)

    for one in [InAThread(clicked), InAThread(clicked)]:
        one.join()

    refund = Refund.objects.get()
    assert refund.remote_id is not None
    assert refund.amount == (250 if click is excess_given_back else 700)


def test_p2_two_who_are_told_of_one_payment(
    rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = place_order(total="10.00")
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay")
    answer = told(invoice)
    the_first_waits_for_a_second(monkeypatch, settling, "settle_news")

    def settle() -> None:
        settling.settle(Invoice.objects.get(), answer, source="webhook")

    for one in [InAThread(settle), InAThread(settle)]:
        one.join()

    assert stands_as(order) == "Being processed"
    assert order.sources.get().amount_debited == Decimal("10.00")
    assert order.sources.get().transactions.count() == 2  # allocated and debited
    assert order.status_changes.count() == 1
    assert waiting_for_a_person() == []


def test_p5_two_tabs_that_go_to_pay(
    rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = place_order()
    the_first_waits_for_a_second(monkeypatch, opening, "_new_attempt")

    def open_it() -> None:
        with suppress(opening.Busy):  # the page waits then, and finds the invoice
            opened(order)

    for one in [InAThread(open_it), InAThread(open_it)]:
        one.join()

    assert Invoice.objects.get().state == Invoice.State.OPEN
    assert (creates(rehive), len(payable_at(rehive, order))) == (1, 1)


def test_the_clock_waits_for_a_payment(
    rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = place_order(total="10.00")
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay")
    answer = told(invoice)
    window_over(order)
    settles = the_first_waits_for_a_second(monkeypatch, settling, "settle_news")

    payment = InAThread(lambda: settling.settle(invoice, answer, source="webhook"))
    assert settles.wait(SECONDS)
    clock = InAThread(
        lambda: cancelling.cancel_order(order.number, reason="late", source="reconcile")
    )
    payment.join()
    with pytest.raises(cancelling.NotCancellable):
        clock.join()

    assert stands_as(order) == "Being processed"
    assert order.sources.get().amount_debited == Decimal("10.00")
    assert Line.objects.get().stockrecord.num_allocated == 1


def test_a_late_payment_waits_for_the_clock(
    rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = place_order(total="10.00")
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "expire")
    settled(invoice)
    rehive.outcome(invoice.remote_id, "pay_late", force=True)
    answer = told(invoice)
    cancels = the_first_waits_for_a_second(monkeypatch, carrying_out, "_cancel")

    clock = InAThread(
        lambda: cancelling.cancel_order(order.number, reason="late", source="reconcile")
    )
    assert cancels.wait(SECONDS)
    payment = InAThread(lambda: settling.settle(invoice, answer, source="webhook"))
    clock.join()
    payment.join()

    assert stands_as(order) == "Cancelled"
    assert order.sources.get().amount_debited == Decimal("10.00")
    assert waiting_for_a_person() == [Attention.Kind.AFTER_CANCEL]
    assert Line.objects.get().stockrecord.num_allocated == 0


def test_p10_staff_who_wait_for_a_settling_are_told_and_may_repeat(
    rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their page is not ours to repeat: it fails as a whole, and the payment stands. (For staff who come
    first see test_lost_updates.py.)"""
    order = place_order(total="10.00")
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay")
    answer = told(invoice)
    settles = the_first_waits_for_a_second(monkeypatch, settling, "settle_news")
    handler = get_class("order.processing", "EventHandler")()

    def cancel() -> None:
        with transaction.atomic():
            handler.handle_order_status_change(type(order).objects.get(), "Cancelled")

    payment = InAThread(lambda: settling.settle(invoice, answer, source="webhook"))
    assert settles.wait(SECONDS)
    staff = InAThread(cancel)
    payment.join()
    with pytest.raises(OperationalError) as lost:
        staff.join()

    assert is_lost_race(lost.value)
    assert (stands_as(order), order.status_changes.count()) == ("Being processed", 1)
    cancel()
    assert stands_as(order) == "Cancelled"
    assert order.sources.get().amount_debited == Decimal("10.00")
    assert Line.objects.get().stockrecord.num_allocated == 0
    assert waiting_for_a_person() == [Attention.Kind.AFTER_CANCEL]


class Holding:
    """Somebody else who has the lock of order ``number``, until it is waited for."""

    def __init__(self, number: str) -> None:
        self.number, self.has_lock = number, threading.Event()
        self.thread = InAThread(self.hold)
        assert self.has_lock.wait(SECONDS)

    def hold(self) -> None:
        with locked(self.number):
            self.has_lock.set()
            wait_until_somebody_waits()


def test_p3_a_mail_is_claimed_sent_and_noted_once_whoever_holds_the_lock(
    rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Claiming and noting are statements by themselves, outside of the lock. One that lost its race left the
    mail as not sent, and it went out again."""
    order = place_order(total="10.00")
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay")
    settled(invoice)
    holding = [Holding(order.number)]
    real = OscarShop.send_confirmation

    def send(*args: Any, **kwargs: Any) -> None:
        real(*args, **kwargs)
        holding.append(Holding(order.number))

    monkeypatch.setattr(OscarShop, "send_confirmation", send)

    assert mails.send_confirmation(order.number)
    for one in holding:
        one.thread.join()
    assert len(holding) == 2
    assert OrderPayment.objects.get().mail_sent_at is not None
    assert len(mail.outbox) == 1

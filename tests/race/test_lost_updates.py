"""Two transactions at the same rows, held at the one moment at which they hurt each other, whatever the
isolation level."""

from __future__ import annotations

import threading
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from oscar.core.loading import get_class, get_model

from oscar_rehive.models import Attention, Invoice
from oscar_rehive.payments import deciding, settling
from oscar_rehive.payments.cancelling import cancel_order
from oscar_rehive.payments.placing import expect_payment
from oscar_rehive.rehive.exceptions import RehiveError
from tests.race.threads import SECONDS, InAThread, wait_until_somebody_waits
from tests.steps import opened, payable_at, settled, told

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("isolation"),
]

Line = get_model("order", "Line")
StockRecord = get_model("partner", "StockRecord")


def _has_read(
    monkeypatch: pytest.MonkeyPatch, invoice: Invoice, answer: Any
) -> tuple[InAThread, threading.Event]:
    """A settling of ``answer`` that has read under the lock, and does not write before the event is set."""
    has_read, may_write = threading.Event(), threading.Event()
    real = settling.settle_news

    def slowly(*args: Any) -> Any:
        has_read.set()
        may_write.wait(SECONDS)
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(settling, "settle_news", slowly)
        settle = InAThread(lambda: settling.settle(invoice, answer, source="webhook"))
        assert has_read.wait(SECONDS)
    return settle, may_write


def test_a_settling_under_way_does_not_forget_that_the_shopper_cancelled(
    rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read under the lock must still be so when it is written."""
    order = place_order()
    invoice = opened(order)
    answer = told(invoice)
    settle, may_write = _has_read(monkeypatch, invoice, answer)
    rehive.faults(error_status=503)  # the wish is noted, and its invoice cannot be closed yet
    shopper = InAThread(lambda: cancelled_in_vain(order.number))
    # Without the lock it would be noted by now, and the settling would write over it.
    wait_until_somebody_waits(or_ended=shopper)
    may_write.set()
    settle.join()
    shopper.join()

    assert Invoice.objects.get().close_due


def cancelled_in_vain(number: str) -> None:
    with suppress(RehiveError):
        cancel_order(number, reason="why", source="checkout")


def bought_in_another_order() -> list[str]:
    """The numbers of two orders of the same two products, the second the other way round."""
    from oscar.test.factories import create_basket, create_order, create_product

    products = [create_product(price=Decimal(1), num_in_stock=9) for _ in range(2)]
    numbers = []
    for chosen in (products, products[::-1]):
        basket = create_basket(empty=True)
        for product in chosen:
            basket.add_product(product)
        order = create_order(basket=basket, status="Pending", guest_email="g@example.com")
        expect_payment(str(order.number), language="en", order_key=str(order.pk))
        numbers.append(str(order.number))
    return numbers


def test_two_cancellations_of_the_same_products_in_another_order(
    rehive: Any, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = bought_in_another_order()
    both = threading.Barrier(2, timeout=1)
    real = StockRecord.cancel_allocation

    def together(self: Any, quantity: int) -> None:
        real(self, quantity)
        with suppress(threading.BrokenBarrierError):  # one waits for the other's lock, as it should
            both.wait()

    monkeypatch.setattr(StockRecord, "cancel_allocation", together)
    at_once = [
        InAThread(lambda number=number: cancel_order(number, reason="why", source="checkout"))
        for number in numbers
    ]
    for cancellation in at_once:
        cancellation.join()

    assert {record.num_allocated for record in StockRecord.objects.all()} == {0}


def test_staff_who_cancel_in_a_transaction_and_a_webhook_at_once(
    rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = place_order()
    # Nothing of the lines is written then: it is the order's own lock that is waited for.
    monkeypatch.setattr(type(order), "cascade", {})
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay")
    order.refresh_from_db()
    handler = get_class("order.processing", "EventHandler")()
    settle: list[InAThread] = []
    with transaction.atomic():
        handler.handle_order_status_change(order, "Cancelled")
        answer = _told_outside(invoice)
        settle.append(InAThread(lambda: settling.settle(invoice, answer, source="webhook")))
        wait_until_somebody_waits()
    settle[0].join()

    order.refresh_from_db()
    assert order.status == "Cancelled"
    assert order.sources.get().amount_debited == order.total_incl_tax
    assert payable_at(rehive, order) == []
    # Not "refused by the pipeline": the settling waited for staff and knew.
    assert Attention.objects.get().kind == Attention.Kind.AFTER_CANCEL


def test_staff_whose_status_cascades_to_the_lines_and_a_webhook_at_once(
    rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = place_order()
    words = ("Being processed", "Cancelled")
    monkeypatch.setattr(type(order), "cascade", {word: word for word in words})
    monkeypatch.setattr(Line, "pipeline", {order.lines.get().status: words})
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay")
    order.refresh_from_db()
    handler = get_class("order.processing", "EventHandler")()
    settle: list[InAThread] = []
    real = Line.save

    def and_a_webhook_comes(line: Any, *args: Any, **kwargs: Any) -> None:
        real(line, *args, **kwargs)
        if not settle:
            settle.append(InAThread(lambda: settling.settle(invoice, answer, source="webhook")))
            wait_until_somebody_waits()

    answer = told(invoice)
    monkeypatch.setattr(Line, "save", and_a_webhook_comes)
    with transaction.atomic():
        # Oscar writes the lines first and then the order, and only then tells anybody.
        handler.handle_order_status_change(order, "Cancelled")
    settle[0].join()

    order.refresh_from_db()
    assert order.status == "Cancelled"
    assert order.sources.get().amount_debited == order.total_incl_tax


def _told_outside(invoice: Invoice) -> Any:
    told_there: list[Any] = []
    InAThread(lambda: told_there.append(told(invoice))).join()
    return told_there[0]


def test_a_fact_that_grows_while_it_is_noted_as_dealt_with_waits_still(
    rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The settling had read that it was open, and wrote 50.00 more into what nobody looks at any more."""
    invoice = opened(place_order(total="10.00"))
    rehive.outcome(invoice.remote_id, "pay_more", amount=1250)
    settled(invoice)
    fact, done = Attention.objects.get(), []
    rehive.outcome(invoice.remote_id, "pay_more", amount=5000, force=True)
    answer = told(invoice)
    settle, may_write = _has_read(monkeypatch, invoice, answer)
    staff = InAThread(lambda: done.append(deciding.resolve(fact, by="ann")))
    wait_until_somebody_waits(or_ended=staff)
    may_write.set()
    settle.join()
    staff.join()

    fact = Attention.objects.get()
    assert "52.50 USD more" in fact.reason
    assert (fact.resolved_at, done) == (None, [False])

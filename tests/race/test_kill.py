"""A process is killed with SIGKILL at each boundary of the service, and the next one recovers.

Boundaries are enumerated, not sampled: before and after each network call and each commit. After
recovery nothing is lost, nothing is there twice, and there is no second payable invoice.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from oscar.core.loading import get_model

from oscar_rehive.models import Attention, Invoice, OrderPayment, Refund
from oscar_rehive.payments.gateway import client_for
from oscar_rehive.payments.settling import business_of
from tests.steps import mails_in, opened, payable_at, settled, window_over

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

Line = get_model("order", "Line")
MOST_BOUNDARIES = 60


def time_passes() -> None:
    """Let leases and claims of the dead process run out."""
    long_ago = timezone.now() - timedelta(hours=1)
    Invoice.objects.exclude(lease_ends_at=None).update(lease_ends_at=long_ago)
    OrderPayment.objects.exclude(mail_claimed_at=None).update(mail_claimed_at=long_ago)
    Refund.objects.update(created_at=long_ago)


class Deaths:
    """Iterates over the deaths of ``worker``: each time ``prepare`` makes a new order and the command
    for it, and the command is killed one boundary later, until it gets through alive."""

    def __init__(self, worker: Any, prepare: Callable[[], tuple[Any, dict[str, Any]]]) -> None:
        self.worker, self.prepare = worker, prepare
        self.count = 0

    def __iter__(self) -> Iterator[Any]:
        while self.count < MOST_BOUNDARIES:
            order, command = self.prepare()
            answer = self.worker.do(kill_at=self.count + 1, **command)
            if "killed" not in answer:
                return
            assert answer["killed"] == signal.SIGKILL
            self.count += 1
            time_passes()
            yield order
        pytest.fail("it never gets through")


def test_killed_while_opening(rehive: Any, place_order: Any, workers: Any) -> None:
    (worker,) = workers(1)

    def prepare() -> tuple[Any, dict[str, Any]]:
        order = place_order()
        return order, {"do": "open", "number": order.number}

    deaths = Deaths(worker, prepare)
    for order in deaths:
        worker.do(do="open", number=order.number)
        assert len(payable_at(rehive, order)) == 1, deaths.count
        ours = Invoice.objects.filter(payment__order_number=order.number, state="open")
        assert [invoice.remote_id for invoice in ours] == payable_at(rehive, order)
    assert deaths.count >= 6


@pytest.mark.parametrize("action", ["return", "webhook", "reconcile"])
def test_killed_while_a_payment_is_settled(
    rehive: Any, place_order: Any, workers: Any, mails: Path, action: str
) -> None:
    (worker,) = workers(1)

    def prepare() -> tuple[Any, dict[str, Any]]:
        for mail in mails.iterdir():
            mail.unlink()
        order = place_order(total="10.00")
        invoice = opened(order)
        rehive.outcome(invoice.remote_id, "pay")
        return order, {"do": action, "number": order.number, "remote_id": invoice.remote_id}

    twice = 0
    deaths = Deaths(worker, prepare)
    for order in deaths:
        worker.do(do="reconcile")
        order.refresh_from_db()
        assert order.status == "Being processed", deaths.count
        assert order.sources.get().amount_debited == Decimal("10.00"), deaths.count
        assert order.status_changes.count() == 1, deaths.count
        # A mail that was sent and not noted is sent again: losing it would be worse (P3).
        assert 1 <= len(mails_in(mails)) <= 2, deaths.count
        twice += len(mails_in(mails)) - 1
    assert deaths.count >= 6
    assert twice <= 1, "only where the process dies between the mail server's yes and our commit"


@pytest.mark.parametrize("paid", [False, True])
def test_killed_while_cancelling(rehive: Any, place_order: Any, workers: Any, paid: bool) -> None:
    (worker,) = workers(1)

    def prepare() -> tuple[Any, dict[str, Any]]:
        order = place_order(total="10.00", in_stock=5)
        invoice = opened(order)
        if paid:
            rehive.outcome(invoice.remote_id, "pay")
        return order, {"do": "cancel", "number": order.number}

    deaths = Deaths(worker, prepare)
    for order in deaths:
        window_over(order)
        worker.do(do="reconcile")
        order.refresh_from_db()
        held = Line.objects.get(order=order).stockrecord.num_allocated
        assert (order.status, held) == (("Being processed", 1) if paid else ("Cancelled", 0))
        assert payable_at(rehive, order) == [], deaths.count
    assert deaths.count >= 6


def test_killed_while_refunding(rehive: Any, place_order: Any, workers: Any) -> None:
    (worker,) = workers(1)
    remote: dict[str, str] = {}

    def prepare() -> tuple[Any, dict[str, Any]]:
        order = place_order(total="10.00")
        invoice = opened(order)
        rehive.outcome(invoice.remote_id, "pay")
        settled(invoice)
        remote[order.number] = str(invoice.remote_id)
        return order, {"do": "refund", "remote_id": invoice.remote_id, "amount": "4.00"}

    deaths = Deaths(worker, prepare)
    for order in deaths:
        worker.do(do="reconcile")
        invoice = Invoice.objects.get(remote_id=remote[order.number])
        made = list(client_for(business_of(invoice)).refunds(str(invoice.remote_id)))
        for one in made:
            rehive.refund(one.id, "complete")
        worker.do(do="reconcile")
        given = order.sources.get().amount_refunded
        assert given == Decimal("4.00") * len(made), deaths.count
        noted = Refund.objects.filter(invoice=invoice)
        assert noted.filter(status="complete").count() == len(made) <= 1, deaths.count
        assert made or not noted or Attention.objects.filter(invoice=invoice).exists()
    assert deaths.count >= 4

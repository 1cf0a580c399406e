"""Return, webhooks, reconcile, cancellation, staff and the shopper's own double clicks on one order at
once: one winner, no loss, no deadlock (P2, P3, P4, P5, P10; peer bugs 4 to 7).

``REHIVE_ROUNDS`` sets how many orders go through it; ``make test-long`` takes thousands.
"""

from __future__ import annotations

import os
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from oscar.core.loading import get_model

from oscar_rehive.models import Attention, Invoice, OrderPayment, Refund
from oscar_rehive.payments.gateway import client_for
from oscar_rehive.payments.settling import business_of
from tests.race.replica import Replica
from tests.steps import mails_in, opened, payable_at

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

ROUNDS = int(os.environ.get("REHIVE_ROUNDS", "20"))
FEWER_ROUNDS = ROUNDS // 4
PROCESSES = 8
ACTIONS = ("return", "webhook", "webhook", "reconcile", "cancel", "open")
STAFF = ("staff_cancel", "refund")

Line = get_model("order", "Line")


def test_eight_processes_on_one_order(
    rehive: Any, place_order: Any, workers: Any, mails: Path
) -> None:
    play(rehive, place_order, mails, workers(PROCESSES), ROUNDS)


def test_whose_transactions_see_what_stood_there_when_they_began(
    rehive: Any, place_order: Any, workers: Any, mails: Path
) -> None:
    team = workers(PROCESSES, isolation="REPEATABLE_READ")
    play(rehive, place_order, mails, team, FEWER_ROUNDS)


def test_who_read_from_a_replica_that_knows_of_no_payment(
    rehive: Any, place_order: Any, workers: Any, mails: Path, replica: Replica
) -> None:
    def place_order_and_show_it(**kwargs: Any) -> Any:
        order = place_order(**kwargs)
        replica.catches_up()
        return order

    team = workers(PROCESSES, replica=replica.name)
    play(rehive, place_order_and_show_it, mails, team, FEWER_ROUNDS)


def play(rehive: Any, place_order: Any, mails: Path, team: Any, rounds: int) -> None:
    """Let ``team`` fall upon one order after the other."""
    dice = random.Random(2026)
    for _ in range(rounds):
        order = place_order(total="10.00", in_stock=5)
        invoice = opened(order)
        outcome = dice.choice(["pay", "pay", "pay_more", "expire", "back"])
        rehive.outcome(invoice.remote_id, outcome)
        before = len(mails_in(mails))
        actions = dice.choice([ACTIONS, ACTIONS, ACTIONS + STAFF])
        commands = [dice.choice(actions) for _ in team]

        for worker, action in zip(team, commands, strict=True):
            worker.start(do=action, number=order.number, remote_id=invoice.remote_id, amount="1.00")
        for worker in team:
            worker.answer()
        # The one that was refused for the others' sake comes again, as it does in life.
        for action in ("return", "reconcile"):
            team[0].do(do=action, number=order.number)

        check(rehive, order, len(mails_in(mails)) - before, (outcome, commands))
        if len(rehive.invoices()) > 50:
            start_anew(rehive)


def start_anew(rehive: Any) -> None:
    """Nothing waits of the rounds before: every reconcile would ask about all of it."""
    rehive.reset()
    Invoice.objects.exclude(state="paid").update(state="closed", close_due=False)
    Refund.objects.update(status="failed")


def check(rehive: Any, order: Any, mails_sent: int, story: Any) -> None:
    """What must hold when all is quiet again."""
    order.refresh_from_db()
    payment = OrderPayment.objects.get(order_number=order.number)
    line = Line.objects.get(order=order)
    remotes = [one for one in rehive.invoices() if one["request_reference"] == order.number]
    received = sum(Decimal(remote["received"]) / 100 for remote in remotes)
    invoices = payment.invoices.exclude(remote_id=None)
    made = [
        one
        for invoice in invoices
        for one in client_for(business_of(invoice)).refunds(invoice.remote_id or "")
    ]
    staff_cancelled = order.status == "Cancelled" and "staff_cancel" in story[1]
    recorded = sum(source.amount_debited for source in order.sources.all())
    assert recorded == received, story
    assert len(payable_at(rehive, order)) <= 1, story
    assert line.stockrecord.num_allocated == (0 if order.status == "Cancelled" else 1), story
    assert {one.id for one in made} == set(
        Refund.objects.filter(invoice__in=invoices).values_list("remote_id", flat=True)
    ), story
    assert sum(Decimal(one.amount) / 100 for one in made) <= received, story
    if staff_cancelled:
        assert mails_sent <= bool(payment.paid_at), story
        assert payable_at(rehive, order) == [], story
        assert received == 0 or Attention.objects.filter(payment=payment).exists(), story
    elif payment.paid_at:
        assert order.status == "Being processed", story
        assert order.status_changes.count() == 1, story
        assert mails_sent == 1, story
        assert payable_at(rehive, order) == [], story
    else:
        assert mails_sent == 0, story
        assert received == 0 or Attention.objects.filter(payment=payment).exists(), story

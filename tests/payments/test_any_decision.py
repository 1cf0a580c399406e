"""What holds for any decision, whatever stands in the shop and whatever Rehive says, sense or not. Decided
purely, without a database."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from oscar_rehive.models import Invoice
from oscar_rehive.payments.ending import follow_the_order
from oscar_rehive.payments.obstacles import is_enough
from oscar_rehive.payments.plans import Case, Move, Plan
from oscar_rehive.payments.rules import News, settle_news
from oscar_rehive.payments.signs import money_is_here_or_comes
from oscar_rehive.payments.weighing import Weight
from oscar_rehive.rehive.money import from_units
from oscar_rehive.rehive.statuses import Status
from oscar_rehive.rehive.wire import Currency, RemoteInvoice
from oscar_rehive.shop import Order, Standing
from tests.payments.cases import (
    CANCELLED,
    CONFIG,
    NOW,
    PENDING,
    SHIPPED,
    STAMP,
    carried_out,
    case,
    changes_nothing,
    invoice,
    news,
    order,
    payment,
    quote,
    remote,
    rows_of,
    told_refund,
)

Told = tuple[RemoteInvoice, tuple[Any, ...] | None, int | None]
Step = Told | Order | None
"""What Rehive tells (the invoice, its refunds, and at which version it was asked), or what somebody else makes
of the order."""

WORDS = [*(status.value for status in Status), "mystery", ""]

units = st.sampled_from([0, 1, 400, 500, 995, 1000, 1001, 1250, 2000])
quotes = st.builds(
    quote, units, units, amount=st.sampled_from([0, 1000]), code=st.sampled_from(["USD", "BTC"])
)
stamps = st.none() | st.integers(-90_000, 90_000).map(lambda lies: STAMP + lies)
configs = st.builds(
    dataclasses.replace,
    st.just(CONFIG),
    accept_late=st.booleans(),
    tolerance_amount=st.sampled_from([Decimal(0), Decimal("0.05"), Decimal(9)]),
)
orders = st.none() | st.builds(
    order,
    st.sampled_from([PENDING, PENDING, CANCELLED, SHIPPED, "Paid"]),
    total=st.sampled_from(["10.00", "12.34", "9.00"]),
    covered=st.sampled_from(["0", "0", "2.34", "5.00", "10.00"]),
)


@st.composite
def remotes(draw: Any, attempt: int) -> RemoteInvoice:
    changes = draw(
        st.sampled_from(
            [
                {},
                {},
                {},
                {"amount": 1100},
                {"currency": Currency("EUR", 2)},
                {"reference": "100013"},
            ]
        )
    )
    return remote(
        draw(st.sampled_from(WORDS)),
        *draw(st.lists(quotes, max_size=2)),
        attempt=attempt,
        updated=draw(stamps),
        refunded=draw(st.booleans()),
        **changes,
    )


refunds_told = st.none() | st.lists(
    st.builds(
        told_refund,
        units,
        st.sampled_from(["complete", "pending", "failed", "mystery"]),
        called=st.sampled_from(["refund-1", "refund-2"]),
        currency=st.sampled_from(["USD", "", "BTC"]),
    ),
    max_size=2,
    unique_by=lambda one: one.id,
).map(tuple)


@st.composite
def histories(draw: Any) -> tuple[Case, list[Step]]:
    """An order with one or two attempts that nothing is known of, and what happens to them."""
    attempts = draw(st.integers(1, 2))
    wish = draw(st.sampled_from(["", "", "not paid in time"]))
    invoices = [
        invoice(
            attempt=number,
            close_due=number < attempts or bool(wish) or draw(st.booleans()),
            covered=draw(st.sampled_from([Decimal(0), Decimal("2.34")])),
            total=draw(st.sampled_from([Decimal("10.00"), Decimal("12.34")])),
        )
        for number in range(1, attempts + 1)
    ]
    begun = case(
        *invoices,
        order=draw(orders),
        payment=payment(cancel_reason=wish),
        config=draw(configs),
    )
    told = st.tuples(
        st.integers(1, attempts).flatmap(remotes), refunds_told, st.none() | st.integers(2, 4)
    )
    # It ends with something that is told.
    steps = [*draw(st.lists(told | orders, max_size=5)), draw(told)]
    return begun, steps


def settled(standing: Case, told: Told) -> tuple[Plan, Weight, News]:
    answer, refunds, version = told
    said = news(answer, standing, asked_at_version=version, refunds=refunds)
    plan = Plan(standing, "reconcile")
    return plan, settle_news(plan, said), said


def changed_in_the_shop(standing: Case, order: Order | None) -> Case:
    """The order is looked at as soon as somebody's change of it is committed."""
    plan = Plan(dataclasses.replace(standing, order=order), "staff")
    before = rows_of(standing)
    follow_the_order(plan)
    assert rows_of(standing) == before
    check(plan.case, plan, Weight.NEWS)
    return carried_out(plan)


def check(standing: Case, plan: Plan, weight: Weight) -> None:
    before = standing.payment
    movements = {id(one): Decimal(0) for one in plan.invoices}
    for one in plan.movements:
        assert one.amount > 0  # P2
        movements[id(one.invoice)] += -one.amount if one.is_refund else one.amount
    for was, mine in zip(standing.invoices, plan.invoices, strict=True):
        # P2: what stands in the ledger is what was noted, and never more than came.
        gained = (mine.recorded - mine.refund_recorded) - (was.recorded - was.refund_recorded)
        # Where the order is gone there is no ledger any more, and the history alone tells of it.
        assert movements[id(mine)] == (gained if plan.order is not None else 0)
        told = [one.amount for one in plan.entries if one.invoice is mine and one.amount]
        assert sum(told) == gained  # reports add up what the history says
        assert 0 <= mine.refund_recorded <= mine.recorded
        assert mine.recorded <= from_units(mine.received, mine.divisibility)
        assert mine.version - was.version in (0, 1)
        assert mine.pays is None or 0 <= mine.pays <= mine.received
        # What has paid stays as it is, whatever is told later.
        assert was.state != Invoice.State.PAID or mine.state == Invoice.State.PAID
    assert not (plan.releases and plan.holds)
    found = standing.order
    if plan.move is not None:
        # P10: only an order that waits for its payment is moved.
        assert found is not None
        assert found.standing is Standing.PENDING
    if plan.move is Move.PAID:
        mine = plan.paid_by
        assert mine is not None
        assert plan.payment.paid_at == plan.payment.mail_due_at == NOW
        assert (mine.total, mine.currency) == (found.total, found.currency)
        # P1: the parts cover the total, but for the tolerance.
        assert is_enough(mine, plan.missing(without=mine), standing.config)
        assert not [one for one in plan.payable() if not one.close_due and one is not mine]
    if plan.move is Move.CANCELLED:
        assert before.cancel_reason
        assert not any(money_is_here_or_comes(one) for one in plan.invoices)
        assert not plan.payable()
    if before.paid_at is not None:
        assert plan.payment.paid_at == before.paid_at
        assert plan.payment.mail_due_at == before.mail_due_at  # P3
    if weight is not Weight.NEWS:
        assert rows_of(plan)[0] == rows_of(standing)[0]
        assert (plan.movements, plan.move, plan.releases, plan.holds) == ([], None, False, False)
        assert not any(one.pk is None for one in plan.refunds)
    # At most one in use, as the database demands.
    assert sum(not one.close_due for one in plan.payable()) <= 1
    subjects = [(one.kind, one.subject) for one in plan.attentions]
    assert len(subjects) == len(set(subjects))  # the database says so too


@settings(deadline=None)  # the machine may be busy
@given(histories())
def test_whatever_is_told(history: tuple[Case, list[Step]]) -> None:
    standing, steps = history
    for step in steps:
        if not isinstance(step, tuple):
            standing = changed_in_the_shop(standing, step)
            continue
        before = rows_of(standing)
        plan, weight, said = settled(standing, step)
        assert rows_of(standing) == before  # what was read is not touched
        check(standing, plan, weight)
        standing = carried_out(plan)

        # The same once more, asked for just now, does nothing (P2).
        version = next(one.version for one in standing.invoices if one.pk == said.pk)
        if weight is Weight.NEWS:
            again = Plan(standing, "reconcile")
            settle_news(again, dataclasses.replace(said, asked_at_version=version))
            assert changes_nothing(again)


@settings(deadline=None)  # the machine may be busy
@given(histories())
def test_p6_what_is_told_for_two_minutes_is_believed(history: tuple[Case, list[Step]]) -> None:
    """Whatever the stamps say."""
    standing, steps = history
    for step in steps:
        if isinstance(step, tuple):
            plan, *_ = settled(standing, step)
            standing = carried_out(plan)
        else:
            standing = changed_in_the_shop(standing, step)
    answer = steps[-1][0]
    for minutes in (0, 3):
        now = NOW + timedelta(minutes=minutes)
        plan = Plan(dataclasses.replace(standing, now=now), "reconcile")
        weight = settle_news(plan, news(answer, standing))
        standing = carried_out(plan)

    assert weight is Weight.NEWS
    told_last = next(one for one in standing.invoices if one.remote_id == answer.id)
    assert told_last.remote_status == (answer.status or "(none)")
    assert told_last.doubted_since is None

"""A wish to cancel against money, in whatever order the two arrive; and what staff do to the order (P4, P10;
design.md, "Money that waits for a person", "Giving up and taking back"). Decided purely, without a database.
"""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from oscar_rehive.conf import OrderStatuses
from oscar_rehive.models import Attention, Invoice, OrderPayment
from oscar_rehive.payments.ending import NotCancellable, follow_the_order, wish_to_cancel
from oscar_rehive.payments.plans import Case, Move, Plan
from oscar_rehive.rehive.wire import RemoteInvoice
from tests.payments.cases import (
    CANCELLED,
    CONFIG,
    HOLDS_LATE,
    NOW,
    PENDING,
    SHIPPED,
    attention,
    carried_out,
    case,
    changes_nothing,
    decide,
    gains,
    invoice,
    order,
    paid_payment,
    payment,
    quote,
    raised,
    refund,
    remote,
)

WHY = "It was not paid in time."
PARTLY = {"total": "12.34", "covered": "2.34"}


def followed(standing: Case) -> Plan:
    """The plan of somebody who only looks at the order."""
    plan = Plan(standing, "reconcile")
    follow_the_order(plan)
    return plan


def wished(standing: Case) -> Plan:
    plan = Plan(standing, "reconcile")
    wish_to_cancel(plan, WHY)
    return plan


# What Rehive says | the wish, and what becomes of the order
MEETINGS: list[tuple[RemoteInvoice, str]] = [
    (remote("draft"), "waits"),
    (remote("initiated"), "waits"),
    (remote("processing", quote()), "waits"),
    (remote("expired"), "cancelled"),
    (remote("failed"), "cancelled"),
    (remote("cancelled"), "cancelled"),
    (remote("received"), "dropped"),
    (remote("processing", quote(pending=1000)), "dropped"),
    (remote("processing", quote(400)), "dropped"),
    (remote("underpaid", quote(400)), "dropped"),
    (remote("expired", quote(400)), "dropped"),
    (remote("expired", quote(pending=1000)), "dropped"),
    (remote("cancelled", quote(400)), "dropped"),
    (remote("late"), "dropped"),
    (remote("paid", amount=1100), "dropped"),
    (remote("paid", currency=dataclasses.replace(remote("").currency, code="EUR")), "dropped"),
    (remote("mystery"), "dropped"),
    (remote("paid"), "paid"),
    (remote("overpaid", quote(1250)), "paid"),
]
IDS = [f"{told.status} {dict(told.quotes[0].raw) if told.quotes else ''}" for told, _ in MEETINGS]


class TestAWishToCancelMeetsMoney:
    @pytest.fixture(params=[order(), order(**PARTLY)], ids=["all", "a gift card's rest"])
    def unpaid(self, request: Any) -> Case:
        asked = invoice()
        asked.total, asked.covered = request.param.total, request.param.covered
        return case(asked, order=request.param, config=HOLDS_LATE)

    @pytest.mark.parametrize(("told", "becomes"), MEETINGS, ids=IDS)
    def test_the_wish_came_first(self, unpaid: Case, told: RemoteInvoice, becomes: str) -> None:
        plan = decide(carried_out(wished(unpaid)), told)

        (mine,) = plan.invoices
        moves = {"cancelled": Move.CANCELLED, "paid": Move.PAID}
        assert plan.move is moves.get(becomes)
        # What is dropped is dropped under the same lock that notes the money.
        assert plan.payment.cancel_reason == (WHY if becomes in ("waits", "cancelled") else "")
        # And the payer may go on.
        assert mine.close_due == (becomes == "waits")
        assert not plan.releases

    @pytest.mark.parametrize(("told", "becomes"), MEETINGS, ids=IDS)
    def test_the_money_came_first(self, unpaid: Case, told: RemoteInvoice, becomes: str) -> None:
        known = carried_out(decide(unpaid, told))

        if becomes in ("dropped", "paid"):
            with pytest.raises(NotCancellable):
                wished(known)
        else:
            plan = wished(known)
            assert plan.payment.cancel_reason == WHY
            assert plan.move is (Move.CANCELLED if becomes == "cancelled" else None)

    def test_money_that_was_all_given_back_stops_nothing(self) -> None:
        """It pays nothing any more, and nobody would ever end this order."""
        ended = invoice("expired", received=400, recorded=Decimal(4), refunded=400)

        plan = wished(case(ended, refunds=(refund(ended, 400),)))

        assert plan.move is Move.CANCELLED

    def test_the_newest_of_several_stays_payable(self) -> None:
        standing = case(
            invoice("received", close_due=True),
            invoice(attempt=2, close_due=True),
            payment=payment(cancel_reason=WHY),
        )

        plan = decide(standing, remote("received", attempt=2))

        assert [one.close_due for one in plan.invoices] == [True, False]

    def test_p5_it_does_not_stay_payable_where_another_source_holds_all_by_now(self) -> None:
        wish = payment(cancel_reason=WHY)
        standing = case(invoice(close_due=True), order=order(covered="10.00"), payment=wish)

        plan = decide(standing, remote("received"))

        assert plan.payment.cancel_reason == ""
        assert plan.invoices[0].close_due


class TestAWishToCancel:
    def test_without_an_invoice_is_done_at_once(self) -> None:
        assert wished(case()).move is Move.CANCELLED

    def test_waits_for_one_that_is_being_opened(self) -> None:
        opening = invoice("", state=Invoice.State.OPENING, remote_id=None)

        plan = wished(case(opening))

        assert plan.move is None
        assert plan.invoices[0].close_due

    def test_waits_for_all_of_several(self) -> None:
        standing = carried_out(wished(case(invoice(), invoice(attempt=2))))

        first = carried_out(decide(standing, remote("expired", attempt=2)))
        assert first.order == standing.order

        assert decide(first, remote("expired")).move is Move.CANCELLED

    @pytest.mark.parametrize(
        "now", [order(covered="10.00"), order(SHIPPED), None], ids=["paid", "shipped", "deleted"]
    )
    def test_leaves_what_is_no_longer_waiting_as_it_is(self, now: Any) -> None:
        """Paid another way, shipped or deleted meanwhile (P10, peer bug 1)."""
        standing = case(invoice("expired"), order=now, payment=payment(cancel_reason=WHY))

        plan = followed(standing)

        assert plan.move is None
        assert not plan.releases
        assert plan.payment.closed_at == NOW

    def test_gives_up_what_the_order_holds_once(self) -> None:
        ended = carried_out(wished(case(invoice("expired"))))

        assert ended.payment.released_at == ended.payment.closed_at == NOW
        assert ended.payment.seen_status == CANCELLED
        assert changes_nothing(followed(ended))

    @pytest.mark.parametrize("ours", [paid_payment(), payment(closed_at=NOW)])
    def test_of_a_payment_that_has_ended_is_refused(self, ours: OrderPayment) -> None:
        with pytest.raises(NotCancellable):
            wished(case(invoice("expired"), payment=ours))


class TestStaffCancel:
    @pytest.fixture
    def cancelled(self) -> Case:
        """With an invoice that Rehive has not closed yet."""
        return carried_out(followed(case(invoice(), order=order(CANCELLED))))

    def test_the_order_gives_up_what_it_holds_at_once_and_once(self) -> None:
        plan = followed(case(invoice(), order=order(CANCELLED)))

        assert plan.releases
        assert plan.invoices[0].close_due
        assert plan.payment.closed_at is None  # its invoice is payable as long as Rehive says so
        assert plan.move is None
        assert changes_nothing(followed(carried_out(plan)))

    def test_the_payment_ends_with_its_last_invoice(self, cancelled: Case) -> None:
        plan = decide(cancelled, remote("cancelled"))

        assert plan.payment.closed_at == NOW
        assert not plan.releases

    def test_it_stands_though_money_comes(self, cancelled: Case) -> None:
        for told in (remote("received"), remote("underpaid", quote(400))):
            plan = decide(cancelled, told)

            assert plan.invoices[0].close_due
            assert not plan.holds

    def test_after_it_was_paid_the_money_is_put_before_them(self) -> None:
        paid = case(invoice("paid"), order=order(CANCELLED), payment=paid_payment())

        plan = followed(paid)

        assert plan.releases
        assert raised(plan) == ["after_cancel"]
        assert changes_nothing(followed(carried_out(plan)))

    def test_not_where_it_was_given_back_already(self) -> None:
        mine = invoice("paid", refunded=1000, refund_recorded=Decimal(10))
        paid = case(
            mine, order=order(CANCELLED), payment=paid_payment(), refunds=(refund(mine, 1000),)
        )

        assert not raised(followed(paid))


class TestTakenBack:
    @pytest.fixture
    def given_up(self) -> Case:
        return carried_out(wished(case(invoice("expired"))))

    @pytest.mark.parametrize("status", [PENDING, SHIPPED])
    def test_the_order_holds_again_and_can_be_paid(self, given_up: Case, status: str) -> None:
        later = NOW + timedelta(days=2)
        back = dataclasses.replace(given_up, order=order(status), now=later)

        plan = followed(back)

        ours = plan.payment
        assert plan.holds
        assert not plan.releases
        assert (ours.cancel_reason, ours.closed_at, ours.released_at) == ("", None, None)
        assert ours.window_ends_at == later + CONFIG.payment_window
        assert changes_nothing(followed(carried_out(plan)))

    def test_a_longer_window_stays(self, given_up: Case) -> None:
        ends = given_up.payment.window_ends_at = NOW + timedelta(days=7)

        plan = followed(dataclasses.replace(given_up, order=order()))

        assert plan.payment.window_ends_at == ends

    def test_and_is_cancelled_again(self, given_up: Case) -> None:
        back = carried_out(followed(dataclasses.replace(given_up, order=order())))

        plan = followed(dataclasses.replace(back, order=order(CANCELLED)))

        assert plan.releases

    def test_another_name_for_cancelled_in_the_settings_takes_nothing_back(
        self, given_up: Case
    ) -> None:
        words = OrderStatuses(pending=PENDING, paid="Paid", cancelled="Void")
        renamed = dataclasses.replace(
            given_up,
            config=dataclasses.replace(CONFIG, order_status=words),
            # "Cancelled" is any other status now.
            order=dataclasses.replace(order(SHIPPED), status=CANCELLED),
        )

        assert changes_nothing(followed(renamed))

    def test_where_nobody_has_noted_what_was_released(self, given_up: Case) -> None:
        """By a version before this one: only a pending order says that it was taken back."""
        given_up.payment.released, given_up.payment.seen_status = None, ""

        assert not followed(dataclasses.replace(given_up, order=order(SHIPPED))).holds
        assert followed(dataclasses.replace(given_up, order=order())).holds

    def test_a_paid_order_that_was_cancelled_and_taken_back(self) -> None:
        cancelled = carried_out(
            followed(case(invoice("paid"), order=order(CANCELLED), payment=paid_payment()))
        )

        plan = followed(dataclasses.replace(cancelled, order=order("Paid")))

        assert plan.holds
        assert plan.payment.paid_at


class TestPaidAndPutBack:
    """Somebody saved an old copy of a paid order over it."""

    @pytest.fixture
    def put_back(self) -> Case:
        return case(invoice("paid"), order=order(), payment=paid_payment())

    def test_calls_a_person_once(self, put_back: Case) -> None:
        plan = followed(put_back)

        assert raised(plan) == ["disagrees"]
        assert plan.move is None
        assert changes_nothing(followed(carried_out(plan)))

    def test_not_where_the_paid_status_was_refused_and_is_still_to_be_set(
        self, put_back: Case
    ) -> None:
        put_back.payment.status_due = True

        assert changes_nothing(followed(put_back))

    def test_not_where_the_shop_has_one_status_for_both(self, put_back: Case) -> None:
        words = OrderStatuses(pending=PENDING, paid=PENDING, cancelled=CANCELLED)
        config = dataclasses.replace(CONFIG, order_status=words)

        assert changes_nothing(followed(dataclasses.replace(put_back, config=config)))


class TestDeleted:
    def test_its_invoices_are_closed(self) -> None:
        plan = followed(case(invoice(), order=None))

        assert plan.invoices[0].close_due
        assert not plan.releases

    def test_money_that_comes_is_put_before_a_person_and_is_in_no_ledger(self) -> None:
        plan = decide(case(invoice(), order=None), remote("paid"))

        assert raised(plan) == ["no_order"]
        assert not gains(plan)


def test_a_part_that_ended_is_said_with_the_ways_out_that_there_are() -> None:
    """Where the order can still be paid, "pay the rest" is one; where it has ended, it is not."""
    for ours, offers in ((payment(), True), (payment(closed_at=NOW), False)):
        plan = decide(case(invoice(), payment=ours), remote("expired", quote(400)))

        (fact,) = [one for one in plan.attentions if one.kind == Attention.Kind.PART_PAID]
        assert ("The payer can pay the rest." in fact.ways_out) == offers


def test_a_fact_that_rehive_has_answered_is_laid_to_rest() -> None:
    lost = invoice()
    standing = case(lost, attentions=(attention(Attention.Kind.VANISHED, lost),))

    (fact,) = decide(standing, remote("initiated")).attentions

    assert (fact.resolved_at, fact.resolved_by) == (NOW, "Rehive")

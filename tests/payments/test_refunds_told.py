"""Refunds as Rehive tells them: in the ledger once, and never more than came (P2; design.md, "Refunds as told").
Decided purely, without a database."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from oscar_rehive.models import Refund
from oscar_rehive.payments.plans import Case, Plan
from oscar_rehive.payments.refunds_told import book_refunds, take_refund
from oscar_rehive.rehive.wire import RemoteRefund
from tests.payments.cases import (
    NOW,
    carried_out,
    case,
    changes_nothing,
    decide,
    gains,
    invoice,
    is_paid,
    order,
    paid_payment,
    quote,
    raised,
    refund,
    remote,
    told_refund,
)

FIRST, SECOND = UUID(int=1000), UUID(int=2000)


def paid(*refunds: Refund) -> Case:
    """An order that was paid through the one invoice of which ``refunds`` are noted."""
    return case(invoice("paid"), order=order("Paid"), payment=paid_payment(), refunds=refunds)


def requested(amount: int = 300, **changes: Any) -> Refund:
    return refund(invoice("paid"), amount, "requested", **changes)


def told(standing: Case, *refunds: RemoteRefund, unanswered: tuple[int, ...] = ()) -> Plan:
    return decide(
        standing,
        remote("paid", refunded=bool(refunds)),
        refunds=refunds,
        unanswered=frozenset(unanswered),
    )


def answered(standing: Case, answer: RemoteRefund, *, asked: int = 1) -> Plan:
    """The plan for Rehive's answer to our own request."""
    plan = Plan(standing, "staff")
    ours = next(one for one in plan.refunds if one.pk == asked)
    take_refund(plan, plan.invoices[0], answer, asked=ours)
    book_refunds(plan, plan.invoices[0])
    return plan


def statuses(plan: Plan) -> list[tuple[int, str]]:
    return [(one.amount, one.status) for one in plan.refunds]


class TestMadeInRehivesOwnApp:
    @pytest.mark.parametrize("currency", ["USD", ""], ids=["told", "the invoice's"])
    def test_is_booked_once(self, currency: str) -> None:
        made = told_refund(300, currency=currency, reason="returned")

        plan = told(paid(), made)

        assert gains(plan) == [-3]
        assert statuses(plan) == [(300, "complete")]
        assert (plan.refunds[0].requested_by, plan.refunds[0].reason) == ("", "returned")
        (mine,) = plan.invoices
        assert (mine.refunded, mine.refund_recorded) == (300, 3)
        assert not raised(plan)
        assert changes_nothing(told(carried_out(plan), made))

    def test_several_are_booked_each(self) -> None:
        first, second = told_refund(300), told_refund(400, called="refund-2")
        after_one = carried_out(told(paid(), first))

        plan = told(after_one, first, second)

        assert gains(plan) == [-4]
        assert plan.movements[0].reference == "refund-2"

    @pytest.mark.parametrize("status", ["pending", "processing"])
    def test_is_booked_when_it_is_through_and_counts_as_given_before(self, status: str) -> None:
        under_way = told(paid(), told_refund(300, status))
        assert not gains(under_way)
        assert under_way.left(under_way.invoices[0]) == 700

        assert gains(told(carried_out(under_way), told_refund(300))) == [-3]

    def test_through_is_through_whatever_a_copy_that_lags_says(self) -> None:
        through = carried_out(told(paid(), told_refund(300)))

        for status in ("pending", "failed"):
            plan = told(through, told_refund(300, status))
            assert statuses(plan) == [(300, "complete")]
            assert not gains(plan)

    def test_in_another_currency_is_not_booked_and_calls_a_person(self) -> None:
        made = told_refund(20_000, currency="BTC")

        plan = told(paid(), made)

        assert raised(plan) == ["odd_refund"]
        assert not plan.refunds
        assert not gains(plan)
        assert plan.invoices[0].refunded == 0
        assert changes_nothing(told(carried_out(plan), made))

    def test_of_more_than_came_takes_what_came_and_calls_a_person(self) -> None:
        plan = told(paid(), told_refund(1500))

        assert gains(plan) == [-10]
        assert raised(plan) == ["odd_refund"]
        assert "15.00 USD" in plan.attentions[0].reason

    def test_of_more_than_came_in_two(self) -> None:
        first, second = told_refund(700), told_refund(700, called="refund-2")
        after_one = carried_out(told(paid(), first))

        plan = told(after_one, first, second)

        assert gains(plan) == [-3]
        assert raised(plan) == ["odd_refund"]

    def test_of_exactly_what_came_is_nothing_odd(self) -> None:
        plan = told(paid(), told_refund(1000))

        assert gains(plan) == [-10]
        assert not raised(plan)

    def test_with_a_status_that_nobody_knows_counts_as_given_and_calls_a_person(self) -> None:
        for status in ("mystery", "requested", ""):
            plan = told(paid(), told_refund(300, status))

            assert statuses(plan) == [(300, "pending")]
            assert raised(plan) == ["unknown_status"]
            assert not gains(plan)
            assert changes_nothing(told(carried_out(plan), told_refund(300, status)))

    def test_that_failed(self) -> None:
        plan = told(paid(), told_refund(300, "failed"))

        assert raised(plan) == ["refund_failed"]
        assert plan.left(plan.invoices[0]) == 1000

    def test_of_a_deleted_order_is_in_no_ledger(self) -> None:
        standing = dataclasses.replace(paid(), order=None)

        plan = told(standing, told_refund(300))

        assert not gains(plan)
        assert plan.invoices[0].refunded == 300


class TestGivenBackBeforeAnybodyLooked:
    def test_pays_nothing(self) -> None:
        plan = decide(case(invoice()), remote("paid", refunded=True), refunds=(told_refund(1000),))

        assert not is_paid(plan)
        assert gains(plan) == [10, -10]
        assert raised(plan) == ["mismatch"]

    @pytest.mark.parametrize("status", ["pending", "processing", "mystery"])
    def test_neither_where_it_is_still_under_way(self, status: str) -> None:
        given = told_refund(1, status)

        plan = decide(case(invoice()), remote("paid", refunded=True), refunds=(given,))

        assert not is_paid(plan)
        assert "mismatch" in raised(plan)

    def test_but_what_failed_was_not_given_back(self) -> None:
        given = told_refund(1000, "failed")

        assert is_paid(decide(case(invoice()), remote("paid", refunded=True), refunds=(given,)))

    def test_a_part_that_ended_and_was_given_back_is_missing_again(self) -> None:
        given = told_refund(400)
        ended = remote("expired", quote(400), refunded=True)

        plan = decide(case(invoice()), ended, refunds=(given,))

        assert gains(plan) == [4, -4]
        assert plan.missing() == 10
        assert not plan.has_money()

    def test_a_part_that_was_all_given_back_keeps_no_invoice_open_that_asks_for_too_much(
        self,
    ) -> None:
        """In the settling that tells of both, and not in the one after it."""
        standing = case(invoice(), order=order(total="9.00"))
        told_both = remote("underpaid", quote(400), refunded=True)

        plan = decide(standing, told_both, refunds=(told_refund(400),))

        assert plan.invoices[0].close_due


class TestAskedForHere:
    def test_found_in_the_list_by_its_key(self) -> None:
        """Two of the same amount, and Rehive lists the second first."""
        standing = paid(requested(), requested(pk=2, key=SECOND))

        plan = told(
            standing,
            told_refund(300, "complete", called="b", reason=f"why [{SECOND.hex}]"),
            told_refund(300, "pending", called="a", reason=f"why [{FIRST.hex}]"),
        )

        assert [(one.pk, one.remote_id, one.status) for one in plan.refunds] == [
            (1, "a", "pending"),
            (2, "b", "complete"),
        ]
        assert gains(plan) == [-3]

    def test_found_by_its_amount_where_rehive_tells_no_reason(self) -> None:
        """Peer bug 12: counted twice when its webhook came first."""
        standing = paid(requested(), requested(pk=2, key=SECOND))

        plan = told(standing, told_refund(300, called="a"), told_refund(300, called="b"))

        assert [one.remote_id for one in plan.refunds] == ["a", "b"]
        assert gains(plan) == [-6]

    def test_one_of_the_same_amount_with_another_reason_is_another(self) -> None:
        plan = told(paid(requested()), told_refund(300, reason="in the app"))

        assert statuses(plan) == [(300, "requested"), (300, "complete")]

    def test_what_rehive_made_of_it_is_booked_whatever_was_asked_for(self) -> None:
        plan = answered(paid(requested()), told_refund(200))

        assert statuses(plan) == [(200, "complete")]
        assert gains(plan) == [-2]

    def test_an_answer_is_about_what_was_asked_whatever_reason_it_carries(self) -> None:
        plan = answered(paid(requested()), told_refund(300, reason="shortened"))

        assert statuses(plan) == [(300, "complete")]

    def test_an_answer_after_the_list_is_the_same_refund_once(self) -> None:
        """By a shortened reason the list's was taken for one of Rehive's own app."""
        made = told_refund(300, reason="shortened")
        listed = carried_out(told(paid(requested()), made))
        assert len(listed.refunds) == 2

        plan = answered(listed, made)

        assert statuses(plan) == [(300, "complete")]
        assert [one.requested_by for one in plan.lost] == [""]
        assert not gains(plan)
        assert plan.invoices[0].refunded == 300

    def test_an_answer_that_names_another_of_ours_is_not_taken_for_this_one(self) -> None:
        first = refund(invoice("paid"), 300)
        standing = paid(first, requested(pk=2, key=SECOND))

        plan = answered(standing, told_refund(300), asked=2)

        assert [(one.pk, one.remote_id) for one in plan.refunds] == [(1, "refund-1"), (2, None)]
        assert not plan.lost

    def test_an_answer_under_the_id_of_another_attempt_is_kept_and_told(self) -> None:
        """The database has each id once: it was an error page, after the money had gone."""
        earlier = invoice("paid", attempt=1)
        later = invoice("paid", attempt=2)
        asked = refund(later, 200, "requested", pk=2, key=SECOND)
        standing = case(
            earlier,
            later,
            order=order("Paid"),
            payment=paid_payment(),
            refunds=(refund(earlier, 300), asked),
        )
        plan = Plan(standing, "staff")

        take_refund(plan, plan.invoices[1], told_refund(200), asked=plan.refunds[1])
        book_refunds(plan, plan.invoices[1])

        assert [(one.remote_id, one.status) for one in plan.refunds] == [
            ("refund-1", "complete"),
            (None, "pending"),
        ]
        assert raised(plan) == ["odd_refund"]
        assert not gains(plan)

    def test_the_same_answer_twice(self) -> None:
        once = carried_out(answered(paid(requested()), told_refund(300)))

        assert changes_nothing(answered(once, told_refund(300)))

    def test_failed(self) -> None:
        plan = answered(paid(requested()), told_refund(300, "failed"))

        assert statuses(plan) == [(300, "failed")]
        assert raised(plan) == ["refund_failed"]
        assert plan.left(plan.invoices[0]) == 1000


class TestNeverAnswered:
    @pytest.mark.parametrize(
        ("seconds", "was_told", "status"),
        [(120, True, "failed"), (119, True, "requested"), (600, False, "requested")],
        ids=["lost", "may be under way", "asked for meanwhile"],
    )
    def test_that_rehive_does_not_list(self, seconds: int, was_told: bool, status: str) -> None:
        asked = requested(created_at=NOW - timedelta(seconds=seconds))

        plan = told(paid(asked), unanswered=(1,) if was_told else ())

        assert statuses(plan) == [(300, status)]
        assert raised(plan) == (["refund_failed"] if status == "failed" else [])

    def test_is_not_lost_where_the_list_has_it(self) -> None:
        plan = told(paid(requested()), told_refund(300), unanswered=(1,))

        assert statuses(plan) == [(300, "complete")]

    def test_that_turns_up_after_all_is_booked(self) -> None:
        lost = carried_out(told(paid(requested()), unanswered=(1,)))

        plan = told(lost, told_refund(300, reason=f"why [{FIRST.hex}]"))

        assert statuses(plan) == [(300, "complete")]
        assert gains(plan) == [-3]


def test_what_the_ledger_cannot_express_is_not_invented() -> None:
    """A third of a cent, of an invoice with more decimals than the ledger keeps."""
    exact = invoice("paid", divisibility=4, amount=100_000, received=100_000, pays=100_000)
    standing = case(exact, order=order("Paid"), payment=paid_payment())
    answer = dataclasses.replace(remote("paid", amount=100_000, refunded=True))
    in_four = dataclasses.replace(answer.currency, divisibility=4)

    plan = decide(
        standing, dataclasses.replace(answer, currency=in_four), refunds=(told_refund(133),)
    )

    assert gains(plan) == [Decimal("-0.01")]
    assert plan.invoices[0].refunded == 133

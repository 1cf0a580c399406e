"""Several payments of one order: a gift card and Rehive, one attempt and the next (P1, P2, P5; design.md, "What
is asked for, and what pays"). Decided purely, without a database."""

from __future__ import annotations

from decimal import Decimal

import pytest

from oscar_rehive.models import Attention, Invoice
from oscar_rehive.payments.plans import Case
from oscar_rehive.rehive.wire import RemoteInvoice
from tests.payments.cases import (
    NOW,
    attention,
    carried_out,
    case,
    decide,
    gains,
    invoice,
    is_paid,
    laid_to_rest,
    order,
    paid_payment,
    payment,
    quote,
    raised,
    refund,
    remote,
)

BY_GIFT_CARD = {"total": Decimal("12.34"), "covered": Decimal("2.34")}


class TestOtherSources:
    def test_a_gift_card_that_was_taken_back_leaves_too_little(self) -> None:
        standing = case(invoice(**BY_GIFT_CARD), order=order(total="12.34"))

        plan = decide(standing, remote("paid"))

        assert not is_paid(plan)
        assert gains(plan) == [10]
        assert raised(plan) == ["mismatch"]
        assert "12.34 USD are missing by now" in plan.attentions[0].reason

    @pytest.mark.parametrize("covered", ["0", "2.33", "5.00"])
    def test_an_open_invoice_that_asks_for_something_else_by_now_is_closed(
        self, covered: str
    ) -> None:
        standing = case(invoice(**BY_GIFT_CARD), order=order(total="12.34", covered=covered))

        plan = decide(standing, remote("initiated"))

        assert plan.invoices[0].close_due
        assert "Something else is missing" in plan.entries[-1].reason

    @pytest.mark.parametrize(
        "told",
        [
            remote("received"),
            remote("underpaid", quote(400)),
            remote("processing", quote(pending=1000)),
            remote("processing", quote(400)),
        ],
        ids=["seen", "part", "pending", "part, unsaid"],
    )
    def test_but_not_while_money_shows_on_it(self, told: RemoteInvoice) -> None:
        standing = case(invoice(**BY_GIFT_CARD), order=order(total="12.34", covered="5.00"))

        assert not decide(standing, told).invoices[0].close_due


def after_an_attempt_that_brought(
    units: int = 400, *, second: Invoice | None = None, mismatched: bool = False
) -> Case:
    """The first attempt ended with a part of 10.00; the second asks for what was missing then."""
    first = invoice("expired", received=units, recorded=Decimal(units) / 100)
    kind = Attention.Kind.MISMATCH if mismatched else Attention.Kind.PART_PAID
    rest = invoice(attempt=2, covered=Decimal(units) / 100, amount=1000 - units)
    return case(first, second or rest, attentions=(attention(kind, first),))


class TestSeveralAttempts:
    REST = remote("paid", attempt=2, amount=600)

    def test_the_part_of_an_ended_attempt_counts(self) -> None:
        plan = decide(after_an_attempt_that_brought(), self.REST)

        assert is_paid(plan)
        assert [one.pays for one in plan.invoices] == [400, 600]
        assert gains(plan) == [6]
        assert laid_to_rest(plan) == ["part_paid"]

    def test_not_where_that_attempt_is_not_what_was_asked_for(self) -> None:
        plan = decide(after_an_attempt_that_brought(mismatched=True), self.REST)

        assert not is_paid(plan)
        assert raised(plan) == ["mismatch"]

    def test_nor_where_its_part_was_given_back_meanwhile(self) -> None:
        standing = after_an_attempt_that_brought()
        standing.invoices[0].refunded = 400
        given_back = case(
            *standing.invoices,
            attentions=standing.attentions,
            refunds=(refund(standing.invoices[0], 400),),
        )

        plan = decide(given_back, self.REST)

        assert not is_paid(plan)
        assert raised(plan) == ["mismatch"]

    def test_the_whole_beside_a_part_that_came_late_is_an_excess(self) -> None:
        """The part of the first was told after the second had been opened for all."""
        standing = after_an_attempt_that_brought(second=invoice(attempt=2))

        plan = decide(standing, remote("paid", attempt=2))

        assert is_paid(plan)
        assert [one.pays for one in plan.invoices] == [400, 600]
        assert [one.reason[:9] for one in plan.attentions if one.pk is None] == ["4.00 USD "]

    def test_what_is_closed_by_then_is_asked_for_no_more(self) -> None:
        standing = after_an_attempt_that_brought(second=invoice(attempt=2))

        assert decide(standing, remote("initiated", attempt=2)).invoices[1].close_due

    def test_what_comes_through_an_ended_one_once_the_order_is_paid_is_no_part_of_its_price(
        self,
    ) -> None:
        late_part = invoice("expired", attempt=2, received=400, recorded=Decimal(4))
        standing = case(invoice("paid"), late_part, order=order("Paid"), payment=paid_payment())

        plan = decide(standing, remote("complete"))

        assert plan.invoices[0].pays == 1000
        assert not raised(plan)

    def test_after_the_payment_has_ended_money_pays_nothing(self) -> None:
        """The payment had ended because another source held all; nobody waits for this money."""
        ended = payment(closed_at=NOW)
        for covered, kinds in (("10.00", ["duplicate"]), ("0", ["after_cancel", "disagrees"])):
            plan = decide(
                case(invoice(), order=order(covered=covered), payment=ended), remote("paid")
            )

            assert not is_paid(plan)
            assert raised(plan) == kinds

    def test_p5_an_earlier_one_that_is_paid_closes_the_newer(self) -> None:
        standing = case(invoice(close_due=True), invoice(attempt=2))

        plan = decide(standing, remote("paid"))

        assert is_paid(plan)
        assert [one.close_due for one in plan.invoices] == [False, True]

    def test_p5_one_that_opens_again_beside_the_newer_is_closed(self) -> None:
        standing = case(invoice("expired"), invoice(attempt=2))

        plan = decide(standing, remote("initiated"))

        assert [one.close_due for one in plan.invoices] == [True, False]

    def test_the_second_full_payment_is_a_duplicate(self) -> None:
        first = carried_out(decide(case(invoice(), invoice(attempt=2)), remote("paid")))

        plan = decide(first, remote("paid", attempt=2))

        assert raised(plan) == ["duplicate"]
        assert gains(plan) == [10]
        assert [one.pays for one in plan.invoices] == [1000, None]

"""How much is enough, what is beyond it, and what is not the money that was asked for (P1, P2; design.md,
"What is asked for, and what pays"). Decided purely, without a database."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

import pytest

from oscar_rehive.models import Invoice
from oscar_rehive.rehive.wire import Currency, RemoteInvoice
from tests.payments.cases import (
    CONFIG,
    HOLDS_LATE,
    SHIPPED,
    STAMP,
    carried_out,
    case,
    changes_nothing,
    decide,
    gains,
    invoice,
    is_paid,
    laid_to_rest,
    order,
    quote,
    raised,
    remote,
)

BY_GIFT_CARD = {"total": Decimal("12.34"), "covered": Decimal("2.34")}


def tolerant(amount: str = "0", percent: str = "0") -> Any:
    return dataclasses.replace(
        CONFIG, tolerance_amount=Decimal(amount), tolerance_percent=Decimal(percent)
    )


class TestTolerance:
    @pytest.mark.parametrize(
        ("amount", "percent", "paid", "enough"),
        [
            ("0", "0", 999, False),
            ("0.05", "0", 995, True),
            ("0.05", "0", 994, False),
            ("0", "1", 990, True),
            ("0", "1", 989, False),
            ("0.05", "1", 990, True),
            ("0.20", "1", 980, True),
            # Never less than half, whatever is set: small orders would be free.
            ("9.00", "0", 500, True),
            ("9.00", "0", 499, False),
            ("0", "90", 499, False),
        ],
    )
    def test_underpaid(self, amount: str, percent: str, paid: int, enough: bool) -> None:
        standing = case(invoice(), config=tolerant(amount, percent))

        plan = decide(standing, remote("underpaid", quote(paid)))

        (mine,) = plan.invoices
        assert is_paid(plan) == enough
        assert gains(plan) == [Decimal(paid) / 100]
        assert raised(plan) == (["difference"] if enough else [])
        # The payer could still pay the rest of an order that is done (P5).
        assert mine.close_due == enough
        assert mine.pays == (paid if enough else None)

    def test_of_an_order_that_a_gift_card_pays_in_part(self) -> None:
        """Its half is half of what is missing, not of the total."""
        most = {"total": Decimal("100.00"), "covered": Decimal("90.00")}
        for paid, enough in ((500, True), (499, False)):
            standing = case(
                invoice(**most),
                order=order(total="100.00", covered="90.00"),
                config=tolerant("20"),
            )
            assert is_paid(decide(standing, remote("underpaid", quote(paid)))) == enough

    def test_what_ended_is_not_paid_by_tolerance(self) -> None:
        plan = decide(case(invoice(), config=tolerant("1")), remote("expired", quote(999)))

        assert not is_paid(plan)
        assert raised(plan) == ["part_paid"]

    def test_our_own_cancellation_of_the_rest_is_no_step_back(self) -> None:
        accepted = carried_out(
            decide(case(invoice(), config=tolerant("0.05")), remote("underpaid", quote(995)))
        )

        plan = decide(accepted, remote("cancelled", quote(995)))

        assert not raised(plan)
        assert not plan.invoices[0].close_due


class TestLate:
    def test_held(self) -> None:
        plan = decide(case(invoice(), config=HOLDS_LATE), remote("late", quote(1000)))

        (mine,) = plan.invoices
        assert not is_paid(plan)
        assert gains(plan) == [10]
        assert raised(plan) == ["late"]
        assert (mine.state, mine.pays) == (Invoice.State.PAID, None)

    def test_paid_on_time_is_not_held(self) -> None:
        assert is_paid(decide(case(invoice(), config=HOLDS_LATE), remote("paid")))

    def test_held_and_accepted_by_changing_the_order_by_hand(self) -> None:
        held = carried_out(decide(case(invoice(), config=HOLDS_LATE), remote("late")))
        shipped = dataclasses.replace(held, order=order(SHIPPED))

        plan = decide(shipped, remote("late"))

        assert plan.payment.paid_at
        assert plan.payment.mail_due_at
        assert plan.move is None
        assert laid_to_rest(plan) == ["late"]
        assert plan.invoices[0].pays == 1000

    def test_the_order_was_moved_on_before_the_money_came(self) -> None:
        """Decided in one step: nobody is called for what the next run would take for decided."""
        standing = case(invoice(), config=HOLDS_LATE, order=order(SHIPPED))

        plan = decide(standing, remote("late"))

        assert plan.payment.paid_at
        assert all(fact.resolved_at for fact in plan.attentions)
        assert changes_nothing(decide(carried_out(plan), remote("late")))


class TestExcess:
    def test_that_grows_is_one_fact_until_somebody_has_dealt_with_it(self) -> None:
        first = carried_out(decide(case(invoice()), remote("overpaid", quote(1250))))
        plan = decide(first, remote("overpaid", quote(1700)))
        (fact,) = plan.attentions
        assert fact.reason.startswith("7.00 USD more")
        assert gains(plan) == [Decimal("4.50")]

        dealt_with = carried_out(plan)
        dealt_with.attentions[0].resolved_at = dealt_with.now
        assert raised(decide(dealt_with, remote("overpaid", quote(1800)))) == ["excess"]

    def test_of_one_that_has_grown_the_owners_are_told_again(self) -> None:
        """They know of 0.01 too much, and not of 40.00."""
        first = carried_out(decide(case(invoice()), remote("overpaid", quote(1001))))
        (fact,) = first.attentions
        fact.told_at = first.now

        same = decide(first, remote("overpaid", quote(1001)))
        grown = decide(first, remote("overpaid", quote(5000)))

        assert [one.told_at for one in same.attentions] == [first.now]
        assert [one.told_at for one in grown.attentions] == [None]

    @pytest.mark.parametrize(
        ("amount", "excess", "calls"),
        [
            (10**9, 1, False),  # 10.00, and one satoshi
            (10**9, 99_999, False),
            (10**9, 10**6, True),  # a cent
            (10**9, 10**5, True),  # a ten-thousandth, though no ledger holds it
            (10**12, 10**6, True),  # a cent is a cent, however large the order is
        ],
    )
    def test_dust_calls_nobody(self, amount: int, excess: int, calls: bool) -> None:
        """A person was called to refund 0.00."""
        total = Decimal(amount).scaleb(-8)
        asked = invoice(divisibility=8, amount=amount, total=total)
        told = remote(
            "overpaid",
            quote(amount + excess, amount=amount),
            amount=amount,
            currency=Currency("USD", 8),
        )

        plan = decide(case(asked, order=order(total=str(total))), told)

        assert is_paid(plan)
        assert raised(plan) == (["excess"] if calls else [])

    def test_of_which_rehive_does_not_say_how_much(self) -> None:
        plan = decide(case(invoice()), remote("overpaid"))

        assert is_paid(plan)
        assert [one.reason for one in plan.attentions] == [
            "Rehive says that invoice #100012 (1) was overpaid, but not by how much."
        ]
        assert gains(plan) == [10]

    def test_one_satoshi_too_many_of_another_currency(self) -> None:
        told = remote("overpaid", quote(20_001, amount=20_000, code="BTC"))

        plan = decide(case(invoice()), told)

        assert is_paid(plan)
        assert not raised(plan)
        assert gains(plan) == [10]

    def test_of_a_gift_card_that_came_meanwhile(self) -> None:
        """Each was right when it came: what is beyond the total is to be given back."""
        standing = case(invoice(**BY_GIFT_CARD), order=order(total="12.34", covered="5.00"))

        plan = decide(standing, remote("paid", quote(1000)))

        assert is_paid(plan)
        assert plan.invoices[0].pays == 734
        assert [one.reason[:9] for one in plan.attentions] == ["2.66 USD "]


class TestOtherCurrencies:
    BITCOIN = {"amount": 20_000, "code": "BTC"}

    @pytest.mark.parametrize(
        ("told", "comes"),
        [
            (remote("underpaid", quote(10_000, **BITCOIN)), "5.00"),
            (remote("underpaid", quote(1, **BITCOIN)), None),
            (remote("underpaid", quote(400), quote(10_000, **BITCOIN)), "7.00"),
            (remote("underpaid", quote(10_000, **BITCOIN), quote(400)), "7.00"),
            (remote("paid", quote(10_000, **BITCOIN)), "10.00"),
            (remote("complete"), "10.00"),
            (remote("overpaid", quote(25_000, **BITCOIN)), "12.50"),
            # Only Rehive itself may speak of an overpayment in another currency.
            (remote("paid", quote(25_000, **BITCOIN)), "10.00"),
            (remote("expired", quote(10_000, **BITCOIN)), "5.00"),
            (remote("received", quote(10_000, **BITCOIN)), None),
        ],
    )
    def test_count_for_the_part_that_they_are_of_their_quote(
        self, told: RemoteInvoice, comes: str | None
    ) -> None:
        assert gains(decide(case(invoice()), told)) == ([Decimal(comes)] if comes else [])


EDITED: dict[str, tuple[dict[str, Any], str, str | None]] = {
    # what is otherwise, the attempt, what the ledger gains
    "amount": ({"amount": 1100}, "paid", "11.00"),
    "less": ({"amount": 1}, "paid", "0.01"),
    "currency": ({"currency": Currency("EUR", 2)}, "open", None),
    "decimals": ({"currency": Currency("USD", 3)}, "open", None),
    "reference": ({"reference": "100013"}, "paid", "10.00"),
}


class TestEditedAtRehive:
    @pytest.mark.parametrize("what", EDITED)
    def test_p1_it_never_pays_and_its_money_waits_for_a_person(self, what: str) -> None:
        changes, state, comes = EDITED[what]

        plan = decide(case(invoice()), remote("paid", **changes))

        (mine,) = plan.invoices
        assert not is_paid(plan)
        assert raised(plan) == ["mismatch"]
        assert (mine.state, mine.pays) == (state, None)
        assert gains(plan) == ([Decimal(comes)] if comes else [])
        # What the history says of money, reports add up.
        assert [one.amount for one in plan.entries if one.amount] == gains(plan)
        assert plan.has_money()  # the clock does not cancel this order

    @pytest.mark.parametrize("what", EDITED)
    def test_before_anything_was_paid(self, what: str) -> None:
        plan = decide(case(invoice()), remote("initiated", **EDITED[what][0]))

        assert raised(plan) == ["mismatch"]
        assert not gains(plan)
        assert plan.invoices[0].state == Invoice.State.OPEN

    def test_another_invoice_in_its_place_says_nothing_of_it(self) -> None:
        standing = case(invoice(remote_id="invoice-9"))

        plan = decide(standing, remote("paid"))

        (mine,) = plan.invoices
        assert raised(plan) == ["mismatch"]
        assert (mine.remote_status, mine.received) == ("initiated", 0)

    def test_a_reference_or_decimals_that_are_not_told_are_no_edit(self) -> None:
        told = remote("paid", reference="", currency=Currency("USD", None))

        assert is_paid(decide(case(invoice()), told))

    def test_after_it_had_paid(self) -> None:
        paid = carried_out(decide(case(invoice()), remote("paid")))

        plan = decide(paid, remote("paid", amount=1100, updated=STAMP + 1))

        assert raised(plan) == ["mismatch"]
        assert not gains(plan)
        assert plan.invoices[0].state == Invoice.State.PAID

    def test_the_order_was_edited_in_the_shop(self) -> None:
        for total in ("10.01", "9.99"):
            plan = decide(case(invoice(), order=order(total=total)), remote("paid"))

            assert not is_paid(plan)
            assert raised(plan) == ["mismatch"]
            assert gains(plan) == [10]

    def test_the_order_was_edited_and_moved_on_before_the_money_came(self) -> None:
        standing = case(invoice(), order=order(SHIPPED, total="12.34"))
        told = remote("paid", quote(1250))

        plan = decide(standing, told)

        assert plan.payment.paid_at
        assert raised(plan) == ["excess", "mismatch"]
        assert changes_nothing(decide(carried_out(plan), told))

    def test_more_than_the_ledger_holds(self) -> None:
        plan = decide(case(invoice()), remote("overpaid", quote(10**13)))

        assert is_paid(plan)
        assert gains(plan) == [10]
        assert raised(plan) == ["excess", "mismatch"]

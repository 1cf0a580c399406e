"""How much was received, for every currency and every way of paying (P2, rehive-api.md "Quotes")."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscar_rehive.payments.meanings import MEANINGS, received_units
from oscar_rehive.rehive.money import floor_to_places, from_units, to_units
from oscar_rehive.rehive.statuses import CLOSED, OPEN, PAID, Status
from oscar_rehive.rehive.wire import Currency, Quote, RemoteInvoice

LARGEST_TOTAL = Decimal("9999999999.99")
"""What an Oscar total can hold: 12 digits, 2 of them decimals."""

totals = st.decimals(min_value=Decimal("0.01"), max_value=LARGEST_TOTAL, places=2)


def invoice(amount: int, *quotes: Quote, divisibility: int = 2) -> RemoteInvoice:
    return RemoteInvoice(
        id="1",
        status="",
        amount=amount,
        currency=Currency("USD", divisibility),
        reference="",
        redirect_url="",
        metadata={},
        quotes=quotes,
        refunded=False,
        updated=None,
        raw={},
    )


def quote(code: str, amount: int, paid: int) -> Quote:
    return Quote(
        currency=Currency(code, 8),
        amount=amount,
        total_paid=paid,
        total_pending=0,
        status="",
        raw={},
    )


def test_every_documented_status_has_a_meaning() -> None:
    assert set(MEANINGS) == set(Status) == OPEN | PAID | CLOSED


@given(total=totals, divisibility=st.integers(2, 18))
def test_a_paid_invoice_is_worth_the_total_to_the_cent(total: Decimal, divisibility: int) -> None:
    amount = to_units(total, divisibility)
    received = received_units(invoice(amount, divisibility=divisibility), Status.PAID)
    assert isinstance(received, int)
    assert floor_to_places(from_units(received, divisibility), 2) == total


@given(total=totals, quoted=st.integers(1, 10**30), data=st.data())
def test_a_part_in_another_currency_counts_pro_rata_and_never_too_much(
    total: Decimal, quoted: int, data: Any
) -> None:
    amount = to_units(total, 2)
    paid = data.draw(st.integers(0, quoted))
    received = received_units(invoice(amount, quote("BTC", quoted, paid)), Status.UNDERPAID)
    assert received * quoted <= amount * paid < (received + 1) * quoted


@given(parts=st.lists(st.integers(0, 10**12), max_size=5))
def test_parts_in_the_invoices_own_currency_count_exactly(parts: list[int]) -> None:
    quotes = [quote("USD", 10**12, part) for part in parts]
    assert received_units(invoice(10**13, *quotes), Status.UNDERPAID) == sum(parts)


def test_the_rest_in_another_currency_is_the_rest_and_not_the_whole() -> None:
    """4.00 in dollars first, the missing 6.00 in bitcoin: 10.00, not 14.00."""
    remote = invoice(1000, quote("USD", 1000, 400), quote("BTC", 12345, 12345))
    assert received_units(remote, Status.PAID) == 1000


def test_an_overpayment_counts_what_is_beyond() -> None:
    assert received_units(invoice(1000, quote("BTC", 1000, 1250)), Status.OVERPAID) == 1250


@pytest.mark.parametrize("status", sorted(OPEN - {Status.UNDERPAID}))
def test_unconfirmed_money_does_not_count(status: Status) -> None:
    assert received_units(invoice(1000, quote("USD", 1000, 1000)), status) == 0


@pytest.mark.parametrize("status", sorted(CLOSED))
def test_money_of_an_invoice_that_ended_counts(status: Status) -> None:
    assert received_units(invoice(1000, quote("USD", 1000, 400)), status) == 400


@pytest.mark.parametrize("status", sorted(PAID))
def test_a_paid_status_vouches_for_the_amount_without_any_quote(status: Status) -> None:
    assert received_units(invoice(1000), status) == 1000


def test_a_quote_of_nothing_is_worth_nothing() -> None:
    assert received_units(invoice(1000, quote("BTC", 0, 5)), Status.UNDERPAID) == 0

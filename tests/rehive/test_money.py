"""Money to the smallest unit (P2): rehive-api.md, "Conventions"; peer bug 14."""

from __future__ import annotations

from decimal import Context, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscar_rehive.rehive.money import (
    MAX_DIVISIBILITY,
    InexactAmount,
    check_divisibility,
    floor_to_places,
    from_units,
    pro_rata,
    shown,
    to_units,
)

OSCAR_LIMIT = Decimal("9999999999.99")

divisibilities = st.integers(0, MAX_DIVISIBILITY)
oscar_amounts = st.decimals(-OSCAR_LIMIT, OSCAR_LIMIT, places=2)
units = st.integers(-(10**30), 10**30)


@given(oscar_amounts, st.integers(2, MAX_DIVISIBILITY))
def test_p2_every_amount_of_oscar_survives_the_round_trip(amount: Decimal, places: int) -> None:
    there = to_units(amount, places)

    assert type(there) is int
    assert there == int(amount * 100) * 10 ** (places - 2)
    assert from_units(there, places) == amount


@given(units, divisibilities)
def test_p2_every_number_of_units_survives_the_round_trip(number: int, divisibility: int) -> None:
    amount = from_units(number, divisibility)

    assert type(amount) is Decimal
    assert amount.as_tuple().exponent == -divisibility
    assert to_units(amount, divisibility) == number


@pytest.mark.parametrize(
    ("amount", "divisibility", "expected"),
    [
        ("1234", 0, 1234),
        ("1234.00", 0, 1234),
        ("0", 0, 0),
        ("12.34", 2, 1234),
        ("12.3", 2, 1230),
        ("1E+3", 2, 100_000),
        ("12.34", 8, 1_234_000_000),
        ("9999999999.99", 18, 9_999_999_999_990_000_000_000_000_000),
    ],
)
def test_peer_bug_14_the_currency_says_how_many_decimals(
    amount: str, divisibility: int, expected: int
) -> None:
    assert to_units(Decimal(amount), divisibility) == expected


def test_p2_twelve_digits_with_eighteen_decimals_are_kept_to_the_last() -> None:
    number = 123_456_789_012_345_678_901_234_567_891
    narrow = Context(prec=28).scaleb(Decimal(number), -18)
    assert narrow != Decimal("123456789012.345678901234567891"), "what is guarded against"

    assert from_units(number, 18) == Decimal("123456789012.345678901234567891")
    assert to_units(Decimal("123456789012.345678901234567891"), 18) == number
    assert floor_to_places(from_units(number, 18), 17) == Decimal("123456789012.34567890123456789")


def test_p2_the_callers_decimal_context_does_not_matter() -> None:
    with localcontext(Context(prec=3)):
        assert to_units(Decimal("9999999999.99"), 18) == 999_999_999_999 * 10**16
        assert str(from_units(999_999_999_999, 2)) == "9999999999.99"
        assert str(floor_to_places(Decimal("9999999999.999"), 2)) == "9999999999.99"


@given(st.integers(-(10**20), 10**20).filter(lambda number: number % 10), divisibilities)
def test_p2_nothing_is_rounded_on_the_way_to_rehive(number: int, divisibility: int) -> None:
    amount = Decimal(number).scaleb(-divisibility - 1)

    with pytest.raises(InexactAmount):
        to_units(amount, divisibility)


@pytest.mark.parametrize("amount", ["12.34", "0.01", "0.5", "1E-30"])
def test_peer_bug_14_yen_have_no_decimals_to_cut_off(amount: str) -> None:
    with pytest.raises(InexactAmount, match="has more decimals than the currency's 0"):
        to_units(Decimal(amount), 0)


@pytest.mark.parametrize("amount", ["NaN", "sNaN", "-NaN", "Infinity", "-Infinity"])
def test_what_is_not_finite_is_no_amount(amount: str) -> None:
    with pytest.raises(ValueError, match="is not an amount of money"):
        to_units(Decimal(amount), 2)


@pytest.mark.parametrize("divisibility", [-1, 19, 10**6])
def test_a_divisibility_out_of_range_is_refused(divisibility: int) -> None:
    for call in (
        lambda: check_divisibility(divisibility),
        lambda: to_units(Decimal(1), divisibility),
        lambda: from_units(1, divisibility),
    ):
        with pytest.raises(ValueError, match="between 0 and 18"):
            call()


def test_p2_a_float_is_never_taken_for_an_amount() -> None:
    with pytest.raises((TypeError, AttributeError)):
        to_units(12.34, 2)
    with pytest.raises((TypeError, AttributeError)):
        from_units(12.34, 2)
    with pytest.raises((TypeError, AttributeError)):
        floor_to_places(12.34, 2)


@given(units, divisibilities, st.integers(0, 4))
def test_p2_the_ledger_never_gets_more_than_came(
    number: int, divisibility: int, places: int
) -> None:
    amount = from_units(number, divisibility)

    floored = floor_to_places(amount, places)

    assert type(floored) is Decimal
    assert floored.as_tuple().exponent == -places
    assert floored == amount or floored.copy_abs() < amount.copy_abs()
    with localcontext(Context(prec=100)):
        assert abs(amount - floored) < Decimal(1).scaleb(-places)
    assert floor_to_places(floored, places) == floored


@given(
    st.integers(0, 10**30),
    st.lists(st.integers(0, 10**30), min_size=1, max_size=6),
    st.integers(0, 10**30),
)
def test_p2_the_parts_never_add_up_to_more_than_the_whole(
    total: int, payments: list[int], unpaid: int
) -> None:
    quoted = sum(payments) + unpaid

    parts = [pro_rata(total, paid=paid, quoted=quoted) for paid in payments]

    assert all(type(part) is int for part in parts)
    assert 0 <= sum(parts) <= total
    assert all(part * quoted <= total * paid for part, paid in zip(parts, payments, strict=True))


@given(st.integers(0, 10**30), st.integers(1, 10**30))
def test_p2_a_quote_paid_in_full_is_the_whole_amount(total: int, quoted: int) -> None:
    assert pro_rata(total, paid=quoted, quoted=quoted) == total


@pytest.mark.parametrize("quoted", [0, -1])
def test_a_quote_of_nothing_is_worth_nothing(quoted: int) -> None:
    assert pro_rata(1000, paid=5, quoted=quoted) == 0


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("10.000000000000000000", "10.00"),
        ("10.500000000000000000", "10.50"),
        ("0.000000000000000001", "0.000000000000000001"),
        ("1E-8", "0.00000001"),
        ("1234567890123456.123456789012345678", "1234567890123456.123456789012345678"),
        ("100", "100"),
        ("1.0", "1.0"),
    ],
)
def test_amounts_are_shown_without_the_zeros_of_18_decimals(amount: str, text: str) -> None:
    assert shown(Decimal(amount)) == text

"""Exact conversion between Decimal amounts and integers of a currency's smallest unit.

rehive-api.md, "Conventions": amounts on the wire are integers, and the currency's ``divisibility``
(0 for JPY, 2 for USD, 8 for BTC, up to 18 for tokens) says how many decimals they stand for.
Nothing here rounds silently: 12 digits of an Oscar total with 18 decimals exceed the 28 digits of
Python's default Decimal context, which would round without a word.
"""

from __future__ import annotations

from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    Context,
    Decimal,
    FloatOperation,
    Inexact,
    InvalidOperation,
)

MAX_DIVISIBILITY = 18

_EXACT = Context(prec=100, traps=[Inexact, InvalidOperation, FloatOperation])
_FLOOR = Context(prec=100, rounding=ROUND_DOWN, traps=[InvalidOperation])


class InexactAmount(ValueError):
    """An amount has more decimals than its currency can carry."""


def check_divisibility(divisibility: int) -> int:
    """Return ``divisibility`` if it is one; raise ``ValueError`` otherwise."""
    if not 0 <= divisibility <= MAX_DIVISIBILITY:
        raise ValueError(
            f"A currency's divisibility must lie between 0 and {MAX_DIVISIBILITY},"
            f" not {divisibility}."
        )
    return divisibility


def to_units(amount: Decimal, divisibility: int) -> int:
    """Convert ``amount`` of a currency to its smallest units.

    Raises ``InexactAmount`` where that would need rounding (12.34 JPY) and ``ValueError`` for
    amounts that are not finite.
    """
    if not amount.is_finite():
        raise ValueError(f"{amount} is not an amount of money.")
    scaled = _EXACT.scaleb(amount, check_divisibility(divisibility))
    if scaled != _FLOOR.to_integral_value(scaled):
        raise InexactAmount(
            f"{amount} has more decimals than the currency's {divisibility}; round the shop's"
            " prices, or sell in a currency that has them."
        )
    return int(scaled)


def to_units_up(amount: Decimal, divisibility: int) -> int:
    """Convert ``amount`` of a currency to its smallest units, rounded up: what must come at least."""
    scaled = _EXACT.scaleb(amount, check_divisibility(divisibility))
    return int(scaled.to_integral_value(rounding=ROUND_CEILING, context=_FLOOR))


def from_units(units: int, divisibility: int) -> Decimal:
    """Convert smallest units of a currency to a Decimal amount with exactly its decimals."""
    return _EXACT.scaleb(_EXACT.create_decimal(units), -check_divisibility(divisibility))


def floor_to_places(amount: Decimal, places: int) -> Decimal:
    """Cut ``amount`` down to ``places`` decimals, towards zero.

    Oscar's ledger keeps two decimals; what does not fit is left out rather than invented.
    """
    return amount.quantize(Decimal(1).scaleb(-places), context=_FLOOR)


def pro_rata(total: int, *, paid: int, quoted: int) -> int:
    """The part of ``total`` that ``paid`` is of ``quoted``, rounded down; all in smallest units.

    Turns what was paid in the payer's currency into the currency of the invoice. A quote of
    nothing is worth nothing.
    """
    return total * paid // quoted if quoted > 0 else 0


def shown(amount: Decimal) -> str:
    """``amount`` as people write it: with its cents, without the zeros of 18 decimals behind them."""
    whole, _point, decimals = f"{amount:f}".partition(".")
    kept = decimals.rstrip("0").ljust(min(2, len(decimals)), "0")
    return f"{whole}.{kept}" if kept else whole

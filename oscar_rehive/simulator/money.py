"""Currencies and amounts: whole numbers of the smallest unit, and ``Decimal`` rates; no floats."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal, localcontext
from typing import Any

MAX_DIGITS = 38
"""Longest amount the simulator takes, in digits: room for large sums with 18 decimals."""

# Enough for an amount of MAX_DIGITS times a rate of as many digits, exactly.
_PRECISION = 120


@dataclass(frozen=True)
class Currency:
    """A currency; ``divisibility`` is the number of decimal places of its smallest unit."""

    code: str
    divisibility: int
    symbol: str
    unit: str

    @classmethod
    def from_wire(cls, wire: dict[str, Any]) -> Currency:
        """The currency that a currency object stands for."""
        return cls(wire["code"], wire["divisibility"], wire["symbol"], wire["unit"])

    def wire(self) -> dict[str, Any]:
        """The currency object of the API."""
        return {
            "code": self.code,
            "display_code": self.code,
            "description": self.unit.capitalize(),
            "symbol": self.symbol,
            "unit": self.unit,
            "divisibility": self.divisibility,
        }


KNOWN = {
    currency.code: currency
    for currency in (
        Currency("USD", 2, "$", "dollar"),
        Currency("EUR", 2, "€", "euro"),
        Currency("GBP", 2, "£", "pound"),
        Currency("ZAR", 2, "R", "rand"),
        Currency("JPY", 0, "¥", "yen"),
        Currency("BTC", 8, "₿", "bitcoin"),
        Currency("ETH", 18, "Ξ", "ether"),
    )
}
"""Currencies whose divisibility need not be given."""

PAYER_CURRENCIES = ("BTC", "ETH", "EUR")
"""What a payer may pay in besides the currency of the invoice."""

# Worth in US dollars. Fixed, so that a test can tell the amounts in advance.
_WORTH = {
    "USD": Decimal(1),
    "EUR": Decimal("1.25"),
    "GBP": Decimal("1.25"),
    "ZAR": Decimal("0.05"),
    "JPY": Decimal("0.01"),
    "BTC": Decimal(50000),
    "ETH": Decimal(2500),
}


def currency(code: str, divisibility: int | None = None) -> Currency:
    """The currency of that code, known or made up; a given divisibility wins."""
    known = KNOWN.get(code, Currency(code, 2, code, code.lower()))
    if divisibility is None or divisibility == known.divisibility:
        return known
    return Currency(code, divisibility, known.symbol, known.unit)


def rate(source: str, target: str) -> Decimal:
    """How much of ``target`` one ``source`` buys; a currency of unknown worth counts as a dollar."""
    with localcontext() as context:
        context.prec = 18
        return _WORTH.get(source, Decimal(1)) / _WORTH.get(target, Decimal(1))


def convert(units: int, source: Currency, target: Currency) -> int:
    """``units`` of ``source`` in the smallest unit of ``target``, rounded up for the payee."""
    with localcontext() as context:
        context.prec = _PRECISION
        worth = Decimal(units).scaleb(-source.divisibility) * rate(source.code, target.code)
        in_units = worth.scaleb(target.divisibility)
        return int(in_units.to_integral_value(rounding=ROUND_CEILING))


def format_units(units: int, currency_object: dict[str, Any]) -> str:
    """An amount for people: ``1,234.50 USD``."""
    places = int(currency_object.get("divisibility", 0))
    whole, part = divmod(abs(units), 10**places)
    sign = "-" if units < 0 else ""
    decimals = f".{part:0{places}d}" if places else ""
    return f"{sign}{whole:,}{decimals} {currency_object['code']}"

"""What each Rehive status means in the shop (design.md, "What each status means here")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from oscar_rehive.cleaning import storable_text
from oscar_rehive.models import Invoice
from oscar_rehive.rehive.money import pro_rata
from oscar_rehive.rehive.statuses import CLOSED, OPEN, Status
from oscar_rehive.rehive.wire import RemoteInvoice


@dataclass(frozen=True)
class Meaning:
    """One row of the README's status table: the attempt's state, and in words the order's."""

    attempt: Invoice.State
    order: str


class _Money(Enum):
    NONE = "nothing counts yet"
    QUOTED = "what the quotes say was paid"
    FULL = "at least the whole amount"


_PENDING = "pending"
_RETRY = "pending until the payment window ends, so that the shopper can pay again; then cancelled"

MEANINGS: Mapping[Status, Meaning] = {
    Status.DRAFT: Meaning(Invoice.State.OPEN, _PENDING),
    Status.INITIATED: Meaning(Invoice.State.OPEN, _PENDING),
    Status.PROCESSING: Meaning(Invoice.State.OPEN, _PENDING),
    Status.RECEIVED: Meaning(
        Invoice.State.OPEN, "pending; money is on its way: never expired or cancelled now"
    ),
    Status.UNDERPAID: Meaning(
        Invoice.State.OPEN,
        "pending; part is recorded, the rest is shown; paid within the tolerance",
    ),
    Status.PAID: Meaning(Invoice.State.PAID, "paid"),
    Status.COMPLETE: Meaning(Invoice.State.PAID, "paid"),
    Status.OVERPAID: Meaning(Invoice.State.PAID, "paid; attention: the excess"),
    Status.LATE: Meaning(
        Invoice.State.PAID, "paid, or attention only (`LATE_PAYMENTS`); never when cancelled"
    ),
    Status.EXPIRED: Meaning(Invoice.State.CLOSED, _RETRY),
    Status.FAILED: Meaning(Invoice.State.CLOSED, _RETRY),
    Status.CANCELLED: Meaning(Invoice.State.CLOSED, _RETRY),
}

_COUNTS: Mapping[Status, _Money] = {
    **dict.fromkeys(OPEN, _Money.NONE),
    Status.UNDERPAID: _Money.QUOTED,
    **dict.fromkeys(CLOSED, _Money.QUOTED),
}


def received_units(remote: RemoteInvoice, status: Status) -> int:
    """How much was received for good, in smallest units of the invoice's currency.

    A paid status vouches for the whole amount whatever the quotes say. Beyond it counts what came in
    the invoice's own currency, which is exact; what quotes in other currencies make of it only when
    Rehive itself speaks of an overpayment.
    """
    counts = _COUNTS.get(status, _Money.FULL)
    if counts is _Money.NONE:
        return 0
    own = _own_units(remote)
    if counts is _Money.FULL and status is not Status.OVERPAID:
        return max(own, remote.amount)
    quoted = own + _foreign_units(remote, max(remote.amount - own, 0))
    return max(quoted, remote.amount) if counts is _Money.FULL else quoted


def _own_units(remote: RemoteInvoice) -> int:
    """What came in the invoice's own currency: exact."""
    code = remote.currency.code
    return sum(quote.total_paid for quote in remote.quotes if quote.currency.code == code)


def _foreign_units(remote: RemoteInvoice, left: int) -> int:
    """What came in other currencies: each quote pro rata, rounded down, of what was ``left`` to pay.

    Taking a quote for the whole amount would count twice a part that was paid in another way, and
    so would trusting the order of the list, which nobody documents.
    """
    received = 0
    for quote in remote.quotes:
        if quote.currency.code != remote.currency.code:
            stands_for = max(left - received, 0)
            received += pro_rata(stands_for, paid=quote.total_paid, quoted=quote.amount)
    return received


def money_of(quote: Any) -> dict[str, Any]:
    """What of ``quote``, as Rehive told it or as it was noted, is kept: its money. How the payer pays (accounts,
    addresses, whatever may be added one day) is nobody's business here."""
    told = quote if isinstance(quote, Mapping) else {}
    currency = told.get("currency")
    of_currency = currency if isinstance(currency, Mapping) else {}
    return {
        "status": _kept_text(told.get("status")),
        "currency": {
            "code": _kept_text(of_currency.get("code")),
            "divisibility": _kept_number(of_currency.get("divisibility")),
        },
        **{
            name: _kept_number(told.get(name)) for name in ("amount", "total_paid", "total_pending")
        },
    }


def _kept_text(value: Any) -> str:
    return storable_text(value)[:64] if isinstance(value, str) else ""


def _kept_number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def is_pending(quote: Any) -> bool:
    """Whether ``quote``, as it was noted, speaks of money that is on its way."""
    return _has(quote, "total_pending")


def is_part_paid(quote: Any) -> bool:
    """Whether ``quote``, as it was noted, speaks of money that has come."""
    return _has(quote, "total_paid")


def _has(quote: Any, what: str) -> bool:
    units = quote.get(what) if isinstance(quote, Mapping) else None
    return isinstance(units, int) and units > 0

"""What each Rehive status means in the shop (design.md, "What each status means here")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

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

    A paid status vouches for the whole amount whatever the quotes say, and an overpayment for what
    they say beyond it.
    """
    counts = _COUNTS.get(status, _Money.FULL)
    if counts is _Money.NONE:
        return 0
    quoted = _quoted_units(remote)
    return max(quoted, remote.amount) if counts is _Money.FULL else quoted


def _quoted_units(remote: RemoteInvoice) -> int:
    """What the quotes say was paid.

    One in the invoice's own currency counts exactly. One in another currency counts pro rata of
    what it stands for, rounded down: of what the quotes before it had left to pay. Taking it for
    the whole amount would count a part that was paid first twice.
    """
    received = 0
    for quote in remote.quotes:
        if quote.currency.code == remote.currency.code:
            received += quote.total_paid
        else:
            left = max(remote.amount - received, 0)
            received += pro_rata(left, paid=quote.total_paid, quoted=quote.amount)
    return received

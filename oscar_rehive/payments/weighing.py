"""Which of two answers is newer, and whether an answer is about the invoice that was asked for at all
(design.md, "Which answer is newer"). Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum

from oscar_rehive.models import Invoice
from oscar_rehive.payments.meanings import is_part_paid, is_pending, received_units
from oscar_rehive.rehive.statuses import CLOSED, PAID, Status
from oscar_rehive.rehive.wire import RemoteInvoice

DOUBT = timedelta(minutes=2)
"""How long a step back with an older stamp must still be told before it is believed: longer than hosts'
clocks disagree, and than a copy lags behind."""


class Weight(Enum):
    """What an answer is worth."""

    NEWS = "to be settled"
    NOTHING = "what we know"
    DOUBTED = "a step back that may be old"
    OVERTAKEN = "asked for before somebody else settled: ask again"


def weigh(
    invoice: Invoice, remote: RemoteInvoice, *, asked_at_version: int, now: datetime
) -> Weight:
    """What ``remote``, asked for when ``invoice`` had ``asked_at_version``, is worth."""
    known, told = invoice.remote_updated, remote.updated
    back = is_step_back(invoice, remote)
    if asked_at_version != invoice.version:
        if digest(remote) == invoice.told:
            return Weight.NOTHING
        is_newer = known is not None and told is not None and told > known
        return Weight.NEWS if is_newer and not back else Weight.OVERTAKEN
    if digest(remote) == invoice.told:
        return Weight.NEWS  # settled before: no copy that lags behind that
    if not back or known is None or told is None or told >= known:
        return Weight.NEWS
    if invoice.doubted_since is not None and now - invoice.doubted_since >= DOUBT:
        return Weight.NEWS
    return Weight.DOUBTED


def is_step_back(invoice: Invoice, remote: RemoteInvoice) -> bool:
    """Whether ``remote`` says less than what is known: a copy that lags behind can, and one that is
    ahead of us cannot. More money is never less, whatever else has changed."""
    before, now = Status.known(invoice.remote_status), Status.known(remote.status)
    if before is None or now is None or received_units(remote, now) > invoice.received:
        return False
    received = 0 if _rank(before) < 2 else int(invoice.received)
    known = (
        _rank(before),
        received,
        any(is_part_paid(quote) for quote in invoice.quotes),
        any(is_pending(quote) for quote in invoice.quotes),
    )
    told = (
        _rank(now),
        received_units(remote, now),
        any(quote.total_paid for quote in remote.quotes),
        any(quote.total_pending for quote in remote.quotes),
    )
    return told < known


def _rank(status: Status) -> int:
    if status in PAID:
        return 4
    if status in CLOSED:
        return 3
    return {Status.RECEIVED: 2, Status.UNDERPAID: 2, Status.PROCESSING: 1}.get(status, 0)


def digest(remote: RemoteInvoice) -> str:
    """What of ``remote`` matters to the shop, as a short text: the same text is no news."""
    matters = [
        remote.id,
        remote.status,
        remote.amount,
        remote.currency.code,
        remote.currency.divisibility,
        remote.reference,
        remote.refunded,
        [quote.raw for quote in remote.quotes],
    ]
    written = json.dumps(matters, sort_keys=True, default=str).encode("utf-8", "replace")
    return hashlib.sha256(written).hexdigest()


def with_possible_time(remote: RemoteInvoice, now: datetime) -> RemoteInvoice:
    """``remote`` without a time of change far in the future, which would make all later news look
    old, for ever."""
    latest = (now + timedelta(days=1)).timestamp() * 1000
    if remote.updated is not None and remote.updated > latest:
        return replace(remote, updated=None)
    return remote


def disagreement(invoice: Invoice, remote: RemoteInvoice) -> str:
    """In what ``remote`` is not the invoice that was asked for, or nothing (P1)."""
    reference = invoice.payment.reference
    if invoice.remote_id not in (None, remote.id):
        return f"its id is {remote.id} instead of {invoice.remote_id}"
    if remote.reference not in ("", reference):
        return f"its reference is {remote.reference!r} instead of {reference!r}"
    if remote.currency.code != invoice.currency:
        return f"its currency is {remote.currency.code} instead of {invoice.currency}"
    if remote.currency.divisibility not in (None, invoice.divisibility):
        return (
            f"its currency has {remote.currency.divisibility} decimals instead of"
            f" {invoice.divisibility}"
        )
    if remote.amount != invoice.amount:
        return f"its amount is {remote.amount} smallest units instead of {invoice.amount}"
    return ""

"""Refunds: asked for once, followed to their end, in the ledger once, whoever tells first."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from uuid import UUID, uuid4

from oscar_rehive.cleaning import REDACTED
from oscar_rehive.models import Entry, Invoice, Refund
from oscar_rehive.payments.carrying_out import change
from oscar_rehive.payments.plans import Plan
from oscar_rehive.payments.refunds_told import IN_FLIGHT, book_refunds, take_refund
from oscar_rehive.payments.settling import client_of, follow, noted_elsewhere
from oscar_rehive.rehive.exceptions import RehiveError
from oscar_rehive.rehive.money import InexactAmount, from_units, shown, to_units
from oscar_rehive.rehive.wire import RemoteRefund

__all__ = [
    "IN_FLIGHT",
    "NotConfirmed",
    "NotRefundable",
    "follow",
    "refund",
    "refund_decided",
    "refundable",
]


class NotRefundable(Exception):
    """More was asked for than is left of what was received; the message says how much is left."""


class NotConfirmed(RehiveError):
    """Rehive gave no usable answer to a refund that was sent: it may be on its way, and counts as given."""

    kind = "not_confirmed"
    may_have_happened = True

    def __init__(self, error: RehiveError) -> None:
        super().__init__(
            f"{error} The refund may be on its way all the same: it is noted, and what became of it is found"
            " out by itself. Do not ask for it again before that."
        )


def refundable(invoice: Invoice) -> Decimal:
    """What can still be given back of ``invoice``, in its currency."""
    return from_units(units_left(invoice), invoice.divisibility)


def units_left(invoice: Invoice) -> int:
    """What can still be given back of ``invoice``, in smallest units."""
    return max(int(invoice.received) - invoice.given_back(), 0)


def refund(
    invoice: Invoice,
    amount: Decimal,
    *,
    reason: str,
    by: str,
    key: UUID | None = None,
    left: int | None = None,
) -> Refund:
    """Ask Rehive to refund ``amount``, in the invoice's currency; ``by`` is who wants it.

    ``key`` is the refund's own, given by the form that asks for it, so that a double click on that
    form is one refund. ``left`` is how much ``by`` was told that is left of the invoice, in smallest units
    (None: whatever it is). Raises what ``refund_decided`` raises, ``NotRefundable`` also for an amount with more decimals than
    the currency has, and where another amount is left by now: two colleagues may mean the same refund.
    """

    def how_much(current: Invoice) -> int:
        if left not in (None, units_left(current)):
            raise NotRefundable(
                f"By now {shown(refundable(current))} {current.currency} is left of it, and no longer what"
                " you were told: look at it again."
            )
        try:
            return to_units(amount, current.divisibility)
        except InexactAmount:
            raise NotRefundable(
                f"{current.currency} has {current.divisibility} decimals; {amount} has more."
            ) from None

    return refund_decided(invoice, how_much, reason=reason, by=by, key=key)


def refund_decided(
    invoice: Invoice,
    how_much: Callable[[Invoice], int],
    *,
    reason: str,
    by: str,
    key: UUID | None = None,
) -> Refund:
    """Ask Rehive to refund as many smallest units as ``how_much`` makes of the invoice, read under
    the lock under which the refund is also noted; it may raise instead.

    Rehive is asked first what was refunded already: a colleague may have given the same excess back
    in its own app a minute ago, and while that answer was on its way another may have decided
    otherwise. Raises ``NotRefundable`` before anything is sent. After ``NotConfirmed`` the refund stays
    noted, counts as given, and reconcile finds out; it is never simply sent again. After any other
    ``RehiveError`` nothing was given back.
    """
    follow(invoice, Entry.Source.STAFF)

    def decide(plan: Plan) -> Refund:
        current = plan.invoice(invoice.pk)
        if key is not None and Refund.objects.filter(key=key).exists():
            raise NotRefundable("This refund was asked for already, by the first of two clicks.")
        return _note(plan, current, how_much(current), reason, by, key or uuid4())

    asked = change(invoice.order_number, Entry.Source.STAFF, decide)
    _send(asked)
    return asked


def _note(plan: Plan, invoice: Invoice, units: int, reason: str, by: str, key: UUID) -> Refund:
    if not 0 < units <= plan.left(invoice):
        left = from_units(plan.left(invoice), invoice.divisibility)
        raise NotRefundable(
            f"At most {left} {invoice.currency} of invoice {invoice} can be refunded."
        )
    asked = Refund(
        invoice=invoice,
        amount=units,
        reason=reason[:255],
        requested_by=by[:150],
        key=key,
        created_at=plan.now,
    )
    plan.refunds.append(asked)
    amount = from_units(units, invoice.divisibility)
    plan.write(f"{by} asked for a refund of {amount} {invoice.currency}: {reason}", invoice=invoice)
    return asked


def without_reason(said: str) -> str:
    """What the history says of a refund that was asked for, without the words of who asked for it."""
    return re.sub(
        r"( asked for a refund of \S+ [^:]+: ).+", rf"\1{REDACTED}", said, flags=re.DOTALL
    )


def _send(asked: Refund) -> None:
    invoice = asked.invoice
    client = client_of(invoice, Entry.Source.STAFF)
    try:
        remote = client.create_refund(
            invoice.remote_id or "",
            amount=asked.amount,
            currency=invoice.currency,
            reason=_reason_with_key(asked),
            idempotency_key=str(asked.key),
        )
    except RehiveError as error:
        _note_failed_request(asked, error)
        if error.may_have_happened:
            raise NotConfirmed(error) from error
        raise
    _note_answer(asked, remote)


def _note_answer(asked: Refund, remote: RemoteRefund) -> None:
    def decide(plan: Plan) -> None:
        current = plan.invoice(asked.invoice_id)
        ours = next(refund for refund in plan.refunds if refund.pk == asked.pk)
        elsewhere = noted_elsewhere(current, [remote])
        take_refund(plan, current, remote, asked=ours, elsewhere=elsewhere)
        book_refunds(plan, current)

    change(asked.invoice.order_number, Entry.Source.STAFF, decide)
    asked.refresh_from_db()


def _reason_with_key(asked: Refund) -> str:
    """Rehive's refunds have no metadata; the reason is where ours can be recognised again."""
    return f"{asked.reason} [{asked.key.hex}]"


def _note_failed_request(asked: Refund, error: RehiveError) -> None:
    def decide(plan: Plan) -> None:
        current = next(refund for refund in plan.refunds if refund.pk == asked.pk)
        if current.remote_id is None and not error.may_have_happened:
            current.status = Refund.Status.FAILED
        plan.write(f"The refund could not be asked for: {error}", invoice=current.invoice)

    change(asked.invoice.order_number, Entry.Source.STAFF, decide)

"""Closing an invoice at Rehive: asked until Rehive confirms that it can no longer be paid (P5)."""

from __future__ import annotations

from oscar_rehive.models import Attention, Invoice
from oscar_rehive.payments.ending import BY_STAFF, TAKEN_BACK
from oscar_rehive.payments.gateway import business_of, client_for
from oscar_rehive.payments.history import raise_attention
from oscar_rehive.payments.locking import locked
from oscar_rehive.payments.meanings import MEANINGS, is_part_paid, is_pending
from oscar_rehive.payments.settling import refresh, settle
from oscar_rehive.rehive.exceptions import Refused
from oscar_rehive.rehive.statuses import Status


def money_comes(invoice: Invoice) -> bool:
    """Whether closing ``invoice`` would get in the way of money: it is on its way or nobody knows, or
    part of it is here and nothing but the shopper's or the clock's cancellation, which it would undo,
    asks for closing."""
    if is_under_way(invoice):
        return True
    payment = invoice.payment
    wished = payment.cancel_reason not in ("", BY_STAFF, TAKEN_BACK) and payment.closed_at is None
    said = invoice.state == Invoice.State.OPEN and invoice.kept() > 0
    return wished and (said or is_part_paid_unsaid(invoice))


def money_is_here_or_comes(invoice: Invoice) -> bool:
    """Whether somebody has paid something through ``invoice`` that was not given back, or is just
    paying. What becomes of that money is for a person to decide, and the order waits for it."""
    return invoice.kept() > 0 or is_part_paid_unsaid(invoice) or is_under_way(invoice)


def is_under_way(invoice: Invoice) -> bool:
    """Whether money may be on its way, or is here and cannot be used: Rehive has seen it, says that
    it is paid, or says something nobody understands."""
    status = Status.known(invoice.remote_status)
    # The merchant guide knows no "received": there the quote alone tells of unconfirmed money.
    pending = any(is_pending(quote) for quote in invoice.quotes)
    if invoice.state not in (Invoice.State.OPENING, Invoice.State.OPEN):
        # Sent in the last minute before it expired, or the rest of what was accepted as it was.
        return pending and (status is Status.EXPIRED or invoice.close_due)
    if status is None:
        return bool(invoice.remote_status)
    return pending or status is Status.RECEIVED or MEANINGS[status].attempt is Invoice.State.PAID


def is_part_paid_unsaid(invoice: Invoice) -> bool:
    """Whether part was paid through an open ``invoice`` whose status does not say so (any more): the
    payer has chosen how to pay the rest."""
    status = Status.known(invoice.remote_status)
    return (
        invoice.state == Invoice.State.OPEN
        and status is not Status.UNDERPAID
        and any(is_part_paid(quote) for quote in invoice.quotes)
    )


def close_at_rehive(invoice: Invoice, source: str) -> None:
    """Close ``invoice`` at Rehive if that is still due; ``invoice.close_due`` tells after whether it
    still is.

    Asks first: an invoice with money on its way is left alone until that money has arrived. Raises
    ``RehiveError`` when Rehive cannot be asked; reconcile then tries again.
    """
    refresh(invoice, source)
    if not invoice.close_due or money_comes(invoice):
        return
    client = client_for(business_of(invoice))
    assert invoice.remote_id is not None  # refresh() has just asked for it
    try:
        # A key of its own for every try: Rehive replays the first answer to a key for 24 hours.
        remote = client.update_invoice(
            invoice.remote_id,
            {"status": Status.CANCELLED.value},
            idempotency_key=f"{invoice.key}-close-{invoice.version}",
        )
    except Refused as error:
        # Paid or expired between the question and the answer, or else a case for a person.
        refresh(invoice, source)
        if invoice.close_due and not money_comes(invoice):
            _note_unclosable(invoice, error)
        return
    if not settle(invoice, remote, source=source):
        refresh(invoice, source)
    invoice.refresh_from_db()


def _note_unclosable(invoice: Invoice, error: Refused) -> None:
    with locked(invoice.order_number) as held:
        raise_attention(
            held.payment,
            Attention.Kind.UNCLOSABLE,
            f"Invoice {invoice} should no longer be payable, but Rehive does not cancel it: {error}",
            invoice=invoice,
            ways_out="Cancel the invoice in Rehive's app.",
        )

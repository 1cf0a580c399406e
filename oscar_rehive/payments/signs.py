"""What an invoice, as it was last told, says about money: is some here, or on its way?"""

from __future__ import annotations

from oscar_rehive.models import Invoice
from oscar_rehive.payments.meanings import MEANINGS, is_part_paid, is_pending
from oscar_rehive.rehive.statuses import Status


def money_is_here_or_comes(invoice: Invoice) -> bool:
    """Whether somebody has paid something through ``invoice`` that was not given back, or is just
    paying. What becomes of that money is for a person to decide, and the order waits for it."""
    return invoice.kept() > 0 or is_part_paid_unsaid(invoice) or is_under_way(invoice)


def closing_hurts(invoice: Invoice) -> bool:
    """Whether closing ``invoice`` would get in the way of money: it is on its way or nobody knows, or
    part of it is here and nothing but a wish to cancel, which that money undoes, asks for closing."""
    if is_under_way(invoice):
        return True
    payment = invoice.payment
    wished = bool(payment.cancel_reason) and payment.closed_at is None
    said = invoice.state == Invoice.State.OPEN and invoice.kept() > 0
    return wished and (said or is_part_paid_unsaid(invoice))


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

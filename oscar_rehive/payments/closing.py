"""Closing an invoice at Rehive: asked until Rehive confirms that it can no longer be paid (P5)."""

from __future__ import annotations

from oscar_rehive.models import Invoice
from oscar_rehive.payments.gateway import client_for
from oscar_rehive.payments.settling import business_of, refresh, settle
from oscar_rehive.rehive.exceptions import Refused
from oscar_rehive.rehive.statuses import Status


def money_comes(invoice: Invoice) -> bool:
    """Whether closing ``invoice`` would get in the way of money: it is on its way, or part of it is
    here and nothing but a cancellation asks for the closing."""
    if invoice.state != Invoice.State.OPEN:
        return False
    if invoice.remote_status == Status.RECEIVED:
        return True
    superseded = invoice.payment.invoices.filter(attempt__gt=invoice.attempt).exists()
    return invoice.received > 0 and bool(invoice.payment.cancel_reason) and not superseded


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
    except Refused:
        # Paid or expired between the question and the answer.
        refresh(invoice, source)
        return
    if not settle(invoice, remote, source=source):
        refresh(invoice, source)
    invoice.refresh_from_db()

"""Closing an invoice at Rehive: asked until Rehive confirms that it can no longer be paid (P5)."""

from __future__ import annotations

from uuid import uuid4

from oscar_rehive.models import Attention, Invoice
from oscar_rehive.payments.carrying_out import change
from oscar_rehive.payments.plans import Plan
from oscar_rehive.payments.settling import client_of, refresh, settle
from oscar_rehive.payments.signs import closing_hurts
from oscar_rehive.rehive.exceptions import Refused
from oscar_rehive.rehive.statuses import Status


def close_at_rehive(invoice: Invoice, source: str) -> None:
    """Close ``invoice`` at Rehive if that is still due; ``invoice.close_due`` tells after whether it
    still is.

    Asks first: an invoice with money on its way is left alone until that money has arrived. Raises
    ``RehiveError`` when Rehive cannot be asked; reconcile then tries again.
    """
    refresh(invoice, source)
    if invoice.close_due and Status.known(invoice.remote_status) is None:
        _note_unclosable(invoice, source, f"its status {invoice.remote_status!r} says nothing")
    if not invoice.close_due or closing_hurts(invoice):
        return
    client = client_of(invoice, source)
    assert invoice.remote_id is not None  # refresh() has just asked for it
    try:
        # A key of its own for every try: Rehive replays the first answer to a key for 24 hours.
        remote = client.update_invoice(
            invoice.remote_id,
            {"status": Status.CANCELLED.value},
            idempotency_key=f"{invoice.key}-close-{uuid4().hex[:8]}",
        )
    except Refused as error:
        # Paid or expired between the question and the answer, or else a case for a person.
        refresh(invoice, source)
        if invoice.close_due and not closing_hurts(invoice):
            _note_unclosable(invoice, source, str(error))
        return
    settle(invoice, remote, source=source)  # overtaken, it is due still, and asked about again


def _note_unclosable(invoice: Invoice, source: str, why: str) -> None:
    def decide(plan: Plan) -> None:
        plan.attend(
            Attention.Kind.UNCLOSABLE,
            f"Invoice {invoice} should no longer be payable, but Rehive does not cancel it: {why}",
            invoice=plan.invoice(invoice.pk),
            ways_out="Cancel the invoice in Rehive's app.",
        )

    change(invoice.order_number, source, decide)

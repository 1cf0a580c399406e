"""Writing what happened, and what a person must look at. Always under the order's lock."""

from __future__ import annotations

import logging
from collections.abc import Collection
from decimal import Decimal

from django.utils import timezone

from oscar_rehive.models import Attention, Entry, Invoice, OrderPayment
from oscar_rehive.payments.cleaning import storable_text

logger = logging.getLogger(__name__)

GROWING = (Attention.Kind.EXCESS, Attention.Kind.PART_PAID)


def write_entry(
    payment: OrderPayment,
    source: str,
    reason: str,
    *,
    invoice: Invoice | None = None,
    from_status: str = "",
    to_status: str = "",
    amount: Decimal | None = None,
) -> None:
    """Add a line to the payment's history. ``amount`` is what the ledger gained, if it did."""
    Entry.objects.create(
        payment=payment,
        invoice=invoice,
        source=source,
        from_status=from_status,
        to_status=to_status,
        amount=amount,
        reason=storable_text(reason),
    )


def raise_attention(
    payment: OrderPayment,
    kind: Attention.Kind,
    reason: str,
    *,
    invoice: Invoice | None = None,
    subject: str = "",
    ways_out: str = "",
) -> None:
    """Put a fact before a person, once: the same kind and subject is not raised again, not even
    after somebody resolved it, for reconcile sees the same fact every time it runs.

    A fact that grows (more money came) has a subject that grows with it: it takes the place of what
    is still open, and is raised anew after what was resolved.
    """
    subject = storable_text(subject or (str(invoice.attempt) if invoice else ""))[:128]
    reason = storable_text(reason)
    same = Attention.objects.filter(payment=payment, kind=kind)
    if same.filter(subject=subject).exists():
        return
    # A shop's error tracker may be the first to see it: nobody looks at a list every day.
    logger.warning("Order #%s needs attention: %s", payment.order_number, reason)
    still_open = same.filter(invoice=invoice, resolved_at=None)
    if kind in GROWING and still_open.update(subject=subject, reason=reason):
        return
    Attention.objects.create(
        payment=payment,
        kind=kind,
        subject=subject,
        invoice=invoice,
        reason=reason,
        ways_out=ways_out,
    )


def lay_to_rest(invoice: Invoice, kinds: Collection[Attention.Kind], *, by: str) -> None:
    """Resolve the open facts of these kinds about ``invoice``, which events have overtaken: a button
    that is still there would do what nobody wants any more."""
    Attention.objects.filter(invoice=invoice, kind__in=kinds, resolved_at=None).update(
        resolved_at=timezone.now(), resolved_by=by[:150]
    )

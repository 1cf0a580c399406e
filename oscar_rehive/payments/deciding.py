"""What a person decides about money that the machine would not use by itself."""

from __future__ import annotations

from decimal import Decimal

from django.utils import timezone

from oscar_rehive.models import Attention, Entry, Invoice
from oscar_rehive.payments.history import write_entry
from oscar_rehive.payments.locking import locked
from oscar_rehive.payments.refunding import refund, refundable
from oscar_rehive.payments.settling import mark_paid
from oscar_rehive.rehive.money import from_units
from oscar_rehive.shop import Standing

_ACCEPTABLE = (Attention.Kind.LATE, Attention.Kind.MISMATCH, Attention.Kind.PART_PAID)
_NOTHING = Decimal(0)


class NotAcceptable(Exception):
    """The order is no longer waiting for this payment."""


def can_accept(attention: Attention) -> bool:
    """Whether "this pays the order" is a way out of ``attention``."""
    invoice = attention.invoice
    return (
        attention.resolved_at is None
        and attention.kind in _ACCEPTABLE
        and invoice is not None
        and invoice.recorded > 0
        and not invoice.payment.is_settled
    )


def refund_offered(attention: Attention) -> Decimal:
    """How much a refund is a way out of ``attention``, in the invoice's currency; 0 if it is none."""
    invoice = attention.invoice
    if attention.resolved_at is not None or invoice is None or invoice.remote_id is None:
        return _NOTHING
    left = refundable(invoice)
    if attention.kind == Attention.Kind.EXCESS:
        return min(left, from_units(invoice.received - invoice.amount, invoice.divisibility))
    if attention.kind in (Attention.Kind.DIFFERENCE, Attention.Kind.BACKWARD):
        return _NOTHING
    return left


def accept(attention: Attention, *, by: str) -> None:
    """Let the money of ``attention`` pay the order. Raises ``NotAcceptable``."""
    if not can_accept(attention) or attention.invoice is None:
        raise NotAcceptable("This payment cannot be accepted (any more).")
    with locked(attention.invoice.order_number) as held:
        invoice = held.payment.invoices.get(pk=attention.invoice.pk)
        waiting = held.order is not None and held.order.standing is Standing.PENDING
        if held.payment.is_settled or not waiting:
            raise NotAcceptable("The order is not waiting for a payment any more.")
        # What is missing is forgiven, so it must not be payable any more (P5).
        invoice.close_due = invoice.state == Invoice.State.OPEN
        invoice.state = Invoice.State.PAID
        invoice.save()
        write_entry(
            held.payment, Entry.Source.STAFF, f"{by} accepted the payment.", invoice=invoice
        )
        mark_paid(held, invoice, Entry.Source.STAFF)
        held.payment.save()
    resolve(attention, by=by)


def give_back(attention: Attention, *, by: str) -> None:
    """Refund what ``attention`` is about. Raises what ``refund`` raises."""
    if attention.invoice is None:
        raise NotAcceptable("There is nothing to refund.")
    refund(
        attention.invoice,
        refund_offered(attention),
        reason=str(Attention.Kind(attention.kind).label),
        by=by,
    )
    resolve(attention, by=by)


def resolve(attention: Attention, *, by: str) -> None:
    """Note that ``by`` has dealt with ``attention``."""
    attention.resolved_at, attention.resolved_by = timezone.now(), by[:150]
    attention.save(update_fields=["resolved_at", "resolved_by"])

"""What a person decides about money that the machine would not use by itself."""

from __future__ import annotations

from decimal import Decimal

from django.utils import timezone

from oscar_rehive.models import Attention, Entry, Invoice
from oscar_rehive.payments.ending import finish_cancellation
from oscar_rehive.payments.history import write_entry
from oscar_rehive.payments.locking import locked
from oscar_rehive.payments.refunding import refund_decided, units_left
from oscar_rehive.payments.settling import mark_paid
from oscar_rehive.rehive.money import from_units
from oscar_rehive.shop import Standing

_ACCEPTABLE = (Attention.Kind.LATE, Attention.Kind.MISMATCH, Attention.Kind.PART_PAID)
_NO_REFUND = (
    # It would give all back, and what failed may have been a part: the invoice's page takes amounts.
    Attention.Kind.REFUND_FAILED,
    # How much it is about, nobody understands.
    Attention.Kind.UNKNOWN_STATUS,
    Attention.Kind.DIFFERENCE,
    Attention.Kind.BACKWARD,
    Attention.Kind.VANISHED,
    Attention.Kind.UNCLOSABLE,
    Attention.Kind.REFUSED_STATUS,
)
_OF_MONEY_TO_SPARE = (
    Attention.Kind.EXCESS,
    Attention.Kind.DUPLICATE,
    Attention.Kind.AFTER_CANCEL,
    Attention.Kind.NO_ORDER,
)
"""What is about money that pays no order, even where the invoice is paid and so is the order."""

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
        and not invoice.given_back()
        and not invoice.payment.is_settled
    )


def refund_offered(attention: Attention) -> Decimal:
    """How much a refund is a way out of ``attention``, in the invoice's currency; 0 if it is none."""
    invoice = attention.invoice
    if attention.resolved_at is not None or invoice is None or invoice.remote_id is None:
        return _NOTHING
    if attention.kind in _NO_REFUND:
        return _NOTHING
    has_paid = invoice.state == Invoice.State.PAID and invoice.payment.paid_at is not None
    if has_paid and attention.kind not in _OF_MONEY_TO_SPARE:
        return _NOTHING
    units = max(units_left(invoice) - _to_keep(attention, invoice), 0)
    return from_units(units, invoice.divisibility)


def _to_keep(attention: Attention, invoice: Invoice) -> int:
    """An excess is what is beyond the price of the order; anything else goes back whole."""
    return int(invoice.amount) if attention.kind == Attention.Kind.EXCESS else 0


def accept(attention: Attention, *, by: str) -> None:
    """Let the money of ``attention`` pay the order. Raises ``NotAcceptable``."""
    with locked(attention.payment.order_number) as held:
        waiting = (
            held.order is not None
            and held.order.standing is not Standing.CANCELLED
            and not held.order.paid_elsewhere
        )
        current = Attention.objects.get(pk=attention.pk)
        invoice = current.invoice
        if invoice is None or not waiting or not can_accept(current):
            raise NotAcceptable("This payment cannot be accepted (any more).")
        # What is missing is forgiven, so it must not be payable any more (P5).
        invoice.close_due = invoice.state == Invoice.State.OPEN
        invoice.state = Invoice.State.PAID
        invoice.save()
        write_entry(
            held.payment, Entry.Source.STAFF, f"{by} accepted the payment.", invoice=invoice
        )
        # In the same transaction: on a fact that is still open stands a button that refunds all.
        resolve(current, by=by)
        mark_paid(held, invoice, Entry.Source.STAFF)
        held.payment.save()


def give_back(attention: Attention, *, by: str) -> None:
    """Refund what ``attention`` is about. Raises ``NotAcceptable`` or what ``refund_decided``
    raises."""
    if attention.invoice is None:
        raise NotAcceptable("There is nothing to refund.")

    def all_but_the_price(invoice: Invoice) -> int:
        # Here and not before: while Rehive was asked, a colleague may have accepted the payment, or
        # its rest may have come, and the order would be paid by money that goes back.
        current = _undecided(attention)
        if not refund_offered(current):
            raise NotAcceptable("There is nothing to give back here (any more).")
        return units_left(invoice) - _to_keep(current, invoice)

    _undecided(attention)  # without asking Rehive anything for a page of yesterday
    reason = str(Attention.Kind(attention.kind).label)
    refund_decided(attention.invoice, all_but_the_price, reason=reason, by=by)
    resolve(attention, by=by)


def _undecided(attention: Attention) -> Attention:
    """``attention`` as it is now: a page that somebody left open has the buttons of yesterday."""
    current = Attention.objects.get(pk=attention.pk)
    if current.resolved_at is not None:
        raise NotAcceptable(f"This was decided already, by {current.resolved_by}.")
    return current


def take_for_gone(attention: Attention, *, by: str) -> None:
    """Rehive does not know the invoice of ``attention``, and a person says that this is so.
    Raises ``NotAcceptable``."""
    if attention.kind != Attention.Kind.VANISHED or attention.invoice is None:
        raise NotAcceptable("This invoice is not said to be gone.")
    with locked(attention.invoice.order_number) as held:
        _undecided(attention)  # Rehive may know it again, and it would stay payable
        invoice = held.payment.invoices.get(pk=attention.invoice.pk)
        invoice.close_due = False
        if invoice.state != Invoice.State.PAID:  # what came through it did come
            invoice.state = Invoice.State.CLOSED
        invoice.save()
        write_entry(
            held.payment, Entry.Source.STAFF, f"{by} takes the invoice for gone.", invoice=invoice
        )
        finish_cancellation(held, Entry.Source.STAFF)
        held.payment.save()
    resolve(attention, by=by)


def resolve(attention: Attention, *, by: str) -> None:
    """Note that ``by`` has dealt with ``attention``, if nobody else has."""
    Attention.objects.filter(pk=attention.pk, resolved_at=None).update(
        resolved_at=timezone.now(), resolved_by=by[:150]
    )

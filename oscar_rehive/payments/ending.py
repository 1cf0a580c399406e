"""The end of an order that was not paid: cancelled once nothing is payable any more, and what it held
released once (P4)."""

from __future__ import annotations

from django.utils import timezone

from oscar_rehive import conf
from oscar_rehive.models import Attention, Invoice
from oscar_rehive.payments.history import raise_attention, write_entry
from oscar_rehive.payments.locking import Locked
from oscar_rehive.shop import Standing, StatusRefused, get_shop

BY_STAFF = "Staff cancelled the order."
"""The reason for which an order is no longer to be cancelled, only to be cleared up after."""
TAKEN_BACK = "Staff took the cancellation of the order back."
"""The reason for which an order that had been cancelled holds its stock again, and can be paid."""


def finish_cancellation(held: Locked, source: str) -> None:
    """Cancel the order that ``held.payment.cancel_reason`` asks for, once nothing is payable, and
    release what a cancelled order holds, once; or bring back one that staff have taken back.

    Under the lock; the caller saves the payment.
    """
    payment, order = held.payment, held.order
    if not payment.cancel_reason:
        return
    if _is_taken_back(held):
        # That is not for a machine to overrule (P10).
        _bring_back(held, source)
        return
    if payment.cancel_reason == TAKEN_BACK:
        payment.cancel_reason = BY_STAFF  # and cancelled once more before anything was done
    if not payment.is_settled and not payment.payable_invoices().exists():
        if not _cancel(held, source):
            return
        payment.closed_at = timezone.now()
    elif order is not None and order.standing is Standing.CANCELLED:
        # Staff cancelled it: its stock is free at once, whatever its invoices still need.
        released = _release_once(held)
        if released and payment.paid_at is not None:
            _note_paid_and_cancelled(held, source)


def _cancel(held: Locked, source: str) -> bool:
    """Cancel the unpaid order, if that is still the machine's to do; False if the shop refuses."""
    payment, order = held.payment, held.order
    if order is not None and order.standing is Standing.CANCELLED:
        _release_once(held)
        write_entry(payment, source, "Staff had cancelled the order; it holds nothing any more.")
    elif order is not None and order.standing is Standing.PENDING and not order.paid_elsewhere:
        try:
            get_shop().set_cancelled(order.number, reason=payment.cancel_reason)
        except StatusRefused as error:
            raise_attention(
                payment,
                Attention.Kind.REFUSED_STATUS,
                f"The unpaid order could not be cancelled ({payment.cancel_reason}): {error}",
                subject="cancelled",
                ways_out="Allow the status in OSCAR_ORDER_STATUS_PIPELINE; reconcile then cancels.",
            )
            return False
        _release_once(held)
        write_entry(payment, source, f"The order was cancelled: {payment.cancel_reason}")
    else:
        # Paid another way, shipped, or deleted: what staff decided stands (P10, peer bug 1).
        write_entry(
            payment, source, "The order was left as it is: it is no longer waiting for Rehive."
        )
    return True


def _is_taken_back(held: Locked) -> bool:
    order, reason = held.order, held.payment.cancel_reason
    if order is None:
        return False
    # The second one also where the status was changed without Oscar's signal.
    return (reason == TAKEN_BACK and order.standing is not Standing.CANCELLED) or (
        reason == BY_STAFF and order.standing is Standing.PENDING
    )


def _bring_back(held: Locked, source: str) -> None:
    """The order is as before its cancellation, with a payment window of its own."""
    payment = held.payment
    payment.cancel_reason, payment.closed_at = "", None
    window_ends_at = timezone.now() + conf.current().payment_window
    payment.window_ends_at = max(payment.window_ends_at, window_ends_at)
    if payment.released_at is not None and held.order is not None:
        get_shop().hold(held.order.number)
        payment.released_at = None
    write_entry(payment, source, TAKEN_BACK)


def _release_once(held: Locked) -> bool:
    if held.payment.released_at is not None or held.order is None:
        return False
    get_shop().release(held.order.number)
    held.payment.released_at = timezone.now()
    return True


def _note_paid_and_cancelled(held: Locked, source: str) -> None:
    write_entry(held.payment, source, "Staff cancelled the order after it had been paid.")
    for invoice in held.payment.invoices.filter(state=Invoice.State.PAID):
        if invoice.received > invoice.given_back():
            raise_attention(
                held.payment,
                Attention.Kind.AFTER_CANCEL,
                f"Staff cancelled the order; {invoice.recorded} {invoice.currency} had been paid"
                f" for it through invoice {invoice}.",
                invoice=invoice,
                ways_out="Refund the money to the payer, if it is not to be kept.",
            )

"""Cancelling an order that is not paid: its invoice is closed at Rehive first, never blindly."""

from __future__ import annotations

from collections.abc import Callable

from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

from oscar_rehive.models import Entry, Invoice, OrderPayment
from oscar_rehive.payments.closing import close_at_rehive, money_is_here_or_comes
from oscar_rehive.payments.ending import BY_STAFF, TAKEN_BACK, finish_cancellation
from oscar_rehive.payments.locking import Locked, locked
from oscar_rehive.payments.opening import LOOK_SECONDS, NotOpened, find_lost
from oscar_rehive.rehive.exceptions import RehiveError
from oscar_rehive.shop import Refilled, Standing


class NotCancellable(Exception):
    """The order is paid, has ended, or money for it is on its way."""


def cancel_order(number: str, *, reason: str, source: str) -> bool:
    """Cancel the unpaid order ``number``; True when it is done, False when Rehive could not yet
    confirm that nothing was paid. Reconcile finishes it then.

    Raises ``NotCancellable``; ``RehiveError`` or ``ImproperlyConfigured`` when Rehive cannot be asked
    (the wish is kept).
    """
    with locked(number) as held:
        payment = held.payment
        if payment.is_settled:
            raise NotCancellable(f"The payment of order {number} has ended already.")
        _refuse_while_money_comes(held)
        payment.cancel_reason = reason
        payment.payable_invoices().update(close_due=True)
        finish_cancellation(held, source)
        payment.save()
    return finish(number, source)


def note_cancelled_by_staff(number: str) -> None:
    """Staff have cancelled order ``number``: note, in their transaction, what is to be cleared up.

    Rolled back with the cancellation, and found by reconcile if the process dies right after.
    """
    with transaction.atomic():
        # The payment's lock is what keeps a settling at this moment from saving an old copy of an
        # invoice over this.
        unreleased = OrderPayment.objects.select_for_update().filter(
            order_number=number, released_at=None
        )
        for payment in unreleased:
            payment.cancel_reason = BY_STAFF
            payment.save(update_fields=["cancel_reason"])
            payment.payable_invoices().update(close_due=True)


def note_taken_back(number: str) -> None:
    """Staff have given the cancelled order ``number`` another status: note, in their transaction,
    that it holds its stock again. As above."""
    with transaction.atomic():
        for payment in OrderPayment.objects.select_for_update().filter(order_number=number):
            payment.cancel_reason = TAKEN_BACK
            payment.save(update_fields=["cancel_reason"])


def clear_up_after_staff(number: str) -> None:
    """Release the stock of an order that staff have cancelled, or hold that of one that they have
    taken back; the invoices are reconcile's, for a page of the dashboard must not wait for Rehive."""
    with locked(number) as held:
        finish_cancellation(held, Entry.Source.STAFF)
        held.payment.save()


def finish(number: str, source: str) -> bool:
    """Close what is to be closed of order ``number``; True when it is cancelled, unpaid."""
    trouble = _close_all(number, source)
    with locked(number) as held:
        finish_cancellation(held, source)
        _forget_wish_while_money_comes(held)
        held.payment.save()
    if trouble is not None:
        raise trouble
    # Not "is settled": a payment that came first settles it as well, and a shopper who has paid must
    # not be told that the order was cancelled.
    return held.payment.paid_at is None and held.payment.released_at is not None


def _close_all(number: str, source: str) -> Exception | None:
    """Close what is to be closed; one that cannot be does not keep the others open."""
    trouble: Exception | None = None
    due = Invoice.objects.filter(payment__order_number=number, close_due=True)
    for invoice in due.select_related("payment"):
        try:
            if invoice.remote_id is None:
                find_lost(invoice, source, LOOK_SECONDS)
            else:
                close_at_rehive(invoice, source)
        except NotOpened:
            pass  # made wrongly: it is closed, and a person was called
        except (RehiveError, ImproperlyConfigured) as error:
            trouble = error
    return trouble


def _has_money(payment: OrderPayment) -> bool:
    return any(money_is_here_or_comes(invoice) for invoice in payment.invoices.all())


def _refuse_while_money_comes(held: Locked) -> None:
    if _has_money(held.payment):
        raise NotCancellable(
            f"Money for order {held.payment.order_number} has arrived or is on its way."
        )


def _forget_wish_while_money_comes(held: Locked) -> None:
    """A payment that was on its way when the cancellation was asked for wins over it."""
    payment = held.payment
    if held.order is None or held.order.standing is not Standing.PENDING:
        return
    if not payment.is_settled and payment.cancel_reason and _has_money(payment):
        payment.cancel_reason = ""
        # Only the newest attempt: earlier ones are to be closed for its sake.
        newest = payment.invoices.order_by("-attempt").first()
        if newest is not None and newest.state == Invoice.State.OPEN:
            newest.close_due = False
            newest.save()


def claim_basket(number: str, refill: Callable[[], Refilled]) -> Refilled | None:
    """Give the basket of the cancelled order back by ``refill``; None when it was given back before:
    of several clicks at once exactly one does it.

    Both in one transaction, or a process killed between the two would have lost the basket. Where
    nothing could be put back, it can be tried again.
    """
    with locked(number) as held:
        payment = held.payment
        if payment.released_at is None or payment.basket_given_back:
            return None
        refilled = refill()
        payment.basket_given_back = bool(refilled.put_back)
        payment.save(update_fields=["basket_given_back"])
        return refilled

"""Cancelling an order that is not paid: its invoice is closed at Rehive first, never blindly."""

from __future__ import annotations

from collections.abc import Callable

from django.core.exceptions import ImproperlyConfigured

from oscar_rehive import conf
from oscar_rehive.models import Entry, Invoice, OrderPayment
from oscar_rehive.payments.adopting import NotOpened
from oscar_rehive.payments.carrying_out import change
from oscar_rehive.payments.closing import close_at_rehive
from oscar_rehive.payments.ending import NotCancellable, follow_the_order, wish_to_cancel
from oscar_rehive.payments.locking import Locked, under_lock
from oscar_rehive.payments.opening import find_lost
from oscar_rehive.rehive.exceptions import RehiveError
from oscar_rehive.shop import Refilled

__all__ = ["NotCancellable", "cancel_order", "claim_basket", "finish", "look_at_order"]


def cancel_order(number: str, *, reason: str, source: str) -> bool:
    """Cancel the unpaid order ``number``; True when it is done, False when Rehive could not yet
    confirm that nothing was paid. Reconcile finishes it then.

    Raises ``NotCancellable``; ``RehiveError`` or ``ImproperlyConfigured`` when Rehive cannot be asked
    (the wish is kept).
    """
    change(number, source, lambda plan: wish_to_cancel(plan, reason))
    return finish(number, source)


def look_at_order(number: str, source: str) -> None:
    """Bring the payment in line with where the order stands: release the stock of an order that was
    cancelled, or hold that of one that was taken back. The invoices are reconcile's to close, for a
    page of the dashboard must not wait for Rehive."""
    change(number, source, follow_the_order)


def clear_up_after_staff(number: str) -> None:
    """The same, once the transaction is committed in which staff have changed the order's status."""
    look_at_order(number, Entry.Source.STAFF)


def finish(number: str, source: str) -> bool:
    """Close what is to be closed of order ``number``; True when it is cancelled, unpaid."""
    trouble = _close_all(number, source)
    look_at_order(number, source)
    if trouble is not None:
        raise trouble
    # Not "is settled": a payment that came first settles it as well, and a shopper who has paid must
    # not be told that the order was cancelled.
    ended = OrderPayment.objects.filter(order_number=number, released_at__isnull=False)
    return ended.filter(paid_at=None).exists()


def _close_all(number: str, source: str) -> Exception | None:
    """Close what is to be closed; one that cannot be does not keep the others open."""
    trouble: Exception | None = None
    due = Invoice.objects.filter(payment__order_number=number, close_due=True)
    for invoice in due.select_related("payment"):
        try:
            if invoice.remote_id is None:
                if not (source == Entry.Source.RECONCILE and is_listed(invoice)):
                    find_lost(invoice, source)
            else:
                close_at_rehive(invoice, source)
        except NotOpened:
            pass  # made wrongly: it is closed, and a person was called
        except (RehiveError, ImproperlyConfigured) as error:
            trouble = error
    return trouble


def is_listed(invoice: Invoice) -> bool:
    """Whether each run looks for it in its business's list, together with all others: after an outage there
    may be hundreds, and for each by itself that list would be read anew."""
    return invoice.may_exist and invoice.business_id in conf.current().by_id


def claim_basket(number: str, refill: Callable[[], Refilled]) -> Refilled | None:
    """Give the basket of the cancelled order back by ``refill``; None when it was given back before:
    of several clicks at once exactly one does it.

    Both in one transaction, or a process killed between the two would have lost the basket. Where
    nothing could be put back, it can be tried again.
    """

    def work(held: Locked) -> Refilled | None:
        payment = held.payment
        if payment.released_at is None or payment.basket_given_back:
            return None
        refilled = refill()
        payment.basket_given_back = bool(refilled.put_back)
        payment.save(update_fields=["basket_given_back"])
        return refilled

    return under_lock(number, work)

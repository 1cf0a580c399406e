"""The moment an order is placed. No network here: Oscar thaws a submitted basket on any exception,
and with ATOMIC_REQUESTS an invoice could outlive an order that is rolled back."""

from __future__ import annotations

from django.utils import timezone

from oscar_rehive import conf
from oscar_rehive.models import Entry, Invoice, OrderPayment


def expect_payment(number: str, *, language: str, order_key: str = "") -> OrderPayment:
    """Note that order ``number`` is to be paid through Rehive. Call it in the transaction that
    places the order, so that no order is ever without its payment window.

    ``language`` is the shopper's, for the confirmation mail; ``order_key`` is the order's own key in
    the shop (Oscar: its primary key), by which it is told from another order that gets its number. Where
    it is not given it is noted when the order is first looked at.
    """
    _retire(number)
    payment = OrderPayment.objects.create(
        order_number=number,
        order_key=order_key,
        language=language,
        window_ends_at=timezone.now() + conf.current().payment_window,
    )
    Entry.objects.create(
        payment=payment,
        source=Entry.Source.CHECKOUT,
        reason="The order was placed, to be paid through Rehive.",
    )
    return payment


def _retire(number: str) -> None:
    """The payment of a deleted order leaves its number to the order that gets it next, whose placing must
    not fail. Its invoices keep their reference, and must not stay payable."""
    for payment in OrderPayment.objects.filter(order_number=number):
        payment.order_number = f"{number} (deleted, {payment.pk})"[-128:]
        payment.closed_at = payment.closed_at or timezone.now()
        payment.cancel_reason = ""
        payment.save(update_fields=["order_number", "closed_at", "cancel_reason"])
        payable = Invoice.objects.filter(pk__in=payment.payable_invoices())
        payable.update(close_due=True, in_use=None)

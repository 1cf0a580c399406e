"""The moment an order is placed. No network here: Oscar thaws a submitted basket on any exception,
and with ATOMIC_REQUESTS an invoice could outlive an order that is rolled back."""

from __future__ import annotations

from django.utils import timezone

from oscar_rehive import conf
from oscar_rehive.models import Entry, OrderPayment
from oscar_rehive.payments.history import write_entry


def expect_payment(number: str, *, language: str) -> OrderPayment:
    """Note that order ``number`` is to be paid through Rehive. Call it in the transaction that
    places the order, so that no order is ever without its payment window.

    ``language`` is the shopper's, for the confirmation mail.
    """
    _retire(number)
    payment = OrderPayment.objects.create(
        order_number=number,
        language=language,
        window_ends_at=timezone.now() + conf.current().payment_window,
    )
    write_entry(payment, Entry.Source.CHECKOUT, "The order was placed, to be paid through Rehive.")
    return payment


def _retire(number: str) -> None:
    """The payment of a deleted order leaves its number to the next order that gets it: placing that
    one must not fail, each time anew."""
    for payment in OrderPayment.objects.filter(order_number=number):
        payment.order_number = f"{number} (deleted, {payment.pk})"[-128:]
        payment.save(update_fields=["order_number"])

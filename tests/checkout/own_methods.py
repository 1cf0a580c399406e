"""Payment methods of shops, as their developers would write them."""

from __future__ import annotations

from typing import Any

from oscar.apps.payment.exceptions import PaymentError, UnableToTakePayment

from oscar_rehive.checkout.methods import PaymentMethod


class Invoice(PaymentMethod):
    """Paid after delivery: nothing to do at the checkout."""

    code = "invoice"
    title = "On account"


class EmptyCard(PaymentMethod):
    """Takes the payment before the order is placed, and cannot."""

    code = "card"
    title = "Card"

    def handle_payment(self, view: Any, order_number: str, total: Any) -> None:
        raise UnableToTakePayment("The card has expired.")


class DeadGateway(PaymentMethod):
    """The same, in a way that nobody foresaw."""

    code = "gateway"
    title = "Gateway"

    def handle_payment(self, view: Any, order_number: str, total: Any) -> None:
        raise PaymentError("refused")

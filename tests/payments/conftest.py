"""What tests of the payment service share with each other, and with those of the shop."""

from tests.payments.forgettable import refunded
from tests.shop.conftest import buy

__all__ = ["buy", "refunded"]

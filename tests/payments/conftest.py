"""What tests of the payment service share with those of the shop."""

from tests.shop.conftest import buy

__all__ = ["buy"]

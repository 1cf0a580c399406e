"""The one small interface between the payment service and a shop system."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Protocol


class Standing(Enum):
    """What an order's status means for its payment."""

    PENDING = "pending"
    CANCELLED = "cancelled"
    MOVED_ON = "moved on"
    """Any other status: paid already, shipped, or whatever staff made of it."""


class StatusRefused(Exception):
    """The shop's pipeline, or code that listens to it, did not allow a status."""


@dataclass(frozen=True)
class Order:
    """An order at the moment it was read. ``total`` includes tax and is in ``currency``."""

    number: str
    total: Decimal
    currency: str
    status: str
    standing: Standing
    paid_elsewhere: bool
    """Whether another payment source than Rehive covers the total: asked of the money's origin,
    never of the status, which some shops share between "pending" and "paid" (peer bug 2)."""


@dataclass(frozen=True)
class Refilled:
    """What became of an order's items: the titles of those that are in a basket again, and of those
    that could not be put there."""

    put_back: list[str]
    left_out: list[str]


class Shop(Protocol):
    """What the payment service needs of a shop.

    Every method that writes expects the order's lock to be held: ``lock`` within a transaction.
    """

    ledger_places: int
    """How many decimals the shop's ledger keeps."""

    ledger_limit: Decimal
    """The largest amount that the ledger can hold."""

    def find(self, number: str) -> Order | None:
        """The order as it is now, or None."""

    def lock(self, number: str) -> Order | None:
        """Lock the order until the transaction ends, and read it anew; None if there is none."""

    def record_payment(
        self, number: str, *, amount: Decimal, currency: str, invoice_id: str, reference: str
    ) -> None:
        """Write ``amount`` received through the invoice ``invoice_id`` into the ledger."""

    def record_refund(
        self, number: str, *, amount: Decimal, invoice_id: str, reference: str
    ) -> None:
        """Write ``amount`` refunded through the invoice ``invoice_id`` into the ledger."""

    def set_paid(self, number: str, *, amount: Decimal, reference: str) -> None:
        """Move the order to the paid status; raises ``StatusRefused`` and then changes nothing."""

    def set_cancelled(self, number: str, *, reason: str) -> None:
        """Move the order to the cancelled status; raises ``StatusRefused`` as above."""

    def release(self, number: str) -> None:
        """Give back what a cancelled order holds: its stock, its use of vouchers and offers."""

    def hold(self, number: str) -> None:
        """Hold the stock again that was given back: the order is no longer cancelled."""

    def send_confirmation(self, number: str, *, language: str) -> None:
        """Send the order confirmation. Network: never under a lock."""

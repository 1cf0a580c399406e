"""The one small interface between the payment service and a shop system."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, Protocol

from django.db.models import QuerySet


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
    covered: Decimal
    """What payment sources other than Rehive hold of it, in ``currency``: of each the larger of what
    was allocated and what was debited, less what was refunded. Asked of the money's origin, never of
    the status, which some shops share between "pending" and "paid" (peer bug 2)."""
    key: str = ""
    """The shop's own key of it: its number may be given to another order, this not."""
    is_final: bool = False
    """Whether the shop lets no other status follow."""

    @property
    def paid_elsewhere(self) -> bool:
        """Whether those sources cover the whole total."""
        return self.covered > 0 and self.covered >= self.total


@dataclass(frozen=True)
class Refilled:
    """What became of an order's items: the titles of those that are in a basket again, and of those
    that could not be put there."""

    put_back: list[str]
    left_out: list[str]


class Shop(Protocol):
    """What the payment service needs of a shop.

    One object serves one transaction: it may remember the order that it has locked. Every method that
    writes expects the order's lock to be held: ``lock`` within a transaction.
    """

    ledger_places: int
    """How many decimals the shop's ledger keeps."""

    ledger_limit: Decimal
    """The largest amount that the ledger can hold."""

    def find(self, number: str) -> Order | None:
        """The order as it is now, or None."""

    def find_many(self, numbers: Collection[str]) -> dict[str, Order]:
        """The orders with these numbers, as they are now, by number: in as many statements as for one."""

    def standing_as(self, standing: Standing, among: QuerySet[Any]) -> list[str]:
        """Of the order numbers that the query ``among`` gives (one column, in the orders' own
        database) those whose order exists and stands like this, in one statement; pending or cancelled,
        for whatever else is not told apart."""

    def changed_from(self, status: str, among: QuerySet[Any]) -> list[str]:
        """Likewise those whose order exists and has another status than ``status``."""

    def unpaid(self, among: QuerySet[Any]) -> list[str]:
        """Likewise those whose order is pending and not covered by other sources than Rehive, in two
        statements."""

    def ordered_by(self, address: str) -> dict[str, str]:
        """The numbers of all orders of the customer with that mail address, in whatever case it is
        written, a guest's too, each with the order's key."""

    def words_of_customer(self, number: str) -> list[str]:
        """Mail addresses, telephone numbers and full names of who placed the order, as far as the shop
        still knows them: what texts about the order may call its customer."""

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

    def release(self, number: str) -> dict[str, Any]:
        """Give back what a cancelled order holds: its stock, its use of vouchers and offers. What
        exactly was given back, in JSON's types, is what ``hold`` wants."""

    def hold(self, number: str, released: Mapping[str, Any] | None) -> list[str]:
        """Take again exactly what was ``released`` (None: nobody has noted it), for the order is no
        longer cancelled. What cannot be had any more is not taken; each is a sentence for a person."""

    def send_confirmation(self, number: str, *, language: str) -> None:
        """Send the order confirmation. Network: never under a lock."""

    def send_pay_link(self, number: str, *, url: str, language: str) -> None:
        """Mail ``url``, where the order can be paid, to its customer; raises where there is nobody to
        mail. Network: never under a lock."""

    def tell_owners(
        self, addresses: Sequence[str], *, base_url: str, told: Mapping[str, Any]
    ) -> None:
        """Mail those who run the shop what is ``told``; raises where nobody could be mailed. ``base_url`` is the
        shop's address, or nothing where the shop knows it better. Network: never under a lock."""

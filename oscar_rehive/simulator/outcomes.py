"""What a payer can do with an invoice: choose a way of paying, pay, pay too little, be late, fail.

These rules work on one ``Record``; ``Payer.moved`` is called with each new status, so that
``rules.py`` can tell the webhooks (rehive-api.md, "Statuses" and "Quotes").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .errors import RehiveError, invalid
from .money import Currency
from .quotes import (
    new_quote,
    new_transaction,
    offered_currencies,
    rest,
    set_conversion,
    set_transaction,
)
from .state import Record

Json = dict[str, Any]

_UNPAID = frozenset({"initiated", "processing", "underpaid"})
EXPIRABLE = _UNPAID | {"draft"}
"""Statuses that end at the expiration date. Not ``received``: there the money is on its way."""
CANCELLABLE = _UNPAID | {"draft", "received"}
"""Statuses in which the shop can still end the invoice."""

POSSIBLE: dict[str, frozenset[str]] = {
    "start": frozenset({"initiated", "processing"}),
    "confirm": frozenset({"received"}),
    "pay": _UNPAID,
    "pay_less": _UNPAID,
    "pay_more": _UNPAID,
    "pay_late": _UNPAID,
    "complete": frozenset({"paid"}),
    "fail": _UNPAID | {"received"},
    "expire": EXPIRABLE,
    # Never by itself: to see what a shop makes of a word that it does not know.
    "undocumented": frozenset(),
}
"""Each outcome and the statuses in which it can happen; ``back`` always can and changes nothing."""

UNDOCUMENTED = "under_review"
"""A status of which rehive-api.md says nothing."""

_OPEN_QUOTE = ("pending", "underpaid")


@dataclass
class Payer:
    """The payer of one invoice at one moment (``now``, in milliseconds)."""

    record: Record
    now: int
    next_number: Callable[[], int]
    new_id: Callable[[], str]
    moved: Callable[[str], None]

    def do(self, outcome: str, code: str | None, amount: int | None) -> None:
        """Let the outcome happen.

        ``code`` is the currency the payer pays in, ``amount`` is in its smallest unit; None means
        the currency of the open quote or else of the invoice, and an amount that fits the outcome.
        """
        if outcome == "start":
            self._start(code, amount)
        elif outcome == "confirm":
            self._confirm()
        elif outcome == "complete":
            if self._owed() > 0:  # forced: what is complete is paid
                self._pay("pay", code, None)
            for quote in self._quotes:
                set_conversion(quote, "complete")
            self.moved("complete")
        elif outcome == "fail":
            self.end("failed")
        elif outcome == "expire":
            self.end("expired")
        elif outcome == "undocumented":
            self.moved(UNDOCUMENTED)
        else:
            self._pay(outcome, code, amount)

    def end(self, status: str) -> None:
        """End the invoice as ``failed``, ``expired`` or ``cancelled``, with all that is open."""
        for quote in self._quotes:
            if quote["status"] in (*_OPEN_QUOTE, "received"):
                quote["status"] = "expired" if status == "expired" else "failed"
                quote["total_pending"] = 0
                set_conversion(quote, "cancelled" if status == "cancelled" else "failed")
        for transaction in self.record.transactions:
            if transaction["status"] == "pending":
                set_transaction(transaction, "failed", self.now)
        self.moved(status)

    @property
    def _quotes(self) -> list[Json]:
        quotes: list[Json] = self.record.invoice["payment_processor_quotes"]
        return quotes

    def _start(self, code: str | None, amount: int | None) -> None:
        """First the payer chooses how to pay; then money is seen, but not confirmed yet."""
        quote = self._choose(code)
        self._open(quote)
        if self.record.invoice["status"] != "processing":
            self.moved("processing")
            return
        units = rest(quote) if amount is None else amount
        quote["total_pending"] = units
        quote["status"] = "received"
        self._add_transaction(quote, units, "pending")
        self.moved("received")

    def _confirm(self) -> None:
        quote = next((quote for quote in self._quotes if quote["total_pending"]), None)
        if quote is None:
            raise RehiveError(409, "Not possible: there is no unconfirmed money.")
        for transaction in self.record.transactions:
            if transaction["status"] == "pending":
                set_transaction(transaction, "complete", self.now)
        quote["total_paid"] += quote["total_pending"]
        quote["total_pending"] = 0
        self._judge(quote, late=False)

    def _pay(self, outcome: str, code: str | None, amount: int | None) -> None:
        quote = self._choose(code)
        units = _units(outcome, rest(quote), amount)
        self._open(quote)
        if self.record.invoice["status"] == "initiated":
            self.moved("processing")
        quote["total_paid"] += units
        self._add_transaction(quote, units, "complete")
        self._judge(quote, late=outcome == "pay_late")

    def _judge(self, quote: Json, *, late: bool) -> None:
        """Give the quote and the invoice the status that fits the money."""
        due = self.record.invoice["due_date"]
        if rest(quote) > 0:
            status = "underpaid"
        elif rest(quote) < 0:
            # Also after the due date: the excess is what somebody must act on.
            status = "overpaid"
        elif late or (due is not None and self.now > due):
            status = "late"
        else:
            status = "paid"
        quote["status"] = status
        set_conversion(quote, "pending")
        self.moved(status)

    def _choose(self, code: str | None) -> Json:
        """The quote to pay: the open one (in that currency), or a new one over the rest."""
        own = Currency.from_wire(self.record.invoice["request_currency"])
        offered = {currency.code: currency for currency in offered_currencies(own)}
        if code is not None and code not in offered:
            raise invalid({"currency": [f"Not offered. Offered: {', '.join(offered)}."]})
        for quote in reversed(self._quotes):
            if quote["status"] in _OPEN_QUOTE and code in (None, quote["currency"]["code"]):
                return quote
        return new_quote(
            self.next_number(),
            self.record.invoice,
            self.record.number,
            self._worth(),
            offered[code or own.code],
            self.now,
            self.new_id,
        )

    def _owed(self) -> int:
        amount: int = self.record.invoice["request_amount"]
        return amount - received(self.record)

    def _worth(self) -> int:
        """What a new quote is about: the rest, or (a second payment) the full amount."""
        amount: int = self.record.invoice["request_amount"]
        owed = self._owed()
        return owed if owed > 0 else amount

    def _open(self, quote: Json) -> None:
        if quote["id"] not in self.record.quote_worth:
            self.record.quote_worth[quote["id"]] = self._worth()
            self._quotes.append(quote)
            self.record.invoice["primary_payment_processor"] = quote["payment_processor"]

    def _add_transaction(self, quote: Json, units: int, status: str) -> None:
        transaction = new_transaction(quote, units, status, self.now, self.new_id())
        self.record.transactions.append(transaction)


def received(record: Record) -> int:
    """What has been paid (confirmed), in the smallest unit of the invoice's currency."""
    return sum(
        record.quote_worth[quote["id"]] * quote["total_paid"] // quote["amount"]
        for quote in record.invoice["payment_processor_quotes"]
        if quote["amount"]
    )


def refunded(record: Record, *statuses: str) -> int:
    """The sum of the refunds in these statuses, in the smallest unit of the invoice's currency."""
    return sum(refund["amount"] for refund in record.refunds if refund["status"] in statuses)


def expire_quotes(record: Record, now: int) -> bool:
    """End the quotes that were not paid in their time; whether there were any."""
    old = [
        quote
        for quote in record.invoice["payment_processor_quotes"]
        if quote["status"] == "pending"
        and quote["expiration_date"] is not None
        and now > quote["expiration_date"]
    ]
    for quote in old:
        quote["status"] = "expired"
    return bool(old)


def possible(status: str) -> list[str]:
    """The outcomes that can happen in this status."""
    return [outcome for outcome, statuses in POSSIBLE.items() if status in statuses]


def _units(outcome: str, left: int, amount: int | None) -> int:
    if amount is None:
        if outcome == "pay_less" and left < 2:
            raise RehiveError(409, "Not possible: the amount is too small to pay a part of it.")
        return {"pay_less": left // 2, "pay_more": left + max(left // 10, 1)}.get(outcome, left)
    if outcome == "pay_less" and amount >= left:
        raise invalid({"amount": [f"To pay less, it must be below {left}."]})
    if outcome == "pay_more" and amount <= left:
        raise invalid({"amount": [f"To pay more, it must be above {left}."]})
    return amount

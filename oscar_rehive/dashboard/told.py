"""What Rehive tells of an invoice at this moment, for the eyes of support: it is read for the page and
never kept, for how somebody pays is nobody's business later (design.md, "Forgetting")."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from oscar_rehive.addresses import without_tokens
from oscar_rehive.cleaning import storable, storable_text, without_secrets
from oscar_rehive.dashboard import words
from oscar_rehive.models import Entry, Invoice
from oscar_rehive.payments.settling import client_of
from oscar_rehive.rehive.exceptions import RehiveError
from oscar_rehive.rehive.money import from_units
from oscar_rehive.rehive.wire import Quote, RemoteInvoice, Transaction

MOST_TRANSACTIONS = 50
MOST_LEVELS = 8

CHAIN = ("confirmations", "tx_hash", "txid", "hash", "transaction_hash")
"""What tells of a coin's own ledger, wherever it stands within a transaction's metadata."""


@dataclass(frozen=True)
class Way:
    """A way of paying that was chosen; amounts are texts with the payer's currency."""

    name: str
    quoted: str
    paid: str
    pending: str
    status: str


@dataclass(frozen=True)
class Movement:
    """A transaction; ``chain`` is what it tells of the coin's own ledger, as names and values."""

    code: str
    status: str
    chain: list[tuple[str, str]]


@dataclass(frozen=True)
class Told:
    """What Rehive says: the invoice's status, the ways of paying, transactions, and all of it as JSON
    without secrets, and without what opens the shopper's pages, where whoever has it can cancel the order.
    ``trouble`` is why the transactions could not be had."""

    status: str
    ways: list[Way]
    movements: list[Movement]
    raw: str
    trouble: str


def told_now(invoice: Invoice) -> Told:
    """Ask Rehive about ``invoice``, and change nothing. Raises ``RehiveError`` or
    ``ImproperlyConfigured``."""
    client = client_of(invoice, Entry.Source.STAFF)
    remote = client.invoice(invoice.remote_id or "")
    transactions: list[Transaction] = []
    trouble = ""
    try:
        transactions = list(islice(client.transactions(invoice.remote_id or ""), MOST_TRANSACTIONS))
    except RehiveError as error:
        trouble = str(error)
    return Told(
        status=remote.status,
        ways=[_way(quote) for quote in remote.quotes],
        movements=[_movement(one) for one in transactions],
        raw=without_tokens(_readable(remote, transactions)),
        trouble=trouble,
    )


def _way(quote: Quote) -> Way:
    def money(units: int) -> str:
        places = quote.currency.divisibility
        if places is None:  # then nobody knows what a unit of it is
            return f"{units} ({quote.currency.code})"
        return words.money(from_units(units, places), quote.currency.code)

    processor = quote.raw.get("payment_processor")
    told = processor if isinstance(processor, Mapping) else {}
    name = told.get("name") or told.get("unique_string_name") or ""
    return Way(
        name=storable_text(str(name)),
        quoted=money(quote.amount),
        paid=money(quote.total_paid),
        pending=money(quote.total_pending) if quote.total_pending else "",
        status=quote.status,
    )


def _movement(transaction: Transaction) -> Movement:
    status = transaction.status or ("settled" if transaction.settled else "pending")
    return Movement(transaction.code, status, sorted(set(_chain(transaction.raw, 0))))


def _chain(value: Any, level: int) -> Iterator[tuple[str, str]]:
    if level > MOST_LEVELS:
        return
    if isinstance(value, Mapping):
        for name, item in value.items():
            if name in CHAIN and isinstance(item, (str, int)):
                yield str(name), storable_text(str(item))
            else:
                yield from _chain(item, level + 1)
    elif isinstance(value, list):
        for item in value:
            yield from _chain(item, level + 1)


def _readable(remote: RemoteInvoice, transactions: list[Transaction]) -> str:
    told = {"invoice": remote.raw, "transactions": [one.raw for one in transactions]}
    return without_secrets(json.dumps(storable(told), indent=2, ensure_ascii=False, default=str))

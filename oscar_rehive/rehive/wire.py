"""Typed, immutable views of what Rehive sends, each with the raw payload it was read from.

Any field but the few that rehive-api.md guarantees can be missing or null, and new ones can appear:
the readers insist on the few and shrug at the rest. What breaks the guarantee raises
``Unintelligible`` and nothing else.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from oscar_rehive.rehive.exceptions import Unintelligible, clean
from oscar_rehive.rehive.money import check_divisibility

Payload = Mapping[str, Any]

MAX_UNITS = 10**36
"""More than any amount of money with 18 decimals. JSON's integers have no end, but storage does."""

MAX_MILLISECONDS = 2**53

PLAUSIBLE_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
"""Ids are put into request paths; anything else could reach another address."""


@dataclass(frozen=True)
class Currency:
    """A currency; ``divisibility`` is the number of decimals of its smallest unit, if told."""

    code: str
    divisibility: int | None


@dataclass(frozen=True)
class Business:
    """The business that makes the invoices, all of them in its one ``currency``."""

    id: str
    name: str
    status: str
    currency: Currency
    raw: Payload = field(repr=False)

    @property
    def is_verified(self) -> bool:
        """Whether customers can pay. A status that is not told counts as fine."""
        return self.status in ("", "verified")


@dataclass(frozen=True)
class Quote:
    """One way of paying that the payer picked; amounts in smallest units of *its* currency.

    What Rehive does not tell is 0, and a currency without a code.
    """

    currency: Currency
    amount: int
    total_paid: int
    total_pending: int
    status: str
    raw: Payload = field(repr=False)


@dataclass(frozen=True)
class RemoteInvoice:
    """An invoice as Rehive told it. ``amount`` is in smallest units of ``currency``; ``created`` and
    ``updated`` are in milliseconds since 1970, UTC, where told."""

    id: str
    status: str
    amount: int
    currency: Currency
    reference: str
    redirect_url: str
    metadata: Mapping[str, Any]
    quotes: tuple[Quote, ...]
    refunded: bool
    updated: int | None
    raw: Payload = field(repr=False)
    created: int | None = None

    @property
    def has_usable_redirect_url(self) -> bool:
        """Whether the hosted page's address can be handed to a browser."""
        return is_web_address(self.redirect_url)


@dataclass(frozen=True)
class Transaction:
    """A movement of money on the platform that belongs to an invoice."""

    code: str
    settled: bool
    status: str
    raw: Payload = field(repr=False)


@dataclass(frozen=True)
class RemoteRefund:
    """A refund as Rehive told it; ``amount`` in smallest units of ``currency``, which is the invoice's
    where it is not told (None)."""

    id: str
    amount: int
    currency: Currency | None
    status: str
    raw: Payload = field(repr=False)


@dataclass(frozen=True)
class Movement:
    """A transaction on the business's own account. ``amount`` is in smallest units of ``currency``, and
    ``fee`` too (None: not told); ``invoice_id`` is that of the invoice which it pays, where told; ``created``
    is in milliseconds since 1970, UTC."""

    id: str
    kind: str
    status: str
    amount: int
    fee: int | None
    currency: Currency
    invoice_id: str
    created: int | None


@dataclass(frozen=True)
class Payout:
    """Money that leaves the business's account for the bank. ``amount`` in smallest units of ``currency``;
    ``created`` in milliseconds since 1970, UTC."""

    id: str
    reference: str
    status: str
    amount: int
    currency: Currency
    created: int | None


@dataclass(frozen=True)
class Webhook:
    """A registered webhook. ``secret`` is None where Rehive does not tell it; it is to be compared,
    and never to be printed."""

    id: str
    url: str
    event: str
    secret: str | None = field(repr=False)


def is_web_address(url: str) -> bool:
    """Whether ``url`` is an absolute http(s) address without white space or control characters.

    ``urlsplit`` alone accepts a line feed, on which Django's redirect then fails with a 500.
    """
    if any(character.isspace() or not character.isprintable() for character in url):
        return False
    try:
        parts = urlsplit(url)
        # The port is looked at for its ValueError; so is the name, which has one with two dots in a row,
        # say, where urllib3 fails with what is none of the errors of requests.
        (parts.hostname or "").encode("idna")
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine reaches ``host``, a name or an IP address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def read_business(payload: Any) -> Business:
    """Read a business; only ``id`` and ``currency`` are insisted on."""
    data = _object(payload, "business")
    return Business(
        id=_id(data, "business"),
        name=clean(_text(data.get("name"))),
        status=_text(data.get("status")),
        currency=_currency(data.get("currency"), "business"),
        raw=data,
    )


def read_invoice(payload: Any) -> RemoteInvoice:
    """Read an invoice; ``id``, ``status``, ``request_amount``, ``request_currency`` are insisted on."""
    data = _object(payload, "invoice")
    status = data.get("status")
    # An empty one is an unknown one: a person is told, and not every run fails.
    if not isinstance(status, str):
        raise Unintelligible("Rehive sent an invoice without a status.")
    metadata = data.get("metadata")
    quotes = data.get("payment_processor_quotes")
    return RemoteInvoice(
        id=_id(data, "invoice"),
        status=_text(status),
        amount=_units(data.get("request_amount"), "invoice's request_amount"),
        currency=_currency(data.get("request_currency"), "invoice"),
        reference=_text(data.get("request_reference")),
        redirect_url=_as_told(data.get("redirect_url")),
        metadata=metadata if isinstance(metadata, Mapping) else {},
        quotes=tuple(_quote(quote) for quote in quotes) if isinstance(quotes, list) else (),
        refunded=data.get("refunded") is True,
        updated=_milliseconds(data.get("updated")),
        raw=data,
        created=_milliseconds(data.get("created")),
    )


def read_refunds_inside(invoice: RemoteInvoice) -> tuple[RemoteRefund, ...] | None:
    """The refunds that a list of payment requests shows within an invoice (rehive-api.md, "Payment
    requests"); None where there is no such list, or not all of it can be read."""
    told = invoice.raw.get("refunds")
    if not isinstance(told, list):
        return None
    try:
        return tuple(map(read_refund, told))
    except Unintelligible:
        return None


def read_transaction(payload: Any) -> Transaction:
    """Read a transaction; only ``rehive_code`` is insisted on."""
    data = _object(payload, "transaction")
    code = _text(data.get("rehive_code"))
    if not code:
        raise Unintelligible("Rehive sent a transaction without its rehive_code.")
    return Transaction(
        code=code,
        settled=data.get("settled") is True,
        status=_text(data.get("status")),
        raw=data,
    )


def read_refund(payload: Any) -> RemoteRefund:
    """Read a refund, whose id is called ``identifier`` or ``id``."""
    data = _object(payload, "refund")
    identifier = _text(data.get("identifier")) or _text(data.get("id"))
    if not PLAUSIBLE_ID.fullmatch(identifier):
        raise Unintelligible("Rehive sent a refund without a usable identifier.")
    return RemoteRefund(
        id=identifier,
        amount=_units(data.get("amount"), "refund's amount"),
        currency=_refund_currency(data.get("currency")),
        status=_text(data.get("status")),
        raw=data,
    )


def read_movement(payload: Any) -> Movement:
    """Read a transaction of a business; ``amount`` and ``currency`` are insisted on."""
    data = _object(payload, "transaction")
    amount, total = _whole(data.get("amount"), "transaction"), data.get("total_amount")
    metadata = data.get("metadata")
    service = metadata.get("service_payment_requests") if isinstance(metadata, Mapping) else None
    return Movement(
        id=_text(data.get("id")),
        kind=_text(data.get("tx_type")),
        status=_text(data.get("status")),
        amount=amount,
        fee=None if total is None else _whole(total, "transaction") - amount,
        currency=_currency(data.get("currency"), "transaction"),
        invoice_id=_text(service.get("request_id")) if isinstance(service, Mapping) else "",
        created=_milliseconds(data.get("created")),
    )


def read_payout(payload: Any) -> Payout:
    """Read a payout of a business; ``amount`` and ``currency`` are insisted on."""
    data = _object(payload, "payout")
    return Payout(
        id=_text(data.get("id")),
        reference=_text(data.get("reference")),
        status=_text(data.get("status")),
        amount=_whole(data.get("amount"), "payout"),
        currency=_currency(data.get("currency"), "payout"),
        created=_milliseconds(data.get("created")),
    )


def read_webhook(payload: Any) -> Webhook:
    """Read a registered webhook."""
    data = _object(payload, "webhook")
    secret = data.get("secret")
    return Webhook(
        id=_text(data.get("id")),
        url=_text(data.get("url")),
        event=_text(data.get("event")),
        secret=secret if isinstance(secret, str) else None,
    )


def _quote(payload: Any) -> Quote:
    """What cannot be read counts as nothing: one odd quote must not keep a paid invoice from being
    understood. A paid status vouches for the whole amount whatever its quotes say."""
    data = payload if isinstance(payload, Mapping) else {}
    try:
        currency = _currency(data.get("currency"), "quote")
    except Unintelligible:
        currency = Currency("", None)
    return Quote(
        currency=currency,
        amount=_units_or_nothing(data.get("amount")),
        total_paid=_units_or_nothing(data.get("total_paid")),
        total_pending=_units_or_nothing(data.get("total_pending")),
        status=_text(data.get("status")),
        raw=data,
    )


def _object(payload: Any, what: str) -> Payload:
    if not isinstance(payload, Mapping):
        raise Unintelligible(f"Rehive sent something else in the place of a {what}.")
    return payload


def _id(data: Payload, what: str) -> str:
    identifier = _text(data.get("id"))
    if not PLAUSIBLE_ID.fullmatch(identifier):
        raise Unintelligible(f"Rehive sent a {what} without a usable id.")
    return identifier


def _currency(payload: Any, what: str) -> Currency:
    data = _object(payload, f"{what}'s currency")
    code = _text(data.get("code"))
    divisibility = _optional_int(data.get("divisibility"))
    if not code:
        raise Unintelligible(f"Rehive sent a {what} whose currency has no code.")
    if divisibility is not None:
        try:
            check_divisibility(divisibility)
        except ValueError as error:
            raise Unintelligible(f"Rehive sent a {what} in {code}: {error}") from None
    return Currency(code=code, divisibility=divisibility)


def _refund_currency(payload: Any) -> Currency | None:
    """A currency that may be told by its code alone, as an object, or not at all."""
    told = payload if isinstance(payload, Mapping) else {"code": payload}
    code = _text(told.get("code"))
    return Currency(code, _optional_int(told.get("divisibility"))) if code else None


def _units(value: Any, what: str) -> int:
    units = _optional_int(value)
    if units is None or not 0 <= units < MAX_UNITS:
        raise Unintelligible(f"Rehive sent a {what} that is not a whole number of smallest units.")
    return units


def _whole(value: Any, what: str) -> int:
    """Whether what leaves an account has a sign is not documented."""
    units = _optional_int(value)
    if units is None or abs(units) >= MAX_UNITS:
        raise Unintelligible(f"Rehive sent a {what} whose amount is no whole number of units.")
    return units


def _units_or_nothing(value: Any) -> int:
    units = _optional_int(value)
    return units if units is not None and 0 <= units < MAX_UNITS else 0


def _milliseconds(value: Any) -> int | None:
    told = _optional_int(value)
    return told if told is not None and 0 <= told < MAX_MILLISECONDS else None


def _optional_int(value: Any) -> int | None:
    # bool is an int in Python, and JSON's true is no amount of money.
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: Any) -> str:
    """As text, without halves of letters: JSON can say them, and no page or terminal can show them."""
    text = _as_told(value)
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _as_told(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if _optional_int(value) is None else str(value)

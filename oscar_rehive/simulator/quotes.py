"""The objects that come into being when somebody pays: processors, quotes, transactions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .money import PAYER_CURRENCIES, Currency, convert, currency, rate

Json = dict[str, Any]

CRYPTO_QUOTE_LIFE_MS = 15 * 60 * 1000


def processor(payer_currency: Currency, *, foreign: bool) -> Json:
    """The way of paying in that currency; ``foreign`` if it is not the invoice's own."""
    crypto = foreign and payer_currency.divisibility > 4
    return {
        "id": f"processor-{payer_currency.code.lower()}",
        "unique_string_name": f"native_{payer_currency.unit}" if crypto else "native",
        "name": payer_currency.unit.capitalize() if crypto else f"{payer_currency.code} wallet",
        "description": f"Pay in {payer_currency.code}",
        "logo": None,
        "type": "crypto" if crypto else "wallet",
        "longest_expiration_time": CRYPTO_QUOTE_LIFE_MS if crypto else 0,
    }


def offered_currencies(own: Currency) -> list[Currency]:
    """What an invoice in this currency can be paid in, its own first."""
    return [own, *(currency(code) for code in PAYER_CURRENCIES if code != own.code)]


def offered_processors(own: Currency) -> list[Json]:
    """The ways of paying that an invoice in this currency offers."""
    return [processor(one, foreign=one != own) for one in offered_currencies(own)]


def new_quote(
    number: int,
    invoice: Json,
    invoice_number: int,
    worth: int,
    payer_currency: Currency,
    now: int,
    new_id: Callable[[], str],
) -> Json:
    """A quote over ``worth`` smallest units of the invoice's currency."""
    own = Currency.from_wire(invoice["request_currency"])
    foreign = payer_currency.code != own.code
    way = processor(payer_currency, foreign=foreign)
    expiration = invoice["expiration_date"]
    if way["type"] == "crypto":
        end = now + CRYPTO_QUOTE_LIFE_MS
        expiration = end if expiration is None else min(expiration, end)
    conversion = {
        "conversion_quote_id": new_id(),
        "rate": format(rate(own.code, payer_currency.code), "f"),
        "status": "quoted",
    }
    return {
        "id": str(number),
        "request": invoice_number,
        "reference": f"Q{number}",
        "deposit_details": None,
        "payment_processor": way,
        "currency": payer_currency.wire(),
        "amount": convert(worth, own, payer_currency) if foreign else worth,
        "total_paid": 0,
        "total_pending": 0,
        "expiration_date": expiration,
        "status": "pending",
        "conversion_quote": conversion if foreign else None,
    }


def new_transaction(quote: Json, units: int, status: str, now: int, code: str) -> Json:
    """One payment of ``units`` through that quote; ``status`` is pending or complete."""
    way = quote["payment_processor"]
    crypto = way["type"] == "crypto"
    tx = {"confirmations": 0 if status == "pending" else 3, "tx_hash": code.replace("-", "") * 2}
    return {
        "rehive_code": code,
        "settled": status == "complete",
        "status": status,
        "payment_processor_quote": int(quote["id"]),
        "details": {
            "id": code,
            "tx_type": "credit",
            "subtype": "deposit_crypto" if crypto else "receive_payment",
            "status": status,
            "amount": units,
            "fee": 0,
            "total_amount": units,
            "currency": quote["currency"],
            "metadata": {f"service_{quote['currency']['unit']}": tx} if crypto else {},
            "created": now,
            "updated": now,
        },
    }


def set_transaction(transaction: Json, status: str, now: int) -> None:
    """Move a pending transaction to ``complete`` or ``failed``."""
    transaction |= {"settled": status == "complete", "status": status}
    details = transaction["details"]
    details |= {"status": status, "updated": now}
    for tx in details["metadata"].values():
        tx["confirmations"] = 3 if status == "complete" else 0


def set_conversion(quote: Json, status: str) -> None:
    """Give a quote in another currency the status of its conversion."""
    if quote["conversion_quote"] is not None:
        quote["conversion_quote"]["status"] = status


def rest(quote: Json) -> int:
    """What is still to be paid, in the quote's own smallest unit; below 0 when overpaid."""
    left: int = quote["amount"] - quote["total_paid"]
    return left

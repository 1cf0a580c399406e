"""The way to Rehive: one shared client per business, and never under a lock (promise P8)."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, TypeVar, cast

from django.core.exceptions import ImproperlyConfigured

from oscar_rehive import conf, numbers
from oscar_rehive.databases import in_a_transaction, outside_transactions
from oscar_rehive.models import Invoice
from oscar_rehive.payments import tally
from oscar_rehive.payments.breaker import guarded
from oscar_rehive.payments.budget import counted, patiently
from oscar_rehive.rehive.client import Client, Timeouts
from oscar_rehive.rehive.deadlines import within
from oscar_rehive.rehive.exceptions import RehiveError, Unintelligible
from oscar_rehive.rehive.gates import route
from oscar_rehive.remembering import remember, remembered
from oscar_rehive.tracing import span

View = TypeVar("View", bound=Callable[..., Any])

CURRENCY_SECONDS = 3600

PAGE_SECONDS = 8.0
"""All calls to Rehive that one page makes, a shopper's or one of staff, end within this (P11)."""

QUICK = Timeouts(connect=1.0, read=2.0)
"""Seconds, where somebody waits: the sender of a webhook hangs up after 5."""


class BusinessNotUsable(Exception):
    """The business at Rehive cannot take payments in the wanted currency; the message says why."""


def asks_rehive(view: View) -> View:
    """``view``, which asks Rehive: not inside ATOMIC_REQUESTS (P8), and in the time that a page has (P11)."""

    @wraps(view)
    def in_time(*args: Any, **kwargs: Any) -> Any:
        with within(PAGE_SECONDS):
            return view(*args, **kwargs)

    return cast("View", outside_transactions(in_time))


def client_for(business: conf.BusinessConfig) -> Client:
    """The client of ``business``. Raises ``RuntimeError`` inside a transaction: a slow Rehive must
    never hold a row lock, and an invoice must not outlive an order that is rolled back."""
    if in_a_transaction():
        raise RuntimeError(
            "Rehive must not be called inside a database transaction: a slow Rehive would hold its"
            " locks. If this is a view of your own, mark it with django.db.transaction.non_atomic_requests."
        )
    return _client(business)


def business_of(invoice: Invoice) -> conf.BusinessConfig:
    """The business that made ``invoice``, with the credentials that the settings give it today.

    Raises ``ImproperlyConfigured`` when the settings no longer name that business.
    """
    business = conf.current().by_id.get(invoice.business_id)
    if business is not None:
        return business
    raise ImproperlyConfigured(
        f"Invoice {invoice} was made by the business {invoice.business_id}, which {conf.SETTING} no"
        " longer names. Put it back until all its invoices are settled."
    )


class _Gate:
    """What holds the calls of a business back: its budget, and an outage of the host that is asked. What
    is sent is counted, timed, and a span."""

    def __init__(self, business: conf.BusinessConfig) -> None:
        self._business = business

    def patiently(self, ask: Callable[[], Any]) -> Any:
        return patiently(self._business, ask)

    def through(self, method: str, url: str, send: Callable[[], Any]) -> Any:
        return guarded(url, lambda: self._seen(method, url, send))

    def _seen(self, method: str, url: str, send: Callable[[], Any]) -> Any:
        currency = self._business.currency
        told = {"http.request.method": method, "url.template": route(url)}
        with (
            span("rehive.request", told, is_call=True) as failed,
            numbers.timing("request_seconds", currency=currency),
        ):
            outcome = counted(self._business, send)
            if isinstance(outcome, RehiveError):
                failed(outcome.kind)
        tally.note(outcome)
        answer = outcome.kind if isinstance(outcome, RehiveError) else "ok"
        numbers.count("requests", currency=currency, answer=answer)
        return outcome


@lru_cache(maxsize=64)
def _client(business: conf.BusinessConfig) -> Client:
    return Client(
        api_url=business.api_url,
        payment_requests_url=business.payment_requests_url,
        token=business.token,
        business_id=business.business_id,
        gate=_Gate(business),
    )


# Two processes must not talk through one inherited connection.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_client.cache_clear)


def currency_key(business: conf.BusinessConfig) -> str:
    """Where the cache remembers the business's currency: its code and its divisibility."""
    return f"oscar_rehive:currency:{business.api_url}:{business.business_id}"


def divisibility_of(business: conf.BusinessConfig) -> int:
    """Decimals of the smallest unit of the currency that ``business`` invoices in.

    Asked of Rehive and remembered for an hour; every created invoice is checked against it, so a
    remembered value that has become wrong costs an attempt, never money. Raises
    ``BusinessNotUsable`` when the business's currency is not the one it is configured for.
    """
    key = currency_key(business)
    known = remembered(key)
    if known is None:
        remote = client_for(business).business()
        if remote.currency.divisibility is None:
            raise Unintelligible(
                "Rehive does not tell the divisibility of the business's currency."
            )
        known = (remote.currency.code, remote.currency.divisibility)
        remember(key, known, CURRENCY_SECONDS)
    code, divisibility = known
    if code != business.currency:
        raise BusinessNotUsable(
            f"The Rehive business invoices in {code}, but the shop uses it for {business.currency}."
            " Correct BUSINESS_ID, or name the business under its own currency in BUSINESSES."
        )
    return int(divisibility)

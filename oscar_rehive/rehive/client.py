"""The two Rehive services that a shop talks to (rehive-api.md; rehive.openapi.yaml).

Every call has time-outs, returns typed immutable objects or raises one of ``exceptions``, and never
puts the token anywhere but into the ``Authorization`` header.
"""

from __future__ import annotations

import email.utils
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

import requests
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError, NewConnectionError

from oscar_rehive.rehive import wire
from oscar_rehive.rehive.exceptions import (
    NotFound,
    Refused,
    Throttled,
    Unauthorised,
    Unintelligible,
    Unreachable,
)
from oscar_rehive.rehive.transport import CONNECT_SECONDS, READ_SECONDS, pooled_session, read_body

PAGE_SIZE = 250
MAX_PAGES = 400
"""Where Rehive does not tell how many there are: a list that never ends must end all the same."""

MAX_WAIT_SECONDS = 3600
DEFAULT_WAIT_SECONDS = 10

INVOICE_CHANGED = "service_payment_requests.request.update"

T = TypeVar("T")


@dataclass(frozen=True)
class Timeouts:
    """Seconds to wait for a connection and for an answer. P11 allows 2 and 5 at the most; a
    webhook that has 5 seconds in all takes less."""

    connect: float = CONNECT_SECONDS
    read: float = READ_SECONDS


class _TokenAuth(AuthBase):
    """Sets our token. As an auth object it also keeps a machine's ``.netrc`` from replacing the
    header, which ``requests`` does to plain headers."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # Further down the header would fail with an error that prints it.
        if not (self._token.isascii() and self._token.isprintable()):
            raise Unauthorised(
                "The token has characters that no token has; check TOKEN in OSCAR_REHIVE."
            )
        request.headers["Authorization"] = f"Token {self._token}"
        return request


class Client:
    """Rehive for one business.

    ``api_url`` and ``payment_requests_url`` are the services' base addresses (rehive-api.md,
    "Services"). One instance may be shared by threads and keeps its connections.
    """

    def __init__(
        self,
        *,
        api_url: str,
        payment_requests_url: str,
        token: str,
        business_id: str,
        session: requests.Session | None = None,
    ) -> None:
        self.business_id = business_id
        self._business_url = (
            f"{api_url.rstrip('/')}/manager/businesses/{quote(business_id, safe='')}/"
        )
        user_url = f"{payment_requests_url.rstrip('/')}/user/"
        self._webhooks_url = f"{user_url}webhooks/"
        self._requests_url = f"{user_url}requests/"
        self._token = token
        self._auth = _TokenAuth(token)
        self._session = session or pooled_session()

    def __repr__(self) -> str:
        return f"<Client of business {self.business_id}>"

    def business(self, *, timeouts: Timeouts = Timeouts()) -> wire.Business:
        """The business and its currency."""
        return self._one("GET", self._business_url, wire.read_business, timeouts=timeouts)

    def create_invoice(
        self, fields: Mapping[str, Any], *, idempotency_key: str
    ) -> wire.RemoteInvoice:
        """Create an invoice from the writable fields of rehive-api.md, "Invoices".

        After an error with ``may_have_happened`` look for the invoice before creating again.
        """
        return self._one(
            "POST",
            f"{self._business_url}invoices/",
            wire.read_invoice,
            body=fields,
            idempotency_key=idempotency_key,
        )

    def invoice(self, invoice_id: str, *, timeouts: Timeouts = Timeouts()) -> wire.RemoteInvoice:
        """One invoice, as it is now."""
        return self._one("GET", self._invoice_url(invoice_id), wire.read_invoice, timeouts=timeouts)

    def invoices(self) -> Iterator[wire.RemoteInvoice]:
        """All invoices of the business that can be read, page by page, in no documented order.

        One that cannot be read is left out: it must not hide all the others, for ever.
        """
        found = self._all(f"{self._business_url}invoices/", _invoice_or_none)
        return (invoice for invoice in found if invoice is not None)

    def payment_requests(
        self, *, timeouts: Timeouts = Timeouts(), **filters: str
    ) -> Iterator[wire.RemoteInvoice]:
        """The invoices that pass ``filters``, as the Payment Requests service lists them.

        Not documented is whether the token sees its invoices there and whether each filter is obeyed
        (rehive-api.md, "Payment requests"): what is listed exists, what is not listed may exist all
        the same. One that cannot be read is left out. Raises ``ValueError`` for an empty filter,
        which is none: it would bring the whole list.
        """
        for name, value in filters.items():
            if not value.strip():
                raise ValueError(f"The filter {name} is empty.")
        found = self._all(self._requests_url, _invoice_or_none, timeouts=timeouts, filters=filters)
        return (invoice for invoice in found if invoice is not None)

    def update_invoice(
        self, invoice_id: str, changes: Mapping[str, Any], *, idempotency_key: str
    ) -> wire.RemoteInvoice:
        """Change an invoice at its own address."""
        return self._one(
            "PATCH",
            self._invoice_url(invoice_id),
            wire.read_invoice,
            body=changes,
            idempotency_key=idempotency_key,
        )

    def transactions(self, invoice_id: str) -> Iterator[wire.Transaction]:
        """The movements of money that belong to an invoice."""
        return self._all(f"{self._invoice_url(invoice_id)}transactions/", wire.read_transaction)

    def refunds(
        self, invoice_id: str, *, timeouts: Timeouts = Timeouts()
    ) -> Iterator[wire.RemoteRefund]:
        """The refunds of an invoice, whoever asked for them."""
        url = f"{self._invoice_url(invoice_id)}refunds/"
        return self._all(url, wire.read_refund, timeouts=timeouts)

    def create_refund(
        self, invoice_id: str, *, amount: int, currency: str, reason: str, idempotency_key: str
    ) -> wire.RemoteRefund:
        """Ask for a refund of ``amount`` smallest units. The answer means "taken on", not "paid"."""
        return self._one(
            "POST",
            f"{self._invoice_url(invoice_id)}refunds/",
            wire.read_refund,
            body={"amount": amount, "currency": currency, "type": "native", "reason": reason},
            idempotency_key=idempotency_key,
        )

    def webhooks(self) -> Iterator[wire.Webhook]:
        """The webhooks registered for the token's user."""
        return self._all(self._webhooks_url, wire.read_webhook)

    def create_webhook(self, *, url: str, secret: str) -> wire.Webhook:
        """Have Rehive tell ``url`` of every change of an invoice."""
        return self._one(
            "POST",
            self._webhooks_url,
            wire.read_webhook,
            body={"url": url, "secret": secret, "event": INVOICE_CHANGED},
        )

    def delete_webhook(self, webhook_id: str) -> None:
        """End the deliveries of one webhook."""
        if not webhook_id.strip("."):
            raise ValueError(f"{webhook_id!r} is not a webhook's id.")
        self._send("DELETE", f"{self._webhooks_url}{quote(webhook_id, safe='')}/")

    def _invoice_url(self, invoice_id: str) -> str:
        if not wire.PLAUSIBLE_ID.fullmatch(invoice_id):
            raise ValueError(f"{invoice_id!r} is not an invoice's id.")
        return f"{self._business_url}invoices/{invoice_id}/"

    def _one(self, method: str, url: str, read: Callable[[Any], T], **kwargs: Any) -> T:
        return read(_unwrap(self._send(method, url, **kwargs)))

    def _all(
        self,
        url: str,
        read: Callable[[Any], T],
        *,
        timeouts: Timeouts = Timeouts(),
        filters: Mapping[str, str] | None = None,
    ) -> Iterator[T]:
        # Pages are counted here and Rehive's own "next" only tells whether there is one: following
        # its address would send our token to whatever host it names.
        page, last = 0, MAX_PAGES
        while page < last:
            page += 1
            params = {**(filters or {}), "page": page, "page_size": PAGE_SIZE}
            data = _unwrap(self._send("GET", url, params=params, timeouts=timeouts))
            results = data.get("results") if isinstance(data, Mapping) else data
            if not isinstance(results, list):
                raise Unintelligible("Rehive sent a list without results.")
            yield from map(read, results)
            if not isinstance(data, Mapping) or not data.get("next"):
                return
            if page == 1 and results:
                # However many Rehive says that there are, and a page for those that come meanwhile:
                # with a fixed limit a lost invoice of a large business would be looked for for ever.
                count = data.get("count")
                last = max(last, count // len(results) + 2) if isinstance(count, int) else last
        raise Unintelligible(f"Rehive's list does not end after {last} pages.")

    def _send(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        idempotency_key: str = "",
        timeouts: Timeouts = Timeouts(),
    ) -> Any:
        headers = {"Accept": "application/json"}
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        try:
            response = self._session.request(
                method,
                url,
                params=params,
                json=body,
                headers=headers,
                auth=self._auth,
                timeout=(timeouts.connect, timeouts.read),
                allow_redirects=False,
                stream=True,
            )
            with response:
                content = read_body(response, seconds=timeouts.read)
        except (requests.RequestException, HTTPError, OSError) as error:
            # "from None": the chained exception's text is urllib3's, and not ours to vouch for.
            if _was_never_sent(error):
                raise Unreachable(
                    f"Rehive cannot be reached ({type(error).__name__}); check API_URL,"
                    " PAYMENT_REQUESTS_URL and the shop's way out to the internet.",
                    may_have_happened=False,
                ) from None
            raise Unreachable(
                f"Rehive did not answer in time or dropped the connection ({type(error).__name__})."
            ) from None
        # An answer may quote what was sent, and errors end up in logs and in the database.
        return _interpret(response, content, [self._token, str((body or {}).get("secret", ""))])


def _invoice_or_none(payload: Any) -> wire.RemoteInvoice | None:
    try:
        return wire.read_invoice(payload)
    except Unintelligible:
        return None


def _was_never_sent(error: Exception) -> bool:
    if isinstance(error, (requests.ConnectTimeout, requests.exceptions.InvalidURL)):
        return True
    cause = error.args[0] if error.args else None
    return isinstance(getattr(cause, "reason", None), NewConnectionError)


def _interpret(response: requests.Response, content: bytes, secrets: Sequence[str]) -> Any:
    """Turn an answer into its JSON, or into the one error that it stands for."""
    status = response.status_code
    try:
        payload = json.loads(content) if content else None
    except (ValueError, RecursionError):
        payload = None
    if status == 204 or (200 <= status < 300 and payload is not None and not _is_error(payload)):
        return payload
    message, field_errors = _complaint(payload, secrets)
    if status == 429:
        raise Throttled(_wait(response.headers.get("Retry-After", ""), message))
    if status >= 500:
        raise Unreachable(
            f"Rehive has trouble of its own (status {status}); try again later.",
            # Not a proxy's HTML page, behind which the request may still be under way.
            was_answered=payload is not None,
        )
    if payload is None:
        raise Unintelligible(
            f"Something in front of Rehive answered (status {status}, not JSON); check API_URL"
            " and PAYMENT_REQUESTS_URL.",
            is_rehives=False,
        )
    if status == 401:
        raise Unauthorised("Rehive does not accept the token (401); check TOKEN in OSCAR_REHIVE.")
    if status == 403:
        raise Unauthorised(
            "The token has no permission for this business (403); check TOKEN and BUSINESS_ID."
        )
    if status == 404:
        raise NotFound("Rehive does not know what was asked for (404).")
    if _is_error(payload) or 400 <= status < 500:
        raise Refused(message or f"status {status}", field_errors)
    raise Unintelligible(f"Rehive answered with the unexpected status {status}.", is_rehives=False)


def _is_error(payload: Any) -> bool:
    return isinstance(payload, Mapping) and payload.get("status") == "error"


def _unwrap(payload: Any) -> Any:
    """Take off the envelope, where there is one: the merchant guide prints bare objects."""
    if isinstance(payload, Mapping) and payload.get("status") == "success" and "data" in payload:
        return payload["data"]
    return payload


def _complaint(payload: Any, secrets: Sequence[str]) -> tuple[str, dict[str, list[str]]]:
    if not isinstance(payload, Mapping):
        return "", {}

    def clean(text: Any) -> str:
        told = str(text)
        for secret in filter(None, secrets):
            told = told.replace(secret, "[removed]")
        return told

    message = payload.get("message")
    data = payload.get("data")
    fields = data if isinstance(data, Mapping) else {}
    return (
        clean(message) if isinstance(message, str) else "",
        {
            clean(name): [clean(text) for text in (texts if isinstance(texts, list) else [texts])]
            for name, texts in fields.items()
        },
    )


def _wait(retry_after: str, message: str) -> int:
    """Seconds to wait: ``Retry-After`` may be seconds, a date or nonsense, and may be missing."""
    seconds: float | None = None
    if re.fullmatch(r"\s*[0-9]+\s*", retry_after):
        seconds = int(retry_after.strip()[:9])
    elif retry_after:
        try:
            seconds = email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time()
        except (ValueError, TypeError, LookupError, OverflowError):
            seconds = None
    if seconds is None:
        told = re.search(r"available in (\d{1,6})", message)
        seconds = int(told.group(1)) if told else DEFAULT_WAIT_SECONDS
    return max(1, min(MAX_WAIT_SECONDS, int(seconds)))

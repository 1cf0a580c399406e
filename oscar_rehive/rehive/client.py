"""The two Rehive services that a shop talks to (rehive-api.md; rehive.openapi.yaml).

Every call has time-outs, returns typed immutable objects or raises one of ``exceptions``, and never
puts the token anywhere but into the ``Authorization`` header.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from oscar_rehive.rehive import wire
from oscar_rehive.rehive.answers import interpret, unwrap
from oscar_rehive.rehive.deadlines import CONNECT_SECONDS, READ_SECONDS
from oscar_rehive.rehive.exceptions import RehiveError, Unauthorised, Unintelligible
from oscar_rehive.rehive.gates import Gate, OpenGate
from oscar_rehive.rehive.hiding import Secret, SecretBytes
from oscar_rehive.rehive.paging import Page, Rows, read_all, read_invoices, read_page, read_pages
from oscar_rehive.rehive.sharing import Questions

if TYPE_CHECKING:
    import requests

PAGE_SIZE = 250
MAX_PAGES = 400
"""Where Rehive does not tell how many there are: a list that never ends must end all the same."""

INVOICE_CHANGED = "service_payment_requests.request.update"

OURS = "oscar_rehive_key"
"""The word in the metadata of each invoice that a shop with this plugin has made."""

T = TypeVar("T")


@dataclass(frozen=True)
class Timeouts:
    """Seconds to wait for a connection and for an answer. P11 allows 2 and 5 at the most; a
    webhook that has 5 seconds in all takes less."""

    connect: float = CONNECT_SECONDS
    read: float = READ_SECONDS


class _TokenAuth:
    """Sets our token. As an auth object it also keeps a machine's ``.netrc`` from replacing the
    header, which ``requests`` does to plain headers."""

    def __init__(self, token: str) -> None:
        self._token = Secret(token)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = Secret(f"Token {self._token}")
        return request


class Client:
    """Rehive for one business.

    ``api_url`` and ``payment_requests_url`` are the services' base addresses (rehive-api.md,
    "Services"). One instance may be shared by threads and keeps its connections; what several of them
    ask at the same moment is asked once (sharing.py). Every call goes through ``gate``, which may hold it
    back.
    """

    def __init__(
        self,
        *,
        api_url: str,
        payment_requests_url: str,
        token: str,
        business_id: str,
        session: requests.Session | None = None,
        gate: Gate | None = None,
    ) -> None:
        self.business_id = business_id
        self._businesses_url = f"{api_url.rstrip('/')}/manager/businesses/"
        self._business_url = f"{self._businesses_url}{quote(business_id, safe='')}/"
        user_url = f"{payment_requests_url.rstrip('/')}/user/"
        self._webhooks_url = f"{user_url}webhooks/"
        self._requests_url = f"{user_url}requests/"
        self._token = token = Secret(token)
        self._auth = _TokenAuth(token)
        # Loaded here, by the first client: it takes a shop's process as long to start as half of the plugin.
        from oscar_rehive.rehive import transport

        self._session = session or transport.pooled_session()
        self._exchange = transport.exchange
        self._gate = gate or OpenGate()
        self._questions = Questions()

    def __repr__(self) -> str:
        return f"<Client of business {self.business_id}>"

    def business(self, *, timeouts: Timeouts = Timeouts()) -> wire.Business:
        """The business and its currency."""
        return self._one("GET", self._business_url, wire.read_business, timeouts=timeouts)

    def businesses(self) -> Iterator[wire.Business]:
        """The businesses that the token may manage, whatever ``business_id`` is. One that cannot be read is
        left out: it must not hide the others."""
        for row in self._pages(self._businesses_url):
            with contextlib.suppress(Unintelligible):
                yield wire.read_business(row)

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

    def invoices(self, *, sought: Iterable[str] = (OURS,)) -> Iterator[wire.RemoteInvoice]:
        """All invoices of the business that can be read, page by page, in no documented order.

        One that cannot be read is left out: it must not hide all the others, for ever. Where such a one
        carries a word of ``sought`` (the keys and references that are looked for; as it is: any invoice
        that this plugin made), the list ends with ``NotAllReadable``, after all others: what was not
        found may be there.
        """
        return read_invoices(self._pages(f"{self._business_url}invoices/"), sought)

    def invoice_page(self, number: int) -> Page:
        """The page of that number, from 1 on, of all invoices of the business, ``PAGE_SIZE`` a page, in no
        documented order."""
        return read_page(
            self._asks_for_page(f"{self._business_url}invoices/"), number, size=PAGE_SIZE
        )

    def payment_requests(
        self, *, timeouts: Timeouts = Timeouts(), **filters: str
    ) -> Iterator[wire.RemoteInvoice]:
        """The invoices that pass ``filters``, as the Payment Requests service lists them.

        Not documented is whether the token sees its invoices there and whether each filter is obeyed
        (rehive-api.md, "Payment requests"): what is listed exists, what is not listed may exist all
        the same. So one that cannot be read is left out. Raises ``ValueError`` for an empty filter,
        which is none: it would bring the whole list.
        """
        return read_invoices(
            self._pages(self._requests_url, timeouts=timeouts, filters=_real(filters)), ()
        )

    def payment_request_page(self, number: int, **filters: str) -> Page:
        """The page of that number, from 1 on, of the same list, ``PAGE_SIZE`` a page."""
        return read_page(
            self._asks_for_page(self._requests_url, filters=_real(filters)), number, size=PAGE_SIZE
        )

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
        url = f"{self._invoice_url(invoice_id)}transactions/"
        return map(wire.read_transaction, self._pages(url))

    def refunds(
        self, invoice_id: str, *, timeouts: Timeouts = Timeouts()
    ) -> Iterator[wire.RemoteRefund]:
        """The refunds of an invoice, whoever asked for them. One that cannot be read is ``Unintelligible``:
        a refund that is missing is money that is missing."""
        url = f"{self._invoice_url(invoice_id)}refunds/"
        return map(wire.read_refund, self._pages(url, timeouts=timeouts))

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

    def movements(self) -> Iterator[wire.Movement]:
        """The transactions on the business's account, in no documented order. Where some cannot be read, the
        list ends with ``NotAllReadable``, after all others."""
        return read_all(self._pages(f"{self._business_url}transactions/"), wire.read_movement)

    def payouts(self) -> Iterator[wire.Payout]:
        """What has left the business's account for the bank, or is to; otherwise the same."""
        return read_all(self._pages(f"{self._business_url}payouts/"), wire.read_payout)

    def webhooks(self) -> Iterator[wire.Webhook]:
        """The webhooks registered for the token's user."""
        return map(wire.read_webhook, self._pages(self._webhooks_url))

    def create_webhook(self, *, url: str, secret: str) -> wire.Webhook:
        """Have Rehive tell ``url`` of every change of an invoice."""
        secret = Secret(secret)
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
        return read(unwrap(self._send(method, url, **kwargs)))

    def _pages(
        self,
        url: str,
        *,
        timeouts: Timeouts = Timeouts(),
        filters: Mapping[str, str] | None = None,
    ) -> Rows:
        ask = self._asks_for_page(url, timeouts=timeouts, filters=filters)
        return read_pages(ask, size=PAGE_SIZE, untold=MAX_PAGES * PAGE_SIZE)

    def _asks_for_page(
        self,
        url: str,
        *,
        timeouts: Timeouts = Timeouts(),
        filters: Mapping[str, str] | None = None,
    ) -> Callable[[int, int], Any]:
        # Pages are counted here and Rehive's own "next" only tells whether there is one: following
        # its address would send our token to whatever host it names.
        def ask(page: int, size: int) -> Any:
            params = {**(filters or {}), "page": page, "page_size": size}
            return unwrap(self._send("GET", url, params=params, timeouts=timeouts))

        return ask

    def _send(self, method: str, url: str, **kwargs: Any) -> Any:
        def send() -> Any:
            return self._gate.through(method, url, lambda: self._ask(method, url, **kwargs))

        def ask() -> Any:
            if method != "GET":
                return send()
            question = url, *(kwargs.get("params") or {}).items()
            timeouts: Timeouts = kwargs.get("timeouts", Timeouts())
            return self._questions.ask(question, send, timeouts.connect + timeouts.read)

        # Outside: nobody who asks the same has to be as patient.
        outcome = self._gate.patiently(ask)
        # Raised here, where no variable holds what was sent or what was answered (P9).
        if isinstance(outcome, RehiveError):
            raise outcome
        return outcome

    def _ask(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        idempotency_key: str = "",
        timeouts: Timeouts = Timeouts(),
    ) -> Any:
        # Further down the header would fail with an error that prints it.
        if not (self._token.isascii() and self._token.isprintable()):
            return Unauthorised(
                "The token has characters that no token has; check TOKEN in OSCAR_REHIVE."
            )
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        outcome = self._exchange(
            self._session,
            method,
            url,
            connect=timeouts.connect,
            read=timeouts.read,
            params=params,
            data=None if body is None else SecretBytes(json.dumps(body, allow_nan=False).encode()),
            headers=headers,
            auth=self._auth,
        )
        return interpret(outcome, [self._token, (body or {}).get("secret", "")])


def _real(filters: dict[str, str]) -> dict[str, str]:
    for name, value in filters.items():
        if not value.strip():
            raise ValueError(f"The filter {name} is empty.")
    return filters

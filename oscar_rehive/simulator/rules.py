"""The rules of Rehive, in memory, without any network: one method for each thing one can do.

All methods return JSON-able copies exactly as the API shows them, and raise ``RehiveError`` for
what Rehive would refuse. They can be called from any thread. Times are milliseconds since 1970,
UTC; amounts are whole numbers of the currency's smallest unit.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from copy import deepcopy
from typing import Any

from . import requests_door
from .books import Books
from .core import Business
from .errors import RehiveError, invalid, not_found
from .outbox import REQUEST_CREATE, Letter, Result
from .outcomes import CANCELLABLE, POSSIBLE, received, refunded
from .quotes import offered_processors
from .state import Record
from .validation import (
    DEFAULT_PAGE_SIZE,
    WrongValueError,
    check_metadata_size,
    clean_invoice_changes,
    clean_new_invoice,
    clean_refund,
    merge,
)

Json = dict[str, Any]

__all__ = ["Business", "Rehive"]


class Rehive(Books):
    """Everything one can do at Rehive; see ``Core`` for how to make one."""

    # Invoices

    def business(self, business_id: str) -> Json:
        """One business."""
        return self._business(business_id).wire()

    def list_businesses(
        self, managed: Collection[str] | None, page: int = 1, page_size: int = DEFAULT_PAGE_SIZE
    ) -> Json:
        """One page of the businesses with these ids; of all, where they are None."""
        found = [one for one in self.businesses.values() if managed is None or one.id in managed]
        path = "/business/manager/businesses/"
        return self._page(path, found, Business.wire, page, page_size)

    def create_invoice(self, business_id: str, body: Any) -> Json:
        """A new invoice, ``draft`` or ``initiated``."""
        with self._lock:
            business = self._business(business_id)
            fields = clean_new_invoice(body)
            now, number = self.now(), self._next_number()
            invoice: Json = {
                "id": self._new_id(),
                "user": {},
                "account": business.wire()["account"],
                "request_reference": None,
                "request_amount": 0,
                "request_currency": business.currency.wire(),
                "description": None,
                "status": "initiated",
                "return_url": None,
                "payer_user": None,
                "payer_email": None,
                "payer_mobile_number": None,
                "primary_payment_processor": None,
                "payment_processor_quotes": [],
                "available_payment_processors": offered_processors(business.currency),
                "expiration_date": None,
                "due_date": None,
                "send_request_on": None,
                "send_reminders": False,
                "refunded": False,
                "metadata": None,
                "created": now,
                "updated": now,
            }
            record = Record(number, business_id, invoice | fields)
            self._state.records[record.invoice["id"]] = record
            self._outbox.announce(REQUEST_CREATE, self._wire(record), now)
            self._changed(self._state)
            return self._wire(record)

    def invoices(self, business_id: str, page: int = 1, page_size: int = DEFAULT_PAGE_SIZE) -> Json:
        """One page of a business's invoices, newest first."""
        with self._lock:
            self.tick()
            self._business(business_id)
            records = [
                record
                for record in reversed(self._state.records.values())
                if record.business_id == business_id
            ]
            path = f"/business/manager/businesses/{business_id}/invoices/"
            return self._page(path, records, self._wire, page, page_size)

    def payment_requests(
        self, query: Mapping[str, str], page: int = 1, page_size: int = DEFAULT_PAGE_SIZE
    ) -> Json:
        """One page of the invoices of all businesses that the filters in ``query`` let through,
        newest first, as the state of the door allows; see ``requests_door``."""
        with self._lock:
            self.tick()
            records = list(reversed(self._state.records.values()))
            return self._page(
                "/payment-requests/user/requests/",
                requests_door.shown(self.requests_door, records, query),
                lambda record: requests_door.wire(record, self._wire(record)),
                page,
                page_size,
                query,
            )

    def invoice(self, business_id: str, invoice_id: str) -> Json:
        """One invoice of a business."""
        with self._lock:
            return self._wire(self._record(business_id, invoice_id))

    def update_invoice(self, business_id: str, invoice_id: str, body: Any) -> Json:
        """Change an invoice, open a draft, or cancel what is still payable."""
        with self._lock:
            record = self._record(business_id, invoice_id)
            invoice = record.invoice
            fields = clean_invoice_changes(body)
            status = fields.pop("status", invoice["status"])
            self._check_update(invoice, fields, status)
            if any(invoice[name] != value for name, value in fields.items()):
                invoice |= fields
                self._touch(record)
            if status != invoice["status"]:
                if status == "cancelled":
                    self._payer(record).end(status)
                else:
                    self._moved(record, status)
            self._tick()
            self._changed(self._state)
            return self._wire(record)

    def _check_update(self, invoice: Json, fields: Json, status: str) -> None:
        current, errors = invoice["status"], {}
        startable = status == "initiated" and current == "draft"
        cancellable = status == "cancelled" and current in CANCELLABLE
        if status != current and not startable and not cancellable:
            errors["status"] = [f"An invoice that is {current} can't become {status}."]
        amount = fields.get("request_amount", invoice["request_amount"])
        if amount != invoice["request_amount"] and invoice["payment_processor_quotes"]:
            errors["request_amount"] = ["The amount can't change once a payment has begun."]
        if fields.get("metadata") is not None:
            fields["metadata"] = merge(invoice["metadata"], fields["metadata"])
            try:
                check_metadata_size(fields["metadata"])
            except WrongValueError as error:
                errors["metadata"] = [str(error)]
        if errors:
            raise invalid(errors)

    def transactions(
        self, business_id: str, invoice_id: str, page: int = 1, page_size: int = DEFAULT_PAGE_SIZE
    ) -> Json:
        """One page of an invoice's transactions, one for each payment, newest first."""
        with self._lock:
            record = self._record(business_id, invoice_id)
            newest_first = record.transactions[::-1]
            return self._page(
                _path(record, "transactions"), newest_first, deepcopy, page, page_size
            )

    def logs(
        self, business_id: str, invoice_id: str, page: int = 1, page_size: int = DEFAULT_PAGE_SIZE
    ) -> Json:
        """One page of who looked at the hosted page of an invoice."""
        with self._lock:
            record = self._record(business_id, invoice_id)
            return self._page(_path(record, "logs"), record.logs[::-1], deepcopy, page, page_size)

    # Refunds

    def refunds(
        self, business_id: str, invoice_id: str, page: int = 1, page_size: int = DEFAULT_PAGE_SIZE
    ) -> Json:
        """One page of an invoice's refunds, newest first."""
        with self._lock:
            record = self._record(business_id, invoice_id)
            newest_first = record.refunds[::-1]
            return self._page(_path(record, "refunds"), newest_first, deepcopy, page, page_size)

    def create_refund(self, business_id: str, invoice_id: str, body: Any) -> Json:
        """Take on a refund; never of more than was received and is not refunded yet."""
        with self._lock:
            record = self._record(business_id, invoice_id)
            fields = clean_refund(body)
            own = record.invoice["request_currency"]
            left = received(record) - refunded(record, "pending", "processing", "complete")
            if fields["currency"] != own["code"]:
                raise invalid({"currency": [f"This invoice is in {own['code']}."]})
            if fields["amount"] > left:
                raise invalid({"amount": [f"Only {left} can still be refunded."]})
            now, identifier = self.now(), self._new_id()
            refund: Json = {
                "identifier": identifier,
                "id": identifier,
                "request": record.invoice["id"],
                "amount": fields["amount"],
                "currency": own,
                "type": fields["type"],
                "reason": fields.get("reason"),
                "status": "pending",
                "transaction_collection": None,
                "created": now,
                "updated": now,
            }
            record.refunds.append(refund)
            self._changed(self._state)
            return deepcopy(refund)

    def progress_refund(self, refund_id: str, status: str) -> Json:
        """Move a refund on to ``processing``, ``complete`` or ``failed``; the last two are final."""
        with self._lock:
            for record in self._state.records.values():
                for refund in record.refunds:
                    if refund["identifier"] == refund_id:
                        self._move_refund(record, refund, status)
                        self._changed(self._state)
                        return deepcopy(refund)
            raise not_found("Refund")

    # The hosted page

    def hosted_invoice(self, invoice_id: str, viewer: Json | None = None) -> Json:
        """An invoice for its payer; ``viewer`` goes into the invoice's logs."""
        with self._lock:
            record = self._record(None, invoice_id)
            if viewer is not None:
                record.logs.append(viewer)
                self._changed(self._state)
            return self._wire(record)

    def business_of(self, invoice_id: str) -> str:
        """The id of the business that an invoice belongs to."""
        with self._lock:
            return self._record(None, invoice_id).business_id

    def received(self, invoice_id: str) -> int:
        """What has been paid, in the smallest unit of the invoice's currency."""
        with self._lock:
            return received(self._record(None, invoice_id))

    def outcome(
        self,
        invoice_id: str,
        outcome: str,
        *,
        currency: str | None = None,
        amount: int | None = None,
        force: bool = False,
    ) -> Json:
        """Let one of ``outcomes.POSSIBLE`` (or ``back``) happen; returns the invoice.

        ``currency`` is the code of what the payer pays in, ``amount`` is in its smallest unit.
        ``force`` lets it happen in any status, for what should never happen but does.
        """
        with self._lock:
            record = self._record(None, invoice_id)
            if currency is not None and not isinstance(currency, str):
                raise invalid({"currency": ["Not a valid string."]})
            if amount is not None and (type(amount) is not int or amount < 1):
                raise invalid({"amount": ["A whole number of smallest units, 1 or more."]})
            if outcome != "back":
                statuses = POSSIBLE.get(outcome)
                if statuses is None:
                    raise RehiveError(400, f"Outcomes are: {', '.join(POSSIBLE)}, back.")
                status = record.invoice["status"]
                if status not in statuses and not force:
                    raise RehiveError(409, f"Not possible: the invoice is {status}.")
                before = record.invoice["updated"]
                self._payer(record).do(outcome, currency, amount)
                if record.invoice["updated"] == before:
                    self._touch(record)
                self._changed(self._state)
            return self._wire(record)

    # Webhooks and deliveries

    def webhooks(self, page: int = 1, page_size: int = DEFAULT_PAGE_SIZE) -> Json:
        """One page of the registered webhooks."""
        with self._lock:
            found = self._outbox.webhooks()
            return self._page("/payment-requests/user/webhooks/", found, deepcopy, page, page_size)

    def create_webhook(self, body: Any) -> Json:
        """Register a webhook."""
        with self._lock:
            webhook = self._outbox.create_webhook(body)
            self._changed(self._state)
            return webhook

    def webhook(self, webhook_id: str) -> Json:
        """One webhook."""
        with self._lock:
            return self._outbox.webhook(webhook_id)

    def update_webhook(self, webhook_id: str, body: Any) -> Json:
        """Change some fields of a webhook; that enables it again."""
        return self._write_webhook(webhook_id, body, partial=True)

    def replace_webhook(self, webhook_id: str, body: Any) -> Json:
        """Change all fields of a webhook; that enables it again."""
        return self._write_webhook(webhook_id, body, partial=False)

    def _write_webhook(self, webhook_id: str, body: Any, *, partial: bool) -> Json:
        with self._lock:
            webhook = self._outbox.update_webhook(webhook_id, body, partial=partial)
            self._changed(self._state)
            return webhook

    def delete_webhook(self, webhook_id: str) -> None:
        """Remove a webhook."""
        with self._lock:
            self._outbox.delete_webhook(webhook_id)
            self._changed(self._state)

    def claim_deliveries(self, *, everything: bool = False) -> list[Letter]:
        """The deliveries to be sent now; see ``Outbox.claim``."""
        with self._lock:
            self.tick()
            return self._outbox.claim(self.now(), everything=everything)

    def record_delivery(self, letter: Letter, result: Result) -> Json | None:
        """Note how sending went; see ``Outbox.record``."""
        with self._lock:
            line = self._outbox.record(letter, result, self.now())
            self._changed(self._state)
            return line

    def deliveries(self) -> Json:
        """``log``: every attempt, oldest first; ``pending``: what is still to be sent."""
        with self._lock:
            return self._outbox.log()

    # Everything

    def overview(self) -> Json:
        """All there is, newest first, for the control page; webhook secrets are left out."""
        with self._lock:
            self.tick()
            records = list(reversed(self._state.records.values()))
            return {
                "now": self.now(),
                "invoices": [
                    self._wire(record)
                    | {"business_id": record.business_id, "received": received(record)}
                    for record in records
                ],
                "refunds": [refund for r in records for refund in deepcopy(r.refunds[::-1])],
                "webhooks": [
                    {
                        "id": webhook.id,
                        "url": webhook.url,
                        "event": webhook.event,
                        "disabled": webhook.disabled,
                        "has_secret": bool(webhook.secret),
                    }
                    for webhook in self._state.webhooks.values()
                ],
            } | self._outbox.log()


def _path(record: Record, what: str) -> str:
    invoice_id = record.invoice["id"]
    return f"/business/manager/businesses/{record.business_id}/invoices/{invoice_id}/{what}/"

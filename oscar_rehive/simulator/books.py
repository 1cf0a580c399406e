"""The business's own account: what moved on it, and what left it for the bank (rehive-api.md, "Business").

No link from a movement to a payout is documented, so none is made up here; nor do the movements of refunds say
which invoice they belong to.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from .core import Core
from .errors import invalid
from .state import Record
from .validation import DEFAULT_PAGE_SIZE

Json = dict[str, Any]

PAYOUT_STATUSES = ("queued", "processing", "failed", "complete", "quarantined")


class Books(Core):
    """What the business's account tells."""

    def movements(
        self, business_id: str, page: int = 1, page_size: int = DEFAULT_PAGE_SIZE
    ) -> Json:
        """One page of the transactions of a business, newest first."""
        with self._lock:
            self.tick()
            business = self._business(business_id)
            common = {"currency": business.currency.wire(), "account": business.wire()["account"]}
            found = [
                common | movement
                for record in self._state.records.values()
                if record.business_id == business_id
                for movement in _movements(record, self._state.fee_per_mille)
            ]
            found.sort(key=lambda one: one["created"], reverse=True)
            path = f"/business/manager/businesses/{business_id}/transactions/"
            return self._page(path, found, deepcopy, page, page_size)

    def payouts(self, business_id: str, page: int = 1, page_size: int = DEFAULT_PAGE_SIZE) -> Json:
        """One page of the payouts of a business, newest first."""
        with self._lock:
            self._business(business_id)
            found = [
                one["payout"]
                for one in reversed(self._state.payouts)
                if one["business_id"] == business_id
            ]
            path = f"/business/manager/businesses/{business_id}/payouts/"
            return self._page(path, found, deepcopy, page, page_size)

    def make_payout(self, business_id: str, amount: Any, status: str) -> Json:
        """Let ``amount`` smallest units leave the account of a business."""
        with self._lock:
            business = self._business(business_id)
            if type(amount) is not int or amount < 1:
                raise invalid({"amount": ["A whole number of smallest units, 1 or more."]})
            now, number = self.now(), self._next_number()
            payout: Json = {
                "id": self._new_id(),
                "reference": f"P{number}",
                "status": status,
                "currency": business.currency.wire(),
                "amount": amount,
                "destinations": [],
                "errors": [],
                "created": now,
                "updated": now,
            }
            self._state.payouts.append({"business_id": business_id, "payout": payout})
            self._changed(self._state)
            return deepcopy(payout)

    def set_fee(self, per_mille: int) -> int:
        """From now on each payment of an invoice costs the business so much of a thousand."""
        with self._lock:
            self._state.fee_per_mille = per_mille
            self._changed(self._state)
            return per_mille


def _movements(record: Record, fee_per_mille: int) -> Iterator[Json]:
    quotes = {int(one["id"]): one for one in record.invoice["payment_processor_quotes"]}
    for transaction in record.transactions:
        details = transaction["details"]
        quote = quotes[transaction["payment_processor_quote"]]
        worth = record.quote_worth[quote["id"]] * details["amount"] // quote["amount"]
        yield _movement(details, worth, worth * fee_per_mille // 1000) | {
            "metadata": {"service_payment_requests": {"request_id": record.invoice["id"]}}
        }
    for refund in record.refunds:
        if refund["status"] == "complete":
            told = {
                "id": refund["transaction_collection"],
                "tx_type": "debit",
                "subtype": "send_refund",
                "status": "complete",
                "created": refund["updated"],
                "updated": refund["updated"],
            }
            yield _movement(told, refund["amount"], 0) | {
                "collection": refund["transaction_collection"]
            }


def _movement(told: Json, amount: int, fee: int) -> Json:
    return {
        "id": told["id"],
        "collection": None,
        "parent": None,
        "partner": None,
        "tx_type": told["tx_type"],
        "subtype": told["subtype"],
        "note": "",
        "metadata": {},
        "status": told["status"],
        "reference": "",
        "amount": amount,
        "total_amount": amount + fee,
        "created": told["created"],
        "updated": told["updated"],
    }

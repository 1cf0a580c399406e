"""The second door to the invoices: the list of payment requests, and how it answers.

It is not documented whether a shop's token sees its invoices there and whether filters are obeyed, so
a shop must get along with each of ``DOORS``:

``open``        the filters are obeyed; unknown ones, and empty ones, are passed over
``shut``        404
``forbidden``   403
``lying``       the filters are ignored: the whole list, in pages as usual
``empty``       no results, whatever is asked for
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .errors import RehiveError, invalid
from .state import Record

Json = dict[str, Any]
Fits = Callable[[Json], bool]

OPEN = "open"
DOORS = (OPEN, "shut", "forbidden", "lying", "empty")


def shown(door: str, records: Sequence[Record], query: Mapping[str, str]) -> list[Record]:
    """Those of the records that the door shows to a request with these query parameters.

    Raises ``RehiveError``: a 404 or 403 where the door is closed, a 400 for a value that its filter
    cannot have.
    """
    if door == "shut":
        raise RehiveError(404, "Not found.")
    if door == "forbidden":
        raise RehiveError(403, "You do not have permission to perform this action.")
    if door == "empty":
        return []
    filters = [] if door == "lying" else _filters(query)
    return [record for record in records if all(fits(record.invoice) for fits in filters)]


def wire(record: Record, invoice: Json) -> Json:
    """The payment request that this invoice is: the same, with its refunds inside."""
    told = ("id", "amount", "currency", "status", "type", "reason", "created", "updated")
    refunds = [{name: refund[name] for name in told} for refund in record.refunds[::-1]]
    return invoice | {"refunds": refunds}


def _filters(query: Mapping[str, str]) -> list[Fits]:
    # White space around a value is taken off, and an empty filter is none: so does django-filter,
    # which Rehive's framework comes with.
    given = {name: value.strip() for name, value in query.items()}
    filters: list[Fits] = []
    errors: dict[str, list[str]] = {}
    for name, make in _FILTERS.items():
        if value := given.get(name):
            try:
                filters.append(make(value))
            except ValueError:
                errors[name] = ["Enter a valid value."]
    if errors:
        raise invalid(errors)
    return filters


def _id(value: str) -> Fits:
    wanted = str(uuid.UUID(value))
    return lambda invoice: invoice["id"] == wanted


def _status_in(value: str) -> Fits:
    wanted = value.split(",")
    return lambda invoice: invoice["status"] in wanted


def _created_gte(value: str) -> Fits:
    earliest = int(value)
    return lambda invoice: invoice["created"] >= earliest


def _refunded(value: str) -> Fits:
    if value not in ("true", "false"):
        raise ValueError(value)
    return lambda invoice: invoice["refunded"] is (value == "true")


_FILTERS: dict[str, Callable[[str], Fits]] = {
    "id": _id,
    "status": lambda value: lambda invoice: invoice["status"] == value,
    "status__in": _status_in,
    "request_reference": lambda value: lambda invoice: invoice["request_reference"] == value,
    "created__gte": _created_gte,
    "refunded": _refunded,
}

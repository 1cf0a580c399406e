"""What all rules of Rehive share: state, lock, clock, and what happens by itself in time."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import urlencode

from .errors import RehiveError, not_found
from .faults import Faults
from .money import Currency
from .outbox import REQUEST_UPDATE, Outbox
from .outcomes import EXPIRABLE, Payer, expire_quotes, received, refunded
from .requests_door import OPEN
from .state import Record, State

Json = dict[str, Any]
T = TypeVar("T")

ANSWERS_KEPT_MS = 24 * 60 * 60 * 1000
LATEST = 221_876_928_000_000
"""The end of the year 9000: whatever expires after that is still a date."""

_REFUND_MOVES = {
    "pending": ("processing", "complete", "failed"),
    "processing": ("complete", "failed"),
}


@dataclass(frozen=True)
class Business:
    """A business and the one currency of its invoices (rehive-api.md, "Business")."""

    id: str
    currency: Currency
    name: str = "Simulated shop"

    def wire(self) -> Json:
        """The business object of the API."""
        return {
            "id": self.id,
            "name": self.name,
            "status": "verified",
            "account": f"account-{self.id}",
            "currency": self.currency.wire(),
            "timezone": "UTC",
        }


def _system_clock() -> int:
    return time.time_ns() // 1_000_000


class Core:
    """State, lock and clock of a Rehive of one's own.

    ``origin`` is where its hosted page is; ``clock`` tells milliseconds, ``new_id`` makes UUIDs;
    ``changed`` is called after each change, with the lock held, for those who keep the state or
    watch the queue. Without ``refund_delay_ms`` refunds progress only by ``progress_refund``.
    ``requests_door`` is one of ``requests_door.DOORS``; it can be changed at any time.
    """

    def __init__(
        self,
        businesses: Sequence[Business],
        *,
        origin: str = "http://127.0.0.1:8001",
        state: State | None = None,
        faults: Faults | None = None,
        clock: Callable[[], int] = _system_clock,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
        changed: Callable[[State], None] = lambda state: None,
        retry_base_ms: int = 2000,
        refund_delay_ms: int | None = None,
        requests_door: str = OPEN,
    ) -> None:
        self.origin = origin
        self.businesses = {business.id: business for business in businesses}
        self.faults = faults or Faults()
        self.requests_door = self._requests_door_at_first = requests_door
        self._clock = clock
        self._new_id = new_id
        self._changed = changed
        self._retry_base_ms = retry_base_ms
        self._refund_delay_ms = refund_delay_ms
        self._lock = threading.RLock()
        self._use(state or State())

    def _use(self, state: State) -> None:
        self._state = state
        self._outbox = Outbox(state, self.faults, self._next_number, self._retry_base_ms)

    # Time

    def now(self) -> int:
        """The simulator's time in milliseconds."""
        return self._clock() + self._state.clock_offset_ms

    def advance(self, milliseconds: int) -> int:
        """Move the simulator's clock forward; returns the new time."""
        with self._lock:
            if self.now() + milliseconds > LATEST:
                raise RehiveError(400, "The clock goes to the end of the year 9000 and no further.")
            self._state.clock_offset_ms += milliseconds
            self._tick()
            self._changed(self._state)
            return self.now()

    def tick(self) -> None:
        """Let happen what is due by now: expiring, and refunds that progress by themselves."""
        with self._lock:
            if self._tick():
                self._changed(self._state)

    def next_due(self) -> int | None:
        """Milliseconds until something is to be done (0: now); None if nothing is foreseen."""
        with self._lock:
            times = [self._outbox.next_due()]
            for record in self._state.records.values():
                if record.invoice["status"] in EXPIRABLE:
                    expiration = record.invoice["expiration_date"]
                    times.append(None if expiration is None else expiration + 1)
                if self._refund_delay_ms is not None:
                    times += [
                        refund["created"] + self._refund_delay_ms
                        for refund in record.refunds
                        if refund["status"] in _REFUND_MOVES
                    ]
            due = min((when for when in times if when is not None), default=None)
            return None if due is None else max(due - self.now(), 0)

    def _tick(self) -> bool:
        now, happened = self.now(), False
        for record in self._state.records.values():
            expiration = record.invoice["expiration_date"]
            past = expiration is not None and now > expiration
            if past and record.invoice["status"] in EXPIRABLE:
                self._payer(record).end("expired")
                happened = True
            elif expire_quotes(record, now):
                self._touch(record)
                happened = True
            if self._refund_delay_ms is None:
                continue
            for refund in record.refunds:
                due = now >= refund["created"] + self._refund_delay_ms
                if due and refund["status"] in _REFUND_MOVES:
                    self._move_refund(record, refund, "complete")
                    happened = True
        return happened

    def reset(self) -> None:
        """Forget everything, end all faults and set clock and door right. Numbers are not used
        again."""
        with self._lock:
            self.faults.set({})
            self.requests_door = self._requests_door_at_first
            self._use(State(last_number=self._state.last_number))
            self._changed(self._state)

    def once(self, key: str | None, perform: Callable[[], Json]) -> tuple[Json, bool]:
        """The JSON answer of ``perform`` — or the one it gave before under this key, and True.

        Answers are kept 24 hours (rehive-api.md, "Idempotency").
        """
        with self._lock:
            if key is None:
                return perform(), False
            now, answers = self.now(), self._state.answers
            for old in [k for k, kept in answers.items() if now - kept["at"] > ANSWERS_KEPT_MS]:
                del answers[old]
            if key in answers:
                return deepcopy(answers[key]["answer"]), True
            answer = perform()
            answers[key] = {"at": now, "answer": deepcopy(answer)}
            self._changed(self._state)
            return answer, False

    # For the rules

    def _next_number(self) -> int:
        self._state.last_number += 1
        return self._state.last_number

    def _business(self, business_id: str) -> Business:
        business = self.businesses.get(business_id)
        if business is None:
            raise not_found("Business")
        return business

    def _record(self, business_id: str | None, invoice_id: str) -> Record:
        self.tick()
        if business_id is not None:
            self._business(business_id)
        record = self._state.records.get(invoice_id)
        if record is None or business_id not in (None, record.business_id):
            raise not_found("Invoice")
        return record

    def _touch(self, record: Record) -> None:
        record.invoice["updated"] = max(self.now(), record.invoice["updated"] + 1)

    def _moved(self, record: Record, status: str) -> None:
        before = record.invoice["status"]
        record.invoice["status"] = status
        self._touch(record)
        if status != before:
            self._outbox.announce(REQUEST_UPDATE, self._wire(record), self.now())

    def _wire(self, record: Record) -> Json:
        return_url = record.invoice["return_url"]
        # Pasted in as it is, not percent-encoded: that is how Rehive does it.
        back = "" if return_url is None else f"&return_url={return_url}"
        redirect_url = f"{self.origin}/?request={record.invoice['id']}{back}"
        return deepcopy(record.invoice) | {"redirect_url": redirect_url}

    def _page(
        self,
        path: str,
        items: Sequence[T],
        wire: Callable[[T], Json],
        page: int,
        page_size: int,
        query: Mapping[str, str] = MappingProxyType({}),
    ) -> Json:
        last = max(-(-len(items) // page_size), 1)
        if not 1 <= page <= last:
            raise RehiveError(404, "Invalid page.")

        def address(number: int) -> str | None:
            asked = urlencode({**query, "page": number, "page_size": page_size})
            return f"{self.origin}{path}?{asked}" if 1 <= number <= last else None

        return {
            "count": len(items),
            "next": address(page + 1),
            "previous": address(page - 1),
            "results": [wire(item) for item in items[(page - 1) * page_size : page * page_size]],
        }

    def _move_refund(self, record: Record, refund: Json, status: str) -> None:
        if status == refund["status"]:
            return
        if status not in _REFUND_MOVES.get(refund["status"], ()):
            raise RehiveError(409, f"A refund that is {refund['status']} can't become {status}.")
        refund["status"] = status
        refund["updated"] = max(self.now(), refund["updated"] + 1)
        if status == "complete":
            refund["transaction_collection"] = self._new_id()
            record.invoice["refunded"] = refunded(record, "complete") >= received(record)
            self._touch(record)
            self._outbox.announce(REQUEST_UPDATE, self._wire(record), self.now())

    def _payer(self, record: Record) -> Payer:
        return Payer(
            record,
            self.now(),
            self._next_number,
            self._new_id,
            lambda status: self._moved(record, status),
        )

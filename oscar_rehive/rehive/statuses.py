"""The invoice statuses that Rehive documents (rehive-api.md, "Statuses")."""

from __future__ import annotations

from enum import Enum


class Status(str, Enum):
    """A status of an invoice. Its value is the word on the wire."""

    DRAFT = "draft"
    INITIATED = "initiated"
    PROCESSING = "processing"
    RECEIVED = "received"
    UNDERPAID = "underpaid"
    PAID = "paid"
    COMPLETE = "complete"
    OVERPAID = "overpaid"
    LATE = "late"
    EXPIRED = "expired"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @classmethod
    def known(cls, word: str) -> Status | None:
        """The status that ``word`` names, or None. ``canceled`` is not ``cancelled``: a word that
        Rehive does not document must be looked at by a person, never guessed at."""
        try:
            return cls(word)
        except ValueError:
            return None


OPEN = frozenset(
    {Status.DRAFT, Status.INITIATED, Status.PROCESSING, Status.RECEIVED, Status.UNDERPAID}
)
PAID = frozenset({Status.PAID, Status.COMPLETE, Status.OVERPAID, Status.LATE})
CLOSED = frozenset({Status.EXPIRED, Status.FAILED, Status.CANCELLED})

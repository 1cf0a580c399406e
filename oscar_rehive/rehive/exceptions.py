"""Everything that can go wrong between a shop and Rehive.

Each message is written for a store owner: what was wrong and what to do. None ever carries the token,
for messages end up in logs, on pages and in the database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class RehiveError(Exception):
    """Rehive could not be asked, or did not do what it was asked.

    ``may_have_happened`` tells whether Rehive may have carried out a write although no usable answer
    came back. After such a failure a create must be looked for before it is sent again, or two
    payable invoices exist.
    """

    may_have_happened = False

    def __init__(self, message: str = "") -> None:
        # Rehive's own words are part of some messages, and what no database stores and no page
        # shows (NUL, half a surrogate pair) would crash whoever passes them on.
        super().__init__(message.replace("\0", "").encode("utf-8", "replace").decode("utf-8"))


class Unreachable(RehiveError):
    """No usable answer in time: network trouble, a time-out, or a fault inside Rehive (5xx).

    ``was_answered`` tells that it was Rehive itself that answered with a fault: an answer that it
    replays to the same idempotency key for 24 hours.
    """

    def __init__(
        self, message: str, *, may_have_happened: bool = True, was_answered: bool = False
    ) -> None:
        super().__init__(message)
        self.may_have_happened = may_have_happened
        self.was_answered = was_answered


class Throttled(RehiveError):
    """Rehive answered 429. ``wait`` is the number of seconds it asked us to wait, at least 1."""

    def __init__(self, wait: int) -> None:
        super().__init__(
            f"Rehive is limiting requests from this shop; try again in {wait} seconds."
        )
        self.wait = wait


class Unauthorised(RehiveError):
    """The token is wrong, expired, or has no permission for this business (401, 403)."""


class NotFound(RehiveError):
    """Rehive says that the thing asked for does not exist (404)."""


class Refused(RehiveError):
    """Rehive refused the request. ``field_errors`` maps its field names to its complaints."""

    def __init__(self, message: str, field_errors: Mapping[str, Sequence[str]]) -> None:
        details = "; ".join(
            f"{field}: {' '.join(complaints)}" for field, complaints in field_errors.items()
        )
        super().__init__(f"Rehive refused: {message}" + (f" ({details})" if details else ""))
        self.field_errors = field_errors


class Unintelligible(RehiveError):
    """An answer that is not what Rehive documents, such as a proxy's HTML page.

    ``is_rehives`` tells that it was Rehive itself that answered, and not something in front of it.
    """

    may_have_happened = True

    def __init__(self, message: str = "", *, is_rehives: bool = True) -> None:
        super().__init__(message)
        self.is_rehives = is_rehives

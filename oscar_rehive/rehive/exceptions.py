"""Everything that can go wrong between a shop and Rehive.

Each message is written for a store owner: what was wrong and what to do. None ever carries the token,
for messages end up in logs, on pages and in the database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

MOST_CHARACTERS = 1000
"""Of a message; Rehive's own words are part of some, and a log line is no place for a book."""

_MOST_FIELDS = 20


def clean(text: str, most: int = MOST_CHARACTERS) -> str:
    """``text`` as one line of at most ``most`` characters that show.

    A line feed would begin a log line of somebody else's making, an escape sequence would reach the
    terminal that shows the log, a direction mark would turn the rest around, and neither a NUL nor half a
    surrogate pair can be stored.
    """
    if len(text) > most:
        text = f"{text[: most - 1]}…"
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else " " if letter.isspace() else "?" for letter in text
    )


class RehiveError(Exception):
    """Rehive could not be asked, or did not do what it was asked.

    ``may_have_happened`` tells whether Rehive may have carried out a write although no usable answer
    came back. After such a failure a create must be looked for before it is sent again, or two
    payable invoices exist. ``kind`` is one word for it, to count by.
    """

    kind = "failed"
    may_have_happened = False

    def __init__(self, message: str = "") -> None:
        super().__init__(clean(message))


class Unreachable(RehiveError):
    """No usable answer in time: network trouble, a time-out, or a fault inside Rehive (5xx).

    ``was_answered`` tells that it was Rehive itself that answered with a fault: an answer that it
    replays to the same idempotency key for 24 hours. ``was_rushed``: nothing came in a time that was
    shorter than the usual one, which says nothing of Rehive.
    """

    kind = "unreachable"

    def __init__(
        self,
        message: str,
        *,
        may_have_happened: bool = True,
        was_answered: bool = False,
        was_rushed: bool = False,
    ) -> None:
        super().__init__(message)
        self.may_have_happened = may_have_happened
        self.was_answered = was_answered
        self.was_rushed = was_rushed


class Throttled(RehiveError):
    """Rehive answered 429. ``wait`` is the number of seconds it asked us to wait, at least 1."""

    kind = "throttled"

    def __init__(self, wait: int) -> None:
        super().__init__(
            f"Rehive is limiting requests from this shop; try again in {wait} seconds."
        )
        self.wait = wait


class Unauthorised(RehiveError):
    """The token is wrong or expired (401), or ``is_forbidden``: it has no permission for this (403)."""

    kind = "unauthorised"

    def __init__(self, message: str = "", *, is_forbidden: bool = False) -> None:
        super().__init__(message)
        self.is_forbidden = is_forbidden


class NotFound(RehiveError):
    """Rehive says that the thing asked for does not exist (404)."""

    kind = "not_found"


class Refused(RehiveError):
    """Rehive refused the request. ``field_errors`` maps its field names to its complaints."""

    kind = "refused"

    def __init__(self, message: str, field_errors: Mapping[str, Sequence[str]]) -> None:
        self.field_errors = {
            clean(field, 100): [clean(complaint) for complaint in complaints[:_MOST_FIELDS]]
            for field, complaints in list(field_errors.items())[:_MOST_FIELDS]
        }
        details = "; ".join(
            f"{field}: {' '.join(complaints)}" for field, complaints in self.field_errors.items()
        )
        super().__init__(f"Rehive refused: {message}" + (f" ({details})" if details else ""))


class Unintelligible(RehiveError):
    """An answer that is not what Rehive documents, such as a proxy's HTML page.

    ``is_rehives`` tells that it was Rehive itself that answered, and not something in front of it.
    """

    kind = "unintelligible"
    may_have_happened = True

    def __init__(self, message: str = "", *, is_rehives: bool = True) -> None:
        super().__init__(message)
        self.is_rehives = is_rehives


class TooLarge(Unintelligible):
    """An answer that does not end at a sane size."""


class NotAllReadable(Unintelligible):
    """A list was read to its end, and a row of it that cannot be read may be one that was looked for: that
    nothing else was found does not mean that it is not there."""

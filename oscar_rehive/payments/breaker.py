"""When Rehive is down: who comes is told so at once, and one call at a time finds out when it is back.

Kept per host, where all processes see it. A call that nobody answered is a failure; whatever Rehive itself
answers, a refusal or a limit included, shows that it is there. The first failures are let happen; then
nobody asks for a few seconds, and for longer each time that the one call after them has failed too. Who
reads and writes at the same moment may lose a failure: then it takes one more. One invoice on which Rehive
stumbles every time says nothing of the others: however often it is asked about, it is one failure.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import astuple, dataclass, replace
from enum import Enum
from hashlib import sha256
from time import time
from typing import Any
from urllib.parse import urlsplit

from oscar_rehive import numbers
from oscar_rehive.payments.clocks import SKEW
from oscar_rehive.rehive.exceptions import Unintelligible, Unreachable
from oscar_rehive.remembering import claim, forget, remember, remembered

MOST_FAILURES = 5
FIRST_SECONDS = 5.0
LONGEST_SECONDS = 60.0
"""So many calls in a row may fail; then Rehive is left alone, twice as long each time."""

MOST_AHEAD = LONGEST_SECONDS + SKEW.total_seconds()

PROBE_SECONDS = 15.0
"""Longer than a call takes: a claim of a process that was killed ends by itself."""

REMEMBERED_SECONDS = 600.0
"""After its last failure, or where nobody asks at all: then Rehive is as good as never tried. Longer than
between two runs of reconcile, so that an outage in a quiet shop is one outage."""


class Way(Enum):
    """How a call may go."""

    FREE = "as usual"
    PROBE = "if nobody else is finding out"
    SHUT = "not at all"


@dataclass(frozen=True)
class Outage:
    """``failures`` calls in a row, the first of them at ``since``, of which nothing usable came; nobody asks
    before ``until``. Times are seconds, as of ``time.time()``. ``about`` are the invoices that some of them
    were about."""

    since: float
    failures: int
    until: float = 0.0
    about: tuple[str, ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether it is more than a few calls that went wrong."""
        return self.failures >= MOST_FAILURES


def way(outage: Outage | None, now: float) -> Way:
    """How a call may go at ``now``."""
    if outage is None or not outage.is_known:
        return Way.FREE
    # What is farther away was noted by a clock that was wrong.
    return Way.SHUT if now < outage.until <= now + MOST_AHEAD else Way.PROBE


def after_failure(outage: Outage | None, now: float, *, of: Way, about: str = "") -> Outage:
    """What is known after a call has failed that was let go the way ``of``; ``about`` is the one invoice
    that it was about, if it was."""
    if outage is None:
        return Outage(now, 1, about=_with((), about))
    if outage.is_known and of is not Way.PROBE:
        return outage  # it was sent before the outage was known, as many others were
    if about in outage.about:
        # Others are to find out soon, if this is the only one that fails by now.
        return replace(outage, until=now + FIRST_SECONDS if outage.is_known else 0.0)
    failures = outage.failures + 1
    seconds = min(FIRST_SECONDS * 2.0 ** min(failures - MOST_FAILURES, 20), LONGEST_SECONDS)
    until = now + seconds if failures >= MOST_FAILURES else 0.0
    return Outage(outage.since, failures, until, _with(outage.about, about))


def _with(known: tuple[str, ...], about: str) -> tuple[str, ...]:
    return (*known, about)[-MOST_FAILURES:] if about else known


def guarded(url: str, send: Callable[[], Any]) -> Any:
    """The outcome of ``send``, which asks the host of ``url``; or at once an ``Unreachable``, where that is
    known to be down and it is not for this call to find out whether it still is."""
    host = _host(url)
    outage = _outage(host)
    how = way(outage, time())
    if how is Way.PROBE and not claim(_probe_key(host), PROBE_SECONDS):
        how = Way.SHUT
    if how is Way.SHUT:
        numbers.count("requests_held_back")
        return unreachable()
    try:
        outcome = send()
        if _is_silence(outcome):
            if not getattr(outcome, "was_rushed", False):
                known = after_failure(_outage(host), time(), of=how, about=_invoice_of(url))
                remember(_key(host), astuple(known), REMEMBERED_SECONDS)
        elif outage is not None:
            forget(_key(host))
        return outcome
    finally:
        if how is Way.PROBE:
            forget(_probe_key(host))


def is_shut(url: str) -> bool:
    """Whether a call to the host of ``url`` would not be let through now."""
    host = _host(url)
    how = way(_outage(host), time())
    return how is Way.SHUT or (how is Way.PROBE and bool(remembered(_probe_key(host))))


def seconds_down(url: str) -> float:
    """For how long nothing usable has come from the host of ``url``; 0.0 where it is not known to be down."""
    outage = _outage(_host(url))
    return max(0.0, time() - outage.since) if outage and outage.is_known else 0.0


def unreachable() -> Unreachable:
    """What a call raises that is not let through."""
    return Unreachable(
        "Rehive did not answer the last calls, and is left alone for up to a minute; try again soon.",
        may_have_happened=False,
    )


def _is_silence(outcome: Any) -> bool:
    # A page of something in front of Rehive is no word of Rehive's.
    return isinstance(outcome, Unreachable) or (
        isinstance(outcome, Unintelligible) and not outcome.is_rehives
    )


def _outage(host: str) -> Outage | None:
    known = remembered(_key(host))
    return None if known is None else Outage(*known)


def _invoice_of(url: str) -> str:
    """The one invoice that ``url`` is about, or nothing."""
    found = re.search(r"/invoices/([^/]+)/", urlsplit(url).path)
    return found[1] if found else ""


def _host(url: str) -> str:
    """As a digest, for not every cache takes an address for a key."""
    return sha256(urlsplit(url).netloc.encode()).hexdigest()


def _key(host: str) -> str:
    return f"oscar_rehive:outage:{host}"


def _probe_key(host: str) -> str:
    return f"oscar_rehive:probe:{host}"

"""How many calls to Rehive went wrong, by the hour, for a day.

Counted in the shop's cache, where all processes see it if it is a shared one, and only where a call went wrong:
one that Rehive answers costs nothing.
"""

from __future__ import annotations

from time import time

from oscar_rehive.rehive.exceptions import (
    RehiveError,
    Throttled,
    Unauthorised,
    Unintelligible,
    Unreachable,
)
from oscar_rehive.remembering import all_remembered, count

HOUR = 3600
HOURS = 24

KINDS = tuple(kind.kind for kind in (Unreachable, Unintelligible, Unauthorised, Throttled))
"""What is counted. That Rehive knows no such invoice, or refuses what it was told, is an answer."""


def note(outcome: object) -> None:
    """Count the ``outcome`` of a call, if it is one of ``KINDS``."""
    if isinstance(outcome, RehiveError) and outcome.kind in KINDS:
        count(_key(outcome.kind, _this_hour()), (HOURS + 1) * HOUR)


def of_the_day() -> dict[str, list[int]]:
    """Of each kind how many calls, in each of the last ``HOURS`` hours of the clock, this one last. Asks the cache
    once."""
    hours = range(_this_hour() - HOURS + 1, _this_hour() + 1)
    keys = {(kind, hour): _key(kind, hour) for kind in KINDS for hour in hours}
    found = all_remembered(list(keys.values()))
    return {kind: [found.get(keys[kind, hour]) or 0 for hour in hours] for kind in KINDS}


def _this_hour() -> int:
    return int(time() // HOUR)


def _key(kind: str, hour: int) -> str:
    return f"oscar_rehive:tally:{kind}:{hour}"

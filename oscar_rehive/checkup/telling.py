"""What the owners are to be told, decided purely: from what is wrong now, what they were told, and the time.

What is wrong is told once it has lasted for a few minutes, and once more when it has been well for as long; facts
that wait for a person are told at once. All of it is one mail, and no two of them follow each other sooner.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from oscar_rehive.checkup.finding import Finding
from oscar_rehive.payments.clocks import is_to_come, lasts

FEW_MINUTES = timedelta(minutes=4)
"""Less than between two runs of reconcile, at which most of it is noticed."""


@dataclass(frozen=True)
class Trouble:
    """Something that is wrong ``since`` then (UTC), as far as somebody has looked; ``well_since`` it has been
    well again, and None while it is not."""

    since: datetime
    sentence: str
    is_told: bool = False
    well_since: datetime | None = None


@dataclass(frozen=True)
class Memory:
    """What was seen and told until now: the last mail's time (UTC), and each trouble by its finding's name."""

    mailed_at: datetime | None = None
    troubles: Mapping[str, Trouble] = field(default_factory=dict)


@dataclass(frozen=True)
class News:
    """What is to be told: findings that are wrong, the sentences of what is over, and whether there are facts that
    wait for a person."""

    begun: tuple[Finding, ...] = ()
    over: tuple[str, ...] = ()
    has_facts: bool = False

    def __bool__(self) -> bool:
        return bool(self.begun or self.over or self.has_facts)


def decide(
    wrong: Collection[Finding], has_facts: bool, memory: Memory, now: datetime
) -> tuple[News, Memory, Memory]:
    """What to tell at ``now``, of what is ``wrong`` and of new facts; what is to be remembered in any case; and what
    once all of that was told."""
    seen = _seen(wrong, memory, now)
    if memory.mailed_at is not None and lasts(memory.mailed_at, FEW_MINUTES, now):
        return News(), seen, seen
    due = {one.name: one for one in wrong if _is_due(seen.troubles[one.name], now)}
    over = {name: one for name, one in seen.troubles.items() if _is_over(one, now)}
    news = News(tuple(due.values()), tuple(one.sentence for one in over.values()), has_facts)
    if not news:
        return news, seen, seen
    troubles = {
        name: replace(one, is_told=True) if name in due else one
        for name, one in seen.troubles.items()
        if name not in over
    }
    return news, seen, Memory(now, troubles)


def _seen(wrong: Collection[Finding], memory: Memory, now: datetime) -> Memory:
    troubles = {}
    for name, one in memory.troubles.items():
        if one.is_told:
            well_since = _noted(one.well_since, now) or now
            troubles[name] = replace(one, well_since=well_since)
    for finding in wrong:
        known = memory.troubles.get(finding.name, Trouble(now, finding.sentence))
        since = _noted(known.since, now) or now
        sentence = known.sentence if known.is_told else finding.sentence
        troubles[finding.name] = replace(known, since=since, sentence=sentence, well_since=None)
    return Memory(memory.mailed_at, troubles)


def _noted(at: datetime | None, now: datetime) -> datetime | None:
    return None if at is None or is_to_come(at, now) else at


def _is_due(one: Trouble, now: datetime) -> bool:
    return not one.is_told and now - one.since >= FEW_MINUTES


def _is_over(one: Trouble, now: datetime) -> bool:
    return one.well_since is not None and now - one.well_since >= FEW_MINUTES


def as_json(memory: Memory) -> dict[str, Any]:
    """``memory`` in JSON's types."""
    return {
        "mailed_at": _text(memory.mailed_at),
        "troubles": {
            name: {
                "since": _text(one.since),
                "sentence": one.sentence,
                "is_told": one.is_told,
                "well_since": _text(one.well_since),
            }
            for name, one in memory.troubles.items()
        },
    }


def from_json(told: Mapping[str, Any]) -> Memory:
    """The memory that ``as_json`` has written; an empty one of nothing."""
    troubles = {
        name: Trouble(
            since=datetime.fromisoformat(one["since"]),
            sentence=one["sentence"],
            is_told=one["is_told"],
            well_since=_time(one["well_since"]),
        )
        for name, one in told.get("troubles", {}).items()
    }
    return Memory(_time(told.get("mailed_at")), troubles)


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)

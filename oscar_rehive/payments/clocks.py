"""Times that a machine of the shop's has noted by its own clock.

One whose clock was wrong for a while leaves times that are still to come. Whatever waits for a time asks
here, so that nothing waits for those.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

SKEW = timedelta(minutes=1)
"""How far the clocks of a shop's machines may differ."""


def is_to_come(noted: datetime, now: datetime) -> bool:
    """Whether a clock must have been wrong that has ``noted`` this as its time."""
    return noted > now + SKEW


def lasts(since: datetime, longest: timedelta, now: datetime) -> bool:
    """Whether what began at ``since``, and lasts for ``longest``, is not over yet."""
    return now - longest < since and not is_to_come(since, now)


def is_over(field: str, longest: timedelta) -> Q:
    """The rows of which that is over, or was never begun; ``field`` is when it began."""
    now = timezone.now()
    return (
        Q(**{field: None})
        | Q(**{f"{field}__lte": now - longest})
        | Q(**{f"{field}__gt": now + SKEW})
    )

"""The days that a report is about. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

from django.db.models import Q

USUAL = timedelta(days=30)
"""What a report is about where the form leaves its first day open: a shop's years are not read for one page."""

EARLIEST = date(2000, 1, 1)


@dataclass(frozen=True)
class Days:
    """From ``first`` to ``last``, both included, as they are in ``zone``."""

    first: date
    last: date
    zone: tzinfo

    @property
    def start(self) -> datetime:
        """The moment at which the first day begins."""
        return _midnight(self.first, self.zone)

    @property
    def end(self) -> datetime:
        """The moment at which the last day is over; it is not in it any more."""
        return _midnight(self.last + timedelta(days=1), self.zone)

    @property
    def length(self) -> int:
        """How many days these are."""
        return (self.last - self.first).days + 1

    def hold(self, column: str) -> Q:
        """The rows whose ``column`` is in these days."""
        return Q(**{f"{column}__gte": self.start, f"{column}__lt": self.end})

    def each(self) -> list[date]:
        """All of them, the first one first."""
        return [self.first + timedelta(days=number) for number in range(self.length)]

    def day_of(self, moment: datetime) -> date:
        """The day of ``moment``."""
        return moment.astimezone(self.zone).date()


def days_of(first: date | None, last: date | None, *, today: date, zone: tzinfo) -> Days:
    """The days that the form asks for. What it leaves open is today, and ``USUAL`` before the end. Nothing has
    happened before ``EARLIEST``, or after today: whatever is asked for ends there."""
    tomorrow = today + timedelta(days=1)
    last = max(min(last or today, today), EARLIEST)
    first = min(max(first or last - USUAL + timedelta(days=1), EARLIEST), tomorrow)
    return Days(first, max(first, last), zone)


def _midnight(day: date, zone: tzinfo) -> datetime:
    # Where clocks go forward at midnight, the day begins at the moment that they skip from.
    return datetime.combine(day, time.min, tzinfo=zone)

"""How many of those who chose Rehive have paid, and how long it took them."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, ClassVar

from django.db.models import Case, CharField, OuterRef, Subquery, Value, When
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oscar_rehive.dashboard.charts import BLUE, GREEN, GREY, Bar, Chart, chart
from oscar_rehive.dashboard.reports.days import Days
from oscar_rehive.dashboard.reports.report import (
    FileFormatter,
    Found,
    Report,
    ReportHTMLFormatter,
)
from oscar_rehive.models import Invoice, OrderPayment

MOST_DAYS = 31
"""Days that are told each by itself; of more than these, weeks are."""

MOST_PAYMENTS = 200_000
"""Of more than these the page tells nothing: somebody waits for it. The file has them all."""

AT_ONCE = 2000

ENDS = ("expired", "failed", "cancelled")

Outcome = tuple[datetime, datetime | None, datetime | None, str | None]
"""When a payment was made, when it was paid and when it ended without, and what Rehive said last of the newest
attempt that it knows (None: there was none; nothing where it is paid)."""


@dataclass
class Period:
    """The payments made on a day, or in the week that begins with it. Of those that were ``chosen``, so many
    were ``opened`` (an invoice was made at Rehive), ``paid``, are still ``waiting``, or ended without payment:
    by what Rehive last said of them, and ``otherwise`` (never opened, or paid in another way). ``seconds`` are
    from placing the order to being paid."""

    begins: date
    chosen: int = 0
    opened: int = 0
    paid: int = 0
    waiting: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    seconds: array[int] = field(default_factory=lambda: array("q"))

    def note(self, outcome: Outcome) -> None:
        """Count one payment."""
        made, paid_at, closed_at, said = outcome
        self.chosen += 1
        self.opened += paid_at is not None or said is not None
        if paid_at is not None:
            self.paid += 1
            # A clock that was wrong makes nobody pay before he has ordered.
            self.seconds.append(max(int((paid_at - made).total_seconds()), 0))
        elif closed_at is None:
            self.waiting += 1
        else:
            self.ended[said if said in ENDS else "otherwise"] += 1

    def add(self, other: Period) -> None:
        """Count all that ``other`` has counted."""
        for name in ("chosen", "opened", "paid", "waiting"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.ended.update(other.ended)
        self.seconds.extend(other.seconds)

    @property
    def share(self) -> int | None:
        """How many in a hundred have paid, rounded down; None of none."""
        return self.paid * 100 // self.chosen if self.chosen else None

    @property
    def usual(self) -> int | None:
        """In how many seconds half of those who paid had done so."""
        return percentile(self.seconds, 50)

    @property
    def slow(self) -> int | None:
        """In how many seconds nine of ten had done so."""
        return percentile(self.seconds, 90)

    @property
    def usual_told(self) -> str:
        """The same as people say it."""
        return in_words(self.usual)

    @property
    def slow_told(self) -> str:
        """The same as people say it."""
        return in_words(self.slow)


def percentile(seconds: Iterable[int], percent: int) -> int | None:
    """The smallest of ``seconds`` that so many percent of them do not exceed; None of none."""
    ranked = sorted(seconds)
    return ranked[-(-len(ranked) * percent // 100) - 1] if ranked else None


def in_words(seconds: int | None) -> str:
    """``seconds`` as people say it, by the two largest units."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(seconds, 60)
    hours, minutes_left = divmod(minutes, 60)
    days, hours_left = divmod(hours, 24)
    if days:
        return _("%(days)d d %(hours)d h") % {"days": days, "hours": hours_left}
    if hours:
        return _("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": minutes_left}
    if minutes:
        return _("%(minutes)d min %(seconds)d s") % {"minutes": minutes, "seconds": rest}
    return _("%d s") % rest


def periods_of(outcomes: Iterable[Outcome], days: Days) -> list[Period]:
    """What became of the payments in each day of ``days``, or in each week where there are many; in order,
    those without any included."""
    by_week = days.length > MOST_DAYS

    def begin(day: date) -> date:
        return max(day - timedelta(days=day.weekday()), days.first) if by_week else day

    periods = {one: Period(one) for one in map(begin, days.each())}
    for outcome in outcomes:
        periods[begin(days.day_of(outcome[0]))].note(outcome)
    return list(periods.values())


def outcomes_in(days: Days) -> Iterator[Outcome]:
    """What became of each payment made on ``days``. One statement, read some rows at a time."""
    # One that never came through, for Rehive was down, has opened nothing.
    made = Invoice.objects.filter(payment=OuterRef("pk"), remote_id__isnull=False)
    newest = made.order_by("-attempt")
    # Most are paid, and need no look at their attempts.
    said = Case(
        When(paid_at__isnull=False, then=Value(None)),
        default=Subquery(newest.values("remote_status")[:1]),
        output_field=CharField(),
    )
    payments = OrderPayment.objects.filter(days.hold("created_at")).order_by()
    rows = payments.annotate(said=said).values_list("created_at", "paid_at", "closed_at", "said")
    return rows.iterator(chunk_size=AT_ONCE)


def chart_of(periods: Sequence[Period]) -> Chart:
    """How many have paid, still wait, and have not paid, of each period."""
    bars = [
        Bar(
            _("%(day)s: %(paid)d of %(chosen)d paid")
            % {
                "day": date_format(one.begins, "SHORT_DATE_FORMAT"),
                "paid": one.paid,
                "chosen": one.chosen,
            },
            ups=[
                (GREEN, Decimal(one.paid)),
                (BLUE, Decimal(one.waiting)),
                (GREY, Decimal(one.ended.total())),
            ],
        )
        for one in periods
    ]
    most = max((one.chosen for one in periods), default=0)
    return chart(
        bars,
        key="conversion",
        title=_("Payments begun, and what became of them"),
        text=_("The highest bar stands for %d payments. The table below has all numbers.") % most,
        legend=[(GREEN, _("paid")), (BLUE, _("still open")), (GREY, _("not paid"))],
        first=date_format(periods[0].begins, "SHORT_DATE_FORMAT"),
        last=date_format(periods[-1].begins, "SHORT_DATE_FORMAT"),
    )


class Conversion(Found):
    """Days or weeks, the newest first."""

    headings: ClassVar[Sequence[str]] = (
        "from",
        "chosen",
        "opened",
        "paid",
        "still open",
        "expired",
        "failed",
        "cancelled",
        "ended otherwise",
        "paid of 100",
        "median seconds to paid",
        "90th percentile of seconds to paid",
    )

    def __init__(self, days: Days) -> None:
        self.days = days
        self.by_week = days.length > MOST_DAYS

    @cached_property
    def periods(self) -> list[Period]:
        return periods_of(outcomes_in(self.days), self.days)

    @cached_property
    def are_too_many(self) -> bool:
        """Whether there are more than a page has time for."""
        payments = OrderPayment.objects.filter(self.days.hold("created_at"))
        return payments.count() > MOST_PAYMENTS

    def count(self) -> int:
        return 0 if self.are_too_many else len(self.periods)

    def __getitem__(self, part: slice) -> Sequence[Period]:
        return self.periods[::-1][part]

    def lines(self) -> Iterator[Sequence[object]]:
        for one in self.periods:
            counts = (one.chosen, one.opened, one.paid, one.waiting)
            ends = (one.ended[name] for name in (*ENDS, "otherwise"))
            times = ("" if some is None else some for some in (one.share, one.usual, one.slow))
            yield one.begins.isoformat(), *counts, *ends, *times

    @cached_property
    def all(self) -> Period:
        """All periods as one."""
        together = Period(self.days.first)
        for one in self.periods:
            together.add(one)
        return together

    @cached_property
    def charts(self) -> list[Chart]:
        """What the rows look like, where there is anything to look at."""
        return [chart_of(self.periods)] if self.all.chosen else []


class ConversionPage(ReportHTMLFormatter):
    """The report as a page."""

    filename_template = "oscar_rehive/dashboard/reports/conversion.html"


class ConversionReport(Report):
    """Chosen, opened, paid, or not; and in what time."""

    code = "rehive_conversion"
    description = gettext_lazy("Rehive: conversion")
    formatters: ClassVar[dict[str, Any]] = {
        "CSV_formatter": FileFormatter,
        "HTML_formatter": ConversionPage,
    }

    def found(self) -> Conversion:
        return Conversion(self.days)

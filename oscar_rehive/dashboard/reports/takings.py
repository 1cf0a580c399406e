"""What came in through Rehive, less what went back, by day and currency.

Summed up is what the payments' histories say of money: what Rehive has verified and the shop's ledger has
gained. They are never changed, also where an order is deleted later.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any, ClassVar

from django.db.models import CharField, Count, Exists, OuterRef, Q, Sum
from django.db.models.functions import Cast, TruncDate
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from oscar.core.loading import get_model

from oscar_rehive.dashboard.charts import GREEN, RED, Bar, Chart, chart
from oscar_rehive.dashboard.listing import in_cents
from oscar_rehive.dashboard.reports.days import Days
from oscar_rehive.dashboard.reports.report import (
    FileFormatter,
    Found,
    Report,
    ReportHTMLFormatter,
)
from oscar_rehive.dashboard.words import booked
from oscar_rehive.databases import where_written
from oscar_rehive.models import Entry, OrderPayment

NOTHING = Decimal("0.00")

MOST_BARS = 93
"""Days that are drawn each by itself; of more than these, months are."""


@dataclass(frozen=True)
class Taking:
    """What came and what went back on one ``day``, in one currency; ``count`` is how often money came."""

    day: date
    currency: str
    came: Decimal
    back: Decimal
    count: int

    @property
    def kept(self) -> Decimal:
        """What is left of it, which may be less than nothing."""
        return self.came - self.back


@dataclass(frozen=True)
class Sums:
    """The same of all days; amounts are texts with their currency. ``oscar`` is what Oscar counts as revenue:
    the orders placed on these days, and ``unpaid`` what of that has not been paid through Rehive."""

    currency: str
    came: str
    back: str
    kept: str
    oscar: str
    unpaid: str


def takings_in(days: Days) -> list[Taking]:
    """What came and went on each of ``days``. One statement."""
    money = Entry.objects.filter(days.hold("at"), amount__isnull=False).order_by()
    by_day = money.values("invoice__currency", day=TruncDate("at", tzinfo=days.zone)).annotate(
        came=Sum("amount", filter=Q(amount__gt=0)),
        back=Sum("amount", filter=Q(amount__lt=0)),
        count=Count("pk", filter=Q(amount__gt=0)),
    )
    return [
        Taking(
            day=one["day"],
            currency=one["invoice__currency"] or "",
            came=in_cents(one["came"]),
            back=-in_cents(one["back"]),
            count=one["count"],
        )
        for one in by_day.order_by("day", "invoice__currency")
    ]


def revenue_of_oscar(days: Days) -> dict[str, tuple[Decimal, Decimal]]:
    """What the orders placed on ``days`` cost, and what of that was not paid through Rehive, by currency. One
    statement."""
    orders = where_written(get_model("order", "Order")).filter(days.hold("date_placed")).order_by()
    # The number of an order that was deleted may be another's by now.
    own = Q(order_key="") | Q(order_key=Cast(OuterRef("pk"), CharField()))
    paid = Exists(
        OrderPayment.objects.filter(own, order_number=OuterRef("number"), paid_at__isnull=False)
    )
    sums = orders.values("currency").annotate(
        all=Sum("total_incl_tax"), unpaid=Sum("total_incl_tax", filter=~paid)
    )
    return {one["currency"]: (in_cents(one["all"]), in_cents(one["unpaid"])) for one in sums}


def sums_of(takings: Iterable[Taking], oscar: dict[str, tuple[Decimal, Decimal]]) -> list[Sums]:
    """The sums of each currency that has any, beside what Oscar says."""
    came: dict[str, Decimal] = defaultdict(lambda: NOTHING)
    back: dict[str, Decimal] = defaultdict(lambda: NOTHING)
    for one in takings:
        came[one.currency] += one.came
        back[one.currency] += one.back
    return [
        Sums(
            currency=currency,
            came=booked(came[currency], currency),
            back=booked(back[currency], currency),
            kept=booked(came[currency] - back[currency], currency),
            oscar=booked(oscar.get(currency, (NOTHING, NOTHING))[0], currency),
            unpaid=booked(oscar.get(currency, (NOTHING, NOTHING))[1], currency),
        )
        for currency in sorted({*came, *oscar})
    ]


def charts_of(takings: Sequence[Taking], days: Days) -> list[Chart]:
    """A picture for each currency: of each day, or of each month where there are many days."""
    by_month = days.length > MOST_BARS
    steps = list(dict.fromkeys(one.replace(day=1) if by_month else one for one in days.each()))
    wording = "F Y" if by_month else "SHORT_DATE_FORMAT"
    charts: list[Chart] = []
    for currency in sorted({one.currency for one in takings}):
        came: dict[date, Decimal] = defaultdict(lambda: NOTHING)
        back: dict[date, Decimal] = defaultdict(lambda: NOTHING)
        for one in takings:
            if one.currency == currency:
                step = one.day.replace(day=1) if by_month else one.day
                came[step] += one.came
                back[step] += one.back
        bars = [
            Bar(
                f"{date_format(step, wording)}: {booked(came[step] - back[step], currency)}",
                ups=[(GREEN, came[step])],
                downs=[(RED, back[step])],
            )
            for step in steps
        ]
        most = max(came.values(), default=NOTHING)
        text = _("The most that came in one bar is %(most)s. The table below has all numbers.")
        charts.append(
            chart(
                bars,
                key=f"takings-{len(charts)}",
                title=_("Takings in %s") % currency,
                text=text % {"most": booked(most, currency)},
                legend=[(GREEN, _("came in")), (RED, _("went back"))],
                first=date_format(steps[0], wording),
                last=date_format(steps[-1], wording),
            )
        )
    return charts


class Takings(Found):
    """The days on which money moved, the newest first."""

    headings: ClassVar[Sequence[str]] = (
        "day",
        "currency",
        "payments",
        "came in",
        "went back",
        "takings",
    )

    def __init__(self, days: Days) -> None:
        self.days = days

    @cached_property
    def rows(self) -> list[Taking]:
        return takings_in(self.days)

    def count(self) -> int:
        return len(self.rows)

    def __getitem__(self, part: slice) -> Sequence[Taking]:
        return self.rows[::-1][part]

    def lines(self) -> Iterator[Sequence[object]]:
        for one in self.rows:
            yield one.day.isoformat(), one.currency, one.count, one.came, one.back, one.kept

    @cached_property
    def sums(self) -> list[Sums]:
        """Of all days, beside what Oscar says."""
        return sums_of(self.rows, revenue_of_oscar(self.days))

    @cached_property
    def charts(self) -> list[Chart]:
        """What the rows look like."""
        return charts_of(self.rows, self.days)


class TakingsPage(ReportHTMLFormatter):
    """The report as a page."""

    filename_template = "oscar_rehive/dashboard/reports/takings.html"


class TakingsReport(Report):
    """Takings by day and currency."""

    code = "rehive_takings"
    description = gettext_lazy("Rehive: takings")
    formatters: ClassVar[dict[str, Any]] = {
        "CSV_formatter": FileFormatter,
        "HTML_formatter": TakingsPage,
    }

    def found(self) -> Takings:
        return Takings(self.days)

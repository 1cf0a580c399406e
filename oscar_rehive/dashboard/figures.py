"""The figures of the health page: read from the tables in a fixed number of statements, and from the cache."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from django.db.models import Count, Sum
from django.db.models.functions import TruncDate, TruncHour
from django.utils.formats import date_format
from django.utils.timezone import localtime, now
from django.utils.translation import gettext as _

from oscar_rehive.checkup.of_running import last_run
from oscar_rehive.dashboard.charts import AMBER, BLUE, LOW, Bar, Chart, chart
from oscar_rehive.models import Delivery, RefusedDeliveries, Run
from oscar_rehive.payments import tally, waiting
from oscar_rehive.payments.waiting import OpenInvoices, Waiting
from oscar_rehive.remembering import is_shared

DAYS, HOURS = 7, tally.HOURS
MOST_UNUSABLE = 3


@dataclass(frozen=True)
class Webhook:
    """What the webhook was told in the last ``DAYS`` days; ``last`` and ``last_refused`` may be older (UTC)."""

    last: datetime | None
    accepted: int
    refused: int
    last_refused: datetime | None
    unusable: list[Delivery]
    chart: Chart | None


@dataclass(frozen=True)
class Calls:
    """Calls to Rehive of the last ``HOURS`` hours that brought nothing usable, and those that it limited.
    ``is_of_all`` tells whether they are those of all processes."""

    failed: int
    unauthorised: int
    limited: int
    is_of_all: bool
    chart: Chart | None


@dataclass(frozen=True)
class Runs:
    """The runs of reconcile in the last ``HOURS`` hours; ``failed`` is how many things were left to later runs."""

    last: Run | None
    count: int
    failed: int
    chart: Chart | None


@dataclass(frozen=True)
class Figures:
    """All of it."""

    webhook: Webhook
    deliveries: Waiting
    invoices: OpenInvoices
    confirmations: Waiting
    calls: Calls
    runs: Runs


def figures() -> Figures:
    """What they are now."""
    return Figures(
        webhook=_webhook(),
        deliveries=waiting.deliveries(),
        invoices=waiting.invoices(),
        confirmations=waiting.confirmations(),
        calls=_calls(),
        runs=_runs(),
    )


def _webhook() -> Webhook:
    today = now().astimezone(timezone.utc).date()
    days = [today - timedelta(days=DAYS - 1 - ago) for ago in range(DAYS)]
    since = datetime.combine(days[0], datetime.min.time(), timezone.utc)
    received: Any = Delivery.objects.filter(received_at__gte=since).order_by()
    by_day = received.annotate(day=TruncDate("received_at", tzinfo=timezone.utc)).values("day")
    accepted = _by(days, by_day.annotate(n=Count("pk")).values_list("day", "n"))
    turned_away = list(RefusedDeliveries.objects.order_by("-day")[: DAYS + 1])
    refused = _by(days, ((one.day, one.count) for one in turned_away))
    unusable = Delivery.objects.filter(received_at__gte=since, state=Delivery.State.UNUSABLE)
    return Webhook(
        last=Delivery.objects.order_by("-received_at")
        .values_list("received_at", flat=True)
        .first(),
        accepted=sum(accepted),
        refused=sum(refused),
        last_refused=turned_away[0].last_at if turned_away else None,
        unusable=list(unusable.defer("body").order_by("-received_at")[:MOST_UNUSABLE]),
        chart=_chart(
            "webhook",
            _("Webhook calls of the last days"),
            [date_format(day, "SHORT_DATE_FORMAT") for day in days],
            {_("accepted"): accepted, _("refused"): refused},
            first=_("a week ago"),
            last=_("today"),
        ),
    )


def _by(days: list[date], counts: Iterable[tuple[date, int]]) -> list[int]:
    of = dict(counts)
    return [of.get(day, 0) for day in days]


def _calls() -> Calls:
    day = tally.of_the_day()
    limited = day.pop("throttled")
    failed = [sum(hour) for hour in zip(*day.values(), strict=True)]
    return Calls(
        failed=sum(failed),
        unauthorised=sum(day["unauthorised"]),
        limited=sum(limited),
        is_of_all=is_shared(),
        chart=_chart(
            "calls",
            _("Calls to Rehive of the last hours that brought nothing"),
            _hours_told(),
            {_("limited"): limited, _("failed"): failed},
            first=_("a day ago"),
            last=_("now"),
        ),
    )


def _runs() -> Runs:
    hours = _hours()
    ended: Any = Run.objects.filter(ended_at__gte=hours[0]).order_by()
    by_hour = ended.annotate(hour=TruncHour("ended_at", tzinfo=timezone.utc)).values("hour")
    found = {
        hour: (count, failed)
        for hour, count, failed in by_hour.annotate(n=Count("pk"), bad=Sum("failed")).values_list(
            "hour", "n", "bad"
        )
    }
    counts = [found.get(hour, (0, 0))[0] for hour in hours]
    return Runs(
        last=last_run(),
        count=sum(counts),
        failed=sum(failed or 0 for _count, failed in found.values()),
        chart=_chart(
            "runs",
            _("Runs of rehive_reconcile of the last hours"),
            _hours_told(),
            {_("runs"): counts},
            first=_("a day ago"),
            last=_("now"),
        ),
    )


def _hours() -> list[datetime]:
    this = now().astimezone(timezone.utc).replace(minute=0, second=0, microsecond=0)
    return [this - timedelta(hours=HOURS - 1 - ago) for ago in range(HOURS)]


def _hours_told() -> list[str]:
    return [date_format(localtime(hour), "TIME_FORMAT") for hour in _hours()]


def _chart(
    key: str,
    title: str,
    times: Sequence[str],
    series: dict[str, Sequence[int]],
    *,
    first: str,
    last: str,
) -> Chart | None:
    """One or two ``series`` by their names, a count for each of ``times``, the second one standing on the first; None
    where all is zero, and there is nothing to see."""
    if not any(map(any, series.values())):
        return None
    legend = list(zip((BLUE, AMBER), series, strict=False))
    bars = []
    for time, *counts in zip(times, *series.values(), strict=True):
        told = zip(counts, legend, strict=True)
        ups = [(colour, name, count) for count, (colour, name) in told]
        says = ", ".join(f"{count} {name}" for _colour, name, count in ups)
        bars.append(
            Bar(f"{time}: {says}", [(colour, Decimal(count)) for colour, _name, count in ups])
        )
    return chart(
        bars, key=key, title=title, text="", legend=legend, first=first, last=last, pixels=LOW
    )

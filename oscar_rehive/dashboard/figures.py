"""The figures of the health page: read from the tables in a fixed number of statements, and from the cache."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any

from django.db.models import Count, Sum
from django.db.models.functions import TruncDate, TruncHour
from django.utils.timezone import now
from django.utils.translation import gettext as _

from oscar_rehive.checkup.of_running import last_run
from oscar_rehive.dashboard.charts import Chart, chart
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
        chart=chart(
            _("Webhook calls of the last days"),
            {_("accepted"): accepted, _("refused"): refused},
            begin=_("a week ago"),
            end=_("today"),
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
        chart=chart(
            _("Calls to Rehive of the last hours that brought nothing"),
            {_("limited"): limited, _("failed"): failed},
            begin=_("a day ago"),
            end=_("now"),
        ),
    )


def _runs() -> Runs:
    this = now().astimezone(timezone.utc).replace(minute=0, second=0, microsecond=0)
    hours = [this - timedelta(hours=HOURS - 1 - ago) for ago in range(HOURS)]
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
        chart=chart(
            _("Runs of rehive_reconcile of the last hours"),
            {_("runs"): counts},
            begin=_("a day ago"),
            end=_("now"),
        ),
    )

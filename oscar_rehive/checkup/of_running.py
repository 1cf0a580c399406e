"""What must go on by itself: reconcile, Rehive's answers, what waits. Nobody is asked but the database and the
cache."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Min
from django.utils import timezone

from oscar_rehive import conf
from oscar_rehive.checkup.finding import Finding, error, good, warning
from oscar_rehive.models import OrderPayment, Run
from oscar_rehive.payments import waiting
from oscar_rehive.payments.breaker import seconds_down
from oscar_rehive.payments.clocks import SKEW
from oscar_rehive.rehive.exceptions import Unauthorised, Unreachable

LONGEST_PAUSE = timedelta(hours=1)
"""Between two runs of reconcile, which is to run every few minutes."""

LONGEST_OUTAGE = timedelta(minutes=10)
"""As long as an outage is remembered that nobody finds out about (``payments/breaker.py``)."""

LONGEST_WAIT = timedelta(minutes=30)
"""What waits longer than several runs of reconcile does not come through."""

RUNS = (
    "Let manage.py rehive_reconcile run every few minutes (docs/running.md); run it by hand to see what keeps"
    " it from it."
)


def what_runs() -> Iterator[Finding]:
    """Raises Django's ``Error`` where the database cannot be used."""
    last = last_run()
    yield _reconcile(last)
    yield _rehive(last)
    yield _deliveries()
    yield _confirmations()


def last_run() -> Run | None:
    """The last one that has ended by now: what a wrong clock has noted for next year would prove until then that
    reconcile runs."""
    ended = Run.objects.filter(ended_at__lte=timezone.now() + SKEW)
    return ended.order_by("-pk").first()


def _reconcile(last: Run | None) -> Finding:
    now = timezone.now()
    if last is not None:
        pause = now - last.ended_at
        if pause >= LONGEST_PAUSE:
            return error("reconcile", f"rehive_reconcile has not run for {span(pause)}.", RUNS)
        told = f"rehive_reconcile ran {span(pause)} ago: {last.looked_at} looked at"
        return good("reconcile", told + (f", {last.failed} failed." if last.failed else "."))
    first = OrderPayment.objects.order_by("created_at").values_list("created_at", flat=True).first()
    never = "rehive_reconcile has never run."
    if first is None or now - first < LONGEST_PAUSE:
        return good("reconcile", f"{never[:-1]} yet; it must, every few minutes.")
    return error("reconcile", never, RUNS)


def _rehive(last: Run | None) -> Finding:
    if last is not None and last.trouble == Unauthorised.kind:
        return error(
            "rehive",
            "Rehive does not take the shop's token any more: nobody can pay.",
            "Make a permanent API token in Rehive's app for a manager or service user, set it as TOKEN, and"
            " restart the shop.",
        )
    businesses = conf.current().businesses.values()
    seconds = max((seconds_down(one.api_url) for one in businesses), default=0.0)
    down = f"Rehive has not answered for {span(timedelta(seconds=seconds))}."
    if not seconds and last is not None and last.trouble == Unreachable.kind:
        # Where no cache is shared, its runs alone know of an outage.
        seconds = (last.ended_at - _silent_since()).total_seconds()
        down = f"Rehive did not answer rehive_reconcile, for {span(timedelta(seconds=seconds))} by now."
    elif not seconds:
        return good("rehive", "No outage of Rehive is known.")
    if seconds < LONGEST_OUTAGE.total_seconds():
        return good("rehive", f"{down} It is asked again by itself.")
    return error(
        "rehive",
        down,
        "See whether this machine reaches the address of API_URL, and whether Rehive tells of an outage. When it"
        " is back, everything goes on by itself.",
    )


def _silent_since() -> datetime:
    """When the first of the last runs ended that all met an outage, as the last one has."""
    answered = Run.objects.exclude(trouble=Unreachable.kind).order_by("-pk")
    before = answered.values_list("pk", flat=True).first() or 0
    since: datetime = Run.objects.filter(pk__gt=before).aggregate(at=Min("ended_at"))["at"]
    return since


def _deliveries() -> Finding:
    new = waiting.deliveries()
    told = (
        f"{new.count} {'delivery waits' if new.count == 1 else 'deliveries wait'} to be worked on"
    )
    if new.seconds < LONGEST_WAIT.total_seconds():
        return good("deliveries", f"{told}." if new.count else "No delivery waits.")
    return error(
        "deliveries",
        f"{told}, the first for {span(timedelta(seconds=new.seconds))}.",
        "Run manage.py rehive_reconcile: it works on what waits, and says what keeps it from it.",
    )


def _confirmations() -> Finding:
    due = waiting.confirmations()
    told = f"{due.count} order {'confirmation is' if due.count == 1 else 'confirmations are'} to be sent"
    if due.seconds < LONGEST_WAIT.total_seconds():
        return good("confirmations", f"{told}." if due.count else "No order confirmation waits.")
    return warning(
        "confirmations",
        f"{told}, the first for {span(timedelta(seconds=due.seconds))}.",
        "See whether the mail server takes the shop's mails; rehive_reconcile sends them then.",
    )


def span(time: timedelta) -> str:
    """``time`` in one word and a number."""
    seconds = max(0, round(time.total_seconds()))
    for word, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {word}s"
    return f"{seconds} seconds" if seconds != 1 else "1 second"

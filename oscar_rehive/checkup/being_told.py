"""Telling the owners, by mail, what goes wrong: decided in ``telling.py``, carried out here.

Claimed by one row, so that one of several processes tells; what a crash or a mail server prevents is told later. Whatever
happens in the shop looks now and then whether there is something to tell, for reconcile cannot say that it does
not run. It is looked for, and told, where nobody waits: no page, webhook or payment is held up by it, or fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from oscar_rehive import conf
from oscar_rehive.checkup.finding import Finding, Severity
from oscar_rehive.checkup.of_database import refused
from oscar_rehive.checkup.of_running import what_runs
from oscar_rehive.checkup.telling import as_json, decide, from_json
from oscar_rehive.databases import in_parts
from oscar_rehive.logs import Log
from oscar_rehive.models import Attention, Told
from oscar_rehive.payments.clocks import is_over
from oscar_rehive.shop import get_shop

logger = Log(__name__)

OWNERS = "owners"
CLAIM = timedelta(minutes=10)
"""How long one process has for telling before another one takes it to be dead; and until it is tried again after
the mail server has refused."""

MOST_FACTS = 20
"""So many facts are named in one mail; the others are counted."""

MOST_COUNTED, AT_ONCE = 100_000, 500
"""What is beyond that is told by the next mail; and so many are noted as told by one statement."""


def tell() -> bool:
    """Tell the owners what is to be told, if there is anything, and nobody else is at it; whether a mail went out.
    Network, and some statements: where nobody waits. Raises nothing."""
    try:
        config = conf.as_it_is()
        if not config.tell or any(one.fatal for one in conf.problems()) or not _claim():
            return False
        return _tell(config)
    except Exception:  # whatever a shop's database or mail backend raises
        logger.exception("The owners could not be told; it is tried again later.")
        return False


def _claim() -> bool:
    Told.objects.get_or_create(name=OWNERS)
    free = Told.objects.filter(is_over("claimed_at", CLAIM), name=OWNERS)
    return bool(free.update(claimed_at=timezone.now()))


def _tell(config: conf.Config) -> bool:
    now, row = timezone.now(), Told.objects.filter(name=OWNERS)
    untold: Any = Attention.objects.filter(resolved_at=None, told_at=None)
    by_age = untold.order_by("raised_at", "pk")
    keys = list(by_age.values_list("pk", flat=True)[:MOST_COUNTED])
    memory = from_json(row.get().memory)
    news, seen, told = decide(list(_wrong()), bool(keys), memory, now)
    if not news:
        row.update(memory=as_json(seen), claimed_at=None)
        return False
    row.update(memory=as_json(seen))
    get_shop().tell_owners(
        config.tell,
        base_url=config.base_url,
        told={
            "begun": news.begun,
            "over": news.over,
            "facts": list(by_age.filter(pk__in=keys[:MOST_FACTS]).select_related("payment")),
            "count": len(keys),
            "more": max(0, len(keys) - MOST_FACTS),
            "health_path": _path("rehive-health"),
            "attention_path": _path("rehive-attention"),
        },
    )
    # First what cannot be seen again: what is wrong is found anew, if this breaks off.
    for some in in_parts(keys, AT_ONCE):
        untold.filter(pk__in=some).update(told_at=now)
    row.update(memory=as_json(told), claimed_at=None)
    return True


def _wrong() -> Iterator[Finding]:
    for finding in (*what_runs(), refused()):
        if finding.severity is Severity.ERROR:
            yield finding


def _path(name: str) -> str:
    try:
        return reverse(f"dashboard:{name}")
    except NoReverseMatch:  # the shop has not mounted the desk
        return ""

"""What the database says: are our tables there, were webhook calls refused, does something wait for a person?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import django
from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Count, Max, Sum
from django.utils import timezone

from oscar_rehive.checkup.finding import Finding, error, good, warning
from oscar_rehive.databases import database_of
from oscar_rehive.models import Attention, Delivery, OrderPayment, RefusedDeliveries

ONE_DELIVERY = 8
"""Calls that Rehive makes for one delivery that is refused: the first and seven retries."""


BETWEEN_TRIES = timedelta(hours=1)
"""The longest that Rehive waits before it tries a delivery again (rehive-api.md, "Webhooks")."""


def what_has_happened() -> Iterator[Finding]:
    """What the day has brought. Raises Django's ``Error`` where the database cannot be used."""
    yield refused()
    yield _attention()


def tables() -> Iterator[Finding]:
    """What is missing there, if anything is. Without our tables placing an order fails, and the shopper is told
    that something went wrong. Raises Django's ``Error`` where the database cannot be used."""
    label = OrderPayment._meta.app_label
    executor = MigrationExecutor(connections[database_of(OrderPayment)])
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes(label))
    missing = [migration.name for migration, _ in plan if migration.app_label == label]
    if missing:
        yield error(
            "tables",
            f"The tables of {label} are not up to date: {len(missing)} migrations are missing, the first of"
            f" them {missing[0]}.",
            "Run manage.py migrate.",
        )
    # SQLite below Django 5.1; from there on a system check tells what to set.
    connection: Any = connections[database_of(OrderPayment)]
    is_file = connection.vendor == "sqlite" and not connection.is_in_memory_db()
    if is_file and django.VERSION < (5, 1):
        yield warning(
            "sqlite",
            'Two payments at the same moment can end in "database is locked": SQLite begins to write in'
            " the middle of a transaction.",
            "Use PostgreSQL, or Django 5.1 or newer, which can begin earlier.",
        )


def refused() -> Finding:
    """A webhook with the wrong secret goes unnoticed for weeks (peer bug 8)."""
    since = timezone.now() - timedelta(days=7)
    turned_away = RefusedDeliveries.objects.filter(day__gte=since.date()).aggregate(
        count=Sum("count"), last=Max("last_at")
    )
    let_in = Delivery.objects.filter(received_at__gte=since).aggregate(
        count=Count("pk"), last=Max("received_at")
    )
    refused, accepted = turned_away["count"] or 0, let_in["count"]
    counts = (
        f"Webhook calls of the last 7 days: {accepted} accepted, {refused} refused for lack of the"
        " right secret."
    )
    # Strangers try every address some day; Rehive does not give up after one call.
    is_mended = bool(accepted and refused) and (
        turned_away["last"] < min(let_in["last"], timezone.now() - BETWEEN_TRIES)
    )
    if refused < ONE_DELIVERY or refused <= accepted or is_mended:
        return good("webhook-calls", counts)
    return error(
        "webhook-calls",
        counts,
        "If they are Rehive's, delete the webhook there and register it anew with WEBHOOK_SECRET.",
    )


def _attention() -> Finding:
    waiting = Attention.objects.filter(resolved_at=None).count()
    if not waiting:
        return good("attention", "Nothing waits for a person.")
    return warning(
        "attention",
        f"{waiting} {'fact waits' if waiting == 1 else 'facts wait'} for a person.",
        "See the dashboard under Rehive, Attention: each has its ways out.",
    )

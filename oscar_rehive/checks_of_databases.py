"""Django system checks of databases: where orders and payments stand, isolation, engines, SQLite's locks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import django
from django.apps import apps
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError, connections

from oscar_rehive.databases import database_of

SQLITE_OPTIONS = (
    'Put "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE", "init_command": "PRAGMA'
    ' journal_mode=WAL; PRAGMA synchronous=NORMAL"} into its settings.'
)

TRIED_ON = ("postgresql", "mysql", "sqlite")
"""The databases, by Django's name for their kind, on which the promises are tried or argued for."""


@register(Tags.compatibility)
def check_routers(**kwargs: Any) -> list[CheckMessage]:
    """oscar_rehive.E004: orders in another database than their payments. Money would stand in one
    of the two and not in the other if the process died in between."""
    payments = _payments_database()
    elsewhere = {
        label: alias
        for label in ("order.Order", "payment.Source", "partner.StockRecord")
        if (alias := database_of(apps.get_model(label))) != payments
    }
    return [
        Error(
            f"{label} is written to the database {alias!r}, and payments are to {payments!r}: no"
            " transaction covers both.",
            hint="Let DATABASE_ROUTERS write both to the same database.",
            id="oscar_rehive.E004",
        )
        for label, alias in elsewhere.items()
    ]


@register(Tags.compatibility)
def check_database(**kwargs: Any) -> list[CheckMessage]:
    """oscar_rehive.E005, W005, W006: the kind of database, and how it keeps transactions apart, as far
    as the settings tell."""
    alias = _payments_database()
    connection: Any = connections[alias]
    if connection.vendor not in TRIED_ON:
        return [
            Warning(
                f"oscar_rehive has not been tried on {connection.vendor}, the database {alias!r}.",
                hint="Use PostgreSQL, MySQL, MariaDB or SQLite, or try it under load first.",
                id="oscar_rehive.W006",
            )
        ]
    level = connection.settings_dict.get("OPTIONS", {}).get("isolation_level")
    if connection.vendor == "mysql" and str(level).lower() == "read uncommitted":
        return [
            Error(
                f"The database {alias!r} reads what is not committed: what is decided about money"
                " could rest on what is rolled back.",
                hint='Take "isolation_level" out of its OPTIONS: Django\'s own is "read committed".',
                id="oscar_rehive.E005",
            )
        ]
    if connection.vendor == "postgresql" and _is_serializable(level):
        return [
            Warning(
                f"The database {alias!r} is SERIALIZABLE: no money is lost, but it refuses"
                " transactions that come close to each other, and they are done again.",
                hint='Take "isolation_level" out of its OPTIONS: oscar_rehive needs no more than'
                " READ COMMITTED.",
                id="oscar_rehive.W005",
            )
        ]
    if connection.vendor == "sqlite" and not connection.is_in_memory_db():
        return _begins_late(alias, connection)
    return []


def _begins_late(alias: str, connection: Any) -> list[CheckMessage]:
    """oscar_rehive.W011, the first half. Below Django 5.1 no setting helps; ``rehive_check`` says so."""
    mode = connection.settings_dict.get("OPTIONS", {}).get("transaction_mode")
    if django.VERSION < (5, 1) or str(mode).upper() in ("IMMEDIATE", "EXCLUSIVE"):
        return []
    return [
        Warning(
            f'Two payments at the same moment can end in "database is locked": the SQLite database'
            f" {alias!r} begins to write in the middle of a transaction, and then waits for nobody.",
            hint=f"{SQLITE_OPTIONS} Or use PostgreSQL.",
            id="oscar_rehive.W011",
        )
    ]


@register(Tags.database)
def check_tables(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """oscar_rehive.E006: tables without transactions; W011, the second half. They ask the database, so they
    run with ``migrate``, ``check --database`` and ``rehive_check`` only."""
    alias = _payments_database()
    if alias not in (databases or ()):
        return []
    connection: Any = connections[alias]
    if connection.vendor == "sqlite" and not connection.is_in_memory_db():
        return _readers_wait(alias, connection)
    # Of the others: PostgreSQL and SQLite have them always, and for what Django does not know it would
    # make a table to find out.
    if connection.vendor != "mysql" or connection.features.supports_transactions:
        return []
    return [
        Error(
            f"The database {alias!r} makes tables without transactions (MyISAM): what a crash leaves"
            " half done stays so, and nothing keeps two payments apart.",
            hint="Set default_storage_engine to InnoDB, and convert the tables there are with ALTER"
            " TABLE … ENGINE=InnoDB.",
            id="oscar_rehive.E006",
        )
    ]


def _readers_wait(alias: str, connection: Any) -> list[CheckMessage]:
    try:
        with connection.cursor() as cursor:
            (mode,) = cursor.execute("PRAGMA journal_mode").fetchone()
    except DatabaseError:
        return []  # told by whoever needs it
    if str(mode).lower() == "wal":
        return []
    hint = (
        SQLITE_OPTIONS
        if django.VERSION >= (5, 1)
        else "Run PRAGMA journal_mode=WAL on it once, which it remembers."
    )
    return [
        Warning(
            f"The SQLite database {alias!r} has no write-ahead log: whoever reads keeps payments from"
            " being written.",
            hint=f"{hint} Or use PostgreSQL.",
            id="oscar_rehive.W011",
        )
    ]


def _payments_database() -> str:
    from oscar_rehive.models import OrderPayment

    return database_of(OrderPayment)


def _is_serializable(level: Any) -> bool:
    # The number is another one with psycopg 2 than with psycopg 3; Django knows which.
    from django.db.backends.postgresql.psycopg_any import IsolationLevel

    return bool(level == IsolationLevel.SERIALIZABLE)

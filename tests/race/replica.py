"""A replica that lags: on one server, a copy of the test's database as it was at a moment that a test
chooses.

It cannot be written to, nor locked, as a real one cannot: whoever tries gets PostgreSQL's own error.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections, router, transaction

PRIMARY, REPLICA = "default", "replica"


class PrimaryReplicaRouter:
    """The example in Django's documentation of several databases, with one replica."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return REPLICA

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return PRIMARY

    def allow_relation(self, one: Any, other: Any, **hints: Any) -> bool | None:
        known = {PRIMARY, REPLICA}
        return True if {one._state.db, other._state.db} <= known else None

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return db == PRIMARY


def configure(databases: dict[str, Any], name: str) -> None:
    """Add the replica ``name`` to the settings ``databases``."""
    replica = copy.deepcopy(databases[PRIMARY])
    replica["NAME"] = name
    replica.setdefault("OPTIONS", {})["options"] = "-c default_transaction_read_only=on"
    databases[REPLICA] = replica


@contextmanager
def copied() -> Iterator[str]:
    """The name of a copy of the test's database, as long as the block lasts."""
    primary = connections[PRIMARY]
    template = primary.settings_dict["NAME"]
    name = f"{template}_replica"
    primary.close()  # what somebody is connected to cannot be copied
    with primary._nodb_cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    yield name
    with primary._nodb_cursor() as cursor:
        cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


class Replica:
    """The copy ``name``, and the router that reads from it."""

    def __init__(self, name: str) -> None:
        self.name = name
        configure(connections.settings, name)
        # At once: a connection that is made in the middle of a test is one that pytest-django forbids.
        connections[REPLICA].connect()
        self.tables = connections[PRIMARY].introspection.table_names()

    def catches_up(self) -> None:
        """Until the next time it is as the primary is now."""
        source, target = connections[PRIMARY].cursor(), connections[REPLICA].cursor()
        with source, target, transaction.atomic(REPLICA):
            target.execute("SET TRANSACTION READ WRITE")
            # In whatever order the tables come.
            target.execute("SET LOCAL session_replication_role = replica")
            for table in self.tables:
                target.execute(f'DELETE FROM "{table}"')
                with (
                    source.copy(f'COPY "{table}" TO STDOUT') as rows,
                    target.copy(f'COPY "{table}" FROM STDIN') as into,
                ):
                    for row in rows:
                        into.write(row)

    @contextmanager
    def is_read(self) -> Iterator[None]:
        """What does not say where it reads, reads here: the shop as it runs. Outside of this a test looks
        at what is really so."""
        router.routers = [PrimaryReplicaRouter()]
        try:
            yield
        finally:
            router.routers = []

    def end(self) -> None:
        """The settings as they were before."""
        connections[REPLICA].close()
        del connections[REPLICA], connections.settings[REPLICA]

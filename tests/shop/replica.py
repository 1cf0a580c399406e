"""A replica that lags, as they do: a copy of the test's database as it was at some moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connections


class PrimaryReplicaRouter:
    """The example of Django's documentation, with one replica."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return "replica"

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return "default"

    def allow_relation(self, one: Any, other: Any, **hints: Any) -> bool:
        return True


class Replica:
    """``copy`` the database to it, ``read`` from it, and be back ``at_home`` to see what was done."""

    def __init__(self, connection: Any, settings: Any) -> None:
        self.connection, self.settings = connection, settings

    def copy(self) -> None:
        # As text: SQLite's backup() waits for the end of the transaction that is around a test.
        self.connection.execute("PRAGMA foreign_keys = OFF")
        tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        for (name,) in self.connection.execute(tables).fetchall():
            self.connection.execute(f'DROP TABLE "{name}"')
        self.connection.executescript("\n".join(connections["default"].connection.iterdump()))

    def read(self) -> None:
        self.settings.DATABASE_ROUTERS = [PrimaryReplicaRouter()]

    def at_home(self) -> None:
        self.settings.DATABASE_ROUTERS = []


@contextmanager
def made_replica(settings: Any) -> Iterator[Replica]:
    default = connections["default"]
    if default.vendor != "sqlite":
        pytest.skip("the copy is SQLite's")
    replica = type(default)({**default.settings_dict, "NAME": ":memory:"}, alias="replica")
    replica.connect()  # before Django's test case knows it, which forbids new ones
    connections["replica"] = replica
    connections.databases["replica"] = replica.settings_dict
    yield Replica(replica.connection, settings)
    settings.DATABASE_ROUTERS = []
    del connections.databases["replica"], connections["replica"]
    replica.connection.close()

"""Which database is meant: always the one that takes the writes; and what it says to the loser of a race.

A router may read from a replica that lags behind. What decides about money must not be read there: with
Django's own example of a router 10.00 that were paid once stood in the ledger twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from django.conf import settings
from django.db import OperationalError, connections, models, router

M = TypeVar("M", bound=models.Model)
T = TypeVar("T")
View = TypeVar("View", bound=Callable[..., Any])


DEADLOCK, SNAPSHOT_TOO_OLD = "40P01", "40001"
LOST_RACES = frozenset({DEADLOCK, SNAPSHOT_TOO_OLD, 1020, 1205, 1213})
"""What PostgreSQL (SQLSTATE), MySQL and MariaDB (error number: snapshot too old, lock wait, deadlock) say
to the transaction that is to be done once more."""

MOST_WAITS = 30
"""How often a lock is waited for: under REPEATABLE READ all who wait lose to each one that held it, and
the last of eight had to begin eight times."""


def is_lost_race(error: OperationalError) -> bool:
    """Whether ``error`` says that the same transaction may succeed when it is done again."""
    said = {getattr(error.__cause__, "sqlstate", None), getattr(error.__cause__, "pgcode", None)}
    return bool(LOST_RACES & (said | set(error.args[:1])))


def database_of(model: type[models.Model]) -> str:
    """The alias of the database that takes the writes of ``model``."""
    return router.db_for_write(model)


def where_written(model: type[M]) -> models.QuerySet[M]:
    """All rows of ``model``, read where they are written."""
    return model._default_manager.using(database_of(model))


def in_parts(keys: Sequence[T], at_once: int) -> Iterator[Sequence[T]]:
    """``keys``, some at a time: what belongs to 60,000 of them was more than a process had memory for, and
    no database takes that many in one statement."""
    for start in range(0, len(keys), at_once):
        yield keys[start : start + at_once]


class WrittenQuerySet(models.QuerySet[M]):
    """Writes by a statement alone, in no transaction, are repeated where they lose a race: such a one
    waits for the lock of a payment as any other, and under REPEATABLE READ it then fails. A mail that
    had been sent was not noted, and was sent again."""

    def update(self, **kwargs: Any) -> int:
        update = super().update
        return self._repeated(lambda: update(**kwargs))

    def _update(self, values: Any, *more: Any) -> Any:
        """What ``save`` does; from Django 6 on it asks for columns to be returned, too."""
        update: Callable[..., Any] = super()._update  # type: ignore[misc]  # Django's own, without a type
        return self._repeated(lambda: update(values, *more))

    def bulk_create(self, objs: Iterable[M], *args: Any, **kwargs: Any) -> list[M]:
        """Two who make the same rows at once lose to each other likewise, also where they may be there."""
        create, rows = super().bulk_create, list(objs)
        return self._repeated(lambda: create(rows, *args, **kwargs))

    def delete(self) -> tuple[int, dict[str, int]]:
        """Two who delete the same old rows at once lose to each other likewise."""
        return self._repeated(super().delete)

    def delete_unheard(self) -> None:
        """Delete in one statement, and tell nobody who listens to all models (haystack does): of rows that
        are ours alone, and to which nothing refers."""
        raw_delete: Callable[[str], int] = super()._raw_delete
        self._repeated(lambda: raw_delete(self.db))

    def _repeated(self, write: Callable[[], T]) -> T:
        for _ in range(MOST_WAITS - 1):
            try:
                return write()
            except OperationalError as error:
                if connections[self.db].in_atomic_block or not is_lost_race(error):
                    raise
        return write()


class WrittenManager(models.Manager[M]):
    """Reads where it writes, also from the other end of a relation."""

    def get_queryset(self) -> WrittenQuerySet[M]:
        return WrittenQuerySet(self.model, using=self._db or database_of(self.model))


def in_a_transaction() -> bool:
    """Whether any database has a transaction open, other than the one around a test case."""
    return any(
        _has_transaction(connection) for connection in connections.all(initialized_only=True)
    )


def _has_transaction(connection: Any) -> bool:
    blocks = getattr(connection, "atomic_blocks", ())
    only_a_test_case = bool(blocks) and all(
        getattr(block, "_from_testcase", False) for block in blocks
    )
    return bool(connection.in_atomic_block) and not only_a_test_case


def outside_transactions(view: View) -> View:
    """``transaction.non_atomic_requests`` for all databases: with ATOMIC_REQUESTS on a second one, a
    page would talk to Rehive inside a transaction (P8)."""
    view._non_atomic_requests = set(settings.DATABASES)  # type: ignore[attr-defined]  # Django's own mark
    return view

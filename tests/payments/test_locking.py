"""The one lock, and what is done where the database makes its holder the loser of a race."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from oscar_rehive.databases import MOST_WAITS, is_lost_race
from oscar_rehive.models import OrderPayment
from oscar_rehive.payments import locking
from oscar_rehive.payments.locking import TRIES, locked, under_lock


class DriversError(Exception):
    """What a database's driver raises: PostgreSQL's two name the SQLSTATE differently."""

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args)
        self.__dict__.update(attributes)


def error(*args: Any, **attributes: Any) -> OperationalError:
    """As Django raises it: the driver's arguments, and the driver's error as the cause."""
    raised = OperationalError(*args)
    raised.__cause__ = DriversError(*args, **attributes)
    return raised


DEADLOCK = error("deadlock detected", sqlstate="40P01")

LOST = {
    "PostgreSQL, deadlock": DEADLOCK,
    "PostgreSQL, snapshot": error("could not serialize access", sqlstate="40001"),
    "PostgreSQL by psycopg2": error("deadlock detected", pgcode="40P01"),
    "MySQL, deadlock": error(1213, "Deadlock found when trying to get lock"),
    "MySQL, lock wait": error(1205, "Lock wait timeout exceeded"),
    "MariaDB, snapshot": error(1020, "Record has changed since last read in table"),
}
NOT_LOST = {
    "PostgreSQL is shut down": error("terminating connection", sqlstate="57P01"),
    "PostgreSQL, a statement took too long": error("canceling statement", sqlstate="57014"),
    "MySQL is gone": error(2006, "MySQL server has gone away"),
    "SQLite": error("database is locked", sqlite_errorcode=5),
    "nobody knows": OperationalError(),
}


@pytest.mark.parametrize("name", LOST)
def test_a_race_that_was_lost_is_worth_another_try(name: str) -> None:
    assert is_lost_race(LOST[name])


@pytest.mark.parametrize("name", NOT_LOST)
def test_anything_else_is_not(name: str) -> None:
    assert not is_lost_race(NOT_LOST[name])


class TestUnderLock:
    @pytest.fixture
    def number(self, place_order: Any) -> str:
        return str(place_order().number)

    def test_a_lost_race_is_run_again_from_what_stands_there_then(self, number: str) -> None:
        seen = []

        def work(held: Any) -> str:
            seen.append(held.payment.language)
            if len(seen) < TRIES:
                # It is not lost with the rest: the transaction is undone first.
                OrderPayment.objects.update(language="xx")
                raise DEADLOCK
            return "done"

        assert under_lock(number, work) == "done"
        assert seen == ["en"] * TRIES

    def test_one_that_is_lost_again_and_again_is_told(self, number: str) -> None:
        tries = []

        def work(held: Any) -> None:
            tries.append(held)
            raise DEADLOCK

        with pytest.raises(OperationalError):
            under_lock(number, work)
        assert len(tries) == TRIES

    def test_to_wait_for_the_lock_is_no_try(
        self, number: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of eight at one order under REPEATABLE READ, the last loses to each of the others."""
        waited = []

        @contextmanager
        def long_awaited(number: str) -> Iterator[Any]:
            waited.append(number)
            if len(waited) < MOST_WAITS:
                raise DEADLOCK
            with locked(number) as held:
                yield held

        monkeypatch.setattr(locking, "locked", long_awaited)

        assert under_lock(number, lambda held: held.payment.language) == "en"
        waited.clear()
        monkeypatch.setattr(locking, "MOST_WAITS", MOST_WAITS - 1)
        with pytest.raises(OperationalError):
            under_lock(number, lambda held: held.payment.language)

    @pytest.mark.parametrize("raised", [NOT_LOST["MySQL is gone"], ValueError("why")])
    def test_what_is_no_lost_race_is_not_run_again(self, number: str, raised: Exception) -> None:
        tries = []

        def work(held: Any) -> None:
            tries.append(held)
            raise raised

        with pytest.raises(type(raised)):
            under_lock(number, work)
        assert len(tries) == 1

    def test_the_lock_is_a_write_before_anything_is_read(self, number: str) -> None:
        """Else two clicks refund an excess twice under REPEATABLE READ."""
        with CaptureQueriesContext(connection) as captured, locked(number):
            pass

        statements = [one["sql"] for one in captured if "SAVEPOINT" not in one["sql"]]
        first = next(one for one in statements if one not in ("BEGIN", "BEGIN IMMEDIATE"))
        assert first.startswith('UPDATE "oscar_rehive_orderpayment"')

    def test_an_order_that_is_not_ours(self, number: str) -> None:
        with pytest.raises(OrderPayment.DoesNotExist), locked("of another gateway"):
            pass

    @pytest.mark.django_db(transaction=True)
    def test_p8_it_is_no_part_of_somebody_elses_transaction(self, number: str) -> None:
        with pytest.raises(RuntimeError), transaction.atomic(), locked(number):
            pass

"""P11: work that nobody waits for, a few pieces at a time; what finds no room is left to reconcile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection

from oscar_rehive import background
from oscar_rehive.background import Lane

real_do = Lane.do  # the other tests have work done in place


@pytest.fixture
def lane(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(Lane, "do", real_do)
    monkeypatch.setattr(background, "WAITING", 4)
    lane = Lane("test", at_once=1)
    yield lane
    lane._pool.shutdown()


def do_together(lane: Lane, *pieces: Callable[[], object]) -> None:
    """So that the second waits already when the first has ended."""
    all_wait = threading.Event()
    lane.do(lambda: all_wait.wait(10))
    for piece in pieces:
        lane.do(piece)
    all_wait.set()
    lane._pool.submit(lambda: None).result(10)


def test_it_is_done_beside_whoever_asks_for_it(lane: Lane) -> None:
    done, may_end = threading.Event(), threading.Event()

    assert lane.do(lambda: may_end.wait(10) and done.set())
    assert not done.is_set()

    may_end.set()
    assert done.wait(10)


def test_what_finds_no_room_is_refused_at_once_and_there_is_room_again_after(lane: Lane) -> None:
    may_end, done = threading.Event(), threading.Semaphore(0)

    def work() -> None:
        may_end.wait(10)
        done.release()

    assert [lane.do(work) for _ in range(7)] == [True] * 5 + [False] * 2

    may_end.set()
    assert all(done.acquire(timeout=10) for _ in range(5))
    lane._pool.submit(lambda: None).result(10)  # the room of the last is free by now
    assert lane.do(work)


def test_what_it_raises_is_logged_and_harms_nothing_else(
    lane: Lane, caplog: pytest.LogCaptureFixture
) -> None:
    done = threading.Event()

    lane.do(lambda: 1 // 0)
    lane.do(done.set)

    assert done.wait(10)
    assert "rehive_reconcile repeats it" in caplog.text


def test_a_process_that_ends_takes_no_work(lane: Lane) -> None:
    lane._pool.shutdown()

    assert not lane.do(lambda: None)


def test_after_a_fork_there_are_threads_again(lane: Lane) -> None:
    """They do not survive it: what a forked server was given would wait for ever."""
    before = lane._pool
    lane._start()

    assert lane._pool is not before
    before.shutdown()


def test_all_that_come_too_many_together_are_one_line_of_the_log(
    lane: Lane, caplog: pytest.LogCaptureFixture
) -> None:
    for refused in (5, 2):
        may_end = threading.Event()
        for _ in range(5 + refused):
            lane.do(lambda may_end=may_end: may_end.wait(10))
        assert not caplog.records

        may_end.set()
        lane._pool.submit(lambda: None).result(10)

        assert [f"{refused} found no room" in one for one in caplog.messages] == [True]
        caplog.clear()


class TestConnections:
    """To the database: kept while something waits, and no longer."""

    @pytest.fixture(autouse=True)
    def _kept(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.opened: list[Any] = []
        self.closed: list[Any] = []
        monkeypatch.setattr(background, "connections", self)

    # What Django's own does, of one database and one thread

    def all(self, initialized_only: bool) -> list[Any]:
        return [one for one in self.opened if one not in self.closed]

    def close_all(self) -> None:
        for one in self.all(initialized_only=True):
            one.close()

    def use(self) -> Any:
        kept = self.all(initialized_only=True)
        if not kept:
            one = SimpleNamespace(errors_occurred=False, autocommit=True)
            one.settings_dict = {"AUTOCOMMIT": True}
            one.close = lambda: self.closed.append(one)
            self.opened.append(one)
        return self.all(initialized_only=True)[0]

    def test_one_serves_all_that_waits(self, lane: Lane) -> None:
        do_together(lane, self.use, self.use, self.use)

        assert len(self.opened) == 1

    def test_none_is_open_while_nothing_waits(self, lane: Lane) -> None:
        do_together(lane, self.use, self.use)

        assert self.closed == self.opened

    def test_one_that_is_broken_is_not_the_next_ones(self, lane: Lane) -> None:
        def breaks() -> None:
            self.use().errors_occurred = True
            raise OSError

        def leaves_a_transaction_open() -> None:
            self.use().autocommit = False

        do_together(lane, breaks, leaves_a_transaction_open, self.use)

        assert len(self.opened) == 3

    def test_it_is_not_kept_for_ever_where_something_always_waits(
        self, lane: Lane, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(background, "KEPT_SECONDS", 0.02)

        def slowly() -> None:
            self.use()
            time.sleep(0.03)

        do_together(lane, slowly, slowly)

        assert len(self.opened) == 2


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_connection_that_the_database_has_ended_costs_one_piece(lane: Lane) -> None:
    told: list[int] = []

    def ask() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            told.append(cursor.fetchone()[0])

    def break_it() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    do_together(lane, ask, ask, break_it, ask)

    assert len(set(told)) < len(told) == 3
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(%s)", [told])
        assert cursor.fetchone() == (0,), "one is open while nothing waits"

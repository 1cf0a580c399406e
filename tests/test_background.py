"""P11: work that nobody waits for, a few pieces at a time; what finds no room is left to reconcile."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from oscar_rehive import background
from oscar_rehive.background import Lane

real_do = Lane.do  # the other tests have work done in place


@pytest.fixture
def lane(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(Lane, "do", real_do)
    monkeypatch.setattr(background, "WAITING", 2)
    lane = Lane("test", at_once=1)
    yield lane
    lane._pool.shutdown()


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

    assert [lane.do(work) for _ in range(5)] == [True, True, True, False, False]

    may_end.set()
    assert all(done.acquire(timeout=10) for _ in range(3))
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

"""P11: one thread rings for all that is late, and is there when it is needed, in a forked process too."""

from __future__ import annotations

import os
import threading
import time

import pytest

from oscar_rehive.rehive import alarms
from oscar_rehive.rehive.alarms import Alarm

LONG = 5.0


@pytest.fixture(autouse=True)
def _clock_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarms, "LINGERS", 0.1)
    monkeypatch.setattr(alarms, "_clock", alarms._Clock())


def threads() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "rehive-alarms"]


def test_it_rings_once_and_only_for_what_is_late() -> None:
    rung: list[str] = []
    late, early = threading.Event(), Alarm(0.2, lambda: rung.append("early"))

    with early, Alarm(0.05, lambda: (rung.append("late"), late.set())) as alarm:
        assert late.wait(LONG)
        time.sleep(0.05)

    assert (alarm.has_rung, early.has_rung, rung) == (True, False, ["late"])


def test_a_sooner_one_is_not_kept_waiting_by_a_later_one() -> None:
    rings = threading.Event()

    with Alarm(LONG, rings.clear):
        time.sleep(0.05)  # the thread waits for that one
        started = time.monotonic()
        with Alarm(0.05, rings.set):
            assert rings.wait(LONG)

    assert time.monotonic() - started < LONG / 2


def test_one_thread_for_all_and_none_when_there_is_nothing_to_watch() -> None:
    before = len(threads())
    with Alarm(0.3, int), Alarm(0.2, int), Alarm(0.1, int):
        assert len(threads()) == before + 1
    for _ in range(100):
        with Alarm(0.2, int):
            assert len(threads()) <= before + 1

    deadline = time.monotonic() + LONG
    while alarms._clock._has_thread:
        assert time.monotonic() < deadline, "it is there for ever"
        time.sleep(0.01)
    with Alarm(0.2, int):
        assert alarms._clock._has_thread


def test_one_that_fails_harms_no_other() -> None:
    rings = threading.Event()

    with Alarm(0.01, lambda: 1 // 0) as failing, Alarm(0.05, rings.set):
        assert rings.wait(LONG)

    assert failing.has_rung


def test_it_has_ended_ringing_when_the_block_has() -> None:
    """A socket may be another call's after that."""
    is_ringing, ended = threading.Event(), threading.Event()

    def ring() -> None:
        is_ringing.set()
        time.sleep(0.2)
        ended.set()

    with Alarm(0, ring):
        assert is_ringing.wait(LONG)

    assert ended.is_set()


def test_without_a_thread_nothing_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as no_threads:
        no_threads.setattr(threading.Thread, "start", refuse)
        with pytest.raises(OSError, match="no thread is left"), Alarm(LONG, int):
            pytest.fail("nobody watches this")

    rings = threading.Event()
    with Alarm(0.01, rings.set):
        assert rings.wait(LONG)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_after_a_fork_it_rings_again() -> None:
    with Alarm(LONG, int):
        time.sleep(0.05)
        with alarms._clock._changed:  # held by a thread that the child does not have
            child = os.fork()
        if not child:
            rings = threading.Event()
            with Alarm(0.05, rings.set):
                os._exit(0 if rings.wait(LONG) else 1)

        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

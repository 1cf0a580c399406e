"""Threads that are held at the one moment at which they hurt each other."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from django.db import connection

SECONDS = 20
"""How long a test waits for what should be there at once, before it fails."""


class InAThread(threading.Thread):
    """Runs ``work`` on a connection of its own; ``join`` raises what it raised."""

    def __init__(self, work: Any) -> None:
        super().__init__()
        self.work, self.error = work, None
        self.start()

    def run(self) -> None:
        try:
            self.work()
        except Exception as error:
            self.error = error
        finally:
            connection.close()

    def join(self, timeout: float | None = SECONDS) -> None:
        super().join(timeout)
        assert not self.is_alive(), "still waiting: a deadlock"
        if self.error is not None:
            raise self.error


def wait_until_somebody_waits(*, or_ended: threading.Thread | None = None) -> None:
    """Until a connection waits for another one's lock, or that thread did not have to."""
    deadline = time.monotonic() + SECONDS
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            if or_ended is not None and not or_ended.is_alive():
                return
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
    pytest.fail("nobody waits")


def the_first_waits_for_a_second(
    monkeypatch: pytest.MonkeyPatch, where: Any, name: str
) -> threading.Event:
    """From now on the first who comes to ``name`` in ``where``, its lock held, goes on only when another
    waits for that lock. The event tells that somebody is there."""
    real, there = getattr(where, name), threading.Event()

    def hold_the_first(*args: Any, **kwargs: Any) -> Any:
        if not there.is_set():
            there.set()
            wait_until_somebody_waits()
        return real(*args, **kwargs)

    monkeypatch.setattr(where, name, hold_the_first)
    return there

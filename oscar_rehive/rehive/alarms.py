"""One thread that rings where something is late, for all calls of a process.

A thread for each step of each call took as much time as the call itself. This one begins when there is
something to watch, and ends when it wakes up and there is nothing.
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time
from collections.abc import Callable

LINGERS = 5.0
"""Seconds for which the thread waits for a first alarm."""


class Alarm:
    """As long as its block runs, but ``seconds`` at the most: then it calls ``ring``, once, in another
    thread. ``ring`` must be quick, and has ended when the block has. Raises ``OSError`` where no thread
    can be had."""

    def __init__(self, seconds: float, ring: Callable[[], object]) -> None:
        self.at = time.monotonic() + seconds
        self.ring = ring
        self.has_rung = False

    def __enter__(self) -> Alarm:
        _clock.watch(self)
        return self

    def __exit__(self, *exc_info: object) -> None:
        _clock.forget(self)


class _Clock:
    def __init__(self) -> None:
        self._begin()
        # Threads do not survive a fork, and one that was there may have held the lock.
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._changed = threading.Condition()
        self._alarms: set[Alarm] = set()
        self._has_thread = False
        self._wakes_at = math.inf

    def watch(self, alarm: Alarm) -> None:
        with self._changed:
            if not self._has_thread:
                self._start()
            elif alarm.at < self._wakes_at:
                self._changed.notify()
            self._alarms.add(alarm)

    def forget(self, alarm: Alarm) -> None:
        # The thread is not woken up for this: most alarms are forgotten at once.
        with self._changed:
            self._alarms.discard(alarm)

    def _start(self) -> None:
        try:
            threading.Thread(target=self._run, name="rehive-alarms", daemon=True).start()
        except RuntimeError:
            raise OSError("no thread is left to watch the time") from None
        self._has_thread = True
        self._wakes_at = -math.inf  # it looks at the alarms as soon as it runs

    def _run(self) -> None:
        with self._changed:
            try:
                was_told = True
                while was_told or self._alarms:
                    now = time.monotonic()
                    self._ring(now)
                    self._wakes_at = min((one.at for one in self._alarms), default=now + LINGERS)
                    was_told = self._changed.wait(self._wakes_at - now)
            finally:
                self._has_thread = False

    def _ring(self, now: float) -> None:
        for alarm in [one for one in self._alarms if one.at <= now]:
            self._alarms.discard(alarm)
            alarm.has_rung = True
            # One that fails must not end the thread on which all others rely.
            with contextlib.suppress(Exception):
                alarm.ring()


_clock = _Clock()

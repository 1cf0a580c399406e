"""Questions that several threads ask at the same moment are asked once.

Nobody gets an answer that was sent for before he asked. It may be older than what he knows by now, and then
pass for newer (promise P6); and it may be older than why he asks: a webhook that has just come, a shopper
who has just paid. So whoever finds his question under way does not join that one. He waits for its end, a
moment at the most, and sends for himself; and all who ask meanwhile join him. However many ask at once, two
questions answer them, and each of them knows of his answer what he would know had he asked alone.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Hashable
from typing import Any

from oscar_rehive.rehive.deadlines import Deadline, seconds_left, within
from oscar_rehive.rehive.exceptions import RehiveError, Unreachable

GATHERING_SECONDS = 1.0
"""Longer than Rehive takes for an answer on a good day. On a bad one nobody loses more than this."""


class _Question:
    """``outcome`` is there once it ``is_over``, unless its thread was ended."""

    def __init__(self) -> None:
        self.is_over = threading.Event()
        self.has_outcome = False
        self.outcome: Any = None


class Questions:
    """Those of one client that are under way, and those that gather others before they are sent."""

    def __init__(self) -> None:
        self._sent: dict[Hashable, _Question] = {}
        self._gathering: dict[Hashable, _Question] = {}
        self._lock = threading.Lock()

    def ask(self, key: Hashable, send: Callable[[], Any], seconds: float) -> Any:
        """The outcome of ``send``, or of another thread's with the same ``key`` that is sent after now.

        Whoever waits for others does so for ``seconds`` at the most, and less where the blocks around leave
        less, what he sends by himself after that included. What came of nothing only because another had
        less time than usual is not his.
        """
        deadline = Deadline(min(seconds, seconds_left()))
        has_waited = False
        while True:
            with self._lock:
                joined = self._gathering.get(key)
                if joined is None:
                    before = self._sent.get(key)
                    ours = _Question()
                    (self._gathering if before else self._sent)[key] = ours
                    break
            if not joined.is_over.wait(deadline.left()):
                return Unreachable("Rehive did not answer in time.", may_have_happened=False)
            if joined.has_outcome and not _was_rushed(joined.outcome):
                return _own(joined.outcome)
            has_waited = True
        try:
            if before is not None:
                has_waited = True
                before.is_over.wait(min(GATHERING_SECONDS, deadline.left()))
                with self._lock:
                    self._sent[key] = self._gathering.pop(key)
            with within(deadline) if has_waited else contextlib.nullcontext():
                ours.outcome = send()
            ours.has_outcome = True
            return ours.outcome
        finally:
            with self._lock:
                for questions in (self._sent, self._gathering):
                    if questions.get(key) is ours:
                        del questions[key]
            ours.is_over.set()


def _was_rushed(outcome: Any) -> bool:
    return isinstance(outcome, Unreachable) and outcome.was_rushed


def _own(outcome: Any) -> Any:
    """``outcome``, for another thread: an error has a traceback, and each that is raised needs its own."""
    if not isinstance(outcome, RehiveError):
        return outcome
    kind = type(outcome)
    twin = kind.__new__(kind, *outcome.args)
    twin.__dict__.update(outcome.__dict__)
    return twin

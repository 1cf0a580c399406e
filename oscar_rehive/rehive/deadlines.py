"""One deadline for all calls of a page, of a delivery or of a run (promise P11).

A time-out of each call bounds no page: four calls of 4.5 seconds each make 18.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator
from contextvars import ContextVar

CONNECT_SECONDS = 2.0
READ_SECONDS = 5.0
"""What one call may take at the most."""


class Deadline:
    """A moment ``seconds`` from now, by a clock that nobody sets."""

    def __init__(self, seconds: float) -> None:
        self.at = time.monotonic() + seconds

    def left(self) -> float:
        """The seconds until then, 0.0 when it is past."""
        return max(0.0, self.at - time.monotonic())


_around: ContextVar[tuple[Deadline, ...]] = ContextVar("oscar_rehive_deadlines", default=())
"""Those of the blocks around, each earlier than the one before."""


@contextlib.contextmanager
def within(limit: float | Deadline) -> Iterator[Deadline]:
    """All calls of every client that are made inside the block share ``limit`` (seconds from now, or a
    deadline that several blocks have in common).

    Each call is cut to what is left. When nothing is, it raises ``Unreachable`` with
    ``may_have_happened`` False, and nothing is sent. Of nested blocks the earlier end counts. The block
    belongs to its thread, and must not be left by a ``yield`` of a generator.
    """
    deadline = limit if isinstance(limit, Deadline) else Deadline(limit)
    around = _around.get()
    if around and around[-1].at < deadline.at:
        deadline = around[-1]
    token = _around.set((*around, deadline))
    try:
        yield deadline
    finally:
        _around.reset(token)


def seconds_left() -> float:
    """What the blocks around leave for the next call; infinity outside of any."""
    around = _around.get()
    return around[-1].left() if around else math.inf


def put_off(seconds: float) -> None:
    """Let all blocks around end ``seconds`` later: who waits on purpose, before asking, has lost nothing of
    the time that an answer may take."""
    for deadline in set(_around.get()):
        deadline.at += seconds

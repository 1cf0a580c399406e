"""Work that nobody waits for, beside the requests (promise P11): by the shop's workers where it has some, and
else in this process, a few pieces at a time, each bounded.

Not on the connection after its answer: a proxy gives that to the next shopper, who waited 3.5 seconds
under every server that was tried, and a mail server that says nothing took all of a shop's threads.
What finds no room here, or is killed, is done by reconcile.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from functools import partial
from threading import Lock
from typing import Any

from django.conf import settings
from django.db import connections

from oscar_rehive.compat import django_tasks
from oscar_rehive.databases import in_parts
from oscar_rehive.logs import Log

logger = Log(__name__)

IN_PLACE = "ImmediateBackend"
"""Django's own default, which does a task where it is told of it: the mails would be sent in the lane of the
deliveries. Known by its name, for Django and the package have one each, and may stand beside each other."""

WAITING = 40
"""How many pieces may wait in each lane of a process."""

KEPT_SECONDS = 60.0
"""How long a connection to the database is kept for the next piece, in a lane where one always waits."""

TOGETHER_SECONDS = 0.05
TOLD_AT_ONCE = 10
MOST_UNTOLD = 1000
"""How long what workers are to be told is collected, and how much of it is one task: telling a table of a
database of each delivery by itself cost as much as storing it. More than ``MOST_UNTOLD`` wait only where the
queue hangs; the rest is left to reconcile."""


class Lane:
    """Threads of this process for one kind of work, ``at_once`` pieces at a time. One kind that is slow
    does not keep another from being done."""

    def __init__(self, name: str, at_once: int) -> None:
        self.name, self.at_once = name, at_once
        self._start()
        # Threads do not survive a fork: without this, what a forked server is given would wait for ever.
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._start)

    def _start(self) -> None:
        self._pieces = _Pieces(self.at_once + WAITING)
        # Makes its threads when there is work for them.
        self._pool = ThreadPoolExecutor(self.at_once, f"oscar_rehive.{self.name}")

    def do(self, work: Callable[[], object]) -> bool:
        """Have ``work`` done soon, and go on at once; False where there is no room.

        What ``work`` raises is logged and nothing else. It must be committed already what it is about,
        and it has to bound its time by itself.
        """
        if not self._pieces.put(work):
            return False
        try:
            self._pool.submit(self._run, self._pieces)
        except RuntimeError as error:  # the process is ending, or no thread can be had
            if not self._pieces.take_back(work):
                return True  # a thread that is there has begun with it
            logger.warning("No work is begun: %s; rehive_reconcile does it.", error)
            return False
        return True

    def _run(self, pieces: _Pieces) -> None:
        """Do what waits, until nothing does."""
        since = time.monotonic()
        try:
            while work := pieces.begin():
                try:
                    work()
                except Exception:
                    logger.exception("Work in the background failed; rehive_reconcile repeats it.")
                finally:
                    pieces.end()
                _close_what_is_broken()
                if time.monotonic() - since > KEPT_SECONDS:
                    connections.close_all()
                    since = time.monotonic()
        finally:
            # Django closes those of requests only; one that waits here for hours would be dropped by
            # its server, and counts against what that server allows.
            connections.close_all()
        if refused := pieces.refused():
            logger.warning(
                "%s found no room among what waits for %s; rehive_reconcile does it.",
                refused,
                self.name,
            )


class _Pieces:
    """Of work: those that wait, and how many are not done yet, at the most ``room``."""

    def __init__(self, room: int) -> None:
        self._lock = Lock()
        self._room = room
        self._waiting: deque[Callable[[], object]] = deque()
        self._refused = 0

    def put(self, work: Callable[[], object]) -> bool:
        with self._lock:
            if not self._room:
                self._refused += 1
                return False
            self._room -= 1
            self._waiting.append(work)
            return True

    def take_back(self, work: Callable[[], object]) -> bool:
        """Whether nobody has begun with it."""
        with self._lock:
            if work not in self._waiting:
                return False
            self._waiting.remove(work)
            self._room += 1
            return True

    def begin(self) -> Callable[[], object] | None:
        with self._lock:
            return self._waiting.popleft() if self._waiting else None

    def end(self) -> None:
        with self._lock:
            self._room += 1

    def refused(self) -> int:
        """How many found no room since somebody asked last. Asked when nothing waits: once for all that come
        too many together, and not a line in the log for each."""
        with self._lock:
            refused, self._refused = self._refused, 0
            return refused


def _close_what_is_broken() -> None:
    """Lest the next piece fail with it. A connection that is good is kept for it, also where Django would
    close it at the end of each request."""
    for connection in connections.all(initialized_only=True):
        has_other_mode = connection.autocommit != connection.settings_dict["AUTOCOMMIT"]
        if connection.errors_occurred or has_other_mode:
            connection.close()


REHIVE = Lane("Rehive", at_once=4)
MAILS = Lane("the mail server", at_once=2)


_is_worker: ContextVar[bool] = ContextVar("oscar_rehive_is_worker", default=False)


@contextlib.contextmanager
def as_worker() -> Iterator[None]:
    """Nobody waits for what is done inside, and this process may end with it: some workers fork one for each
    task. So nothing is left to threads."""
    token = _is_worker.set(True)
    try:
        yield
    finally:
        _is_worker.reset(token)


class Work:
    """One kind of work about something that has a name: ``do(about)``, which the shop's workers know as that
    ``task`` of tasks.py. This process does it in ``lane`` where there are none, or where they cannot be told.
    """

    def __init__(self, lane: Lane, task: str, do: Callable[[str], object]) -> None:
        self._lane, self._task, self._do = lane, task, do
        self._start()
        # A lock that somebody held at the moment of a fork is held for ever in the child.
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._start)

    def _start(self) -> None:
        self._lock = Lock()
        self._untold: dict[str, None] = {}

    def soon(self, about: str) -> None:
        """Have it done soon, and go on at once. It must be committed already what it is about. What nobody takes,
        or who took it loses, is left to reconcile."""
        if _is_worker.get():
            self._tell_or([about], self._do)
        elif not _has_workers(self._task):
            self._lane.do(partial(self._do, about))
        elif self._is_first(about) and not self._lane.do(self._tell):
            self._take_untold()  # else nobody would ever be the first again

    def _is_first(self, about: str) -> bool:
        with self._lock:
            if len(self._untold) < MOST_UNTOLD:
                self._untold[about] = None
            return len(self._untold) == 1

    def _take_untold(self) -> list[str]:
        with self._lock:
            taken, self._untold = self._untold, {}
        return list(taken)

    def _tell(self) -> None:
        # Not by whoever has something to tell: a queue that does not answer takes seconds to fail, or a minute.
        time.sleep(TOGETHER_SECONDS)
        self._tell_or(self._take_untold(), lambda about: self._lane.do(partial(self._do, about)))

    def _tell_or(self, abouts: list[str], do: Callable[[str], object]) -> None:
        for some in in_parts(abouts, TOLD_AT_ONCE):
            if not _told_to_workers(self._task, some):
                for about in some:
                    do(about)


def _has_workers(task: str) -> bool:
    try:
        return workers_task(task) is not None
    except Exception as error:  # whatever a shop's own backend raises
        return _cannot("TASKS cannot be used", error)


def _told_to_workers(name: str, abouts: Sequence[str]) -> bool:
    try:
        task = workers_task(name)
        if task is not None:
            task.enqueue(*abouts)
    except Exception as error:  # whatever a shop's queue raises when it is down
        return _cannot("The shop's workers cannot be told", error)
    return task is not None


def _cannot(what: str, error: Exception) -> bool:
    """False. In one line of the log, for while a queue is down there is one for each delivery and each mail."""
    logger.error("%s (%s: %s); this process does the work", what, type(error).__name__, error)
    return False


def workers_task(name: str) -> Any:
    """The task of that name in tasks.py, or None where ``TASKS`` names nobody who would do it elsewhere."""
    interface = django_tasks() if getattr(settings, "TASKS", None) else None
    if interface is None:
        return None
    backend = type(interface.task_backends[interface.DEFAULT_TASK_BACKEND_ALIAS])
    if IN_PLACE in (one.__name__ for one in backend.__mro__):
        return None
    from oscar_rehive import tasks

    return getattr(tasks, name)

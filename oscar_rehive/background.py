"""Work that nobody waits for, beside the requests (promise P11): by the shop's workers where it has some, and
else in this process, a few pieces at a time, each bounded.

Not on the connection after its answer: a proxy gives that to the next shopper, who waited 3.5 seconds
under every server that was tried, and a mail server that says nothing took all of a shop's threads.
What finds no room here, or is killed, is done by reconcile.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from functools import partial
from threading import BoundedSemaphore
from typing import Any

from django.db import connections

from oscar_rehive.compat import django_tasks
from oscar_rehive.logs import Log

logger = Log(__name__)

IN_PLACE = "ImmediateBackend"
"""Django's own default, which does a task where it is told of it: the mails would be sent in the lane of the
deliveries. Known by its name, for Django and the package have one each, and may stand beside each other."""

WAITING = 40
"""How many pieces may wait in each lane of a process."""


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
        self._room = BoundedSemaphore(self.at_once + WAITING)
        # Makes its threads when there is work for them.
        self._pool = ThreadPoolExecutor(self.at_once, f"oscar_rehive.{self.name}")

    def do(self, work: Callable[[], object]) -> bool:
        """Have ``work`` done soon, and go on at once; False where there is no room.

        What ``work`` raises is logged and nothing else. It must be committed already what it is about,
        and it has to bound its time by itself.
        """
        if not self._room.acquire(blocking=False):
            logger.warning("Too much waits for %s; rehive_reconcile does it.", self.name)
            return False
        try:
            self._pool.submit(self._run, work, self._room)
        except RuntimeError as error:  # the process is ending, or no thread can be had
            self._room.release()
            logger.warning("No work is begun: %s; rehive_reconcile does it.", error)
            return False
        return True

    @staticmethod
    def _run(work: Callable[[], object], room: BoundedSemaphore) -> None:
        try:
            work()
        except Exception:
            logger.exception("Work in the background failed; rehive_reconcile repeats it.")
        finally:
            # Django closes those of requests only; one that waits here for hours would be dropped by
            # its server, and counts against what that server allows.
            connections.close_all()
            room.release()


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


def have_done(lane: Lane, task: str, work: Callable[[str], object], about: str) -> None:
    """Have ``work(about)`` done soon, and go on at once: by the shop's workers, who know it as that ``task`` of
    tasks.py, or by ``lane`` where there are none, or where they cannot be told.

    It must be committed already what it is about. What nobody takes, or who took it loses, is left to reconcile.
    """
    if _is_worker.get():
        _tell_or_do(task, work, about)
    else:
        # The telling too: a queue that does not answer takes seconds to fail, or a minute.
        lane.do(partial(_tell_or_do, task, work, about))


def _tell_or_do(task: str, work: Callable[[str], object], about: str) -> None:
    if not _told_to_workers(task, about):
        work(about)


def _told_to_workers(name: str, about: str) -> bool:
    try:
        task = workers_task(name)
        if task is not None:
            task.enqueue(about)
    except Exception:  # whatever a shop's queue raises when it is down
        logger.exception("The shop's workers cannot be told; this process does the work")
        return False
    return task is not None


def workers_task(name: str) -> Any:
    """The task of that name in tasks.py, or None where ``TASKS`` names nobody who would do it elsewhere.

    Raises whatever Django's tasks interface says to a ``TASKS`` that has no place for it.
    """
    if django_tasks is None:
        return None
    backend = type(django_tasks.task_backends[django_tasks.DEFAULT_TASK_BACKEND_ALIAS])
    if IN_PLACE in (one.__name__ for one in backend.__mro__):
        return None
    from oscar_rehive import tasks

    task = getattr(tasks, name)
    task.get_backend().validate_task(task)
    return task

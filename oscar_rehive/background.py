"""Work that nobody waits for, beside the requests (promise P11): a few pieces at a time, each bounded.

Not on the connection after its answer: a proxy gives that to the next shopper, who waited 3.5 seconds
under every server that was tried, and a mail server that says nothing took all of a shop's threads.
What finds no room here, or is killed, is done by reconcile.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore

from django.db import connections

from oscar_rehive.logs import Log

logger = Log(__name__)

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

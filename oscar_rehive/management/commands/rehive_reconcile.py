"""``manage.py rehive_reconcile``: put right whatever is open, due or undecided."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from threading import Event
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error, close_old_connections
from tqdm import tqdm

from oscar_rehive.checkup.being_told import tell
from oscar_rehive.management.refusing import BROKEN_OFF, insist_on_settings, no_database
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.payments.stages import Task
from oscar_rehive.payments.summary import Summary

AGAIN, A_PERSON = 1, 3
"""Exit codes, besides 0: something must be tried again, or could not be begun; nothing failed, and a new
fact waits for a person. 2 is argparse's, for wrong arguments."""


class Stop(Event):
    """An event that a signal may set. The lock of Python's own may be held by the very code that the signal
    interrupts, which would then wait for itself; a ``SimpleQueue`` may be put into at any moment."""

    def __init__(self) -> None:
        super().__init__()
        self._told: SimpleQueue[None] = SimpleQueue()
        self._is_set = False

    def set(self) -> None:
        self._is_set = True
        self._told.put(None)

    def is_set(self) -> bool:
        return self._is_set

    def wait(self, timeout: float | None = None) -> bool:
        if not self._is_set:
            with contextlib.suppress(Empty):
                self._told.get(timeout=timeout)
        return self._is_set


class Command(BaseCommand):
    """See ``AGAIN`` and ``A_PERSON`` for the exit codes. SIGTERM ends it once the order in hand is done."""

    help = (
        "Ask Rehive about every open payment and bring the orders in line; finish what a crash left"
        " half done; cancel what nobody paid in time. Run it every few minutes."
    )
    # The warnings of all the shop's apps, in the mail of a cron job, every few minutes. What
    # matters here is checked below.
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--every",
            type=_seconds,
            metavar="SECONDS",
            help="run again and again with this pause, until interrupted or terminated",
        )

    def handle(self, *args: Any, every: int | None = None, **options: Any) -> None:
        insist_on_settings()
        with _until_terminated() as stop:
            if every is not None:
                self._run_for_ever(every, options["verbosity"], stop)
                return
            try:
                code = self._run_once(options["verbosity"], stop)
            except Error as error:
                raise CommandError(no_database(error)) from None
            except KeyboardInterrupt:
                raise CommandError(BROKEN_OFF) from None
        if code:
            sys.exit(code)

    def _run_for_ever(self, pause: int, verbosity: int, stop: Event) -> None:
        try:
            while not stop.is_set():
                # Nobody else does it in a command, and a connection that the database server has
                # dropped would fail in every later run too.
                close_old_connections()
                try:
                    self._run_once(verbosity, stop)
                except Error as error:
                    self.stderr.write(no_database(error))
                stop.wait(pause)
        except KeyboardInterrupt:
            self.stderr.write("")

    def _run_once(self, verbosity: int, stop: Event) -> int:
        # disable=None: a bar on a terminal, and nothing in a cron job's mail.
        with tqdm(unit="", leave=False, disable=None) as bar:

            def show(tasks: Iterator[Task]) -> Iterator[Task]:
                for task in tasks:
                    bar.set_description(task.name, refresh=True)
                    yield task
                    bar.update()

            summary = reconcile(show, stop=stop)
        self._report(summary, verbosity)
        tell()
        if summary.failures:
            return AGAIN
        return A_PERSON if summary.new_attention else 0

    def _report(self, summary: Summary, verbosity: int) -> None:
        for failure in summary.failures:
            self.stderr.write(f"{failure}")
        if verbosity and self.stdout.isatty():
            self.stdout.write(f"rehive_reconcile: {summary}.")
        elif verbosity:
            self.stdout.write(f"rehive_reconcile {summary.fields()}")
        elif summary.new_attention:
            # A cron job's mail, though it was told to be quiet.
            new = summary.new_attention
            self.stderr.write(
                f"rehive_reconcile: {new} new {'fact waits' if new == 1 else 'facts wait'} for a person, under"
                " “Attention” in the dashboard."
            )
        # What goes to a service's journal is kept back else until there are some thousand characters.
        self.stdout.flush()


@contextlib.contextmanager
def _until_terminated() -> Iterator[Event]:
    """Set once the process is told to end (SIGTERM, as service managers and containers do)."""
    stop = Stop()
    try:
        before = signal.signal(signal.SIGTERM, lambda *_: stop.set())
    except ValueError:  # only the main thread is told
        yield stop
        return
    try:
        yield stop
    finally:
        signal.signal(signal.SIGTERM, before)


def _seconds(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= 86_400):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a whole number of seconds from 1 to 86400, such as 300"
        )
    return int(text)

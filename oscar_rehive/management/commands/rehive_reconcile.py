"""``manage.py rehive_reconcile``: put right whatever is open, due or undecided."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.db import Error, close_old_connections
from tqdm import tqdm

from oscar_rehive import conf
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.payments.stages import Task


class Command(BaseCommand):
    """Exit code 0: everything is settled. 1: something must be tried again, or the settings are
    not sound."""

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
            help="run again and again with this pause, until interrupted",
        )

    def handle(self, *args: Any, every: int | None = None, **options: Any) -> None:
        try:
            conf.current()
        except ImproperlyConfigured as error:
            raise CommandError(f"{error} (manage.py rehive_check shows everything.)") from None
        if every is not None:
            self._run_for_ever(every, options["verbosity"])
            return
        try:
            failed = self._run_once(options["verbosity"])
        except Error as error:
            raise CommandError(_told(error)) from None
        if failed:
            sys.exit(1)

    def _run_for_ever(self, pause: int, verbosity: int) -> None:
        try:
            while True:
                # Nobody else does it in a command, and a connection that the database server has
                # dropped would fail in every later run too.
                close_old_connections()
                try:
                    self._run_once(verbosity)
                except Error as error:
                    self.stderr.write(_told(error))
                time.sleep(pause)
        except KeyboardInterrupt:
            self.stderr.write("")

    def _run_once(self, verbosity: int) -> bool:
        # disable=None: a bar on a terminal, and nothing in a cron job's mail.
        with tqdm(unit="", leave=False, disable=None) as bar:

            def show(tasks: Iterator[Task]) -> Iterator[Task]:
                for task in tasks:
                    bar.set_description(task.name, refresh=True)
                    yield task
                    bar.update()

            summary = reconcile(show)
        for failure in summary.failures:
            self.stderr.write(f"{failure}")
        if verbosity:
            self.stdout.write(f"rehive_reconcile: {summary}.")
        return bool(summary.failures)


def _told(error: Error) -> str:
    return f"The database cannot be used: {error} (After an update: manage.py migrate.)"


def _seconds(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= 86_400):
        raise argparse.ArgumentTypeError("a whole number of seconds from 1 to 86400")
    return int(text)

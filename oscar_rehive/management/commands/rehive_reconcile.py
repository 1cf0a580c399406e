"""``manage.py rehive_reconcile``: put right whatever is open, due or undecided."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from oscar_rehive import conf
from oscar_rehive.payments.reconciling import STAGES, Summary, run


class Command(BaseCommand):
    """Exit code 0: everything is settled. 1: something must be tried again, or the settings are
    not sound."""

    help = (
        "Ask Rehive about every open payment and bring the orders in line; finish what a crash left"
        " half done; cancel what nobody paid in time. Run it every few minutes."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
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
            raise CommandError(str(error)) from None
        failed = self._run_once(options["verbosity"])
        while every is not None:
            try:
                time.sleep(every)
                self._run_once(options["verbosity"])
            except KeyboardInterrupt:
                break
        if failed and every is None:
            sys.exit(1)

    def _run_once(self, verbosity: int) -> bool:
        summary = Summary()
        # disable=None: a bar on a terminal, and nothing in a cron job's mail.
        known = 0
        with tqdm(total=known, unit="", leave=False, disable=None) as bar:
            for stage in STAGES:
                found = list(stage())
                known += len(found)
                bar.total = known
                for task in found:
                    bar.set_description(task.name, refresh=True)
                    run(task, summary)
                    bar.update()
        for failure in summary.failures:
            self.stderr.write(f"{failure}")
        if verbosity:
            self.stdout.write(f"rehive_reconcile: {summary}.")
        return bool(summary.failures)


def _seconds(text: str) -> int:
    seconds = int(text)
    if seconds < 1:
        raise ValueError("at least 1 second")
    return seconds

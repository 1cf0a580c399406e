"""``manage.py rehive_check``: does everything between this shop and Rehive fit together?"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from itertools import chain
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from oscar_rehive.checkup import findings
from oscar_rehive.checkup.mending import register_webhooks
from oscar_rehive.management.refusing import BROKEN_OFF
from oscar_rehive.management.showing import show


class Command(BaseCommand):
    """Exit code 0: all ticks. 1: at least one cross."""

    help = (
        "Check the settings, the token, the business, its currency, the shop's addresses and the"
        " registered webhook; one line each, with the way to mend it."
    )
    # Ours are shown below with the other lines, instead of stopping the command.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--register-webhook",
            action="store_true",
            help="register the webhook where it is missing, anew where its secret is another",
        )

    def handle(self, *args: Any, register_webhook: bool = False, **options: Any) -> None:
        try:
            crosses = self._show(register_webhook)
        except KeyboardInterrupt:
            raise CommandError(BROKEN_OFF) from None
        if crosses:
            sys.exit(1)

    def _show(self, register_webhook: bool) -> int:
        """Write each line as soon as it is known; returns the number of crosses."""
        crosses = 0
        registered = register_webhooks() if register_webhook else ()
        for finding in chain(registered, findings()):
            show(self, finding)
            crosses += not finding.is_good
        return crosses

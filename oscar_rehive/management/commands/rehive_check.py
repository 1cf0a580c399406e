"""``manage.py rehive_check``: does everything between this shop and Rehive fit together?"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from oscar_rehive import conf
from oscar_rehive.checkup import findings, of_webhook
from oscar_rehive.management.refusing import BROKEN_OFF
from oscar_rehive.management.showing import show
from oscar_rehive.payments.gateway import client_for
from oscar_rehive.payments.registering import put_right, registered_for
from oscar_rehive.rehive.exceptions import RehiveError


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
        crosses = self._register() if register_webhook else 0
        for finding in findings():
            show(self, finding)
            crosses += not finding.is_good
        return crosses

    def _register(self) -> int:
        """Put the registered webhooks right, where that can be done; how often it failed."""
        url = of_webhook.address()
        if (
            any(one.fatal for one in conf.problems())
            or not url
            or not of_webhook.is_safe(url).is_good
        ):
            return 0  # told below
        config, failed = conf.current(), 0
        for business in config.businesses.values():
            if not business.webhook_secrets:
                continue
            client = client_for(business)
            try:
                there = registered_for(client, url, config.webhook_secrets)
                if put_right(client, there, url=url, secret=business.webhook_secrets[0]):
                    text = f"The webhook has now been registered for {business.currency}."
                    self.stdout.write(self.style.SUCCESS(f"✓ {text}"))
            except RehiveError as error:
                text = f"The webhook for {business.currency} could not be registered: {error}"
                self.stdout.write(self.style.ERROR(f"✗ {text}"))
                failed += 1
        return failed

"""``manage.py rehive_setup``: from a token to a tick."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import BaseCommand
from django.db import Error

from oscar_rehive import conf
from oscar_rehive.checkup import Finding, Severity, findings, of_webhook
from oscar_rehive.management.finding_out import (
    SECRET_VARIABLE,
    Stuck,
    insist_on_address,
    the_address,
    the_businesses,
    the_token,
    with_id,
)
from oscar_rehive.management.lines import Wanted, blocks
from oscar_rehive.management.refusing import no_database
from oscar_rehive.management.showing import show
from oscar_rehive.payments.gateway import client_for
from oscar_rehive.payments.registering import put_right, registered_for
from oscar_rehive.payments.trying import ENDS_AFTER, Trial, begin, carry_out, wait_for
from oscar_rehive.rehive.exceptions import RehiveError
from oscar_rehive.rehive.wire import is_loopback

LONGEST_WAIT = 3600
AGAIN = "and run manage.py rehive_setup again"
NOT_OF_SETTING_UP = (
    "attention",
    "webhook-calls",
    "reconcile",
    "rehive",
    "deliveries",
    "confirmations",
)
"""What the day brings: told by ``rehive_check``."""


class Command(BaseCommand):
    """Exit code 0: all is set up. 1: something is to be mended, which the last line tells. 2: wrong arguments.
    130: ended by Ctrl-C."""

    help = (
        "Set the payments up: find the business of a token, print what is missing in the settings, register the"
        " webhook, and try the whole way with an invoice of the smallest amount. Writes no file. The token is"
        " taken from the environment variable REHIVE_TOKEN, from the settings, or asked for."
    )
    # Ours are shown below with the other lines, instead of stopping the command.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        add = parser.add_argument
        add(
            "--base-url", default="", help="the shop's public address, where the settings have none"
        )
        add(
            "--business",
            action="append",
            default=[],
            metavar="ID",
            help="the business to use, where the token manages several; once for each currency",
        )
        add("--api-url", default="", help="Rehive's Business service, where it is not the live one")
        add("--payment-requests-url", default="", help="the same of the Payment Requests service")
        add(
            "--wait",
            type=_seconds,
            default=30.0,
            metavar="SECONDS",
            help="how long to wait for Rehive's call (default: 30)",
        )
        # Taken only to be refused without printing it.
        add("--token", help=SUPPRESS)
        add("more", nargs="*", help=SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        self.trial: Trial | None = None
        try:
            self._set_up(**options)
        except Stuck as stuck:
            self._cross(stuck.what, stuck.mend)
        except RehiveError as error:
            self._cross("Rehive could not be asked.", str(error))
        except Error as error:
            self._cross("The shop's database was needed.", no_database(error))
        except KeyboardInterrupt:
            self.stderr.write("\nEnded. " + self._left_behind())
            sys.exit(130)

    def _set_up(self, **options: Any) -> None:
        if options["token"] or options["more"]:
            self.stderr.write(
                "rehive_setup takes no token as an argument: everybody on this machine can read a command line."
                " If that was a real one, make another."
            )
            sys.exit(2)
        account = self._account(options)
        chosen = the_businesses(account, options["business"])
        base_url = the_address(options["base_url"])
        known = [one.webhook_secrets for one in conf.as_it_is().businesses.values()]
        has_secret = all(known) or os.environ.get(SECRET_VARIABLE, "").strip()
        missing = blocks(
            Wanted(account, chosen, base_url, "" if has_secret else secrets.token_urlsafe(32))
        )
        if missing:
            for one in chosen:
                self._tick(
                    f"The token is good. The business {one.name or one.id} invoices in"
                    f" {one.currency.code}."
                )
            self._print(missing)
            self._unfinished(
                "Put these lines in, run manage.py migrate, restart the shop, " + AGAIN + "."
            )
        self._register(base_url)
        self._check()
        self._try_out(options["wait"])
        self._tick("All is set up: orders can be paid through Rehive, and the shop is told of it.")

    def _account(self, options: dict[str, Any]) -> conf.BusinessConfig:
        """The token and where to use it; no business yet."""
        now = next(iter(conf.as_it_is().businesses.values()), None)
        api_url = now.api_url if now else conf.LIVE_API_URL
        requests_url = now.payment_requests_url if now else conf.LIVE_PAYMENT_REQUESTS_URL
        return conf.BusinessConfig(
            currency="",
            token=the_token(),
            business_id="",
            webhook_secrets=(),
            api_url=insist_on_address(options["api_url"] or api_url),
            payment_requests_url=insist_on_address(options["payment_requests_url"] or requests_url),
            minimum=None,
            maximum=None,
            calls_per_minute=conf.CALLS_PER_MINUTE,
        )

    def _print(self, missing: Any) -> None:
        for block in missing:
            self.stdout.write(f"\n{block.where}:\n")
            for line in block.lines:
                self.stdout.write(f"    {line}" if line else "")
        self.stdout.write("")
        # What no line mends: a key that is misspelt, say.
        for problem in conf.problems():
            if problem.fatal and "missing" not in problem.message:
                show(self, Finding("settings", Severity.ERROR, problem.message, problem.hint))

    def _register(self, base_url: str) -> None:
        """Put the registered webhooks right, if the shop answers where they shall lead."""
        url = of_webhook.address(base_url)
        told = [one for one in findings(ask=False) if one.name not in NOT_OF_SETTING_UP]
        if not url or any(one.severity is Severity.ERROR for one in told):
            return  # shown below
        businesses = conf.current().businesses.values()
        if is_loopback(urlsplit(url).hostname or "") and not all(
            is_loopback(urlsplit(one.api_url).hostname or "") for one in businesses
        ):
            raise Stuck(
                f"Rehive cannot call {url}, which is on this machine.",
                f"Give the shop an address on the internet (a tunnel will do), set it as {conf.SETTING}"
                f'["BASE_URL"], {AGAIN}.',
            )
        if not of_webhook.is_safe(url).is_good or not of_webhook.reached(url).is_good:
            return
        for business in businesses:
            self._register_for(business, url)

    def _register_for(self, business: conf.BusinessConfig, url: str, *, anew: bool = False) -> None:
        client = client_for(business)
        there = registered_for(client, url, conf.current().webhook_secrets)
        moved = []
        for hook in () if anew else there.elsewhere:
            if of_webhook.call(hook.url).may_be_a_shop:
                # A copy of the shop, say, that was given the same secret: it would not be told any more.
                self.stdout.write(
                    f"  Another shop answers at {hook.url}, or may, with the secret of this one: it is left as"
                    " it is. Give each shop a secret of its own; delete the webhook in Rehive's app if there is"
                    " no shop any more."
                )
            else:
                moved.append(hook)
        is_new = put_right(
            client,
            there,
            url=url,
            secret=business.webhook_secrets[0],
            moved=moved,
            anew=anew,
        )
        if is_new:
            self._tick(f"The webhook is now registered at {url}")
        for hook in moved:
            self._tick(f"The one that led to {hook.url}, where no shop answers, is gone.")
        if there.refused or len(there.good) > 1:
            self._tick("Those that were registered there twice, or with another secret, are gone.")

    def _check(self) -> None:
        """Show what the checks find; ends the command where nothing can be tried."""
        self.to_mend: list[Finding] = []
        for finding in findings():
            is_next = finding.name.startswith("webhook-registered") and any(
                one.severity is Severity.ERROR for one in self.to_mend
            )
            if finding.name in NOT_OF_SETTING_UP or is_next:
                continue  # it was not tried to register it yet
            show(self, finding)
            if not finding.is_good:
                self.to_mend.append(finding)
        errors = [one for one in self.to_mend if one.severity is Severity.ERROR]
        if errors:
            self._unfinished(f"{errors[0].mend} Then run manage.py rehive_setup again.")

    def _try_out(self, seconds: float) -> None:
        url = of_webhook.address()
        for business in conf.current().businesses.values():
            if not self._goes_round(business, seconds):
                # Rehive disables a webhook that failed too often, and tells nobody.
                self.stdout.write(
                    "  No call came. The webhook is registered anew, and tried once more."
                )
                self._register_for(business, url, anew=True)
                if not self._goes_round(business, seconds):
                    self._did_not_arrive(url)
        if self.to_mend:
            self._unfinished(self.to_mend[0].mend)

    def _goes_round(self, business: conf.BusinessConfig, seconds: float) -> bool:
        self.trial = trial = begin()
        started = monotonic()
        try:
            carry_out(trial, client_for(with_id(business, business.business_id, business.currency)))
        except RehiveError as error:
            raise Stuck(
                f"The trial's invoice for {business.currency} could not be made or ended.",
                f"{error} {self._left_behind()}",
            ) from None
        self.stdout.write(
            "  An invoice of the smallest amount was made and ended. Waiting for Rehive to tell of it …"
        )
        self.stdout.flush()
        if not wait_for(trial, seconds, sleep):
            return False
        took = monotonic() - started
        self._tick(
            f"The round trip works for {business.currency}: Rehive's call came in after {took:.1f} s."
        )
        return True

    def _did_not_arrive(self, url: str) -> None:
        assert self.trial is not None
        if self.trial.was_refused():
            raise Stuck(
                "Rehive's call came, and was refused.",
                "Something on the way from outside takes the Authorization header away, or changes it: look at"
                " what stands between the internet and the shop.",
            )
        raise Stuck(
            f"Rehive's call did not come in at {url}",
            "Let Rehive reach it from the internet: look at firewall, DNS and the certificate's chain. If the shop"
            " there has got the call, this command uses another database than the shop.",
        )

    def _left_behind(self) -> str:
        if self.trial is None:
            return "No invoice was made."
        if self.trial.is_ended:
            return "No invoice is left behind."
        minutes = int(ENDS_AFTER.total_seconds() // 60)
        return (
            f"The invoice {self.trial.reference} of the trial may be left at Rehive; it ends by itself within"
            f" {minutes} minutes."
        )

    def _tick(self, sentence: str) -> None:
        self.stdout.write(self.style.SUCCESS(f"✓ {sentence}"))

    def _cross(self, what: str, mend: str) -> None:
        self.stdout.write(self.style.ERROR(f"✗ {what}"))
        self._unfinished(mend)

    def _unfinished(self, mend: str) -> None:
        self.stdout.write(f"To mend: {mend}")
        sys.exit(1)


def _seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 < (seconds := float(text)) <= LONGEST_WAIT:
            return seconds
    raise ArgumentTypeError(f"more than 0 and at most {LONGEST_WAIT} seconds")

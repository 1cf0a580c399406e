"""``manage.py rehive_check``: does everything between this shop and Rehive fit together?"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import requests
from django.core.checks import run_checks
from django.core.management.base import BaseCommand, CommandError
from django.db import Error
from django.db.models import Sum
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from oscar_rehive import conf
from oscar_rehive.management.refusing import BROKEN_OFF
from oscar_rehive.models import Attention, Delivery, RefusedDeliveries
from oscar_rehive.payments.gateway import client_for
from oscar_rehive.rehive.client import INVOICE_CHANGED, Client
from oscar_rehive.rehive.exceptions import NotFound, RehiveError
from oscar_rehive.tokens import PROBE_HEADER, probe_token

PROBE_TIMEOUT = (2, 5)
LOOPBACK = ("localhost", "127.0.0.1", "::1")

ONE_DELIVERY = 8
"""Calls that Rehive makes for one delivery that is refused: the first and seven retries."""


@dataclass(frozen=True)
class Finding:
    """One line of the report; ``mend`` says what to do about a cross."""

    good: bool
    what: str
    mend: str = ""


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
        for finding in _findings(register=register_webhook):
            mark, style = ("✓", self.style.SUCCESS) if finding.good else ("✗", self.style.ERROR)
            self.stdout.write(style(f"{mark} {finding.what}"))
            if not finding.good:
                crosses += 1
                self.stdout.write(f"    {finding.mend}")
        return crosses


def _findings(*, register: bool) -> Iterator[Finding]:
    faults = [message for message in run_checks() if (message.id or "").startswith("oscar_rehive.")]
    for fault in faults:
        yield Finding(False, str(fault.msg), str(fault.hint or ""))
    if any(problem.fatal for problem in conf.problems()):
        return
    if not faults:
        yield Finding(True, f"The setting {conf.SETTING} and the shop's own settings are sound.")
    webhook_url = _webhook_address()
    if webhook_url:
        address = _is_safe(webhook_url)
        yield address
        register = register and address.good
    elif not conf.current().base_url:
        yield Finding(
            False,
            "The shop's public address is not known.",
            f'Set {conf.SETTING}["BASE_URL"], for instance "https://shop.example.com".',
        )
    for business in conf.current().businesses.values():
        client = client_for(business)
        yield _business(client, business)
        if webhook_url:
            yield _registration(client, business, webhook_url, register=register)
    if webhook_url:
        yield _reachable(webhook_url)
    try:
        yield _refused()
        yield _attention()
    except Error as error:
        yield Finding(
            False,
            f"The database cannot be used: {error}",
            "Check DATABASES in the settings; then run manage.py migrate.",
        )


def _attention() -> Finding:
    waiting = Attention.objects.filter(resolved_at=None).count()
    if not waiting:
        return Finding(True, "Nothing needs attention.")
    return Finding(
        False,
        f"{waiting} fact(s) need the attention of a person.",
        "See the admin under Rehive payments, Attention: each has its ways out.",
    )


def _webhook_address() -> str:
    """The webhook's address, or nothing where the settings do not tell it."""
    base = conf.current().base_url
    try:
        path = reverse("oscar_rehive:webhook")
    except NoReverseMatch:  # one of the system checks
        return ""
    return base.rstrip("/") + path if base else ""


def _is_safe(url: str) -> Finding:
    parts = urlsplit(url)
    if parts.scheme == "https" or parts.hostname in LOOPBACK:
        return Finding(True, f"The webhook's address is {url}")
    return Finding(
        False,
        f"The webhook's address {url} is not encrypted.",
        f'Use https in {conf.SETTING}["BASE_URL"]: the webhook\'s secret travels in a header.',
    )


def _business(client: Client, business: conf.BusinessConfig) -> Finding:
    try:
        remote = client.business()
    except RehiveError as error:
        mend = (
            "Check BUSINESS_ID, that the token belongs to it, and API_URL."
            if isinstance(error, NotFound)
            else str(error)
        )
        return Finding(False, f"Business {business.business_id} cannot be read.", mend)
    if remote.currency.code != business.currency:
        return Finding(
            False,
            f"The business invoices in {remote.currency.code}, the shop sells in"
            f" {business.currency}.",
            f"Set OSCAR_DEFAULT_CURRENCY to {remote.currency.code}, if that is what the shop sells in;"
            " or use the BUSINESS_ID of another business. With several currencies, name each business"
            f' under its own in {conf.SETTING}["BUSINESSES"].',
        )
    if not remote.is_verified:
        return Finding(
            False,
            f"The business {remote.name} is {remote.status!r}, not verified.",
            "Customers cannot pay until Rehive has verified it: finish that in Rehive's app.",
        )
    return Finding(
        True,
        f"The token is good, and the business {remote.name or remote.id} is verified and invoices"
        f" in {remote.currency.code}.",
    )


def _registration(
    client: Client, business: conf.BusinessConfig, url: str, *, register: bool
) -> Finding:
    secrets = business.webhook_secrets
    accepted = conf.current().webhook_secrets
    try:
        registered = [hook for hook in client.webhooks() if hook.event == INVOICE_CHANGED]
        ours = [hook for hook in registered if hook.url == url]
        refused = [hook for hook in ours if hook.secret is not None and hook.secret not in accepted]
        if ours and secrets and not refused:
            return Finding(True, f"The webhook is registered for {business.currency}.")
        if register and secrets:
            if refused == ours:
                client.create_webhook(url=url, secret=secrets[0])
            # After the new one is there: in between Rehive calls twice rather than not at all.
            for hook in refused:
                client.delete_webhook(hook.id)
            return Finding(True, f"The webhook has now been registered for {business.currency}.")
    except RehiveError as error:
        return Finding(
            False,
            f"The webhooks registered for {business.currency} cannot be read or changed.",
            str(error),
        )
    if ours:
        return Finding(
            False,
            f"The webhook for {business.currency} is registered with another secret: its calls are"
            " refused."
            if secrets
            else f"A webhook is registered for {business.currency}, but WEBHOOK_SECRET is not set: its"
            " calls are refused.",
            "Run manage.py rehive_check --register-webhook, which replaces it."
            if secrets
            else "Set WEBHOOK_SECRET to the secret with which it is registered.",
        )
    elsewhere = ", ".join(sorted({hook.url for hook in registered}))
    return Finding(
        False,
        f"No webhook is registered for {business.currency} at {url}"
        + (f"; there are others: {elsewhere}" if elsewhere else ""),
        "Run manage.py rehive_check --register-webhook, or enter the address in Rehive's app."
        if secrets
        else "Set WEBHOOK_SECRET first; then run manage.py rehive_check --register-webhook.",
    )


def _reachable(url: str) -> Finding:
    """The webhook's address, asked as a stranger: it must be there, and closed."""
    try:
        answer = requests.post(
            url,
            json={},
            headers={PROBE_HEADER: probe_token()},
            timeout=PROBE_TIMEOUT,
            allow_redirects=False,
        )
    except requests.exceptions.SSLError:
        return Finding(
            False,
            "The webhook's address has a TLS certificate that cannot be trusted.",
            "Renew the certificate, let it name this host, and let the server send its whole chain:"
            " Rehive does not call an address without.",
        )
    except requests.RequestException as error:
        return Finding(
            False,
            f"The webhook's address does not answer ({type(error).__name__}).",
            "Start the shop, or correct BASE_URL; from outside, check the firewall and DNS too.",
        )
    if answer.status_code == 401:
        return Finding(True, "The webhook's address answers, and is closed to strangers.")
    return Finding(
        False,
        f"The webhook's address answers a stranger with {answer.status_code} instead of 401.",
        "Something else answers there, or redirects: check BASE_URL, language prefixes and the proxy.",
    )


def _refused() -> Finding:
    """A webhook with the wrong secret goes unnoticed for weeks (peer bug 8)."""
    since = timezone.now() - timedelta(days=7)
    days = RefusedDeliveries.objects.filter(day__gte=since.date())
    refused = days.aggregate(total=Sum("count"))["total"] or 0
    accepted = Delivery.objects.filter(received_at__gte=since).count()
    counts = (
        f"Webhook calls of the last 7 days: {accepted} accepted, {refused} refused for lack of the"
        " right secret."
    )
    return Finding(
        # Strangers try every address some day; Rehive does not give up after one call.
        refused < ONE_DELIVERY or refused <= accepted,
        counts,
        "If they are Rehive's, delete the webhook there and register it anew with WEBHOOK_SECRET.",
    )

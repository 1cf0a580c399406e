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
from django.core.management.base import BaseCommand
from django.db.models import Sum
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from oscar_rehive import conf
from oscar_rehive.models import RefusedDeliveries
from oscar_rehive.payments.gateway import client_for
from oscar_rehive.rehive.client import INVOICE_CHANGED, Client
from oscar_rehive.rehive.exceptions import RehiveError

PROBE_SECONDS = (2, 5)
LOOPBACK = ("localhost", "127.0.0.1", "::1")


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

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--register-webhook",
            action="store_true",
            help="register the webhook where it is missing",
        )

    def handle(self, *args: Any, register_webhook: bool = False, **options: Any) -> None:
        crosses = 0
        for finding in _findings(register=register_webhook):
            mark, style = ("✓", self.style.SUCCESS) if finding.good else ("✗", self.style.ERROR)
            self.stdout.write(style(f"{mark} {finding.what}"))
            if not finding.good:
                crosses += 1
                self.stdout.write(f"    {finding.mend}")
        if crosses:
            sys.exit(1)


def _findings(*, register: bool) -> Iterator[Finding]:
    problems = conf.problems()
    for problem in problems:
        yield Finding(False, problem.message, problem.hint)
    if any(problem.fatal for problem in problems):
        return
    if not problems:
        yield Finding(True, f"The setting {conf.SETTING} is sound.")
    webhook_url, finding = _webhook_address()
    yield finding
    for business in conf.current().businesses.values():
        client = client_for(business)
        yield _business(client, business)
        if webhook_url:
            yield _registration(client, business, webhook_url, register=register)
    if webhook_url:
        yield _reachable(webhook_url)
    yield _refused()


def _webhook_address() -> tuple[str, Finding]:
    try:
        path = reverse("oscar_rehive:webhook")
    except NoReverseMatch:
        return "", Finding(
            False,
            "The plugin's addresses are not in the URLconf.",
            'Add path("rehive/", include(apps.get_app_config("oscar_rehive").urls[0])).',
        )
    base = conf.current().base_url
    if not base:
        return "", Finding(
            False,
            "The shop's public address is not known.",
            f'Set {conf.SETTING}["BASE_URL"], for instance "https://shop.example.com".',
        )
    url = base.rstrip("/") + path
    parts = urlsplit(url)
    good = parts.scheme == "https" or parts.hostname in LOOPBACK
    return url, Finding(
        good,
        f"The webhook's address is {url}",
        "Use https: the webhook's secret travels in a header.",
    )


def _business(client: Client, business: conf.BusinessConfig) -> Finding:
    try:
        remote = client.business()
    except RehiveError as error:
        return Finding(False, f"Business {business.business_id} cannot be read.", str(error))
    if remote.currency.code != business.currency:
        return Finding(
            False,
            f"The business invoices in {remote.currency.code}, the shop sells in"
            f" {business.currency}.",
            f"Use the right BUSINESS_ID, or name it under its currency in {conf.SETTING}"
            '["BUSINESSES"].',
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
    try:
        registered = [hook for hook in client.webhooks() if hook.event == INVOICE_CHANGED]
        if any(hook.url == url for hook in registered):
            return Finding(True, f"The webhook is registered for {business.currency}.")
        if register and business.webhook_secrets:
            client.create_webhook(url=url, secret=business.webhook_secrets[0])
            return Finding(True, f"The webhook has now been registered for {business.currency}.")
    except RehiveError as error:
        return Finding(False, "The registered webhooks cannot be read.", str(error))
    elsewhere = ", ".join(sorted({hook.url for hook in registered}))
    return Finding(
        False,
        f"No webhook is registered for {url}"
        + (f"; there are others: {elsewhere}." if elsewhere else "."),
        "Run manage.py rehive_check --register-webhook, or enter the address in Rehive's app.",
    )


def _reachable(url: str) -> Finding:
    """The webhook's address, asked as a stranger: it must be there, and closed."""
    try:
        answer = requests.post(url, json={}, timeout=PROBE_SECONDS, allow_redirects=False)
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
    since = timezone.now().date() - timedelta(days=7)
    counts = RefusedDeliveries.objects.filter(day__gte=since).aggregate(total=Sum("count"))
    total = counts["total"] or 0
    # The probe above is one of them.
    if total <= 20:
        return Finding(True, "Hardly any webhook calls were refused in the last 7 days.")
    return Finding(
        False,
        f"{total} webhook calls were refused in the last 7 days for lack of the right secret.",
        "If they are Rehive's, register the webhook anew with WEBHOOK_SECRET; strangers do no harm.",
    )

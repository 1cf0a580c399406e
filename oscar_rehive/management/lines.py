"""The finished lines for this very shop: what ``rehive_setup`` prints, and writes nowhere."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import django
from django.apps import apps
from django.conf import settings

from oscar_rehive import checks_of_databases, conf
from oscar_rehive.databases import database_of
from oscar_rehive.management.finding_out import SECRET_VARIABLE, TOKEN_VARIABLE
from oscar_rehive.models import OrderPayment
from oscar_rehive.mounting import (
    CHECKOUT,
    DASHBOARD,
    INCLUDE,
    OSCARS_CHECKOUT,
    OSCARS_DASHBOARD,
    is_included,
    stands_behind_oscar,
)
from oscar_rehive.rehive.wire import Business

PIPELINE = """\
# The pending status must lead to the other two; keep the steps that you have.
OSCAR_INITIAL_ORDER_STATUS = "Pending"
OSCAR_ORDER_STATUS_PIPELINE = {
    "Pending": ("Being processed", "Cancelled"),
    "Being processed": ("Complete", "Cancelled"),
    "Complete": (),
    "Cancelled": (),
}"""


@dataclass(frozen=True)
class Block:
    """Lines, and where they belong."""

    where: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Wanted:
    """How the settings shall be. ``account`` has the token and the addresses of Rehive; ``new_secret`` is empty
    where the settings, or the environment, have one."""

    account: conf.BusinessConfig
    businesses: Sequence[Business]
    base_url: str
    new_secret: str


def blocks(wanted: Wanted) -> list[Block]:
    """What is missing; nothing where the settings are as they shall be."""
    keys = _keys(wanted)
    imports = ["import os"] if any("os.environ" in line for line in keys) else []
    lines = [*imports, *_apps(), *_currency(wanted), *_setting(keys), *_pipeline(), *_database()]
    found = []
    variables = [
        f"{name}={shown}"
        for name, shown in (
            (TOKEN_VARIABLE, "…   (the token that you have given)"),
            (
                SECRET_VARIABLE,
                wanted.new_secret or "…   (as it is in the environment of this command)",
            ),
        )
        if any(name in line for line in keys)
    ]
    if variables:
        found.append(
            Block(
                "Into the environment of the shop, where only the shop reads it", tuple(variables)
            )
        )
    if lines:
        # With others only: a shop without the desk takes payments, too.
        lines = [*_replacing(DASHBOARD, OSCARS_DASHBOARD, "oscar.apps.dashboard"), *lines]
        found.append(Block(f"Into the settings{_file(_settings_module())}", tuple(lines)))
    if not is_included():
        found.append(Block(f"Into the URLconf{_file(settings.ROOT_URLCONF)}", tuple(_urls())))
    if found:
        found.append(Block("Into the crontab of the shop's user, unless it is there", _cron()))
    return found


def _keys(wanted: Wanted) -> list[str]:
    """The keys of ``OSCAR_REHIVE`` that are missing or wrong."""
    now = conf.as_it_is()
    by_id, account = now.by_id, wanted.account
    tokens = {one.token for one in now.businesses.values()}
    urls = {(one.api_url, one.payment_requests_url) for one in now.businesses.values()}
    several = len(wanted.businesses) > 1
    lines = []
    if account.token not in tokens:
        lines.append(f'"TOKEN": os.environ["{TOKEN_VARIABLE}"],')
    if any(one.id not in by_id for one in wanted.businesses):
        if several:
            lines.append('"BUSINESSES": {')
            lines += [
                f'    "{one.currency.code}": {{"BUSINESS_ID": "{one.id}"}},'
                for one in wanted.businesses
            ]
            lines.append("},")
        else:
            lines.append(f'"BUSINESS_ID": "{wanted.businesses[0].id}",')
    if not all(one.webhook_secrets for one in now.businesses.values()):
        lines.append(f'"WEBHOOK_SECRET": os.environ["{SECRET_VARIABLE}"],')
    if (account.api_url, account.payment_requests_url) not in urls:
        lines.append(f'"API_URL": "{account.api_url}",')
        lines.append(f'"PAYMENT_REQUESTS_URL": "{account.payment_requests_url}",')
    if now.base_url.rstrip("/") != wanted.base_url:
        lines.append(f'"BASE_URL": "{wanted.base_url}",')
    words = _words()
    if words:
        lines.append(f'"ORDER_STATUS": {words},'.replace("'", '"'))
    return lines


def _setting(keys: Sequence[str]) -> list[str]:
    if not keys:
        return []
    given = getattr(settings, conf.SETTING, None)
    if isinstance(given, Mapping) and given:
        head, foot = f"{conf.SETTING}.update({{  # or change these keys where they stand", "})"
    else:
        head, foot = f"{conf.SETTING} = {{", "}"
    return [head, *(f"    {line}" for line in keys), foot]


def _apps() -> list[str]:
    lines = []
    if stands_behind_oscar():
        lines.append('# INSTALLED_APPS: move "oscar_rehive" before "oscar.config.Shop".')
    return [*lines, *_replacing(CHECKOUT, OSCARS_CHECKOUT, "oscar.apps.checkout")]


def _replacing(ours: str, *oscars: str) -> list[str]:
    olds = [one for one in settings.INSTALLED_APPS if one in oscars]
    return [f'# INSTALLED_APPS: "{ours}", in the place of "{olds[0]}"'] if olds else []


def _currency(wanted: Wanted) -> list[str]:
    """With one business its currency is the shop's own."""
    if len(wanted.businesses) > 1 or conf.as_it_is().by_id.get(wanted.businesses[0].id):
        return []  # where the id is there already, the check of the business tells
    code = wanted.businesses[0].currency.code
    now = getattr(settings, "OSCAR_DEFAULT_CURRENCY", "")
    return [] if now == code else [f'OSCAR_DEFAULT_CURRENCY = "{code}"  # was "{now}"']


def _pipeline() -> list[str]:
    return [] if apps.get_model("order", "Order").pipeline else PIPELINE.splitlines()


def _words() -> dict[str, str] | None:
    """Words of the shop's own pipeline for what the plugin must know, where its present ones do not fit, and
    there can be no doubt."""
    pipeline: Mapping[str, Sequence[str]] = apps.get_model("order", "Order").pipeline
    now = conf.order_statuses()
    after = pipeline.get(now.pending, ())
    if not pipeline or (now.paid in after and now.cancelled in after):
        return None
    first = getattr(settings, "OSCAR_INITIAL_ORDER_STATUS", "")
    pending = now.pending if now.pending in pipeline else first
    after = pipeline.get(pending, ())
    cancelled = [one for one in after if "cancel" in one.lower()]
    others = [one for one in after if one not in cancelled]
    paid = [now.paid] if now.paid in others else others
    if len(cancelled) != 1 or len(paid) != 1:
        return None  # the check of the pipeline tells
    return {"pending": pending, "paid": paid[0], "cancelled": cancelled[0]}


def _database() -> list[str]:
    alias = database_of(OrderPayment)
    found = [*checks_of_databases.check_database(), *checks_of_databases.check_tables([alias])]
    told = [one for one in found if one.id == "oscar_rehive.W011" and not one.is_silenced()]
    if not told or django.VERSION < (5, 1):
        return [f'# DATABASES["{alias}"]: {one.hint}' for one in told]
    return [
        "# For payments at the same moment; PostgreSQL needs nothing of this.",
        f'DATABASES["{alias}"].setdefault("OPTIONS", {{}}).update({{',
        '    "timeout": 20,',
        '    "transaction_mode": "IMMEDIATE",',
        '    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",',
        "})",
    ]


def _urls() -> list[str]:
    """The lines; below a language prefix the addresses would be another one for each language."""
    return [
        "from django.apps import apps",
        "from django.urls import include, path",
        "# in urlpatterns, outside i18n_patterns:",
        f"{INCLUDE},",
    ]


def _cron() -> tuple[str, str]:
    # A manage.py somewhere else than where the command was started is named as it was.
    program = sys.argv[0] if sys.argv[0].endswith(".py") else "manage.py"
    return (
        "# cron does not know the shop's environment: write its variables above this, or read them in before.",
        f"*/5 * * * *  cd {os.getcwd()} && {sys.executable} {program} rehive_reconcile -v 0",
    )


def _settings_module() -> str:
    named: Any = getattr(settings, "SETTINGS_MODULE", None) or os.environ.get(
        "DJANGO_SETTINGS_MODULE"
    )
    return str(named or "")


def _file(module: str) -> str:
    try:
        spec = importlib.util.find_spec(module) if module else None
    except (ImportError, ValueError):
        spec = None
    return f", {spec.origin}" if spec is not None and spec.origin else ""

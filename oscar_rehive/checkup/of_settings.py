"""What the settings, the URLconf and the installed apps say, as the system checks see them; and what those must
ask the database for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from django.core.checks import CheckMessage, Tags
from django.core.checks.registry import registry
from django.db import Error

from oscar_rehive import conf
from oscar_rehive.checkup.finding import Finding, Severity, good
from oscar_rehive.databases import database_of
from oscar_rehive.models import OrderPayment


def findings() -> Iterator[Finding]:
    """One for each complaint of ``manage.py check`` that the shop has not silenced."""
    messages = _ours(of_databases=False)
    with contextlib.suppress(Error):  # who asks the database next tells of it
        messages += _ours(of_databases=True)
    faults = [
        message
        for message in messages
        if (message.id or "").startswith("oscar_rehive.") and not message.is_silenced()
    ]
    for fault in faults:
        severity = Severity.ERROR if fault.is_serious() else Severity.WARNING
        yield Finding(str(fault.id), severity, str(fault.msg), str(fault.hint or ""))
    if not faults:
        yield good("settings", f"The setting {conf.SETTING} and the shop's own settings are sound.")


def _ours(*, of_databases: bool) -> list[CheckMessage]:
    """What our own checks say. Those of the shop's other apps take their time, and are not shown."""
    databases = [database_of(OrderPayment)] if of_databases else None
    return [
        message
        for check in registry.get_checks()
        if check.__module__.startswith("oscar_rehive.")
        and (Tags.database in check.tags) is of_databases
        for message in check(app_configs=None, databases=databases)
    ]

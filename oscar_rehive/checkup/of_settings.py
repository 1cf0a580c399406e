"""What the settings, the URLconf and the installed apps say, as the system checks see them; and what those must
ask the database for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from django.core.checks import Tags, run_checks
from django.db import Error

from oscar_rehive import conf
from oscar_rehive.checkup.finding import Finding, Severity, good
from oscar_rehive.databases import database_of
from oscar_rehive.models import OrderPayment


def findings() -> Iterator[Finding]:
    """One for each complaint of ``manage.py check`` that the shop has not silenced."""
    messages = run_checks()
    with contextlib.suppress(Error):  # who asks the database next tells of it
        messages += run_checks(tags=[Tags.database], databases=[database_of(OrderPayment)])
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

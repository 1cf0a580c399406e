"""The list: all checks, in the order in which they are to be mended."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from django.db import Error

from oscar_rehive import conf
from oscar_rehive.checkup import of_database, of_rehive, of_running, of_settings, of_webhook
from oscar_rehive.checkup.finding import Finding, error
from oscar_rehive.payments.gateway import client_for


def findings(*, ask: bool = True) -> Iterator[Finding]:
    """What all checks find, one after the other as they are done. Without ``ask`` neither Rehive nor the shop's
    own address is called, so that it takes no time.

    Must not be called in a database transaction: Rehive is not asked in one.
    """
    yield from of_settings.findings()
    if any(problem.fatal for problem in conf.problems()):
        return  # nothing else could be said with them
    is_usable = True
    for finding in _of_database(of_database.tables):
        is_usable = is_usable and finding.is_good
        yield finding
    url = of_webhook.address()
    if url:
        yield of_webhook.is_safe(url)
    if ask:
        if url:
            yield of_webhook.reached(url)
        for business in conf.current().businesses.values():
            client = client_for(business)
            yield of_rehive.business(client, business)
            if url:
                yield of_rehive.registration(client, business, url)
    if is_usable:
        yield from _of_database(of_running.what_runs)
        yield from _of_database(of_database.what_has_happened)


def _of_database(ask: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from ask()
    except Error as fault:
        yield error(
            "database",
            f"The database cannot be used: {fault}",
            "Check DATABASES in the settings; then run manage.py migrate.",
        )

"""What the shop's workers do for this plugin, by Django's tasks interface.

Their commands import this module by its name, and so does Celery in every shop that has it: without the
interface these are functions as any other. They take what JSON can carry, and find the rest in the database.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from oscar_rehive.background import as_worker
from oscar_rehive.compat import django_tasks
from oscar_rehive.payments import deliveries, mails


def _as_it_is(function: Callable[..., None]) -> Callable[..., None]:
    return function


task: Callable[[Callable[..., None]], Any] = django_tasks.task() if django_tasks else _as_it_is


@task
def work_on_deliveries(remote_id: str) -> None:
    """Verify and settle what the deliveries that wait about the invoice ``remote_id`` hint at."""
    with as_worker():
        deliveries.work_on(remote_id)


@task
def send_confirmation(number: str) -> None:
    """Send the confirmation of order ``number``, if it is due."""
    with as_worker():
        mails.send_confirmation_if_due(number)

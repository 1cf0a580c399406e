"""What the shop's workers do for this plugin, by Django's tasks interface.

Their commands import this module by its name, and so does Celery in every shop that has it: without the
interface these are functions as any other. They take what JSON can carry, and find the rest in the database.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from oscar_rehive.background import as_worker
from oscar_rehive.compat import django_tasks
from oscar_rehive.logs import Log
from oscar_rehive.payments import deliveries, mails

logger = Log(__name__)


def _as_it_is(function: Callable[..., None]) -> Callable[..., None]:
    return function


_interface = django_tasks()
task: Callable[[Callable[..., None]], Any] = _interface.task() if _interface else _as_it_is


@task
def work_on_deliveries(*remote_ids: str) -> None:
    """Verify and settle what the deliveries that wait about the invoices ``remote_ids`` hint at."""
    _with_each(deliveries.work_on, remote_ids)


@task
def send_confirmation(*numbers: str) -> None:
    """Send the confirmations of the orders ``numbers`` that are due."""
    _with_each(mails.send_confirmation_if_due, numbers)


def _with_each(work: Callable[[str], object], abouts: Sequence[str]) -> None:
    fault: Exception | None = None
    with as_worker():
        for about in abouts:
            try:
                work(about)
            except Exception as error:  # one is not in the way of the others
                logger.exception("%s failed", about)
                fault = error
    if fault is not None:
        raise fault  # the queue shows it, too

"""What the commands say where they cannot begin."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from django.db import Error

from oscar_rehive import conf

BROKEN_OFF = "Broken off. Run it again for the rest."
"""By Ctrl-C: a traceback would say no more."""


def insist_on_settings() -> None:
    """Raise ``CommandError`` where the settings are not sound."""
    try:
        conf.current()
    except ImproperlyConfigured as error:
        raise CommandError(f"{error} (manage.py rehive_check shows everything.)") from None


def no_database(error: Error) -> str:
    """That the database cannot be used, and what to do about it."""
    return f"The database cannot be used: {error} (After an update: manage.py migrate.)"

"""The update of a shop that has payments: PostgreSQL alters no table whose rows were changed in the same
transaction, which no empty database shows."""

from __future__ import annotations

import os
import subprocess
import sys
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.db import connection

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


def test_a_shop_of_the_version_before_is_updated() -> None:
    name = f"{connection.settings_dict['NAME']}_update"
    parts = urlsplit(os.environ["DATABASE_URL"])
    with connection.cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{name}"')
    try:
        done = subprocess.run(
            [sys.executable, "-m", "tests.migrating"],
            env={**os.environ, "DATABASE_URL": urlunsplit(parts._replace(path=f"/{name}"))},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-2000:]
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f'DROP DATABASE "{name}"')

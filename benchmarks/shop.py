"""A shop of its own for each benchmark: a database, a Django in this process, and a Rehive."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from oscar_rehive.simulator.demo import DEMO_BUSINESS, DEMO_TOKEN
from oscar_rehive.simulator.process import SimulatorProcess
from tests.e2e.shops import environment

if TYPE_CHECKING:
    from oscar_rehive.simulator.state import State

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = "benchmarks_template"
SECRET = "the-webhook-secret-of-the-benchmarks"
BASE_URL = "http://127.0.0.1:8000"
NOWHERE = "http://127.0.0.1:9/"
"""In the place of a Rehive that has not been started."""

LOAD_SECONDS = 300
"""The longest that anything is waited for that is not itself measured."""


@dataclass
class Shop:
    """``folder`` is what the shop keeps besides its database."""

    folder: Path
    database_url: str

    def environment(self, rehive: SimulatorProcess | None = None, **more: str) -> dict[str, str]:
        """That of a process of the shop, whose Rehive is ``rehive``."""
        usual = {
            "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
            "DATABASE_URL": self.database_url,
            "SANDBOX_VAR": str(self.folder),
            "SANDBOX_DEBUG": "0",
            "SHOP_BASE_URL": BASE_URL,
            "REHIVE_API_URL": rehive.api_url if rehive else NOWHERE,
            "REHIVE_PAYMENT_REQUESTS_URL": rehive.payment_requests_url if rehive else NOWHERE,
            "REHIVE_TOKEN": DEMO_TOKEN,
            "REHIVE_BUSINESS_ID": DEMO_BUSINESS,
            "REHIVE_WEBHOOK_SECRET": SECRET,
            "PYTHONPATH": str(ROOT),
        }
        return environment(**usual | more)

    def set_up_django(self, **more: str) -> None:
        """Be a process of this shop from now on; once, and before anything of Django's is imported."""
        os.environ.update(self.environment(**more))
        import django

        django.setup()

    @contextmanager
    def rehive(self, state: State | None = None) -> Iterator[SimulatorProcess]:
        """A Rehive that begins with ``state``; this process's shop talks to it as well."""
        from oscar_rehive.simulator.state import State, StateFile

        file = self.folder / "rehive.json"
        StateFile(file).save(state or State())
        with SimulatorProcess("--state-from", str(file)) as rehive, _talking_to(rehive):
            yield rehive

    def empty(self) -> None:
        """Forget all that is in its database."""
        from django.core.management import call_command

        call_command("flush", interactive=False, verbosity=0)

    def command(
        self, rehive: SimulatorProcess, *arguments: str, **more: str
    ) -> subprocess.Popen[bytes]:
        """A command of ``manage.py`` that has been started."""
        with (self.folder / "commands.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "django", *arguments],
                cwd=ROOT,
                env=self.environment(rehive, **more),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )


def _talking_to(rehive: SimulatorProcess) -> AbstractContextManager[object]:
    from django.conf import settings
    from django.test import override_settings

    addresses = {
        "API_URL": rehive.api_url,
        "PAYMENT_REQUESTS_URL": rehive.payment_requests_url,
    }
    return override_settings(OSCAR_REHIVE={**settings.OSCAR_REHIVE, **addresses})


@contextmanager
def shop_of_its_own(server_url: str) -> Iterator[Shop]:
    """A shop with a copy of the template's database at the PostgreSQL ``server_url``."""
    import psycopg

    name = f"benchmark_{uuid.uuid4().hex[:8]}"
    with tempfile.TemporaryDirectory(prefix="rehive-benchmark-") as folder:
        with psycopg.connect(server_url, autocommit=True) as server:
            server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{TEMPLATE}"')
        try:
            yield Shop(Path(folder), database_at(server_url, name))
        finally:
            with psycopg.connect(server_url, autocommit=True) as server:
                server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def make_template(server_url: str) -> None:
    """A database with all tables of the shop, from which each benchmark gets a copy of its own."""
    import psycopg

    with psycopg.connect(server_url, autocommit=True) as server:
        server.execute(f'DROP DATABASE IF EXISTS "{TEMPLATE}" WITH (FORCE)')
        server.execute(f'CREATE DATABASE "{TEMPLATE}"')
    with tempfile.TemporaryDirectory(prefix="rehive-benchmark-") as folder:
        shop = Shop(Path(folder), database_at(server_url, TEMPLATE))
        for command in (["migrate", "--verbosity", "0"], ["createcachetable"]):
            subprocess.run(
                [sys.executable, "-m", "django", *command],
                cwd=ROOT,
                env=shop.environment(BENCHMARK_SHARED_CACHE="1", BENCHMARK_QUEUE="1"),
                check=True,
            )


def database_at(server_url: str, name: str) -> str:
    """The address of the database ``name`` at that server."""
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))


def statements(work: Any) -> list[str]:
    """The statements that ``work`` takes, as tests/payments/test_statements.py counts them."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        work()
    return [one["sql"] for one in captured]

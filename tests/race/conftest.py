"""Processes of their own on the test's PostgreSQL and simulator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.db import connection, connections
from psycopg import IsolationLevel

from tests.race.levels import options_of
from tests.race.replica import Replica, copied


class Worker:
    """One such process; see ``worker.py``. ``databases`` says what is special about its database: its
    ``isolation`` level, or the name of a ``replica`` that lags."""

    def __init__(self, rehive: Any, mails: Path, **databases: str) -> None:
        setup = {
            **databases,
            "mails": str(mails),
            "rehive": {
                "API_URL": rehive.api_url,
                "PAYMENT_REQUESTS_URL": rehive.payment_requests_url,
                "TOKEN": rehive.token,
                "BUSINESS_ID": rehive.business_id,
            },
        }
        parts = urlsplit(os.environ["DATABASE_URL"])
        url = urlunsplit(parts._replace(path=f"/{connection.settings_dict['NAME']}"))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.race.worker", json.dumps(setup)],
            env={
                **os.environ,
                "DATABASE_URL": url,
                "DJANGO_SETTINGS_MODULE": "tests.settings",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, **command: Any) -> None:
        """Tell it what to do, without waiting."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """What came of it."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the worker ended"
        answer: dict[str, Any] = json.loads(line)
        assert "crashed" not in answer, answer["crashed"]
        return answer

    def do(self, **command: Any) -> dict[str, Any]:
        """Both."""
        self.start(**command)
        return self.answer()

    def end(self) -> None:
        """End the process, whatever it does."""
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="session")
def copy_of_the_database(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """Its name. The tables are as the tests find them, without rows."""
    with django_db_blocker.unblock(), copied() as name:
        yield name


@pytest.fixture
def replica(transactional_db: None, copy_of_the_database: str) -> Iterator[Replica]:
    """A replica that knows what it is told, and when."""
    replica = Replica(copy_of_the_database)
    yield replica
    replica.end()


@contextmanager
def isolated(level: IsolationLevel) -> Iterator[None]:
    """Every connection that is made in here, by whichever thread, has that isolation level."""
    before = connections.settings["default"].get("OPTIONS", {})
    connections.settings["default"]["OPTIONS"] = {**before, **options_of(level)}
    connection.close()
    yield
    connections.settings["default"]["OPTIONS"] = before
    connection.close()


@pytest.fixture(params=[IsolationLevel.READ_COMMITTED, IsolationLevel.REPEATABLE_READ])
def isolation(transactional_db: None, request: pytest.FixtureRequest) -> Iterator[None]:
    """Both levels that the checks let through."""
    with isolated(request.param):
        yield


@pytest.fixture
def repeatable_read(transactional_db: None) -> Iterator[None]:
    """A shop whose transactions see what stood in the database when they began."""
    with isolated(IsolationLevel.REPEATABLE_READ):
        yield


@pytest.fixture
def mails(tmp_path: Path) -> Path:
    """The folder with one file for each mail."""
    folder = tmp_path / "mails"
    folder.mkdir()
    return folder


@pytest.fixture
def workers(rehive: Any, mails: Path, transactional_db: None) -> Iterator[Callable[..., Any]]:
    """Makes as many workers as asked for."""
    made: list[Worker] = []

    def make(count: int, **databases: str) -> list[Worker]:
        made.extend(Worker(rehive, mails, **databases) for _ in range(count))
        return made

    yield make
    for worker in made:
        worker.end()

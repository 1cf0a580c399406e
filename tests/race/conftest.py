"""Processes of their own on the test's PostgreSQL and simulator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.db import connection


class Worker:
    """One such process; see ``worker.py``."""

    def __init__(self, rehive: Any, mails: Path) -> None:
        setup = {
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


@pytest.fixture
def mails(tmp_path: Path) -> Path:
    """The folder with one file for each mail."""
    folder = tmp_path / "mails"
    folder.mkdir()
    return folder


@pytest.fixture
def workers(rehive: Any, mails: Path, transactional_db: None) -> Iterator[Callable[[int], Any]]:
    """Makes as many workers as asked for."""
    made: list[Worker] = []

    def make(count: int) -> list[Worker]:
        made.extend(Worker(rehive, mails) for _ in range(count))
        return made

    yield make
    for worker in made:
        worker.end()

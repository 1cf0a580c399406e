"""The engines on which workers are tried, each as it is installed: a queue, and processes that work it off."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.db import connection

from tests.e2e.shops import ROOT, eventually


@contextmanager
def redis_server() -> Iterator[str]:
    """The address of a Redis of this test's own, at a socket in a folder: no port can be taken."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("there is no redis-server (apt-get install redis-server)")
    with tempfile.TemporaryDirectory(prefix="rehive-redis-") as folder:
        path = Path(folder) / "redis.sock"
        options = ("--port", "0", "--unixsocket", str(path), "--save", "", "--dir", folder)
        process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
        try:
            eventually(path.exists)
            yield f"unix://{path}"
        finally:
            process.terminate()
            process.wait()


class Worker:
    """A process that works off the queue, and what it has forked."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path) -> None:
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "django", *command],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )

    def _all(self) -> list[int]:
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *map(int, children)]

    def finish(self) -> None:
        """What it has in hand is done, and nothing more is begun."""
        self.process.terminate()
        self.process.wait()

    def kill(self) -> None:
        """As the kernel does where memory runs out."""
        if self.process.poll() is None:
            for pid in self._all():
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


class Engine:
    """``backend`` for TASKS, and the ``command`` of its workers."""

    backend: ClassVar[str]
    command: ClassVar[list[str]]

    def __init__(self, rehive: Any, folder: Path) -> None:
        self.log, self.mails = folder / "workers.log", folder / "mails"
        self.mails.mkdir()
        parts = urlsplit(os.environ["DATABASE_URL"])
        self.environment = {
            "DATABASE_URL": urlunsplit(parts._replace(path=f"/{connection.settings_dict['NAME']}")),
            "DJANGO_SETTINGS_MODULE": "tests.queue.settings",
            "TESTS_BACKEND": self.backend,
            "TESTS_API_URL": rehive.api_url,
            "TESTS_PAYMENT_REQUESTS_URL": rehive.payment_requests_url,
            "TESTS_TOKEN": rehive.token,
            "TESTS_BUSINESS_ID": rehive.business_id,
            "TESTS_MAILS": str(self.mails),
        }
        self.workers: list[Worker] = []

    def start(self, count: int) -> None:
        for _ in range(count):
            self.workers.append(Worker(self.command, self.environment, self.log))

    def stop(self) -> None:
        for worker in self.workers:
            worker.kill()

    def work_off(self, seconds: float) -> None:
        """Return when nothing waits, and nobody has anything in hand who still lives. What one has in hand may
        give the others more to do."""
        while True:
            eventually(lambda: not self.waits(), seconds=seconds)
            for worker in self.workers:
                worker.finish()
            if not self.waits():
                return
            self.start(1)

    def waits(self) -> int:
        """How many tasks nobody has begun."""
        raise NotImplementedError

    def in_hand(self) -> int:
        """How many tasks somebody has begun, or had when he was killed."""
        raise NotImplementedError


class DatabaseEngine(Engine):
    """``django-tasks-db``: one table, here on PostgreSQL."""

    backend = "django_tasks_db.DatabaseBackend"
    command: ClassVar = ["db_worker", "--interval", "0.1", "--no-startup-delay"]

    def waits(self) -> int:
        from django_tasks_db.models import DBTaskResult

        return int(DBTaskResult.objects.ready().count())

    def in_hand(self) -> int:
        from django_tasks_db.models import DBTaskResult

        return int(DBTaskResult.objects.running().count())


class RedisEngine(Engine):
    """``django-tasks-rq``: a real Redis, and for each task a process that RQ forks."""

    backend = "django_tasks_rq.RQBackend"
    command: ClassVar = ["rqworker", "--job-class", "django_tasks_rq.Job", "-v", "0"]

    def _queue(self) -> Any:
        import django_rq

        return django_rq.get_queue("default")

    def waits(self) -> int:
        return int(self._queue().count)

    def in_hand(self) -> int:
        return int(self._queue().started_job_registry.get_job_count(cleanup=False))

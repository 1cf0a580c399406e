"""A gunicorn as a process of its own, and what its processes have used."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from benchmarks.load import send
from benchmarks.shop import LOAD_SECONDS, ROOT, Shop
from oscar_rehive.simulator.process import SimulatorProcess

STILL = 0.5
"""Whose processes use nothing for so many seconds, has nothing left to do."""


@dataclass
class Server:
    """The shop at ``port``, served by ``process`` and its children."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def workers(self) -> list[psutil.Process]:
        return list(psutil.Process(self.process.pid).children())

    def cpu_seconds(self) -> float:
        """What all its processes have used so far."""
        used = 0.0
        for one in self.workers():
            times = one.cpu_times()
            used += times.user + times.system
        return used

    def is_quiet(self) -> bool:
        """Whether its processes, in which work goes on behind the answers, do nothing."""
        before = self.cpu_seconds()
        time.sleep(STILL)
        return self.cpu_seconds() - before < 0.03 * STILL + 0.01

    def warm_up(self, message: bytes) -> None:
        """Until every thread of every worker has a connection to the database."""
        send(self.port, [message] * 400, connections=32)
        eventually(self.is_quiet)


@contextmanager
def served(shop: Shop, rehive: SimulatorProcess, **more: str) -> Iterator[Server]:
    """The shop under gunicorn, as serve.py has it, with ``more`` in its environment."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    with listener, (shop.folder / "served.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.serve", str(listener.fileno())],
            cwd=ROOT,
            env=shop.environment(rehive, **more),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=[listener.fileno()],
        )
        server = Server(listener.getsockname()[1], process)
    try:
        yield server
    except BaseException:
        lines = (shop.folder / "served.log").read_text(errors="replace").splitlines()
        print(*lines[-60:], sep="\n", file=sys.stderr)
        raise
    finally:
        process.terminate()
        process.wait()
        assert process.stdin is not None
        process.stdin.close()


def eventually(look: Callable[[], object], seconds: float = LOAD_SECONDS) -> None:
    """Return as soon as ``look`` is true."""
    deadline = time.monotonic() + seconds
    while not look():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:.0f} seconds")
        time.sleep(0.05)

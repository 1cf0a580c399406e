"""The sender of webhook deliveries, and the clockwork of the simulator: one thread for both."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from .outbox import Letter, Result
from .rules import Rehive

Json = dict[str, Any]

_SHOWN_OF_ANSWER = 200


class Sender:
    """Sends what is due, when it is due.

    ``time_limit`` is in seconds and covers a whole exchange: Rehive drops the connection after 5
    (rehive-api.md, "Webhooks"). ``wake`` must be called after each change of the rules.
    """

    def __init__(self, rehive: Rehive, time_limit: float = 5.0) -> None:
        self._rehive = rehive
        self._time_limit = time_limit
        self._changed = threading.Event()
        self._stopped = False
        self._sending = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="deliveries", daemon=True)

    def start(self) -> None:
        """Begin to send in the background."""
        self._thread.start()

    def stop(self) -> None:
        """End the background thread after the delivery it is sending."""
        self._stopped = True
        self._changed.set()
        self._thread.join(self._time_limit + 1)

    def wake(self) -> None:
        """Look again what is due."""
        self._changed.set()

    def flush(self) -> list[Json]:
        """Make one attempt for everything pending, now; returns the lines of the log."""
        with self._sending:
            return self._send(everything=True)

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Nothing is being sent meanwhile."""
        with self._sending:
            yield

    def _run(self) -> None:
        while not self._stopped:
            self._changed.clear()
            with self._sending:
                self._send(everything=False)
            due = self._rehive.next_due()
            self._changed.wait(None if due is None else min(due / 1000, threading.TIMEOUT_MAX))

    def _send(self, *, everything: bool) -> list[Json]:
        lines = []
        for letter in self._rehive.claim_deliveries(everything=everything):
            line = self._rehive.record_delivery(letter, post(letter, self._time_limit))
            if line is not None:
                lines.append(line)
        return lines


def post(letter: Letter, time_limit: float) -> Result:
    """Send one delivery, within ``time_limit`` seconds in all. Redirects are not followed."""
    parts = urlsplit(letter.url)
    connect = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = connect(parts.hostname or "", parts.port, timeout=time_limit)
    headers = {"Content-Type": "application/json", "User-Agent": "rehive-simulator"}
    if letter.secret:
        headers["Authorization"] = f"Secret {letter.secret}"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    started, timed_out = time.monotonic(), threading.Event()
    alarm = None
    try:
        connection.connect()
        # The socket's own time-out starts anew with every byte; this one does not.
        left = max(started + time_limit - time.monotonic(), 0)
        alarm = threading.Timer(left, _drop, (connection.sock, timed_out))
        alarm.daemon = True
        alarm.start()
        connection.request("POST", target, json.dumps(letter.body).encode(), headers)
        response = connection.getresponse()
        answer = response.read(_SHOWN_OF_ANSWER).decode(errors="replace")
        if not timed_out.is_set():
            return Result(response.status, answer)
    except TimeoutError:
        timed_out.set()
    except (OSError, HTTPException, ValueError) as error:
        if not timed_out.is_set():
            return Result(None, error=f"{type(error).__name__}: {error}")
    finally:
        if alarm is not None:
            alarm.cancel()
        connection.close()
    return Result(None, error=f"no answer within {time_limit:g} s")


def _drop(connection: socket.socket, timed_out: threading.Event) -> None:
    timed_out.set()
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it ended by itself in the same moment

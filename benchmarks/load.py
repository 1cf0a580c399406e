"""The load: as many connections as asked for, each kept open and with one request at a time.

Plain sockets, so that all that is measured beside each other is asked by the same little code, and the
server is what has to work.
"""

from __future__ import annotations

import itertools
import json
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from benchmarks.shop import SECRET

ANSWER_SECONDS = 60


@dataclass
class Told:
    """What came of it: how long each answer took, in seconds, how long all of it, and how many answers
    were other than 200."""

    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0
    refused: int = 0

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds


def delivery(path: str, data: object, size: int) -> bytes:
    """A request as Rehive's webhook sends it, whose body has ``size`` bytes."""
    body = {"id": 1, "event": "service_payment_requests.request.update", "company": "x"}
    body |= {"data": data, "padding": ""}
    body["padding"] = "x" * max(size - len(json.dumps(body)), 0)
    written = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Secret {SECRET}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(written)}\r\n\r\n"
    )
    return head.encode() + written


def send(
    port: int,
    messages: Sequence[bytes],
    *,
    connections: int,
    seconds: float | None = None,
) -> Told:
    """Send ``messages`` over so many connections: each once, or over and over for ``seconds``."""
    endless = seconds is not None
    next_one: Iterator[bytes] = itertools.cycle(messages) if endless else iter(messages)
    told, lock = Told(), threading.Lock()
    started = time.perf_counter()
    ends_at = started + (seconds or 0)

    def one_connection() -> None:
        latencies, refused = [], 0
        with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS) as line:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while not endless or time.perf_counter() < ends_at:
                with lock:
                    message = next(next_one, None)
                if message is None:
                    break
                before = time.perf_counter()
                refused += _exchange(line, message) != 200
                latencies.append(time.perf_counter() - before)
        with lock:
            told.latencies += latencies
            told.refused += refused

    with ThreadPoolExecutor(connections) as pool:
        for done in [pool.submit(one_connection) for _ in range(connections)]:
            done.result()
    told.seconds = time.perf_counter() - started
    return told


def _exchange(line: socket.socket, message: bytes) -> int:
    """The status of the answer, which has been read to its end."""
    line.sendall(message)
    got = b""
    while b"\r\n\r\n" not in got:
        got += _some(line)
    head, _, body = got.partition(b"\r\n\r\n")
    left = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]) - len(body)
    while left > 0:
        left -= len(_some(line))
    return int(head.split(b" ", 2)[1])


def _some(line: socket.socket) -> bytes:
    got = line.recv(65_536)
    if not got:
        raise ConnectionError("The server has hung up.")
    return got

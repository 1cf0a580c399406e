"""A clock to turn by hand, rules without a network, and a shop that gets webhooks."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from oscar_rehive.simulator.money import currency
from oscar_rehive.simulator.rules import Business, Rehive
from oscar_rehive.simulator.server import Options, Simulator

Json = dict[str, Any]

BUSINESS = "shop"
TOKEN = "t" * 64
NEW = {"request_amount": 1000, "status": "initiated"}
RETURN_URL = "http://shop.example:8000/checkout/return/abc/"


@dataclass
class Clock:
    """Milliseconds since 1970, standing still until told."""

    now: int = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_rules(clock: Clock) -> Callable[..., Rehive]:
    def make(code: str = "USD", divisibility: int | None = None, **options: Any) -> Rehive:
        numbers = iter(range(10**6))
        return Rehive(
            [Business(BUSINESS, currency(code, divisibility)), Business("other", currency("JPY"))],
            origin="http://rehive.example",
            clock=clock,
            new_id=lambda: str(uuid.UUID(int=next(numbers))),
            **options,
        )

    return make


@pytest.fixture
def rules(make_rules: Callable[..., Rehive]) -> Rehive:
    return make_rules()


@dataclass
class Shop:
    """A web server that notes the deliveries it gets, and answers as told."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    got: list[tuple[Json, dict[str, str]]] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)
    answer_slowly: threading.Event | None = None


@pytest.fixture
def shop() -> Iterator[Shop]:
    import json

    told = Shop()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.got.append((json.loads(body), dict(self.headers)))
            told.arrived.set()
            if told.answer_slowly is not None:
                told.answer_slowly.wait(10)
            status = told.statuses.pop(0) if told.statuses else 200
            self.send_response(status)
            if status == 302:
                self.send_header("Location", told.url)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.url = f"http://127.0.0.1:{server.server_address[1]}/webhook/?shop=1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield told
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A simulator with two businesses; served in this process, over real HTTP."""
    businesses = [Business(BUSINESS, currency("USD")), Business("other", currency("JPY"))]
    simulator = Simulator(Options(port=0, tokens=[TOKEN, "second-token"], businesses=businesses))
    thread = threading.Thread(target=simulator.serve)
    thread.start()
    yield simulator
    simulator.close()
    thread.join()

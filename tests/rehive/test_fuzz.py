"""P7, P9, P11: whatever comes over the wire, what a caller gets is an answer or an error of ours, soon, in
little memory, and in words that can be logged.

``REHIVE_FUZZ=20000 pytest tests/rehive/test_fuzz.py`` tries so many answers for each test.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import resource
import socket
import sys
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from oscar_rehive.rehive import transport, webhooks
from oscar_rehive.rehive.client import Client
from oscar_rehive.rehive.deadlines import within
from oscar_rehive.rehive.exceptions import RehiveError, Unintelligible
from tests.rehive.calls import CALLS, PATIENT, Call, failure
from tests.rehive.samples import (
    BUSINESS,
    BUSINESS_ID,
    INVOICE,
    REFUND,
    TOKEN,
    TRANSACTION,
    WEBHOOK,
    Json,
    anything,
    enveloped,
    mangled,
    page,
)
from tests.rehive.servers import Serve, answer

Clients = Callable[..., Client]

MANY = int(os.environ.get("REHIVE_FUZZ", "200"))
SECONDS = 2.0
MOST_MEMORY = 300 * 1024 * 1024

fuzzed = settings(
    max_examples=MANY,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)


# What comes


def nested(depth: int) -> Any:
    value: Any = 1
    for level in range(depth):
        value = {"a": value} if level % 2 else [value]
    return value


odd = st.sampled_from(
    [
        10**4299,
        -(10**400),
        2**63,
        -1,
        1e308,
        float("nan"),
        float("inf"),
        -0.0,
        "",
        "\0",
        "\ud800",
        "\udfff\ud800",
        "\u202e",
        "\x1b[2J",
        "a\r\nb",
        "9" * 5000,
        "ä" * 70_000,
        nested(20),
        nested(63),
        nested(200),
        [[]] * 5000,
        {str(n): n for n in range(2000)},
        {"": {"": {"": None}}},
    ]
)

sample = st.sampled_from([BUSINESS, INVOICE, REFUND, TRANSACTION, WEBHOOK])
one = sample.flatmap(mangled) | sample | odd | anything


@st.composite
def bent(draw: Any) -> Json:
    """A sample with one odd field, of which most readers never hear."""
    base = draw(sample)
    return {**base, draw(st.sampled_from(sorted(base))): draw(odd | anything)}


@st.composite
def lists(draw: Any) -> Json:
    told = page(
        draw(st.lists(one | bent(), max_size=4)), next_url=draw(st.sampled_from([None, "2"]))
    )
    field = draw(st.sampled_from(["count", "next", "previous", "results", "none"]))
    if field != "none":
        told["data"][field] = draw(odd | anything)
    return told


payloads = (
    one
    | bent()
    | lists()
    | one.map(enveloped)
    | bent().map(enveloped)
    | st.fixed_dictionaries(
        {"status": st.sampled_from(["error", "success", 7])},
        optional={"message": odd | anything, "data": odd | anything},
    )
)


def cut(data: bytes, at: float) -> bytes:
    return data[: int(len(data) * at)]


def swap(data: bytes, at: float, byte: int) -> bytes:
    where = int(len(data) * at)
    return data[:where] + bytes([byte]) + data[where + 1 :]


share = st.floats(0, 1)

texts = payloads.map(lambda value: json.dumps(value).encode())
bodies = (
    texts
    | payloads.map(
        lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    )
    | payloads.map(lambda value: json.dumps(value).encode("utf-16"))
    | st.builds(cut, texts, share)
    | st.builds(swap, texts, share, st.integers(0, 255))
    | st.integers(1, 100_000).map(lambda depth: b"[" * depth)
    | st.integers(1, 100_000).map(lambda depth: b'{"data":' * depth + b"1" + b"}" * depth)
    | st.binary(max_size=100)
    | st.just(b"<html>" + b"x" * 10_000)
    | st.just(b" " * (transport.MAX_BODY_BYTES + 1))
)

statuses = st.sampled_from(
    [200, 201, 202, 204, 206, 301, 302, 304, 400, 401, 403, 404, 409, 418, 422]
)
statuses |= st.sampled_from([429, 500, 502, 503]) | st.integers(200, 999)
types = st.sampled_from(
    [
        "application/json",
        "text/html",
        "application/json; charset=utf-7",
        "text/plain; charset=nonsense",
        "\x01",
        "",
    ]
)
codings: st.SearchStrategy[tuple[str, Callable[[bytes], bytes]]] = st.sampled_from(
    [
        ("", bytes),
        ("", bytes),
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("gzip, gzip", lambda body: gzip.compress(gzip.compress(body))),
        ("gzip", bytes),
        ("br", bytes),
        ("zstd", bytes),
        ("nonsense", bytes),
        ("gzip", lambda body: gzip.compress(body)[:-5]),
        (", ".join(["gzip"] * 50), gzip.compress),
    ]
)
more_headers = st.lists(
    st.sampled_from(
        [
            "Retry-After: 3600",
            "Retry-After: Wed, 99 Oct 2026 07:28:00 GMT",
            "Location: /elsewhere",
            "Location: http://[::1",
            "Set-Cookie: a=b",
            "Set-Cookie: \x01; Expires=nonsense",
            "Transfer-Encoding: chunked",
            "Connection: close",
            "Content-Length: 7",
            "Content-Length: -1",
            "X: " + "x" * 70_000,
            "no header",
            "Content-Type: multipart/x; boundary",
            "Idempotent-Replayed: true",
        ]
    ),
    max_size=3,
)
calls = st.sampled_from(list(CALLS.values()))


# How it is taken


class Rehive:
    """A server that answers with whatever it was last told, and a client of it."""

    def __init__(self, serve: Serve) -> None:
        self.sent: Callable[[socket.socket], Any] = lambda connection: False
        server = serve(lambda connection: self.sent(connection))
        self.client = Client(
            api_url=server.url,
            payment_requests_url=server.url,
            token=TOKEN,
            business_id=BUSINESS_ID,
        )
        self._server = server

    def ask(self, call: Call) -> None:
        started = time.monotonic()
        told = ""
        with within(SECONDS):
            try:
                call.make(self.client)
            except RehiveError as error:
                told = str(error)
        assert told.isprintable()
        assert len(told) <= 1000
        assert TOKEN not in told
        assert time.monotonic() - started < 2 * SECONDS
        self._server.requests.clear()


@pytest.fixture
def rehive(serve: Serve) -> Rehive:
    return Rehive(serve)


@pytest.fixture(autouse=True)
def _in_little_memory() -> Iterator[None]:
    before = peak_memory()
    yield
    # Hypothesis remembers what it has tried; the client, as a look at it alone showed, does not.
    assert peak_memory() - before < MOST_MEMORY + MANY * 50_000


def peak_memory() -> int:
    """The most bytes that this process had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )


@fuzzed
@given(calls, bodies, statuses, types, codings)
def test_p11_any_body_is_an_answer_or_an_error_of_ours(
    rehive: Rehive, call: Call, body: bytes, status: int, kind: str, coding: Any
) -> None:
    name, pack = coding
    headers = [f"Content-Type: {kind}", *([f"Content-Encoding: {name}"] if name else [])]
    rehive.sent = lambda connection: (
        answer(connection, pack(body), *headers, status=status) and False
    )

    rehive.ask(call)


@fuzzed
@given(calls, texts, statuses, more_headers, share, st.integers(0, 255), st.booleans())
def test_p11_any_head_is_an_answer_or_an_error_of_ours(
    rehive: Rehive,
    call: Call,
    body: bytes,
    status: int,
    headers: list[str],
    at: float,
    byte: int,
    is_mutated: bool,
) -> None:
    head = [f"HTTP/1.1 {status} Fine", *headers, f"Content-Length: {len(body)}", "", ""]
    sent = "\r\n".join(head).encode() + body
    if is_mutated:
        sent = swap(sent, at / 4, byte)
    rehive.sent = lambda connection: connection.sendall(sent) or False

    rehive.ask(call)


@fuzzed
@given(bodies)
def test_p7_any_delivery_is_a_hint_or_unusable(body: bytes) -> None:
    with contextlib.suppress(webhooks.UnusableDelivery):
        assert webhooks.read(webhooks.load(body)).invoice_id


@pytest.mark.parametrize("text", [b"[]", b'{"a":0}', b'"\\ud800"', b'"secret"'])
def test_p11_no_json_of_that_size_takes_the_memory_of_a_machine(
    serve: Serve, make_client: Clients, text: bytes
) -> None:
    many = transport.MAX_BODY_BYTES // (len(text) + 1) - 1
    wasteful = b"[" + b",".join([text] * many) + b"]"
    server = serve(lambda connection: answer(connection, wasteful))
    client = make_client(api_url=server.url)

    tracemalloc.start()
    error = failure(client, PATIENT)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert isinstance(error, Unintelligible)
    assert peak < MOST_MEMORY

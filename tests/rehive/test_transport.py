"""P11: whatever the other side does with the connection, an answer in bounded time.

The servers are real, the time-outs short. That a test ends at all is most of what it shows; the
bound on its time is generous.
"""

from __future__ import annotations

import gzip
import socket
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oscar_rehive.rehive import transport
from oscar_rehive.rehive.client import Client, Timeouts
from oscar_rehive.rehive.exceptions import Unintelligible, Unreachable
from tests.rehive.calls import PATIENT, QUICK, failure
from tests.rehive.servers import HEAD, HELLO, SLOW, Serve, Server, answer, drip_body, drip_headers

BOUND = 3.0

Clients = Callable[..., Client]


@pytest.fixture(autouse=True)
def _in_bounded_time() -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < BOUND


slow = pytest.mark.parametrize("handle", SLOW, ids=lambda handle: handle.__name__)


def serve_slowly(serve: Serve, handle: Callable[[Server, Any], Any], **kwargs: Any) -> Server:
    server: Server = serve(lambda connection: handle(server, connection), **kwargs)
    return server


@slow
def test_p11_a_slow_answer_is_given_up_on(
    serve: Serve, make_client: Clients, handle: Callable[[Server, Any], Any]
) -> None:
    server = serve_slowly(serve, handle)

    error = failure(make_client(api_url=server.url))

    assert isinstance(error, Unreachable)
    assert error.may_have_happened is True
    assert len(server.requests) == 1, "a second wait would break the bound"


@slow
def test_p11_a_slow_answer_over_tls_too(
    serve: Serve,
    make_client: Clients,
    certificate: Path,
    handle: Callable[[Server, Any], Any],
) -> None:
    server = serve_slowly(serve, handle, certificate=certificate)

    error = failure(make_client(api_url=server.url))

    assert isinstance(error, Unreachable)
    assert len(server.requests) == 1


def test_p11_a_slow_answer_of_a_proxy_too(
    serve: Serve, make_client: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve_slowly(serve, drip_headers)
    monkeypatch.setenv("http_proxy", proxy.url)

    error = failure(make_client(api_url="http://rehive.example/"))

    assert isinstance(error, Unreachable)
    assert proxy.requests[0].startswith(b"GET http://rehive.example/")


def test_p11_headers_and_body_share_one_deadline(serve: Serve, make_client: Clients) -> None:
    def most_of_the_time_for_each(server: Server, connection: socket.socket) -> Any:
        server.over.wait(0.35)
        connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(HELLO))
        server.over.wait(0.35)
        connection.sendall(HELLO)

    server = serve_slowly(serve, most_of_the_time_for_each)

    error = failure(make_client(api_url=server.url), Timeouts(connect=10, read=0.5))

    assert isinstance(error, Unreachable)


def test_p11_after_a_slow_answer_the_client_goes_on(serve: Serve, make_client: Clients) -> None:
    server: Server = serve(
        lambda connection: (
            answer(connection, HELLO)
            if len(server.requests) != 2
            else drip_body(server, connection)
        )
    )
    client = make_client(api_url=server.url)

    assert client.business(timeouts=QUICK).id == "shop"
    assert isinstance(failure(client), Unreachable)
    assert client.business(timeouts=PATIENT).id == "shop"


def test_p11_tls_answers_in_time_are_read(
    serve: Serve, make_client: Clients, certificate: Path
) -> None:
    server = serve(lambda connection: answer(connection, HELLO), certificate=certificate)
    client = make_client(api_url=server.url)

    assert [client.business().id for _ in range(3)] == ["shop"] * 3
    assert server.connections == 1


def test_p11_a_huge_answer_is_not_read_to_its_end(
    serve: Serve, make_client: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "MAX_BODY_BYTES", 100_000)
    server = serve(lambda connection: answer(connection, b" " * 10_000_000))

    assert isinstance(failure(make_client(api_url=server.url), PATIENT), Unintelligible)


def packed(times: int) -> bytes:
    bomb = b" " * 100_000_000
    for _ in range(times):
        bomb = gzip.compress(bomb)
    return bomb


@pytest.mark.parametrize("times", [1, 2, 3])
def test_p11_a_small_answer_that_unpacks_to_a_huge_one_is_not_unpacked(
    serve: Serve, make_client: Clients, times: int
) -> None:
    bomb = packed(times)
    coding = f"Content-Encoding: {', '.join(['gzip'] * times)}"
    server = serve(lambda connection: answer(connection, bomb, coding))
    client = make_client(api_url=server.url)

    tracemalloc.start()
    error = failure(client, PATIENT)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert isinstance(error, Unintelligible)
    assert peak < 8 * transport.MAX_BODY_BYTES


def test_a_compressed_answer_is_read(serve: Serve, make_client: Clients) -> None:
    packed = gzip.compress(HELLO)
    server = serve(lambda connection: answer(connection, packed, "Content-Encoding: gzip"))

    assert make_client(api_url=server.url).business().id == "shop"


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"HTTP/1.1",
        HEAD + b"Content-Length: 500\r\n\r\n{",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n{",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 400 + b"\r\n{",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\n{",
        HEAD + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
        HEAD + b"Content-Length: 5, 6\r\n\r\nhello",
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
)
def test_an_answer_that_breaks_off_or_is_no_http_is_none(
    serve: Serve, make_client: Clients, sent: bytes
) -> None:
    server = serve(lambda connection: connection.sendall(sent) or False)

    error = failure(make_client(api_url=server.url), PATIENT)

    assert isinstance(error, Unreachable)
    assert error.may_have_happened is True


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None
)
@given(st.binary(max_size=40), st.sampled_from([b"", HEAD, HEAD + b"\r\n", b"HTTP/1.1 "]))
def test_peer_bug_19_whatever_bytes_come_raise_our_errors_only(
    serve: Serve, make_client: Clients, noise: bytes, before: bytes
) -> None:
    server = serve(lambda connection: connection.sendall(before + noise) or False)

    assert isinstance(
        failure(make_client(api_url=server.url), PATIENT), (Unreachable, Unintelligible)
    )

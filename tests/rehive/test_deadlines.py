"""P11: a call has one end, from the look-up of the name to the last byte; and several calls can share it."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import responses

from oscar_rehive.rehive import connecting
from oscar_rehive.rehive.client import Client, Timeouts
from oscar_rehive.rehive.deadlines import Deadline, put_off, seconds_left, within
from oscar_rehive.rehive.exceptions import RehiveError, Unintelligible, Unreachable
from tests.rehive.calls import CALLS, PATIENT, Call, error_of, every_call, failure
from tests.rehive.samples import INVOICE, page
from tests.rehive.servers import (
    DRIP_SECONDS,
    HEAD,
    HELLO,
    Serve,
    Server,
    address,
    answer,
    drip_body,
    never,
)

Clients = Callable[..., Client]

SHORT = Timeouts(connect=0.3, read=0.3)
BOUND = 1.5
"""Twice the sum, and far less than what any of these took before."""


@pytest.fixture
def _bounded() -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < BOUND


bounded = pytest.mark.usefixtures("_bounded")


def assert_never_sent(error: RehiveError) -> None:
    assert isinstance(error, Unreachable)
    assert error.may_have_happened is False


# Connecting


def names(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[Any, ...]) -> None:
    """Let every name have these addresses."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", one) for one in addresses]
    monkeypatch.setattr("socket.getaddrinfo", lambda *args, **kwargs: found)


@bounded
def test_p11_all_addresses_of_a_host_share_the_time_to_connect(
    make_client: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    with address(full=True) as dead:
        names(monkeypatch, *[dead] * 8)

        error = failure(make_client(api_url="http://rehive.example/"), SHORT)

    assert_never_sent(error)


def test_p11_a_dead_address_leaves_time_for_the_next(
    make_client: Clients, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(lambda connection: answer(connection, HELLO))
    with address(full=True) as dead:
        names(monkeypatch, dead, server.address)
        client = make_client(api_url="http://rehive.example/")

        assert client.business(timeouts=Timeouts(connect=1, read=5)).id == "shop"


class Hanging:
    """A resolver that does not answer before it is told to."""

    def __init__(self, *address: Any) -> None:
        self.answers = threading.Event()
        self.asked = 0
        self._address = address

    def __call__(self, *args: Any) -> Any:
        self.asked += 1
        self.answers.wait()
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", one) for one in self._address]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch, serve: Serve) -> Iterator[Hanging]:
    hanging = Hanging(serve(lambda connection: answer(connection, HELLO)).address)
    monkeypatch.setattr("socket.getaddrinfo", hanging)
    yield hanging
    hanging.answers.set()


@bounded
def test_p11_a_name_that_is_not_looked_up_is_given_up_on(
    make_client: Clients, resolver: Hanging
) -> None:
    assert_never_sent(failure(make_client(api_url="http://rehive.example/"), SHORT))


@bounded
def test_p11_look_ups_that_hang_are_few_and_end(
    make_client: Clients, resolver: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can end one, and each holds a thread."""
    monkeypatch.setattr(connecting, "_slots", threading.BoundedSemaphore(2))
    client = make_client(api_url="http://rehive.example/")

    def asked(number: int) -> RehiveError:
        """About an invoice of its own: the same question would be asked once."""
        make = partial(Client.invoice, invoice_id=f"i-{number}", timeouts=SHORT)
        return error_of(client, replace(CALLS["invoice"], make=make))

    with ThreadPoolExecutor(6) as pool:
        for error in pool.map(asked, range(6)):
            assert_never_sent(error)
    assert resolver.asked == 2

    resolver.answers.set()
    assert client.business(timeouts=PATIENT).id == "shop"


def drip_anything(server: Server, connection: socket.socket) -> Any:
    connection.recv(65536)
    return server.drip(connection, b"\x16\x03\x03\x3f\xff\x02\x00\x3f\xf0" + b"x" * 500)


def drip_a_tunnel(server: Server, connection: socket.socket) -> Any:
    return server.drip(connection, b"HTTP/1.1 200 Fine\r\nX-Drip: " + b"x" * 500)


@bounded
def test_p11_a_dripping_tunnel_is_given_up_on(
    make_client: Clients, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy: Server = serve(lambda connection: drip_a_tunnel(proxy, connection))
    monkeypatch.setenv("https_proxy", proxy.url)

    assert_never_sent(failure(make_client(api_url="https://rehive.example/"), SHORT))
    assert proxy.requests[0].startswith(b"CONNECT rehive.example:443")


@bounded
def test_p11_a_dripping_greeting_of_tls_is_given_up_on(make_client: Clients, serve: Serve) -> None:
    server: Server = serve(lambda connection: drip_anything(server, connection), is_raw=True)
    url = server.url.replace("http:", "https:")

    assert_never_sent(failure(make_client(api_url=url), SHORT))


@bounded
def test_p11_a_silent_greeting_of_tls_is_given_up_on(make_client: Clients, serve: Serve) -> None:
    server: Server = serve(lambda connection: never(server, connection), is_raw=True)
    url = server.url.replace("http:", "https:")

    assert_never_sent(failure(make_client(api_url=url), SHORT))


def test_p5_what_a_proxy_refused_to_pass_on_was_never_sent(
    make_client: Clients, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve(lambda connection: answer(connection, b"No.", status=403))
    monkeypatch.setenv("https_proxy", proxy.url)
    client = make_client(api_url="https://rehive.example/")

    assert_never_sent(error_of(client, CALLS["create_invoice"]))


def test_p5_what_was_not_sent_to_a_stranger_was_never_sent(
    make_client: Clients, serve: Serve, tls: Path
) -> None:
    server = serve(lambda connection: answer(connection, HELLO), certificate=tls)

    assert_never_sent(error_of(make_client(api_url=server.url), CALLS["create_invoice"]))
    assert not server.requests


# Reading


@bounded
def test_p11_the_body_of_a_redirect_is_not_waited_for(make_client: Clients, serve: Serve) -> None:
    """``requests`` reads it to its end even where it must not follow."""

    def redirect(connection: socket.socket) -> Any:
        head = b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 500\r\n\r\n"
        connection.sendall(head)
        return server.drip(connection, b"x" * 500)

    server: Server = serve(redirect)

    assert isinstance(failure(make_client(api_url=server.url), SHORT), Unreachable)
    assert len(server.requests) == 1


@bounded
def test_p11_the_body_of_a_redirect_is_not_unpacked(make_client: Clients, serve: Serve) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    headers = ("Location: /elsewhere", "Content-Encoding: gzip")
    server = serve(lambda connection: answer(connection, bomb, *headers, status=302))

    assert isinstance(failure(make_client(api_url=server.url), PATIENT), Unintelligible)


def test_p11_cookies_are_not_kept(make_client: Clients, serve: Serve) -> None:
    """They would pile up in a client that lives as long as its process."""
    server = serve(lambda connection: answer(connection, HELLO, "Set-Cookie: a=b; Path=/"))
    client = make_client(api_url=server.url)

    client.business()
    client.business()

    assert b"cookie" not in b"".join(server.requests).lower()


# What several calls share


def test_p11_calls_of_one_block_end_together(make_client: Clients, serve: Serve) -> None:
    """Four calls of almost five seconds made a page of eighteen."""

    def slowly(connection: socket.socket) -> Any:
        server.over.wait(0.15)
        return answer(connection, HELLO)

    server: Server = serve(slowly)
    client = make_client(api_url=server.url)
    started = time.monotonic()

    def a_page() -> None:
        with within(0.5):
            for _ in range(100):
                client.business()

    with pytest.raises(Unreachable):
        a_page()

    assert time.monotonic() - started < BOUND
    assert len(server.requests) < 10
    assert client.business().id == "shop", "the next page has its own time"


@bounded
def test_p11_a_call_is_cut_to_what_is_left(make_client: Clients, serve: Serve) -> None:
    server: Server = serve(lambda connection: drip_body(server, connection))

    with within(0.3):
        error = error_of(make_client(api_url=server.url), CALLS["create_invoice"])

    assert isinstance(error, Unreachable)
    assert error.may_have_happened is True


@every_call
def test_p11_when_nothing_is_left_nothing_is_sent(
    client: Client, rehive_answers: responses.RequestsMock, call: Call
) -> None:
    rehive_answers.add(call.method, call.url, **call.response(call.answer))

    with within(0):
        error = error_of(client, call)

    assert_never_sent(error)
    assert not rehive_answers.calls


@bounded
def test_p11_a_list_ends_with_its_block(make_client: Clients, serve: Serve) -> None:
    def another_page(connection: socket.socket) -> Any:
        server.over.wait(DRIP_SECONDS)
        name = f"i-{len(server.requests)}"
        return answer(
            connection, json.dumps(page([{**INVOICE, "id": name}], next_url="more")).encode()
        )

    server: Server = serve(another_page)

    with pytest.raises(Unreachable), within(0.5):
        list(make_client(api_url=server.url).invoices())

    assert len(server.requests) > 1


def test_of_nested_blocks_the_earlier_end_counts() -> None:
    assert seconds_left() == float("inf")
    with within(100) as outer:
        with within(5000) as inner:
            assert inner is outer
            assert seconds_left() <= 100
        with within(1):
            assert seconds_left() <= 1
        assert 1 < seconds_left() <= 100
    assert seconds_left() == float("inf")


def test_blocks_can_have_a_deadline_in_common() -> None:
    used_up = Deadline(0)
    for _ in range(2):
        with within(used_up):
            assert seconds_left() == 0
    assert seconds_left() == float("inf")


def test_who_waits_on_purpose_loses_nothing() -> None:
    put_off(5)
    with within(200), within(100):
        put_off(5000)
        assert 5000 < seconds_left() <= 5100
        with within(1):
            put_off(50)
            assert 50 < seconds_left() <= 51
        assert seconds_left() > 5100
    assert seconds_left() == float("inf")


@pytest.mark.parametrize(("timeouts", "was_rushed"), [(SHORT, True), (Timeouts(), False)])
def test_a_silence_in_less_than_the_usual_time_says_so(
    make_client: Clients, timeouts: Timeouts, was_rushed: bool
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    client = make_client(api_url=f"http://127.0.0.1:{port}/")

    error = failure(client, timeouts)
    assert isinstance(error, Unreachable)
    assert error.was_rushed is was_rushed
    with within(3):
        assert failure(client, timeouts).was_rushed is True  # type: ignore[attr-defined]  # as above


def test_a_block_that_fails_leaves_no_deadline_behind() -> None:
    with pytest.raises(KeyError), within(0):
        raise KeyError
    assert seconds_left() == float("inf")


def test_a_block_is_that_of_its_thread(client: Client) -> None:
    with within(0), ThreadPoolExecutor(1) as pool:
        assert pool.submit(seconds_left).result() == float("inf")


def test_p11_no_thread_and_no_socket_is_left_behind(make_client: Clients, serve: Serve) -> None:
    server = serve(lambda connection: answer(connection, HELLO))
    client = make_client(api_url=server.url)
    client.business()
    before = threading.active_count(), open_files()

    for _ in range(20):
        client.business()

    assert (threading.active_count(), open_files()) == before


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0


def test_p11_what_failed_leaves_no_socket_behind(make_client: Clients, serve: Serve) -> None:
    server = serve(lambda connection: connection.sendall(HEAD + b"Content-Length: 9\r\n\r\n"))
    client = make_client(api_url=server.url)
    failure(client, SHORT)
    before = open_files()

    for _ in range(5):
        failure(client, Timeouts(connect=1, read=0.05))

    # The server's side is closed by its own threads, when they come to it.
    assert open_files() <= before + 5

"""When a request is sent again, and when it never was: P5, P11."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oscar_rehive.rehive.client import Client, Timeouts
from oscar_rehive.rehive.connecting import look_up
from oscar_rehive.rehive.exceptions import Throttled, Unreachable
from tests.rehive.calls import PATIENT, QUICK, failure
from tests.rehive.samples import INVOICE, page
from tests.rehive.servers import DRIP_SECONDS, HELLO, Serve, Server, address, answer

Clients = Callable[..., Client]


def stale_after_the_first(server: Server) -> Callable[[socket.socket], Any]:
    """Answers the first request, and drops the pooled connection on the second."""

    def handle(connection: socket.socket) -> Any:
        return False if len(server.requests) == 2 else answer(connection, HELLO)

    return handle


def test_a_get_is_repeated_once_after_a_dropped_connection(
    serve: Serve, make_client: Clients
) -> None:
    server: Server = serve(lambda connection: stale_after_the_first(server)(connection))
    client = make_client(api_url=server.url)
    client.business()

    assert client.business().id == "shop"
    assert (len(server.requests), server.connections) == (3, 2)


def test_a_get_is_not_repeated_for_ever(serve: Serve, make_client: Clients) -> None:
    server = serve(lambda connection: False)

    assert isinstance(failure(make_client(api_url=server.url)), Unreachable)
    assert len(server.requests) == 2


def test_p11_a_get_is_not_repeated_after_a_wait(serve: Serve, make_client: Clients) -> None:
    server: Server = serve(lambda connection: server.over.wait(0.7) and False)

    assert isinstance(failure(make_client(api_url=server.url), PATIENT), Unreachable)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "write",
    [
        lambda client: client.create_invoice({}, idempotency_key="k"),
        lambda client: client.update_invoice(INVOICE["id"], {}, idempotency_key="k"),
    ],
    ids=["POST", "PATCH"],
)
def test_p5_a_write_is_never_repeated_by_itself(
    serve: Serve, make_client: Clients, write: Callable[[Client], Any]
) -> None:
    server: Server = serve(lambda connection: stale_after_the_first(server)(connection))
    client = make_client(api_url=server.url)
    client.business()

    with pytest.raises(Unreachable) as caught:
        write(client)

    assert caught.value.may_have_happened is True
    assert len(server.requests) == 2


def test_p2_a_refund_is_sent_once_when_tls_breaks(
    serve: Serve, make_client: Clients, certificate: Path
) -> None:
    """urllib3 takes a fault of TLS for one that came before the request, and does not look at the
    method; here the refund was carried out."""

    def carried_out_and_broken(connection: socket.socket) -> bool:
        with socket.socket(fileno=os.dup(connection.fileno())) as beneath_tls:
            beneath_tls.sendall(b"\x15\x03\x03\x00\x02\x02\x28 and no more TLS")
        return False

    server = serve(carried_out_and_broken, certificate=certificate)
    client = make_client(api_url=server.url)

    with pytest.raises(Unreachable) as caught:
        client.create_refund(
            INVOICE["id"], amount=250, currency="USD", reason="", idempotency_key="k"
        )

    assert caught.value.may_have_happened is True
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [413, 429, 503])
def test_p11_retry_after_is_told_not_waited_for(
    serve: Serve, make_client: Clients, status: int
) -> None:
    """urllib3 of itself sleeps through it, or hides the answer."""
    server = serve(lambda connection: answer(connection, b"{}", "Retry-After: 3600", status=status))

    error = failure(make_client(api_url=server.url), PATIENT)

    assert len(server.requests) == 1
    if status == 429:
        assert isinstance(error, Throttled)
        assert error.wait == 3600


# Connecting


@pytest.mark.parametrize(
    ("where", "full"),
    [("", False), ("", True), ("http://a b/", False)],
    ids=["refused", "no answer", "no address"],
)
def test_what_was_never_sent_has_not_happened(make_client: Clients, where: str, full: bool) -> None:
    with address(full=full) as (host, port):
        url = where or f"http://{host}:{port}/"
        error = failure(make_client(api_url=url), Timeouts(connect=0.3, read=10))

    assert isinstance(error, Unreachable)
    assert "check API_URL" in str(error)
    assert error.may_have_happened is False


def test_what_was_sent_to_no_such_host_has_not_happened(
    make_client: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*args: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", unknown)

    error = failure(make_client(api_url="http://rehive.example/"))

    assert isinstance(error, Unreachable)
    assert error.may_have_happened is False


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "[::1]"])
def test_an_address_is_not_looked_up(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setattr("threading.Thread.start", lambda thread: pytest.fail("a thread"))

    assert {one[4][:2] for one in look_up(host, 80, seconds=1)} == {(host.strip("[]"), 80)}


def test_p11_connecting_is_tried_once(
    make_client: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Any] = []

    def connect(*args: Any, **kwargs: Any) -> Any:
        tried.append(args)
        raise TimeoutError

    monkeypatch.setattr("oscar_rehive.rehive.transport.connect", connect)

    error = failure(make_client(api_url="http://rehive.example/"))

    assert error.may_have_happened is False
    assert len(tried) == 1


def test_p11_the_limits_are_those_of_the_design() -> None:
    assert (Timeouts().connect, Timeouts().read) == (2.0, 5.0)
    assert QUICK.read > DRIP_SECONDS, "a drip must not be a mere silence"


def test_the_environment_is_read_once_and_its_proxy_is_kept_to(
    make_client: Clients, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each call ``requests`` walks through all variables, several times."""
    proxy = serve(lambda connection: answer(connection, HELLO))
    monkeypatch.setenv("http_proxy", proxy.url)
    client = make_client(api_url="http://rehive.example/")
    client.business()

    with monkeypatch.context() as later:
        later.setattr(
            "requests.sessions.get_environ_proxies", lambda *_, **__: pytest.fail("again")
        )
        client.business()

    assert len(proxy.requests) == 2
    assert all(one.startswith(b"GET http://rehive.example/") for one in proxy.requests)


def test_each_host_has_its_own_way_through_the_environment(
    make_client: Clients, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve(lambda connection: answer(connection, HELLO))
    direct = serve(lambda connection: answer(connection, json.dumps(page([])).encode()))
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", "localhost")
    client = make_client(api_url="http://rehive.example/", payment_requests_url=direct.url)

    for _ in range(2):
        client.business()
        assert list(client.webhooks()) == []

    assert (len(proxy.requests), len(direct.requests)) == (2, 2)

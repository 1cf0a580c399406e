"""P9: no frame of an error shows the token or a secret.

Django's page of an error and its mails to the admins print the variables of every frame, also those of
libraries, and of all the errors that led to one.
"""

from __future__ import annotations

import json
import pprint
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
import responses

from oscar_rehive.rehive import hiding, transport, webhooks
from oscar_rehive.rehive.client import Client
from oscar_rehive.rehive.exceptions import RehiveError
from tests.rehive.calls import CALLS, Call, error_of, every_call
from tests.rehive.samples import SECRET, TOKEN, WEBHOOK, enveloped, page
from tests.rehive.servers import HELLO, Serve, Server, answer, never

TESTS = str(Path(__file__).parent)
ECHO = f"Nobody is called 'Token {TOKEN}' or {SECRET}."


def led_to(error: BaseException | None, seen: frozenset[int] = frozenset()) -> Iterator[Any]:
    if error is not None and id(error) not in seen:
        yield error
        for cause in (error.__cause__, error.__context__):
            yield from led_to(cause, seen | {id(error)})


def frames(trace: TracebackType | None) -> Iterator[Any]:
    while trace is not None:
        # The tests' own know the token from the start.
        if not trace.tb_frame.f_code.co_filename.startswith(TESTS):
            yield trace.tb_frame
        trace = trace.tb_next


def shown(value: Any, levels: int = 2) -> Iterator[str]:
    """What is printed of a value, and of what it holds."""
    yield repr(value)
    yield pprint.pformat(value)
    if not levels:
        return
    inner: list[Any] = list(vars(value).values()) if hasattr(value, "__dict__") else []
    if isinstance(value, Mapping):
        inner += [*value.keys(), *value.values()]
    elif isinstance(value, (list, tuple, set)):
        inner += value
    for one in inner:
        if not isinstance(one, (type, type(pytest))) and not callable(one):
            yield from shown(one, levels - 1)


def assert_hidden(error: BaseException) -> None:
    for one in led_to(error):
        told = [("error", text) for text in shown(one)]
        for frame in frames(one.__traceback__):
            for name, value in frame.f_locals.items():
                where = f"{frame.f_code.co_name}: {name}"
                told += [(where, text) for text in shown(value)]
        for where, text in told:
            assert TOKEN not in text, where
            assert SECRET not in text, where


ANSWERS: list[tuple[int, Any]] = [
    (200, [ECHO]),
    (200, {"status": "error", "message": ECHO, "data": {"secret": ECHO}}),
    (200, enveloped([ECHO])),
    (200, enveloped({"results": [{"secret": SECRET}, ECHO]})),
    (400, {"status": "error", "message": ECHO, "data": {ECHO: [{"a": ECHO}]}}),
    (400, {"data": {"secret": SECRET}}),
    (401, {"message": ECHO}),
    (403, {"message": ECHO}),
    (404, {"message": ECHO}),
    (429, {"message": ECHO}),
    (500, {"message": ECHO}),
    (302, {"message": ECHO}),
]


@every_call
@pytest.mark.parametrize(("status", "told"), ANSWERS)
def test_p9_no_error_leads_to_what_was_sent_or_answered(
    client: Client, rehive_answers: responses.RequestsMock, call: Call, status: int, told: Any
) -> None:
    if call is not CALLS["create_webhook"]:  # who does not know the secret cannot take it out
        told = json.loads(json.dumps(told).replace(f"or {SECRET}.", "or nothing."))
    rehive_answers.add(call.method, call.url, status=status, json=told)

    try:
        call.make(client)
    except RehiveError as error:
        assert_hidden(error)


def test_p9_one_odd_row_does_not_show_the_secrets_of_the_others(
    client: Client, rehive_answers: responses.RequestsMock
) -> None:
    """As Rehive tells them: not only those that we sent."""
    rehive_answers.get(CALLS["webhooks"].url, json=page([WEBHOOK, "no webhook"]))

    assert_hidden(error_of(client, CALLS["webhooks"]))


def broken(server: Server, connection: Any) -> Any:
    return False


def no_http(server: Server, connection: Any) -> Any:
    connection.sendall(b"no HTTP at all\r\n\r\n")
    return False


def no_gzip(server: Server, connection: Any) -> Any:
    return answer(connection, ECHO.encode(), "Content-Encoding: gzip")


@every_call
@pytest.mark.parametrize("handle", [broken, no_http, no_gzip], ids=lambda one: one.__name__)
def test_p9_nor_to_the_connection(
    make_client: Callable[..., Client],
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    call: Call,
    handle: Callable[..., Any],
) -> None:
    server: Server = serve(lambda connection: handle(server, connection))

    assert_hidden(error_of(at(server, make_client), call))


@every_call
def test_p9_nor_to_an_address_where_nobody_listens(
    make_client: Callable[..., Client], call: Call
) -> None:
    client = Client(
        api_url="http://127.0.0.1:9/",
        payment_requests_url="http://127.0.0.1:9/",
        token=TOKEN,
        business_id="shop",
    )

    assert_hidden(error_of(client, call))


def at(server: Server, make_client: Callable[..., Client]) -> Client:
    return Client(
        api_url=server.url, payment_requests_url=server.url, token=TOKEN, business_id="shop"
    )


class Killed(BaseException):
    """As of a worker that is told to end while it waits: nobody turns it into an error of ours."""


@pytest.mark.parametrize("name", ["business", "create_invoice", "create_webhook"])
@pytest.mark.parametrize("where", ["connect", "getresponse"])
def test_p9_who_is_killed_while_waiting_shows_nothing_either(
    make_client: Callable[..., Client],
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    where: str,
) -> None:
    def kill(self: Any) -> Any:
        raise Killed

    monkeypatch.setattr(transport._Connection, where, kill)
    server: Server = serve(lambda connection: never(server, connection))

    with pytest.raises(Killed) as caught:
        CALLS[name].make(at(server, make_client))

    assert_hidden(caught.value)


@pytest.mark.parametrize("header", [f"Secret {SECRET}", SECRET, f"Token {TOKEN}"])
@pytest.mark.parametrize("secrets", [[SECRET], [SECRET, "another"], (SECRET,), SECRET])
def test_p9_authenticating_shows_neither_side(
    monkeypatch: pytest.MonkeyPatch, header: str, secrets: Any
) -> None:
    def fail(*args: Any) -> Any:
        raise RuntimeError

    monkeypatch.setattr("hmac.compare_digest", fail)

    with pytest.raises((RuntimeError, TypeError)) as caught:
        webhooks.authenticate(header, secrets)

    assert_hidden(caught.value)


def test_p9_what_is_no_json_is_not_shown_by_its_reason() -> None:
    with pytest.raises(webhooks.UnusableDelivery) as caught:
        webhooks.load(f'{{"secret": "{SECRET}"'.encode())

    assert len(list(led_to(caught.value))) == 1


def test_p9_a_client_shows_its_token_nowhere(make_client: Callable[..., Client]) -> None:
    assert all(TOKEN not in text for text in shown(make_client(), 3))


def test_a_secret_is_what_it_is_to_whoever_uses_it() -> None:
    secret = hiding.Secret(SECRET)

    assert secret == SECRET
    assert f"{secret}" == SECRET
    assert {SECRET: 1}[secret] == 1
    assert "*" in repr(secret)
    assert SECRET not in repr([secret, {secret: secret}, hiding.SecretBytes(SECRET.encode())])


def test_p9_answers_that_work_are_not_changed(
    make_client: Callable[..., Client], serve: Serve
) -> None:
    server = serve(lambda connection: answer(connection, HELLO))

    assert make_client(api_url=server.url).business().name == "The shop"

"""P9: the token and the webhook's secret go into one header or body, and nowhere else."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import responses

from oscar_rehive.rehive.client import Client
from oscar_rehive.rehive.exceptions import RehiveError, Unauthorised
from tests.rehive.calls import CALLS, Call, error_of, every_call
from tests.rehive.samples import API, BUSINESS, BUSINESS_URL, INVOICE_URL, SECRET, TOKEN
from tests.rehive.servers import HELLO, Serve, answer

Answers = responses.RequestsMock

ECHO = f"Nobody is called 'Token {TOKEN}' or {SECRET}."


def everything_told_of(error: BaseException) -> str:
    """What logs and error pages can get hold of."""
    return "\n".join(
        [str(error), repr(error), repr(vars(error)), *traceback.format_exception(error)]
    )


@pytest.mark.parametrize(
    "answer_",
    [
        {"status": 400, "json": {"status": "error", "message": ECHO}},
        {"status": 400, "json": {"status": "error", "message": "", "data": {"secret": [ECHO]}}},
        {"status": 400, "json": {"status": "error", "message": "", "data": {ECHO: {"a": ECHO}}}},
        {"status": 401, "json": {"status": "error", "message": ECHO}},
        {"status": 403, "json": {"detail": ECHO}},
        {"status": 404, "json": {"status": "error", "message": ECHO}},
        {"status": 429, "json": {"status": "error", "message": ECHO}},
        {"status": 200, "json": {"status": "error", "message": ECHO}},
        {"status": 200, "json": [ECHO]},
        {"status": 200, "body": ECHO},
        {"status": 302, "headers": {"Location": f"https://evil.example/{TOKEN}"}},
        {"status": 500, "body": ECHO},
        {"body": requests.ConnectionError(ECHO)},
        {"body": requests.ConnectTimeout(ECHO)},
        {"body": requests.exceptions.InvalidHeader(ECHO)},
    ],
    ids=lambda told: f"{told.get('status', 'raised')}",
)
def test_no_error_tells_the_token_or_the_secret(
    client: Client, rehive_answers: Answers, answer_: dict[str, Any]
) -> None:
    call = CALLS["create_webhook"]
    rehive_answers.add(call.method, call.url, **answer_)

    told = everything_told_of(error_of(client, call))

    assert TOKEN not in told
    assert SECRET not in told


def test_the_client_does_not_show_its_token(client: Client) -> None:
    assert TOKEN not in f"{client} {client!r} {vars(client)['_auth']!r}"


@every_call
def test_logs_do_not_show_the_token(
    client: Client, rehive_answers: Answers, call: Call, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    rehive_answers.add(call.method, call.url, status=500)

    error_of(client, call)

    assert TOKEN not in caplog.text
    assert SECRET not in caplog.text


def test_logs_of_a_real_connection_do_not_show_the_token(
    make_client: Callable[..., Client], serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = serve(lambda connection: answer(connection, HELLO))

    make_client(api_url=server.url).business()

    assert f"Token {TOKEN}".encode() in server.requests[0]
    assert "urllib3" in {record.name.split(".")[0] for record in caplog.records}
    assert TOKEN not in "".join(
        f"{record.getMessage()} {record.args!r}" for record in caplog.records
    )


@pytest.mark.parametrize("mark", ["\n", "\r\nX-Evil: 1", "…", "\u200b", "é", "\0"])
def test_a_token_that_no_header_can_carry_is_refused_without_being_told(
    make_client: Callable[..., Client], mark: str
) -> None:
    """Further down it would fail with an error that prints the header."""
    client = make_client(token=f"{TOKEN[:32]}{mark}{TOKEN[32:]}")

    error = error_of(client)

    assert isinstance(error, Unauthorised)
    assert "TOKEN in OSCAR_REHIVE" in str(error)
    assert TOKEN[:32] not in everything_told_of(error)


def test_a_netrc_does_not_replace_the_token(
    client: Client, rehive_answers: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine {API.split('/')[2]}\nlogin somebody\npassword else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert requests.utils.get_netrc_auth(API) == ("somebody", "else"), "what is guarded against"
    rehive_answers.get(BUSINESS_URL, json=BUSINESS)

    client.business()

    assert rehive_answers.calls[0].request.headers["Authorization"] == f"Token {TOKEN}"


@pytest.mark.parametrize(
    ("status", "advice"),
    [(401, "check TOKEN"), (403, "check TOKEN and BUSINESS_ID"), (404, "does not know")],
)
def test_an_error_says_what_to_do(
    client: Client, rehive_answers: Answers, status: int, advice: str
) -> None:
    rehive_answers.get(INVOICE_URL, json={"status": "error", "message": "No."}, status=status)

    with pytest.raises(RehiveError, match=advice):
        CALLS["invoice"].make(client)

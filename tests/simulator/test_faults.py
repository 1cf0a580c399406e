"""Each fault, over real HTTP; and the JSON that switches them."""

from __future__ import annotations

import http.client
import io
import json
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from werkzeug.test import Client

from oscar_rehive.simulator.errors import RehiveError
from oscar_rehive.simulator.faults import KINDS, Faults
from oscar_rehive.simulator.faulty import FaultyApi, RequestLog
from oscar_rehive.simulator.process import SimulatorError, SimulatorProcess

from .conftest import NEW

Json = dict[str, Any]


class Api:
    """Makes and lists invoices, as a shop would."""

    def __init__(self, process: SimulatorProcess) -> None:
        self.url = f"{process.api_url}manager/businesses/{process.business_id}/invoices/"
        self.headers = {"Authorization": f"Token {process.token}"}

    def post(self, **headers: str) -> requests.Response:
        headers = self.headers | {"Idempotency-Key": "key"} | headers
        return requests.post(self.url, json=NEW, headers=headers, timeout=10)

    def get(self) -> requests.Response:
        return requests.get(self.url, headers=self.headers, timeout=10)


@pytest.fixture
def api(rehive_simulator: SimulatorProcess) -> Api:
    return Api(rehive_simulator)


def test_throttled(rehive_simulator: SimulatorProcess, api: Api) -> None:
    rehive_simulator.faults(throttle={"value": 7, "times": 1})
    throttled = api.post()
    assert (throttled.status_code, throttled.headers["Retry-After"]) == (429, "7")
    assert throttled.json() == {
        "status": "error",
        "message": "Request was throttled: Expected available in 7 seconds.",
    }
    created = api.post()
    assert created.status_code == 201, "a 429 is not kept under its idempotency key"
    assert "Idempotent-Replayed" not in created.headers


@pytest.mark.parametrize("status", [500, 503])
def test_server_errors(rehive_simulator: SimulatorProcess, api: Api, status: int) -> None:
    rehive_simulator.faults(error_status=status)
    assert api.post().status_code == api.get().status_code == status
    assert rehive_simulator.invoices() == []


@pytest.mark.parametrize("status", [200, 502])
def test_html_instead_of_json(rehive_simulator: SimulatorProcess, api: Api, status: int) -> None:
    rehive_simulator.faults(html=status)
    answer = api.get()
    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.text.startswith("<!doctype html>")


def test_a_lost_answer_is_replayed_under_its_key(
    rehive_simulator: SimulatorProcess, api: Api
) -> None:
    rehive_simulator.faults(lose_answer={"methods": ["POST"], "times": 1})
    assert api.get().status_code == 200
    with pytest.raises(requests.ConnectionError):
        api.post()
    [invoice] = rehive_simulator.invoices()
    again = api.post()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json()["data"]["id"] == invoice["id"]
    assert len(rehive_simulator.invoices()) == 1


def test_an_answer_byte_by_byte(rehive_simulator: SimulatorProcess, api: Api) -> None:
    whole = api.get().json()
    rehive_simulator.faults(drip_ms=1)
    parts = urlsplit(api.url)
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        request = f"GET {parts.path} HTTP/1.1\r\nHost: x\r\nAuthorization: "
        connection.sendall(f"{request}{api.headers['Authorization']}\r\n\r\n".encode())
        first = connection.recv(100_000)
        assert len(first) < 10
        response = http.client.HTTPResponse(_Rest(connection, first))  # type: ignore[arg-type]  # on purpose
        response.begin()
        assert response.status == 200
        assert rehive_simulator.requests()[-1]["status"] == 200
        assert json.loads(response.read()) == whole


class _Rest:
    """The part of a socket that ``HTTPResponse`` needs, with the bytes that were read before."""

    def __init__(self, connection: socket.socket, first: bytes) -> None:
        self.connection, self.first = connection, first

    def makefile(self, mode: str) -> Any:
        chunks = [self.first]
        while chunk := self.connection.recv(100_000):
            chunks.append(chunk)
        return io.BytesIO(b"".join(chunks))


def test_latency_and_who_waits() -> None:
    """In process, with a clock on the wall that nobody waits for."""
    slept: list[float] = []
    faults = Faults()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"{}"]

    client = Client(FaultyApi(app, faults, RequestLog(), lambda: 0, slept.append))
    faults.set({"latency_ms": {"value": 300, "methods": ["POST"]}})
    client.get("/business/")
    client.post("/business/")
    client.post("/hosted/1/")
    client.post("/simulator/reset/")
    assert slept == [0.3]


def test_pages_and_control_suffer_no_faults(rehive_simulator: SimulatorProcess, api: Api) -> None:
    invoice = api.post().json()["data"]
    rehive_simulator.faults(error_status=True, lose_answer=True)
    assert requests.get(invoice["redirect_url"], timeout=10).status_code == 200
    assert requests.get(rehive_simulator.origin, timeout=10).status_code == 200
    assert rehive_simulator.outcome(invoice["id"], "pay")["status"] == "paid"


def test_the_requests_are_logged_without_the_token(
    rehive_simulator: SimulatorProcess, api: Api
) -> None:
    api.post()
    api.post()
    rehive_simulator.faults(html=True)
    api.get()
    lines = rehive_simulator.requests()
    assert [
        (line["method"], line["status"], line["replayed"], line["fault"]) for line in lines
    ] == [
        ("POST", 201, False, None),
        ("POST", 201, True, None),
        ("GET", 502, False, "html"),
    ]
    assert lines[0]["idempotency_key"] == "key"
    assert urlsplit(api.url).path == lines[0]["path"]
    assert rehive_simulator.token not in str(lines)


def test_values_short_and_long() -> None:
    faults = Faults()
    faults.set({"html": True, "drip_ms": 5, "throttle": {"methods": ["PUT"], "times": 2}})
    assert faults.wire() == {
        "html": {"value": 502},
        "drip_ms": {"value": 5},
        "throttle": {"value": 3, "methods": ["PUT"], "times": 2},
    }
    faults.set(faults.wire())
    assert faults.take("throttle", "GET") is None
    assert [faults.take("throttle", "PUT") for _ in range(3)] == [3, 3, None]
    faults.set({"html": False, "drip_ms": 0, "throttle": None, "lose_answer": {"value": False}})
    assert faults.wire() == {}
    faults.set(dict.fromkeys(KINDS, True))
    assert list(faults.wire()) == list(KINDS)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ([], "object"),
        ({"earthquake": True}, "Known: latency_ms,"),
        ({"throttle": {"value": 1, "often": 2}}, "Known: value, methods, times"),
        ({"webhook_drop": {"methods": ["POST"]}}, "Known: value, times"),
        ({"error_status": 404}, "500 to 599"),
        ({"latency_ms": "long"}, "whole number"),
        ({"latency_ms": -1}, "whole number"),
        ({"lose_answer": 2}, "true"),
        ({"html": {"times": 0}}, "1 or more"),
        ({"html": {"methods": ["FETCH"]}}, "GET, POST"),
        ({"html": {"methods": []}}, "GET, POST"),
        ({"html": {"methods": [["GET"]]}}, "GET, POST"),
    ],
)
def test_wrong_faults_are_refused_and_nothing_changes(wrong: Any, says: str) -> None:
    faults = Faults()
    faults.set({"html": True})
    with pytest.raises(RehiveError, match=says) as caught:
        faults.set(wrong)
    assert caught.value.status == 400
    assert faults.wire() == {"html": {"value": 502}}


def test_wrong_faults_over_http(rehive_simulator: SimulatorProcess) -> None:
    with pytest.raises(SimulatorError, match=r"400.*Unknown fault 'earthquake'"):
        rehive_simulator.faults(earthquake=True)


def test_so_many_calls_in_a_minute(rehive_simulator: SimulatorProcess, api: Api) -> None:
    rehive_simulator.faults(calls_per_minute=3)

    answers = [api.get() for _ in range(5)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    rehive_simulator.advance(60_001)
    assert api.get().status_code == 200, "what was refused does not count"

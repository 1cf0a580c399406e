"""A small world for the model test: Rehive's rules in process, a network that fails on command, a
clock that is moved by hand, and a process that can be killed between any two steps."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import requests
from django.apps import apps
from django.db import connection
from django.utils import timezone
from flask import Flask
from oscar.core.loading import get_model
from requests.adapters import BaseAdapter

from oscar_rehive import conf
from oscar_rehive.models import Attention, Delivery, Entry, Invoice, OrderPayment, Refund
from oscar_rehive.payments import gateway, locking, mails
from oscar_rehive.rehive.client import Client
from oscar_rehive.simulator import api, web
from oscar_rehive.simulator.errors import RehiveError as RefusedByRules
from oscar_rehive.simulator.money import Currency
from oscar_rehive.simulator.rules import Business, Rehive
from oscar_rehive.simulator.state import State
from tests.model.lies import Lies

BUSINESS_ID = "business"
TOKEN = "t" * 64
BASE = "http://rehive.invalid"

FAULTS = ("never_sent", "answer_lost", "lands_late", "error_500", "html", "throttled")


class Killed(BaseException):
    """The process is killed here. Not an ``Exception``: nothing may catch it and go on."""


class World:
    """Everything around the plugin. ``boundaries`` counts the places where it could be killed: each
    network call, before and after, and each commit, before and after."""

    def __init__(self) -> None:
        self.offset = timedelta(0)
        self.lies = Lies(self._milliseconds)
        self.rehive = Rehive(
            [Business(BUSINESS_ID, Currency("USD", 2, "$", "dollar"))],
            clock=self._milliseconds,
            changed=self._note_states,
        )
        app = Flask("rules")
        app.register_blueprint(api.blueprint(self.rehive, [TOKEN]))
        app.register_error_handler(RefusedByRules, web.refuse)
        self._wire = app.test_client()
        self.faults: list[str] = []
        self.write_fault = ""
        self.kill_in: int | None = None
        self.boundaries = 0
        self.calls = 0
        self.under_way: list[requests.PreparedRequest] = []
        # Payable though nobody has asked for it: a create that landed after it was given up, or an
        # invoice that had ended and that Rehive has opened anew.
        self.unasked: set[str] = set()
        session = requests.Session()
        session.mount("http://", _Network(self))
        self.client = Client(
            api_url=f"{BASE}/business/",
            payment_requests_url=f"{BASE}/payment-requests/",
            token=TOKEN,
            business_id=BUSINESS_ID,
            session=session,
        )

    def now(self) -> Any:
        """The time of shop and Rehive alike."""
        return _real_now() + self.offset

    def advance(self, by: timedelta) -> None:
        """Let time pass."""
        self.land()
        self.offset += by
        self.rehive.advance(0)

    def boundary(self) -> None:
        """A place where a process can be killed."""
        self.boundaries += 1
        if self.kill_in is not None:
            self.kill_in -= 1
            if self.kill_in <= 0:
                self.kill_in = None
                raise Killed

    def answer(self, request: requests.PreparedRequest) -> requests.Response:
        """What the network makes of ``request``."""
        assert not connection.in_atomic_block, "P8: a network call under a lock"
        self.calls += 1
        self.boundary()
        fault = self.faults.pop(0) if self.faults else ""
        if request.method in ("POST", "PATCH") and self.write_fault:
            fault, self.write_fault = self.write_fault, ""
        if fault == "never_sent":
            raise requests.ConnectTimeout("never sent")
        if fault == "error_500":
            return _response(request, 500, b'{"status": "error", "message": "boom"}')
        if fault == "html":
            return _response(request, 502, b"<html>Bad gateway</html>")
        if fault == "throttled":
            return _response(request, 429, b'{"status": "error", "message": "throttled"}')
        if fault == "lands_late" and request.method == "POST":
            self.under_way.append(request)
            raise requests.ReadTimeout("still under way")
        answer = self._carry_out(request)
        self.boundary()
        if fault == "answer_lost":
            raise requests.ReadTimeout("answer lost")
        return _response(request, answer.status_code, self.lies.told(answer.data))

    def land(self) -> None:
        """What a broken line held back reaches Rehive after all: an abandoned create can land after
        its retry (traps.md), and nobody hears the answer."""
        for request in self.under_way:
            answer = self._carry_out(request)
            created = json.loads(answer.data).get("data") or {}
            self.unasked.add(created.get("id"))
        self.under_way.clear()

    def _carry_out(self, request: requests.PreparedRequest) -> Any:
        parts = urlsplit(str(request.url))
        # Documented for the platform, not for the extensions (rehive-api.md): a Rehive that ignores
        # the keys must do no harm.
        request.headers.pop("Idempotency-Key", None)
        return self._wire.open(
            f"{parts.path}?{parts.query}",
            method=request.method,
            data=request.body,
            headers=dict(request.headers),
        )

    @contextmanager
    def locked(self, number: str) -> Iterator[locking.Locked]:
        """The real lock, with a chance to be killed before its commit and after."""
        with _real_locked(number) as held:
            yield held
            self.boundary()
        self.boundary()

    @contextmanager
    def installed(self) -> Iterator[None]:
        """The plugin lives in this world."""
        with (
            mock.patch.multiple(gateway, client_for=self._client_for),
            _everywhere("client_for", self._client_for),
            _everywhere("locked", self.locked),
            mock.patch.multiple(
                mails, _claim=self._between(mails._claim), _note=self._between(mails._note)
            ),
            mock.patch.object(timezone, "now", self.now),
        ):
            yield

    def _between(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """``real``, one statement and so a commit of its own, with a chance to be killed before and
        after."""

        def call(*args: Any, **kwargs: Any) -> Any:
            self.boundary()
            answer = real(*args, **kwargs)
            self.boundary()
            return answer

        return call

    def _client_for(self, business: conf.BusinessConfig) -> Client:
        return self.client

    def _note_states(self, state: State) -> None:
        for record in state.records.values():
            self.lies.note(record.invoice)

    def _milliseconds(self) -> int:
        return int(self.now().timestamp() * 1000)


class _Network(BaseAdapter):
    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world

    def send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:
        return self.world.answer(request)

    def close(self) -> None:
        pass


def _response(request: requests.PreparedRequest, status: int, body: bytes) -> requests.Response:
    from urllib3 import HTTPResponse

    response = requests.Response()
    response.status_code = status
    response.request = request
    response.url = str(request.url)
    response.raw = HTTPResponse(io.BytesIO(body), status=status, preload_content=False)
    return response


_real_now = timezone.now
_real_locked = locking.locked


@contextmanager
def _everywhere(name: str, replacement: Callable[..., Any]) -> Iterator[None]:
    """Replace ``name`` in every module of the service that has imported it."""
    import sys

    modules = [
        module
        for path, module in list(sys.modules.items())
        if path.startswith("oscar_rehive.payments.") and hasattr(module, name)
    ]
    patches = [mock.patch.object(module, name, replacement) for module in modules]
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()


def empty_the_database() -> None:
    """Nothing of the last example is left."""
    # All of ours, also what is added one day: a stage of reconcile does nothing that was done a moment ago.
    ours = (Refund, Attention, Entry, Delivery, Invoice, OrderPayment)
    others = set(apps.get_app_config("oscar_rehive").get_models()) - set(ours)
    for model in (*ours, *others):
        model.objects.all().delete()
    for label, name in (
        ("payment", "Source"),
        ("order", "Order"),
        ("basket", "Basket"),
        ("partner", "StockRecord"),
        ("catalogue", "Product"),
    ):
        get_model(label, name).objects.all().delete()
    assert not connection.in_atomic_block

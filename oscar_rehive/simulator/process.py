"""A simulator as a process of its own, driven from tests: by pytest or by anything else."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from .cli import TOKEN_VARIABLE

if TYPE_CHECKING:
    from typing_extensions import Self

Json = dict[str, Any]

REQUEST_UPDATE = "service_payment_requests.request.update"
_START_SECONDS = 30
_ANSWER_SECONDS = 60


class SimulatorError(Exception):
    """The simulator did not start, or refused what was asked; the message says why."""


class SimulatorProcess:
    """Starts ``python -m oscar_rehive.simulator`` at a free port, and talks to it.

    ``arguments`` are more options of the command, ``token`` is another one than its own. Use it as a context manager::

        with SimulatorProcess("--business", "shop:EUR") as rehive:
            rehive.register_webhook("http://localhost:8000/rehive/webhook/", "secret")
    """

    origin: str
    api_url: str
    payment_requests_url: str
    token: str
    business_id: str

    def __init__(self, *arguments: str, token: str | None = None) -> None:
        self.arguments = arguments
        # Not an option: everybody on the machine can read a command line.
        self._environment = os.environ | ({} if token is None else {TOKEN_VARIABLE: token})
        self._process: subprocess.Popen[str] | None = None
        # Proxies of the environment are for the world outside, not for this machine.
        self._opener = build_opener(ProxyHandler({}))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the simulator, and return when it is ready."""
        if importlib.util.find_spec("flask") is None:
            raise SimulatorError(
                "The simulator needs Flask: pip install django-oscar-rehive[simulator]"
            )
        command = [sys.executable, "-m", "oscar_rehive.simulator", "--port", "0", "--print-json"]
        # With its standard input the simulator ends too, should this process die without stop().
        self._process = subprocess.Popen(  # noqa: S603 -- this very program
            [*command, "--until-stdin-ends", *self.arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None,
            text=True,
            env=self._environment,
        )
        assert self._process.stdout is not None
        alarm = threading.Timer(_START_SECONDS, self._process.kill)
        alarm.start()
        try:
            line = self._process.stdout.readline()
        finally:
            alarm.cancel()
        if not line:
            code = self._process.wait()
            raise SimulatorError(f"The simulator did not start (exit code {code}, see above).")
        for name, value in json.loads(line).items():
            setattr(self, name, value)

    def stop(self) -> None:
        """End the simulator."""
        if self._process is None:
            return
        process, self._process = self._process, None
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    # What happened

    def invoices(self) -> list[Json]:
        """All invoices, newest first, with ``business_id`` and ``received`` (smallest units)."""
        found: list[Json] = self._control("GET", "invoices/")["invoices"]
        return found

    def invoice(self, invoice_id: str | None = None, *, reference: str | None = None) -> Json:
        """The invoice of that id, the newest of that reference, or the newest at all.

        ``LookupError`` if there is none.
        """
        invoices = self.invoices()
        for invoice in invoices:
            if invoice_id in (None, invoice["id"]) and reference in (
                None,
                invoice["request_reference"],
            ):
                return invoice
        known = ", ".join(f"{one['id']} ({one['request_reference']})" for one in invoices)
        raise LookupError(f"No invoice {invoice_id or reference or ''}. There are: {known or '-'}")

    def requests(self) -> list[Json]:
        """The requests that the API got, oldest first: ``method``, ``path``, ``query``,
        ``status``, ``idempotency_key``, ``replayed``, ``fault`` and ``time``."""
        lines: list[Json] = self._control("GET", "requests/")["requests"]
        return lines

    def deliveries(self) -> Json:
        """``log``: every attempt to deliver, oldest first; ``pending``: what is still to come."""
        return self._control("GET", "deliveries/")

    # What shall happen

    def outcome(
        self,
        invoice_id: str,
        outcome: str,
        *,
        currency: str | None = None,
        amount: int | None = None,
        force: bool = False,
    ) -> Json:
        """Let the payer do something, as by a button of the hosted page; returns the invoice.

        ``currency`` is the code of what is paid in, ``amount`` is in its smallest unit. ``force``
        lets it happen whatever the status is.
        """
        body: Json = {"outcome": outcome, "force": force}
        if currency is not None:
            body["currency"] = currency
        if amount is not None:
            body["amount"] = amount
        return self._control("POST", f"invoices/{invoice_id}/outcome/", body)

    def refund(self, refund_id: str, status: str = "complete") -> Json:
        """Move a refund to ``processing``, ``complete`` or ``failed``; returns it."""
        return self._control("POST", f"refunds/{refund_id}/", {"status": status})

    def payout(self, amount: int, status: str = "complete") -> Json:
        """Let ``amount`` smallest units leave the account of the first business; returns the payout."""
        return self._control("POST", "payouts/", {"amount": amount, "status": status})

    def fee(self, per_mille: int) -> None:
        """From now on each payment costs the business so much of a thousand."""
        self._control("PUT", "fee/", {"per_mille": per_mille})

    def faults(self, **faults: Any) -> Json:
        """Switch on exactly these faults (see ``faults.py``); returns those that are on."""
        return self._control("PUT", "faults/", faults)

    def clear_faults(self) -> None:
        """End all faults."""
        self._control("PUT", "faults/", {})

    def requests_door(self, door: str) -> None:
        """Have the list of payment requests answer otherwise from now on: one of ``DOORS`` in
        ``requests_door.py``."""
        self._control("PUT", "requests-door/", {"door": door})

    def advance(self, milliseconds: int) -> int:
        """Move the simulator's clock forward; returns its time in milliseconds."""
        now: int = self._control("POST", "clock/", {"advance_ms": milliseconds})["now"]
        return now

    def register_webhook(self, url: str, secret: str, event: str = REQUEST_UPDATE) -> Json:
        """Register a webhook over the API; returns it."""
        body = {"url": url, "secret": secret, "event": event}
        address = f"{self.payment_requests_url}user/webhooks/"
        created = self._request("POST", address, body, {"Authorization": f"Token {self.token}"})
        webhook: Json = created["data"]
        return webhook

    def flush_deliveries(self) -> list[Json]:
        """Attempt every pending delivery once, whenever it is due; returns the attempts."""
        attempts: list[Json] = self._control("POST", "deliveries/flush/", {})["attempts"]
        return attempts

    def reset(self) -> None:
        """Forget invoices, webhooks, deliveries, requests and faults, and set clock and door right."""
        self._control("POST", "reset/", {})

    def _control(self, method: str, path: str, body: Json | None = None) -> Json:
        return self._request(method, f"{self.origin}/simulator/{path}", body, {})

    def _request(
        self, method: str, address: str, body: Json | None, headers: dict[str, str]
    ) -> Json:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} | headers
        request = Request(address, data, headers, method=method)  # noqa: S310 -- always http
        try:
            with self._opener.open(request, timeout=_ANSWER_SECONDS) as response:
                answer: Json = json.load(response)
        except HTTPError as error:
            with error:
                told = error.read().decode(errors="replace")
            raise SimulatorError(f"{method} {address}: {error.code} {told}") from None
        return answer

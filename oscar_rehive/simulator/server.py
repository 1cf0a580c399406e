"""The running simulator: rules, web server, sender and state file put together."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from pathlib import Path

from werkzeug.serving import WSGIRequestHandler, make_server, select_address_family

from .core import Business
from .deliveries import Sender
from .demo import DEMO_BUSINESS, DEMO_TOKEN
from .money import currency
from .requests_door import OPEN
from .rules import Rehive
from .state import State, StateFile, read
from .web import create_app


@dataclass
class Options:
    """How a simulator runs. Port 0 stands for any free port; times are in the unit they name; ``managed``
    are the ids of the businesses that a token may manage, where it may not manage them all."""

    host: str = "127.0.0.1"
    port: int = 8001
    origin: str | None = None
    tokens: list[str] = field(default_factory=lambda: [DEMO_TOKEN])
    managed: dict[str, list[str]] = field(default_factory=dict)
    businesses: list[Business] = field(
        default_factory=lambda: [Business(DEMO_BUSINESS, currency("USD"))]
    )
    state: Path | None = None
    state_from: Path | None = None
    retry_base_seconds: float = 2.0
    webhook_timeout_seconds: float = 5.0
    refund_delay_ms: int | None = None
    requests_door: str = OPEN
    verbose: bool = False


class Simulator:
    """A simulator that is bound to its port. ``serve`` runs it, ``close`` ends it.

    Making one raises ``OSError`` when the port can't be had, and ``ValueError`` when the state
    file can't be understood.
    """

    def __init__(self, options: Options) -> None:
        file = None if options.state is None else StateFile(options.state)
        if file is not None:
            state = file.load()
        else:
            state = State() if options.state_from is None else read(options.state_from)
        if file is not None:
            file.save(state)  # to learn now, not at the first order, if it can't be written

        def changed(state: State) -> None:
            if file is not None:
                file.save(state)
            self.sender.wake()

        self._socket = _listen(options.host, options.port)
        port = self._socket.getsockname()[1]
        self.origin = (options.origin or _origin(options.host, port)).rstrip("/")
        self.rehive = Rehive(
            options.businesses,
            origin=self.origin,
            state=state,
            changed=changed,
            retry_base_ms=round(options.retry_base_seconds * 1000),
            refund_delay_ms=options.refund_delay_ms,
            requests_door=options.requests_door,
        )
        self.sender = Sender(self.rehive, options.webhook_timeout_seconds)
        self._server = make_server(
            options.host,
            port,
            create_app(self.rehive, self.sender, options.tokens, options.managed),
            threaded=True,
            request_handler=WSGIRequestHandler if options.verbose else _QuietHandler,
            fd=self._socket.fileno(),
        )
        self.description = {
            "origin": self.origin,
            "api_url": f"{self.origin}/business/",
            "payment_requests_url": f"{self.origin}/payment-requests/",
            "token": options.tokens[0],
            "business_id": options.businesses[0].id,
        }

    def serve(self) -> None:
        """Answer requests until ``close`` is called or Ctrl-C is pressed."""
        self.sender.start()
        try:
            self._server.serve_forever(poll_interval=0.1)
        finally:
            self.sender.stop()
            self._socket.close()

    def close(self) -> None:
        """End ``serve``; for another thread than the one that serves."""
        self._server.shutdown()


class _QuietHandler(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """No access log."""


def _listen(host: str, port: int) -> socket.socket:
    # Bound here because werkzeug ends the whole program when a port is taken.
    listener = socket.socket(select_address_family(host, port), socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def _origin(host: str, port: int) -> str:
    if host in ("", "0.0.0.0", "::"):  # noqa: S104 -- recognised here, not bound
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

"""The layer around the API that logs its requests and commits the faults of ``faults.py``."""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Response

from .api import PREFIXES, answer
from .errors import RehiveError
from .faults import Faults

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Json = dict[str, Any]

_KEPT = 5000
MINUTE_MS = 60_000
_HTML = "<!doctype html><title>{0}</title><h1>{0}</h1><p>A page from a proxy in between.</p>"


class RequestLog:
    """The newest requests to the API. Bodies and the token are not kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: deque[Json] = deque(maxlen=_KEPT)

    def add(self, line: Json) -> None:
        """Note one request."""
        with self._lock:
            self._lines.append(line)

    def lines(self) -> list[Json]:
        """All requests, oldest first."""
        with self._lock:
            return [dict(line) for line in self._lines]

    def clear(self) -> None:
        """Forget them."""
        with self._lock:
            self._lines.clear()


class Limit:
    """How many calls were let through in the last minute, for the fault ``calls_per_minute``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._let_through: deque[int] = deque()

    def seconds_to_wait(self, now: int, most: int) -> int:
        """0 where a call at ``now`` (milliseconds) makes no more than ``most``: then it counts."""
        with self._lock:
            while self._let_through and self._let_through[0] <= now - MINUTE_MS:
                self._let_through.popleft()
            if len(self._let_through) < most:
                self._let_through.append(now)
                return 0
            left = self._let_through[-most] + MINUTE_MS - now
            return max(-(-left // 1000), 1)


class FaultyApi:
    """WSGI middleware; requests to anything but the API pass through untouched."""

    def __init__(
        self,
        app: WSGIApplication,
        faults: Faults,
        log: RequestLog,
        now: Callable[[], int],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._app = app
        self._faults = faults
        self._log = log
        self._now = now
        self._sleep = sleep
        self._limit = Limit()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path, method = environ.get("PATH_INFO", ""), environ["REQUEST_METHOD"]
        if not path.startswith(PREFIXES):
            return self._app(environ, start_response)
        started = self._now()
        if delay := self._faults.take("latency_ms", method):
            self._sleep(delay / 1000)
        fault, response = self._refusal(method)
        if response is None:
            response = Response.from_app(self._app, environ, buffered=True)
            if self._faults.take("lose_answer", method):
                fault = "lose_answer"
        self._log.add(
            {
                "time": started,
                "method": method,
                "path": path,
                "query": environ.get("QUERY_STRING", ""),
                "status": response.status_code,
                "idempotency_key": environ.get("HTTP_IDEMPOTENCY_KEY"),
                "replayed": response.headers.get("Idempotent-Replayed") == "true",
                "fault": fault,
            }
        )
        if fault == "lose_answer":
            raise _hang_up(environ)
        if wait := self._faults.take("drip_ms", method):
            self._drip(response, environ, wait / 1000)
        return response(environ, start_response)

    def _refusal(self, method: str) -> tuple[str | None, Response | None]:
        seconds = self._faults.take("throttle", method)
        if not seconds and (most := self._faults.take("calls_per_minute", method)):
            seconds = self._limit.seconds_to_wait(self._now(), most)
        if seconds:
            message = f"Request was throttled: Expected available in {seconds} seconds."
            response = answer(429, RehiveError(429, message).body())
            response.headers["Retry-After"] = str(seconds)
            return "throttle", response
        if status := self._faults.take("error_status", method):
            return "error_status", answer(status, RehiveError(status, "Server error.").body())
        if status := self._faults.take("html", method):
            html = _HTML.format("Bad gateway" if status == 502 else f"Status {status}")
            return "html", Response(html, status, mimetype="text/html")
        return None, None

    def _drip(self, response: Response, environ: WSGIEnvironment, wait: float) -> None:
        """Write the answer to the socket byte by byte, then end the connection."""
        head = [f"HTTP/1.1 {response.status}"]
        head += [f"{name}: {value}" for name, value in response.get_wsgi_headers(environ)]
        head += ["Connection: close", "", ""]
        connection = environ["werkzeug.socket"]
        for byte in "\r\n".join(head).encode("latin-1") + response.get_data():
            self._sleep(wait)
            connection.sendall(bytes([byte]))
        raise _hang_up(environ)


def _hang_up(environ: WSGIEnvironment) -> ConnectionError:
    """End the connection; werkzeug takes the error to raise for the client's going away."""
    connection = environ.get("werkzeug.socket")
    if connection is not None:
        connection.shutdown(socket.SHUT_RDWR)
    return ConnectionResetError("hung up, as wished")

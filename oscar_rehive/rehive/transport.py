"""HTTP towards Rehive with a hard limit on every wait (promise P11).

The read time-out of ``requests`` starts anew with each byte: a server that drips its answer byte by
byte holds a worker for as long as it likes. Here both the headers and the body have a deadline.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Retry
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, ReadTimeoutError
from urllib3.response import BaseHTTPResponse, HTTPResponse

if TYPE_CHECKING:
    from typing_extensions import Self
    from urllib3.connectionpool import ConnectionPool

CONNECT_SECONDS = 2.0
READ_SECONDS = 5.0
MAX_BODY_BYTES = 32 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024


class BodyTooSlowOrLarge(HTTPError):
    """The answer's body did not end in time, or does not end at a sane size."""


class _RetryOnceButNotAfterWaiting(Retry):
    """Repeat a safe request after a dropped connection, never after a time-out: the second wait
    would break the bound that the first one kept."""

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> Self:
        if isinstance(error, ReadTimeoutError):
            raise error
        return super().increment(method, url, response, error, _pool, _stacktrace)


class _Connection(HTTPConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 itself
        with _headers_in_time(self):
            return super().getresponse()


class _SecureConnection(HTTPSConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 itself
        with _headers_in_time(self):
            return super().getresponse()


@contextlib.contextmanager
def _headers_in_time(connection: HTTPConnection) -> Iterator[None]:
    """Cut the connection when the answer's headers are not complete in time."""
    limit = connection.timeout if isinstance(connection.timeout, (int, float)) else READ_SECONDS
    sock = connection.sock
    late = threading.Event()

    def cut() -> None:
        late.set()
        with contextlib.suppress(OSError, AttributeError):
            sock.shutdown(socket.SHUT_RDWR)

    alarm = threading.Timer(limit, cut)
    alarm.daemon = True
    alarm.start()
    try:
        yield
    except Exception:
        if late.is_set():
            raise TimeoutError("The answer's headers did not end in time.") from None
        raise
    finally:
        alarm.cancel()


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS = {"http": _Pool, "https": _SecurePool}


class _BoundedAdapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager


def pooled_session() -> requests.Session:
    """A session that keeps connections and repeats a ``GET`` whose connection was dropped."""
    session = requests.Session()
    retry = _RetryOnceButNotAfterWaiting(
        total=1, status=0, redirect=0, allowed_methods=frozenset({"GET"}), backoff_factor=0
    )
    adapter = _BoundedAdapter(max_retries=retry, pool_maxsize=20)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def read_body(response: requests.Response, *, seconds: float) -> bytes:
    """Read the body within ``seconds``; raise ``BodyTooSlowOrLarge`` when it does not end.

    ``iter_content`` waits for a full chunk and so never sees the clock; ``read1`` returns with
    whatever has come.
    """
    deadline = time.monotonic() + seconds
    body = bytearray()
    while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
        body += chunk
        if time.monotonic() > deadline:
            raise BodyTooSlowOrLarge(f"The answer took longer than {seconds:g} seconds.")
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooSlowOrLarge("The answer is too large to be Rehive's.")
    return bytes(body)

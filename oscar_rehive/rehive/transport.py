"""HTTP towards Rehive with a hard limit on every wait (promise P11).

The read time-out of ``requests`` starts anew with each byte: a server that drips its answer byte by
byte holds a worker for as long as it likes. Here headers and body together have one deadline.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
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
_AT_ONCE_SECONDS = 0.5


class BodyTooLarge(HTTPError):
    """The answer's body does not end at a sane size."""


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


class _Deadline:
    """Cuts a connection when the answer on it is not complete in time.

    Looking at the clock between reads is not enough: one read of a chunk's size, or of compressed
    bytes that do not yet unpack to anything, goes on for as long as bytes keep dripping.
    """

    def __init__(self, sock: Any, seconds: float) -> None:
        self._sock = sock
        self._started = time.monotonic()
        self._seconds = seconds

    def passed(self) -> float:
        return time.monotonic() - self._started

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        late = threading.Event()

        def cut() -> None:
            late.set()
            with contextlib.suppress(OSError, AttributeError):
                self._sock.shutdown(socket.SHUT_RDWR)

        alarm = threading.Timer(max(0.0, self._seconds - self.passed()), cut)
        alarm.daemon = True
        alarm.start()
        try:
            yield
        except Exception:
            if not late.is_set():
                raise
        finally:
            alarm.cancel()
        # A cut connection can also look like an answer that ended properly.
        if late.is_set():
            raise TimeoutError(f"The answer did not end within {self._seconds:g} seconds.")


def _answer(connection: HTTPConnection, getresponse: Callable[[], HTTPResponse]) -> HTTPResponse:
    limit = connection.timeout if isinstance(connection.timeout, (int, float)) else READ_SECONDS
    deadline = _Deadline(connection.sock, limit)
    try:
        with deadline.kept():
            response = getresponse()
    except Exception:
        # A connection that had gone stale in the pool fails at once. Any other was waited for.
        if deadline.passed() > _AT_ONCE_SECONDS:
            raise TimeoutError("The connection was dropped after a wait.") from None
        raise
    response.deadline = deadline  # type: ignore[attr-defined]  # ours, for read_body()
    return response


class _Connection(HTTPConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 itself
        return _answer(self, super().getresponse)


class _SecureConnection(HTTPSConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 itself
        return _answer(self, super().getresponse)


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
    """A session that keeps connections and repeats a ``GET`` whose connection was dropped.

    Connecting is never repeated: it would double the wait that P11 bounds.
    """
    session = requests.Session()
    retry = _RetryOnceButNotAfterWaiting(
        total=1,
        connect=0,
        status=0,
        redirect=0,
        # Faults of TLS and of a proxy: urllib3 takes them for faults before the request, of any method
        # (a refund was sent twice).
        other=0,
        respect_retry_after_header=False,
        allowed_methods=frozenset({"GET"}),
        backoff_factor=0,
    )
    adapter = _BoundedAdapter(max_retries=retry, pool_maxsize=20)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def read_body(response: requests.Response, *, seconds: float) -> bytes:
    """Read the body within what the headers left of ``seconds``.

    Raises ``TimeoutError`` or ``BodyTooLarge`` when it does not end. ``iter_content`` waits for a
    full chunk and would not notice a size that is out of bounds before that.
    """
    deadline = getattr(response.raw, "deadline", None) or _Deadline(None, seconds)
    body = bytearray()
    with deadline.kept():
        while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
            body += chunk
            if deadline.passed() > seconds:  # a session that is not ours has no socket to cut
                raise TimeoutError(f"The answer did not end within {seconds:g} seconds.")
            if len(body) > MAX_BODY_BYTES:
                raise BodyTooLarge("The answer is too large to be Rehive's.")
    return bytes(body)

"""HTTP towards Rehive with a hard limit on every wait and on every size (promise P11).

The time-outs of ``requests`` are those of one address, and start anew with each byte: a server or a
proxy that drips its answer holds a worker for as long as it likes. Here each call has one end, from the
look-up of the name to the last byte.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from contextvars import ContextVar
from http.client import HTTPException
from http.cookiejar import DefaultCookiePolicy
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Retry
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ReadTimeoutError,
)
from urllib3.response import BaseHTTPResponse, HTTPResponse

from oscar_rehive.rehive.alarms import Alarm
from oscar_rehive.rehive.answers import Answer, NoAnswer
from oscar_rehive.rehive.connecting import connect
from oscar_rehive.rehive.deadlines import (
    CONNECT_SECONDS,
    READ_SECONDS,
    Deadline,
    seconds_left,
)

if TYPE_CHECKING:
    from typing_extensions import Self
    from urllib3.connectionpool import ConnectionPool

MAX_BODY_BYTES = 4 * 1024 * 1024
"""Unpacked. A page of a list is the largest answer, with a few kilobytes a row; parsed, the most
wasteful JSON of this size takes 100 MB."""

_CHUNK_BYTES = 64 * 1024
_AT_ONCE_SECONDS = 0.5


class BodyTooLarge(HTTPError):
    """The answer's body does not end at a sane size."""


class Call:
    """The limits of one call in seconds, and a hold on its socket to cut it off when it is late.

    Looking at the clock between reads is not enough: one read of a chunk's size, or of compressed
    bytes that do not yet unpack to anything, goes on for as long as bytes keep dripping.
    """

    def __init__(self, connect: float, read: float) -> None:
        self._started = time.monotonic()
        self._limits = connect, read
        self._end = Deadline(min(connect + read, seconds_left()))
        self._due = self._end
        self._socket: socket.socket | None = None
        self._alarm: Alarm | None = None  # of the step at hand
        self._is_connecting = False
        self._was_sent = False

    def __enter__(self) -> Call:
        self._token = _call.set(self)
        return self

    def __exit__(self, *exc_info: object) -> None:
        _call.reset(self._token)
        self._let_go()
        self._alarm = None  # they lead to each other

    @property
    def was_never_sent(self) -> bool:
        """Whether connecting was as far as it came."""
        return self._is_connecting and not self._was_sent

    @property
    def has_waited(self) -> bool:
        """Whether something took so long that it must not be done twice."""
        return self._is_late or time.monotonic() - self._started > _AT_ONCE_SECONDS

    @property
    def _is_late(self) -> bool:
        return self._alarm is not None and self._alarm.has_rung

    def left(self) -> float:
        """Seconds until what is done now must be done."""
        return self._due.left()

    @contextlib.contextmanager
    def connecting(self) -> Iterator[None]:
        """The look-up, all addresses, a proxy's tunnel and TLS."""
        self._is_connecting = True
        self._due = Deadline(min(self._limits[0], self._end.left()))
        with self.in_time():
            yield
        self._is_connecting = False

    def sending(self, sock: Any) -> None:
        """From here on the request may arrive, and what there is to read has its time."""
        self._was_sent = True
        self._due = Deadline(min(self._limits[1], self._end.left()))
        self.hold(sock)

    def hold(self, sock: Any) -> None:
        """Take ``sock`` for the one to cut off: a twin of it, for TLS takes the first one over."""
        self._let_go()
        self._socket = socket.fromfd(sock.fileno(), socket.AF_INET, socket.SOCK_STREAM)
        if self._is_late:
            raise TimeoutError

    @contextlib.contextmanager
    def in_time(self) -> Iterator[None]:
        """Cut the connection off where the block is late, and raise ``TimeoutError`` then."""
        with Alarm(self.left(), self._cut) as alarm:
            self._alarm = alarm
            try:
                yield
            except Exception:
                if not alarm.has_rung:
                    raise
        # A cut connection can also look like an answer that ended properly.
        if alarm.has_rung:
            raise TimeoutError("not done in time")

    def _cut(self) -> None:
        held = self._socket  # its own thread may let go of it now
        if held is not None:
            with contextlib.suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)

    def read(self, response: requests.Response) -> bytes:
        """The body. ``iter_content`` waits for a full chunk, and would notice a size that is out of
        bounds only after that."""
        body = bytearray()
        with self.in_time():
            while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise BodyTooLarge
                if not self.left():  # the socket of a session that is not ours cannot be cut off
                    raise TimeoutError
        return bytes(body)

    def _let_go(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


_call: ContextVar[Call] = ContextVar("oscar_rehive_call")


class _RetryOnceButNotAfterWaiting(Retry):
    """Repeat a safe request after a dropped connection, never after a wait: a connection that had
    gone stale in the pool fails at once."""

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> Self:
        if error is not None and (isinstance(error, ReadTimeoutError) or _call.get().has_waited):
            raise error
        return super().increment(method, url, response, error, _pool, _stacktrace)


class _Connection(HTTPConnection):
    """Does each step in the time that the call has for it."""

    def _new_conn(self) -> socket.socket:
        call = _call.get()
        try:
            sock = connect(
                self._dns_host,
                self.port,
                seconds=call.left(),
                options=self.socket_options or (),
                source_address=self.source_address,
            )
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from None
        except TimeoutError:
            raise ConnectTimeoutError("connecting took too long") from None
        except OSError as error:
            raise NewConnectionError(self, str(error)) from None
        call.hold(sock)
        # A proxy's tunnel and TLS are read from it next.
        sock.settimeout(max(call.left(), 0.001))
        return sock

    def connect(self) -> None:
        try:
            with _call.get().connecting():
                super().connect()
        except TimeoutError:
            raise ConnectTimeoutError("connecting took too long") from None

    def request(self, *args: Any, **kwargs: Any) -> None:
        call = _call.get()
        if self.sock is None:
            self.connect()
        call.sending(self.sock)
        with call.in_time():
            super().request(*args, **kwargs)

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 itself
        with _call.get().in_time():
            return super().getresponse()


class _SecureConnection(_Connection, HTTPSConnection):
    pass


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


class _Session(requests.Session):
    def __init__(self) -> None:
        super().__init__()
        self._environment: dict[tuple[str, str], Any] = {}

    def merge_environment_settings(self, url: Any, *given: Any) -> Any:
        """What the environment says of proxies and certificates is read once for each host: at each call
        ``requests`` walks through all of it. Every call of ours gives the same."""
        parts = urlsplit(url)
        host = parts.scheme, parts.netloc
        if host not in self._environment:
            self._environment[host] = super().merge_environment_settings(url, *given)
        return self._environment[host]

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Nowhere. ``requests`` works a redirect out also where it must not follow it, and reads its
        body for that, however long it is and takes."""
        return None


def pooled_session() -> requests.Session:
    """A session that keeps connections and repeats a ``GET`` whose connection was dropped.

    Connecting is never repeated. Only ``exchange`` can use it.
    """
    session = _Session()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # they would pile up
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


_FAULTS = (
    requests.RequestException,
    HTTPError,
    HTTPException,
    OSError,
    ValueError,
    OverflowError,  # of the size of a chunk
)


def exchange(
    session: requests.Session, method: str, url: str, *, connect: float, read: float, **request: Any
) -> Answer | NoAnswer:
    """Send one request; ``connect`` and ``read`` are seconds, and ``request`` is for ``requests``.

    What goes wrong is returned and not raised: an exception would lead, by its causes and their
    frames, to the headers and the body that were sent (P9).
    """
    # What the blocks around leave also bounds a session that is not ours.
    connect, read = min(connect, seconds_left()), min(read, seconds_left())
    if not connect or not read:
        return NoAnswer("no time left", was_never_sent=True, was_rushed=True)
    was_rushed = min(connect + read, seconds_left()) < CONNECT_SECONDS + READ_SECONDS
    with Call(connect, read) as call:
        try:
            response = session.request(
                method, url, timeout=(connect, read), allow_redirects=False, stream=True, **request
            )
            with response:
                return Answer(response.status_code, response.headers, call.read(response))
        except BodyTooLarge:
            return NoAnswer("too large", is_too_large=True)
        except _FAULTS as error:
            was_never_sent = call.was_never_sent or _was_never_sent(error)
            return NoAnswer(type(error).__name__, was_never_sent, was_rushed)


def _was_never_sent(error: Exception) -> bool:
    if isinstance(error, (requests.ConnectTimeout, requests.exceptions.InvalidURL)):
        return True
    cause = error.args[0] if error.args else None
    return isinstance(getattr(cause, "reason", None), NewConnectionError)

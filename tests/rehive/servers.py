"""Small servers that answer badly, over real sockets."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.rehive.samples import BUSINESS, enveloped

Handle = Callable[[socket.socket], Any]
Serve = Callable[..., "Server"]

HELLO = json.dumps(enveloped(BUSINESS)).encode()
DRIP_SECONDS = 0.05
NEVER = 60.0
"""Longer than any test; servers are woken from it when theirs ends."""


@dataclass
class Server:
    """Hands each request to ``handle`` on its connection, and notes the request; with ``is_raw``, each
    connection before anything is read from it."""

    handle: Handle
    certificate: Path | None = None
    is_raw: bool = False
    requests: list[bytes] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    connections: int = 0
    _threads: list[threading.Thread] = field(default_factory=list)
    _open: list[socket.socket] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        scheme = "https" if self.certificate else "http"
        self.address = self._listener.getsockname()
        self.url = f"{scheme}://localhost:{self.address[1]}/"
        self._start(self._accept)

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._open.append(connection)
                self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.enter_context(connection)
            if self.is_raw:
                self.handle(connection)
                return
            if self.certificate:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(self.certificate)
                connection = stack.enter_context(context.wrap_socket(connection, server_side=True))
            while request := _read_request(connection):
                self.requests.append(request)
                if self.handle(connection) is False:
                    return

    def drip(self, connection: socket.socket, data: bytes) -> bool:
        """Send byte by byte, each well before any time-out of a single read."""
        for byte in data:
            if self.over.wait(DRIP_SECONDS):
                break
            connection.sendall(bytes([byte]))
        return False

    def close(self) -> None:
        self.over.set()
        for sock in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)
            assert not thread.is_alive()


def _read_request(connection: socket.socket) -> bytes:
    request = b""
    while b"\r\n\r\n" not in request:
        if not (chunk := connection.recv(65536)):
            return b""
        request += chunk
    head, _, body = request.partition(b"\r\n\r\n")
    length = next(
        (
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        ),
        0,
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def answer(connection: socket.socket, body: bytes, *headers: str, status: int = 200) -> bool:
    """Answer properly."""
    head = [f"HTTP/1.1 {status} Fine", *headers, f"Content-Length: {len(body)}", "", ""]
    connection.sendall("\r\n".join(head).encode() + body)
    return True


@contextlib.contextmanager
def serving() -> Iterator[Serve]:
    """A function that starts servers, which end with the block."""
    servers: list[Server] = []

    def serve(handle: Handle, **kwargs: Any) -> Server:
        servers.append(Server(handle, **kwargs))
        return servers[-1]

    yield serve
    for server in servers:
        server.close()


@contextlib.contextmanager
def address(*, full: bool) -> Iterator[tuple[str, int]]:
    """Where nobody listens, or where the queue of those who would connect is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        where = server.getsockname()
        if not full:
            server.close()
            yield where
            return
        with contextlib.ExitStack() as stack:
            for _ in range(8):
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(where)
            yield where


# Ways of being slow

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
ENDLESS_HEADERS = HEAD + b"X-Drip: " + b"x" * 500
ENDLESS_BODY = b"x" * 500


def never(server: Server, connection: socket.socket) -> Any:
    server.over.wait(NEVER)
    return False


def drip_headers(server: Server, connection: socket.socket) -> Any:
    return server.drip(connection, ENDLESS_HEADERS)


def drip_status(server: Server, connection: socket.socket) -> Any:
    return server.drip(connection, b"HTTP/1.1 200 " + b"O" * 500)


def drip_more_headers(server: Server, connection: socket.socket) -> Any:
    """Each header is complete: what is cut off looks like an answer without a body."""
    connection.sendall(HEAD)
    return server.drip(connection, b"A:b\r\n" * 100)


def drip_body(server: Server, connection: socket.socket) -> Any:
    connection.sendall(HEAD + b"Content-Length: 500\r\n\r\n")
    return server.drip(connection, ENDLESS_BODY)


def drip_body_without_length(server: Server, connection: socket.socket) -> Any:
    connection.sendall(HEAD + b"\r\n")
    return server.drip(connection, HELLO + b" " * 500)


def drip_chunk_size(server: Server, connection: socket.socket) -> Any:
    """All of this is one read for ``http.client``."""
    connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    return server.drip(connection, b"5;" + ENDLESS_BODY)


def drip_chunks(server: Server, connection: socket.socket) -> Any:
    connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    return server.drip(connection, b"1\r\n \r\n" * 100)


def drip_compressed(server: Server, connection: socket.socket) -> Any:
    """urllib3 reads on until the first byte is unpacked."""
    connection.sendall(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 500\r\n\r\n")
    return server.drip(connection, b"\x1f\x8b\x08\x08\0\0\0\0\0\xff" + b"n" * 490)


def headers_then_silence(server: Server, connection: socket.socket) -> Any:
    connection.sendall(HEAD + b"Content-Length: 500\r\n\r\n{")
    return never(server, connection)


SLOW: list[Callable[[Server, socket.socket], Any]] = [
    never,
    drip_status,
    drip_headers,
    drip_more_headers,
    drip_body,
    drip_body_without_length,
    drip_chunk_size,
    drip_chunks,
    drip_compressed,
    headers_then_silence,
]

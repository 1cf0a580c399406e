"""Connecting in a time that is one for all of it: the look-up of the name and each of its addresses.

The system looks names up for as long as it likes, and a time-out of each address is eight times as long
where a host has eight.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import queue
import socket
import threading
from collections.abc import Iterable
from typing import Any

from urllib3.util.connection import allowed_gai_family

from oscar_rehive.rehive.deadlines import Deadline

MOST_LOOK_UPS = 16
"""Nothing can end a look-up that hangs. This many may hang at once, and others wait for them."""

_SHARE_SECONDS = 0.4
"""What each address gets at least, so that one far away is not given up for having neighbours."""

_slots = threading.BoundedSemaphore(MOST_LOOK_UPS)


def _forget_look_ups() -> None:
    global _slots
    _slots = threading.BoundedSemaphore(MOST_LOOK_UPS)


# The look-ups of a parent never end in its child.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_look_ups)


def connect(
    host: str,
    port: int,
    *,
    seconds: float,
    options: Iterable[tuple[int, int, int | bytes]] = (),
    source_address: tuple[str, int] | None = None,
) -> socket.socket:
    """A connected socket after ``seconds`` at most. Raises ``TimeoutError``, ``socket.gaierror`` where the
    name has no address, or another ``OSError``."""
    due = Deadline(seconds)
    addresses = look_up(host, port, seconds=seconds)
    fault: OSError = OSError("the name has no address")
    for tried, (family, kind, protocol, _, address) in enumerate(addresses):
        left = due.left()
        if not left:
            break
        sock = socket.socket(family, kind, protocol)
        try:
            for option in options:
                sock.setsockopt(*option)
            # A dead address must leave time for the next one.
            sock.settimeout(min(left, max(left / (len(addresses) - tried), _SHARE_SECONDS)))
            if source_address:
                sock.bind(source_address)
            sock.connect(address)
            return sock
        except OSError as error:
            sock.close()
            fault = error.with_traceback(None)
    if not due.left():
        raise TimeoutError("no address answered in time")
    raise fault


def look_up(host: str, port: int, *, seconds: float) -> list[Any]:
    """What ``socket.getaddrinfo`` says. Raises ``TimeoutError`` where it says nothing within ``seconds``."""
    host = host.strip("[]")
    if _is_address(host):
        return _addresses(host, port)
    due = Deadline(seconds)
    slots = _slots
    if not slots.acquire(timeout=seconds):
        raise TimeoutError("too many look-ups of names hang")
    told: queue.SimpleQueue[list[Any] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            told.put(_addresses(host, port))
        except Exception as error:
            told.put(error.with_traceback(None))
        finally:
            slots.release()

    try:
        threading.Thread(target=ask, name="rehive-look-up", daemon=True).start()
    except RuntimeError:
        slots.release()
        raise OSError("no thread is left to look up a name") from None
    found: list[Any] | Exception = TimeoutError("the name was not looked up in time")
    with contextlib.suppress(queue.Empty):
        found = told.get(timeout=due.left())
    if isinstance(found, Exception):
        raise found
    return found


def _is_address(host: str) -> bool:
    """Whether there is nothing to look up, for which nobody is asked and no thread is needed."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _addresses(host: str, port: int) -> list[Any]:
    try:
        return socket.getaddrinfo(host, port, allowed_gai_family(), socket.SOCK_STREAM)
    except UnicodeError:  # a part of the name is empty or too long
        raise socket.gaierror(socket.EAI_NONAME, "no name of a host") from None

"""What may hold a call back: a client knows nothing of budgets and outages, only that it must ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import urlsplit


class Gate(Protocol):
    """What every call of a client goes through. An outcome is an answer's JSON or a ``RehiveError``, which
    is returned and never raised."""

    def patiently(self, ask: Callable[[], Any]) -> Any:
        """The outcome of ``ask``, which may be called late, and again after it was ``Throttled``."""

    def through(self, method: str, url: str, send: Callable[[], Any]) -> Any:
        """The outcome of ``send``, which makes one exchange with the host of ``url``; or another one,
        where nothing may be sent now."""


class OpenGate:
    """Holds nothing back."""

    def patiently(self, ask: Callable[[], Any]) -> Any:
        return ask()

    def through(self, method: str, url: str, send: Callable[[], Any]) -> Any:
        return send()


_WORDS = frozenset(
    [
        "manager",
        "businesses",
        "invoices",
        "transactions",
        "refunds",
        "payouts",
        "user",
        "webhooks",
        "requests",
    ]
)


def route(url: str) -> str:
    """The path of ``url`` as Rehive documents it, with ``{id}`` for each id, without the service's base."""
    path = urlsplit(url).path.strip("/").split("/")
    start = next((place for place, word in enumerate(path) if word in _WORDS), len(path))
    # Only words that are known are shown: whatever else stands there may be an id, or a secret.
    return "".join(f"/{word if word in _WORDS else '{id}'}" for word in path[start:]) + "/"

"""Numbers for operators: what a process counts and times, kept for Prometheus where ``prometheus_client`` is
installed (extra ``[metrics]``), and nowhere else. What stands open at a moment is not counted but read
from the database when somebody asks (collecting.py).

Labels have few values: never a number of an order, an id or an address.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from oscar_rehive.logs import Log

logger = Log(__name__)

PREFIX = "oscar_rehive_"


@dataclass(frozen=True)
class Count:
    """How often something happened; ``means`` says what, and what its ``labels`` tell apart."""

    means: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Time(Count):
    """How long something took, in seconds, and how often it happened. ``bounds`` are those of the
    histogram's buckets."""

    bounds: tuple[float, ...] = (0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 8, 15)


KINDS: dict[str, Count] = {
    "deliveries": Count(
        "Webhook calls: stored, unusable, or refused for lack of the secret", ("outcome",)
    ),
    "delivery_seconds": Time(
        "From a delivery's arrival until it was done, unusable, or tried in vain and still new",
        ("outcome",),
        (1, 3, 10, 30, 60, 300, 900, 3600, 14_400, 86_400),
    ),
    "requests": Count(
        "Calls to Rehive, by the business's currency and what Rehive answered",
        ("currency", "answer"),
    ),
    "request_seconds": Time("How long these calls took", ("currency",)),
    "requests_held_back": Count("Calls that were not made, for Rehive was known to be down"),
    "settle_seconds": Time(
        "Asking about an invoice and settling the answer, by who wanted to know", ("source",)
    ),
    "answers": Count(
        "Answers about invoices: news, nothing new, doubted, or overtaken by another", ("worth",)
    ),
    "payments": Count(
        "Payments of orders that ended: paid, or closed without payment", ("outcome",)
    ),
    "confirmations": Count("Order confirmations: sent, or failed and still due", ("outcome",)),
    "reconcile_seconds": Time(
        "How long runs of reconcile took", bounds=(1, 3, 10, 30, 60, 120, 300, 600, 1800)
    ),
}
"""All numbers, by their names without ``PREFIX``."""

_kept: dict[str, Any] = {}

ARE_KEPT = False

try:
    from prometheus_client import Counter, Histogram
except ImportError:
    pass
else:
    try:
        for name, kind in KINDS.items():
            _kept[name] = (
                Histogram(PREFIX + name, kind.means, kind.labels, buckets=kind.bounds)
                if isinstance(kind, Time)
                else Counter(PREFIX + name, kind.means, kind.labels)
            )
        ARE_KEPT = True
    except OSError as error:
        # Where processes count in files together: /run, say, is empty after each start of the machine, and
        # no shop stands still for that.
        logger.error("No numbers are kept; see to PROMETHEUS_MULTIPROC_DIR: %s", error)


def count(name: str, **labels: str) -> None:
    """Count one more of ``name``, one of ``KINDS``, with the labels that it has there."""
    _note(name, "inc", 1, labels)


def took(name: str, seconds: float, **labels: str) -> None:
    """Note that one of ``name``, a ``Time``, took ``seconds``: none, where clocks say less."""
    _note(name, "observe", max(seconds, 0.0), labels)


@contextlib.contextmanager
def timing(name: str, **labels: str) -> Iterator[None]:
    """Note how long the block took, also where it raises. As a decorator: each call."""
    begun = perf_counter()
    try:
        yield
    finally:
        took(name, perf_counter() - begun, **labels)


def _note(name: str, do: str, much: float, labels: dict[str, str]) -> None:
    if not ARE_KEPT:
        return
    try:
        kept = _kept[name]
        getattr(kept.labels(**labels) if labels else kept, do)(much)
    except Exception:  # a full disk, where processes count in files together
        logger.exception("%s could not be counted", name)  # no payment fails for that

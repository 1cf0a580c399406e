"""Faults that can be switched on at run time, to see what the shop makes of them.

The JSON of ``PUT /simulator/faults/`` maps names to values, and replaces all that was set before
(``{}`` ends every fault). A value is short or long::

    {"latency_ms": 300, "lose_answer": true}
    {"lose_answer": {"value": true, "methods": ["POST"], "times": 1}}

``methods`` restricts an API fault to these HTTP methods; after ``times`` uses a fault ends by
itself. ``false``, ``null`` and 0 mean off. Faults of the API, never of the pages:

``latency_ms``      wait this long before answering (``true``: 1000)
``throttle``        429 with ``Retry-After`` of this many seconds (``true``: 3); nothing is done
``calls_per_minute``  the same for what goes beyond so many calls in 60 seconds (``true``: 200)
``error_status``    answer with this 5xx status (``true``: 500); nothing is done
``html``            an HTML page with this status instead of JSON (``true``: 502); nothing is done
``lose_answer``     do the work, then drop the connection without an answer
``drip_ms``         wait this long before every single byte of the answer (``true``: 20)

Faults of webhook deliveries; ``times`` counts deliveries:

``webhook_double``     send twice, with the same id
``webhook_delay_ms``   send this much later (``true``: 10000)
``webhook_reorder``    let the next delivery to the same webhook overtake (waits 30 s at most)
``webhook_drop``       never send
``webhook_hold``       keep back until ``POST /simulator/deliveries/flush/``
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from .errors import RehiveError

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Kind:
    """A kind of fault: the value that ``true`` stands for, and the range of others."""

    default: int
    least: int = 1
    most: int = 1

    @property
    def is_switch(self) -> bool:
        """Whether it has no other value than on and off."""
        return self.most == 1


API_FAULTS = {
    "latency_ms": Kind(1000, 1, 600_000),
    "throttle": Kind(3, 1, 86_400),
    "calls_per_minute": Kind(200, 1, 1_000_000),
    "error_status": Kind(500, 500, 599),
    "html": Kind(502, 200, 599),
    "lose_answer": Kind(1),
    "drip_ms": Kind(20, 1, 60_000),
}
WEBHOOK_FAULTS = {
    "webhook_double": Kind(1),
    "webhook_delay_ms": Kind(10_000, 1, 86_400_000),
    "webhook_reorder": Kind(1),
    "webhook_drop": Kind(1),
    "webhook_hold": Kind(1),
}
KINDS = API_FAULTS | WEBHOOK_FAULTS


@dataclass
class Fault:
    """A fault that is on. ``methods`` None: all; ``times`` None: until switched off."""

    value: int
    methods: tuple[str, ...] | None = None
    times: int | None = None


class Faults:
    """The faults that are on. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._active: dict[str, Fault] = {}

    def set(self, wanted: Any) -> None:
        """Replace all faults by these (the JSON above); a 400 ``RehiveError`` if it is wrong."""
        if not isinstance(wanted, dict):
            raise RehiveError(400, "Faults must be an object of names and values.")
        active = {name: _fault(name, value) for name, value in wanted.items()}
        with self._lock:
            self._active = {name: fault for name, fault in active.items() if fault is not None}

    def take(self, name: str, method: str | None = None) -> int | None:
        """The value of a fault that applies now, using it up by one; None if it does not apply."""
        with self._lock:
            fault = self._active.get(name)
            if fault is None or (fault.methods is not None and method not in fault.methods):
                return None
            if fault.times is not None:
                fault.times -= 1
                if fault.times == 0:
                    del self._active[name]
            return fault.value

    def wire(self) -> dict[str, Any]:
        """The faults that are on, in the long form, with the uses that are left."""
        with self._lock:
            return {name: _wire(name, fault) for name, fault in self._active.items()}


def _wire(name: str, fault: Fault) -> dict[str, Any]:
    options: dict[str, Any] = {"value": True if KINDS[name].is_switch else fault.value}
    if fault.methods is not None:
        options["methods"] = list(fault.methods)
    if fault.times is not None:
        options["times"] = fault.times
    return options


def _fault(name: str, wanted: Any) -> Fault | None:
    kind = KINDS.get(name)
    if kind is None:
        raise RehiveError(400, f"Unknown fault {name!r}. Known: {', '.join(KINDS)}.")
    options = wanted if isinstance(wanted, dict) else {"value": wanted}
    known = ("value", "methods", "times") if name in API_FAULTS else ("value", "times")
    for option in options:
        if option not in known:
            raise RehiveError(400, f"{name}: unknown key {option!r}. Known: {', '.join(known)}.")
    value = options.get("value", True)
    if value is None or value is False or (_is_integer(value) and value == 0):
        return None
    if value is True:
        value = kind.default
    if not _is_integer(value) or not kind.least <= value <= kind.most:
        wants = "true" if kind.is_switch else f"a whole number from {kind.least} to {kind.most}"
        raise RehiveError(400, f"{name}: the value must be {wants}, or false.")
    return Fault(value, _methods(name, options.get("methods")), _times(name, options.get("times")))


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _methods(name: str, methods: Any) -> tuple[str, ...] | None:
    if methods is None:
        return None
    if not isinstance(methods, list) or not methods or any(m not in METHODS for m in methods):
        raise RehiveError(400, f"{name}: methods must be a list out of {', '.join(METHODS)}.")
    return tuple(methods)


def _times(name: str, times: Any) -> int | None:
    if times is None:
        return None
    if not _is_integer(times) or times < 1:
        raise RehiveError(400, f"{name}: times must be a whole number of 1 or more.")
    return int(times)

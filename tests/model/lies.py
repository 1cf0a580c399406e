"""How Rehive's answers about an invoice can be wrong without any fault of the network: hosts whose clocks
disagree, and a copy that lags behind.

Both can be told apart from the truth in the end (design.md, "Which answer is newer"): a clock is off by a
minute at the most, and a copy tells only what was true less than two minutes ago.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

Json = dict[str, Any]

SKEW = 60
"""Seconds by which a host's clock is off at the most, to either side."""

LAG_MS = 119_000
"""A copy that lags tells nothing that has been overtaken for longer than this."""


class Lies:
    """What becomes of the invoices in an answer of Rehive's on its way to the shop."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._states: dict[str, list[tuple[int, Json]]] = {}
        """Of each invoice all states there were, and when each began (milliseconds)."""
        self._clocks = itertools.cycle([0])
        self._lagging = 0
        self._steps = 1
        self._until = 0

    def hosts(self, offsets: Iterable[int]) -> None:
        """Each answer comes from the next of Rehive's hosts, whose clocks are off by these seconds."""
        self._clocks = itertools.cycle(list(offsets) or [0])

    def lag(self, answers: int, steps: int) -> None:
        """The next ``answers`` come from a copy that is up to ``steps`` states behind."""
        self._lagging, self._steps, self._until = answers, steps, self._now() + LAG_MS

    def end(self) -> None:
        """From now on Rehive tells what is."""
        self._clocks, self._lagging = itertools.cycle([0]), 0

    def note(self, invoice: Json) -> None:
        """Remember the state in which ``invoice`` is."""
        states = self._states.setdefault(invoice["id"], [])
        if not states or states[-1][1]["updated"] != invoice["updated"]:
            states.append((self._now(), deepcopy(invoice)))

    def told(self, data: bytes) -> bytes:
        """The answer ``data`` as it arrives."""
        payload = json.loads(data)
        content = payload.get("data")
        if not isinstance(content, dict):
            return data
        found = content.get("results") if "results" in content else [content]
        invoices = [one for one in found if isinstance(one, dict) and "request_amount" in one]
        if not invoices:
            return data
        older = [self._older(invoice["id"]) for invoice in invoices]
        if any(older) and self._lagging > 0 and self._now() < self._until:
            self._lagging -= 1
            for invoice, before in zip(invoices, older, strict=True):
                invoice.update(before)
        else:
            skew = next(self._clocks) * 1000
            for invoice in invoices:
                invoice["updated"] += skew
        return json.dumps(payload).encode()

    def _older(self, remote_id: str) -> Json:
        """A state that was overtaken a moment ago, or nothing."""
        states = self._states.get(remote_id, [])
        overtaken = [
            state
            for (_, state), (later, _) in itertools.pairwise(states)
            if self._now() - later < LAG_MS
        ]
        return deepcopy(overtaken[-self._steps :][0]) if overtaken else {}

"""What placing an order costs beside the same in a shop without the plugin, with Oscar's own checkout.

Each of the two shops is a process of its own, and they place orders in turns. No mails: Oscar sends its
confirmation here, the plugin when the order is paid.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from benchmarks.rows import Row, at_most, ratio
from benchmarks.shop import ROOT, Shop
from oscar_rehive.simulator.process import SimulatorProcess

TITLE = "Placing an order, beside Oscar's own"


@dataclass(frozen=True)
class Sizes:
    rounds: int
    orders_a_round: int


FULL = Sizes(rounds=30, orders_a_round=10)
QUICK = Sizes(rounds=8, orders_a_round=4)


def measure(sizes: Sizes, shop: Shop) -> list[Row]:
    shop.set_up_django()
    from benchmarks.placing_orders import make_goods

    make_goods()
    with shop.rehive() as rehive, _Placer(shop, rehive, "oscar") as oscar:
        with _Placer(shop, rehive, "rehive") as ours:
            for placer in (oscar, ours):
                placer.place(sizes.orders_a_round)  # to warm it up
            calls_before, rounds = len(rehive.requests()), []
            for _ in range(sizes.rounds):
                theirs, told = oscar.place(sizes.orders_a_round), ours.place(sizes.orders_a_round)
                rounds.append((told, theirs))
        calls = len(rehive.requests()) - calls_before
    more = rounds[0][0]["statements"] - rounds[0][1]["statements"]
    cpu = statistics.median(ratio(told["cpu"], theirs["cpu"]) for told, theirs in rounds)
    return [
        at_most("statements more than Oscar's own", more, 5),
        at_most("CPU more than Oscar's own", 100 * (cpu - 1), 5, "%"),
        at_most("calls to Rehive inside", calls, 0),
    ]


class _Placer:
    """A process that places orders; ``checkout`` says whose checkout it has."""

    def __init__(self, shop: Shop, rehive: SimulatorProcess, checkout: str) -> None:
        settings = {"DJANGO_SETTINGS_MODULE": f"benchmarks.settings_of_{checkout}"}
        self._log = shop.folder / f"placer-{checkout}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.placing_orders", checkout],
                cwd=ROOT,
                env=shop.environment(rehive, **settings),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def __enter__(self) -> _Placer:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def place(self, count: int) -> dict[str, Any]:
        """``cpu``: the seconds of an order, ``statements``: those of the last."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{count}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(self._log.read_text()[-5000:])
        told: dict[str, Any] = json.loads(line)
        return told

"""How many deliveries the webhook acknowledges, and at what cost, beside a bare view.

The deliveries tell of nothing new. With a queue the workers are told of each behind its answer, and do not
run: their work is not the webhook's. Without one the shop asks Rehive behind its answers, about as many as
find room there. The CPU of what is done behind the answers is counted as the webhook's.
"""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta

from benchmarks.filling import Wanted, fill
from benchmarks.load import delivery, send
from benchmarks.rows import Row, at_least, at_most, percentile, ratio, written
from benchmarks.serving import Server, eventually, served
from benchmarks.shop import Shop

TITLE = "Webhook, 2.5 kB a delivery, Rehive 50 ms away"
BODY_BYTES = 2500
QUEUED, WEBHOOK = "with a queue", "without a queue"
ALONE, INSIDE = "bare view", "bare view in the shop's middleware"
MOST_CPU = {QUEUED: 1.4, WEBHOOK: 3}
LEAST_ACKNOWLEDGED = 0.75
"""With a queue. Without one the same two cores do the work as well."""


@dataclass(frozen=True)
class Sizes:
    seconds: float
    rounds: int
    invoices: int
    connections: tuple[int, ...] = (1, 8, 32)


FULL = Sizes(seconds=8, rounds=3, invoices=200)
QUICK = Sizes(seconds=2, rounds=1, invoices=40)


@dataclass
class Seen:
    per_second: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def measure(sizes: Sizes, shop: Shop) -> list[Row]:
    shop.set_up_django()
    from django.utils import timezone

    from benchmarks.bare import PATH, make_table

    now = timezone.now()
    settled = Wanted(now - timedelta(hours=5), settled=True)
    state = fill(sizes.invoices, lambda nth: settled)
    make_table()
    invoices = [record.invoice for record in state.records.values()]
    to_shop = [delivery("/rehive/webhook/", one, BODY_BYTES) for one in invoices]
    to_bare = [delivery(PATH, one, BODY_BYTES) for one in invoices]
    bare = {"BENCHMARK_URLS": "benchmarks.bare"}
    with shop.rehive(state) as rehive, ExitStack() as stack:
        rehive.faults(latency_ms=50)

        def start(**more: str) -> Server:
            return stack.enter_context(served(shop, rehive, **more))

        servers = {
            QUEUED: (start(BENCHMARK_QUEUE="1"), to_shop),
            WEBHOOK: (start(), to_shop),
            INSIDE: (start(**bare), to_bare),
            ALONE: (start(**bare, BENCHMARK_MIDDLEWARE="none"), to_bare),
        }
        for server, messages in servers.values():
            server.warm_up(messages[0])
        rows = []
        for connections in sizes.connections:
            seen = {name: Seen() for name in servers}
            for _ in range(sizes.rounds):
                for name, (server, messages) in servers.items():
                    _load(server, messages, connections, sizes.seconds, seen[name])
            for name in (QUEUED, WEBHOOK):
                rows += _rows(name, connections, seen)
    return rows


def _load(
    server: Server, messages: list[bytes], connections: int, seconds: float, seen: Seen
) -> None:
    before = server.cpu_seconds()
    told = send(server.port, messages, connections=connections, seconds=seconds)
    if told.refused:
        raise AssertionError(f"{told.refused} of {len(told.latencies)} were not acknowledged")
    eventually(server.is_quiet)
    seen.per_second.append(told.per_second)
    seen.p99.append(percentile(told.latencies, 99))
    seen.cpu.append((server.cpu_seconds() - before) / len(told.latencies))


def _rows(ours: str, connections: int, seen: dict[str, Seen]) -> list[Row]:
    def beside(name: str, figure: str) -> float:
        """The median of the rounds: each has measured both, one after the other."""
        pairs = zip(getattr(seen[ours], figure), getattr(seen[name], figure), strict=True)
        return statistics.median(ratio(one, other) for one, other in pairs)

    where = f"{ours}, {connections} connection{'s'[: connections != 1]}"
    told, acknowledged = f"{where}: acknowledged / {INSIDE}", beside(INSIDE, "per_second")
    return [
        at_least(told, acknowledged, LEAST_ACKNOWLEDGED, "×")
        if ours == QUEUED
        else Row(told, written(acknowledged, "×")),
        at_most(f"{where}: CPU / {INSIDE}", beside(INSIDE, "cpu"), MOST_CPU[ours], "×"),
        Row(f"{where}: p99 / {INSIDE}", written(beside(INSIDE, "p99"), "×")),
        Row(
            f"{where}: acknowledged, CPU, p99 / {ALONE}",
            ", ".join(written(beside(ALONE, one), "×") for one in ("per_second", "cpu", "p99")),
        ),
    ]

"""What the plugin adds to the start of a shop's process: until its first page could be served."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.rows import Row, at_most, ratio, written
from benchmarks.shop import ROOT, Shop

TITLE = "Starting a shop's process"
FILE = "BENCHMARK_SETTINGS_FILE"
START = """
import json, time
began = time.perf_counter(), time.process_time()
import django
django.setup()
from django.core.handlers.wsgi import WSGIHandler
WSGIHandler()
from django.urls import get_resolver
get_resolver().url_patterns
print(json.dumps([time.perf_counter() - began[0], time.process_time() - began[1]]))
"""


@dataclass(frozen=True)
class Sizes:
    rounds: int


FULL = Sizes(rounds=25)
QUICK = Sizes(rounds=7)


def measure(sizes: Sizes, shop: Shop) -> list[Row]:
    times: dict[str, list[tuple[float, float]]] = {"oscar": [], "rehive": []}
    for whose in times:
        _freeze(shop, whose)
        _start(shop, whose)  # compiles, and warms the disk's cache up
    for _ in range(sizes.rounds):
        for whose, seen in times.items():
            seen.append(_start(shop, whose))
    # Each pair was started one right after the other, whatever else the machine did.
    pairs = list(zip(times["rehive"], times["oscar"], strict=True))
    added = median(ours[0] - theirs[0] for ours, theirs in pairs)
    more = median(ratio(ours[1], theirs[1]) for ours, theirs in pairs) - 1
    return [
        at_most("what the plugin adds", 1000 * added, 50, "ms"),
        Row("CPU more than without it", written(100 * more, "%")),
    ]


def _freeze(shop: Shop, whose: str) -> None:
    """Keep the settings in a file: the sandbox's own module uses the plugin, and would load a part of it
    in the shop without as well."""
    code = (
        "import pickle, sys; from importlib import import_module;"
        f"found = import_module('benchmarks.settings_of_{whose}');"
        "kept = {key: value for key, value in vars(found).items() if key.isupper()};"
        "pickle.dump(kept, sys.stdout.buffer)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=shop.environment(),
        stdout=subprocess.PIPE,
        check=True,
    )
    _file(shop, whose).write_bytes(done.stdout)


def _file(shop: Shop, whose: str) -> Path:
    return shop.folder / f"settings-of-{whose}"


def _start(shop: Shop, whose: str) -> tuple[float, float]:
    environment = shop.environment(
        DJANGO_SETTINGS_MODULE="benchmarks.frozen_settings",
        # Compiled once for all of them, wherever one is kept from writing beside the sources.
        PYTHONDONTWRITEBYTECODE="",
        PYTHONPYCACHEPREFIX=str(shop.folder / "compiled"),
        **{FILE: str(_file(shop, whose))},
    )
    done = subprocess.run(
        [sys.executable, "-c", START],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
    )
    seconds, cpu = json.loads(done.stdout)
    return seconds, cpu

"""One benchmark, in a process of its own: ``python -m benchmarks.one <name> [--quick]``. The last line of
its output is what it has measured, as JSON. ``DATABASE_URL`` is the server with the template."""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module

from benchmarks.shop import shop_of_its_own


def main(name: str, *options: str) -> None:
    benchmark = import_module(f"benchmarks.{name}")
    sizes = benchmark.QUICK if "--quick" in options else benchmark.FULL
    with shop_of_its_own(os.environ["DATABASE_URL"]) as shop:
        rows = benchmark.measure(sizes, shop)
    print(json.dumps({"title": benchmark.TITLE, "rows": [row.as_json() for row in rows]}))


if __name__ == "__main__":
    main(*sys.argv[1:])

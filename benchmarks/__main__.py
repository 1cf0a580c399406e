"""``python -m benchmarks [names] [--quick]``: runs the benchmarks and writes their table into README.md,
where all of them were run; of some of them it prints the table only."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.machine import description
from benchmarks.rows import Row, put_between_marks, table
from benchmarks.shop import ROOT, make_template
from tests.with_postgres import postgres

NAMES = (
    "webhook",
    "settling",
    "placing",
    "open_invoices",
    "waiting_deliveries",
    "flash_sale",
    "desk",
    "start",
)
README = Path(__file__).with_name("README.md")


def main() -> int:
    """Returns the exit code: 1 where a benchmark could not be run. A missed aim is no fault of the run."""
    parser = _parser()
    given = parser.parse_args()
    if unknown := set(given.names) - set(NAMES):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    sections: list[tuple[str, list[Row]]] = []
    failed = False
    with postgres() as server_url:
        make_template(server_url)
        machine = description(server_url)
        for name in given.names or NAMES:
            print(f"{name} …", file=sys.stderr, flush=True)
            told = _run(name, given.quick, server_url)
            failed = failed or told is None
            if told is not None:
                title, rows = told
                sections.append((title, rows))
                print(table([(title, rows)]), flush=True)
    if failed or given.names:
        return int(failed)
    sizes = "small sizes (--quick)" if given.quick else "full sizes"
    figures = f"{machine}; {sizes}\n\n{table(sections)}"
    README.write_text(put_between_marks(README.read_text(), figures))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Run all benchmarks and write their table into benchmarks/README.md; or some of them, and"
        ' only print it. With make: make bench ARGS="--quick webhook".',
    )
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(NAMES))
    parser.add_argument("--quick", action="store_true", help="small sizes, in a few minutes")
    return parser


def _run(name: str, quick: bool, server_url: str) -> tuple[str, list[Row]] | None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.one", name, *(["--quick"] if quick else [])],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": server_url, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        print(f"{name} has failed.", file=sys.stderr)
        return None
    told = json.loads(done.stdout.splitlines()[-1])
    return told["title"], [Row(**row) for row in told["rows"]]


if __name__ == "__main__":
    sys.exit(main())

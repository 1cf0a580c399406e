"""Draws small changes of ``payments/`` and ``shop/`` at random, and shows which of them no test notices::

    python -m tests.mutants              # part of "make test-long"
    python -m tests.mutants opening      # those of files whose path contains "opening"

What a change is stands in ``tests/mutators.py``. Only the tests that run a changed line are started, and
only until the first of them fails; what they all survive has a last try in the races on PostgreSQL. What
survives is not tested, or not needed. Works on copies of the tree, so that an interrupted run leaves
nothing behind. ``REHIVE_MUTANTS`` is how many are drawn, ``REHIVE_SEED`` draws others.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from zlib import crc32

import coverage
import pytest

from tests.guards import ROOT
from tests.mutations import TESTS_PASSED, copy_tree
from tests.mutators import Mutant, mutants_of

NUMBER = int(os.environ.get("REHIVE_MUTANTS", "100"))
SEED = int(os.environ.get("REHIVE_SEED", "7"))
ENOUGH = 0.96
AT_ONCE = 2
SECONDS = 1800
"""Much more than all tests take together: what loops for ever is noticed."""

FOLDERS = ("oscar_rehive/payments", "oscar_rehive/shop")
TESTS = (
    *("tests/payments", "tests/shop", "tests/test_signals.py", "tests/peer_bugs"),
    *("tests/management", "tests/test_models.py", "tests/test_webhook_work.py"),
    *("tests/test_webhooks.py", "tests/dashboard", "tests/test_views.py", "tests/checkout"),
    *("tests/test_quota.py", "tests/test_error_reports.py"),
)
RACES = ("tests/race",)
RECORD, RECORD_OF_SECONDS = "tests-of-lines.sqlite", "seconds-of-tests.json"


class Recorder:
    """A plugin of pytest that notes which tests run which lines, and how long they take."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.coverage = coverage.Coverage(RECORD, include=[f"{folder}/*" for folder in FOLDERS])

    def pytest_sessionstart(self) -> None:
        self.coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.coverage.switch_context(item.nodeid)
        begun = time.monotonic()
        answer = yield
        self.seconds[item.nodeid] = time.monotonic() - begun
        return answer

    def pytest_sessionfinish(self) -> None:
        self.coverage.stop()
        self.coverage.save()
        Path(RECORD_OF_SECONDS).write_text(json.dumps(self.seconds))


def pytest_configure(config: pytest.Config) -> None:
    """This module is the plugin's as well."""
    config.pluginmanager.register(Recorder())


class Trees:
    """Copies of the tree, one for each run at a time, and which tests run which lines."""

    def __init__(self, folder: Path) -> None:
        self.free: SimpleQueue[Path] = SimpleQueue()
        for number in range(AT_ONCE):
            self.free.put(copy_tree(folder / str(number)))
        self.first = folder / "0" / "tree"
        complaint = complaint_of(self.first, "-p", "tests.mutants", *TESTS) or race(self.first)
        if complaint:
            raise SystemExit(f"The tests fail without any change:\n{complaint}")
        self.record = coverage.CoverageData(str(self.first / RECORD))
        self.record.read()
        self.seconds = json.loads((self.first / RECORD_OF_SECONDS).read_text())

    def tests_of(self, mutant: Mutant) -> list[str]:
        """Those that run its lines: first those that are named after its file, and the quickest."""
        by_line = self.record.contexts_by_lineno(str(self.first / mutant.file))
        found = {test for line in mutant.lines for test in by_line.get(line, ()) if test}
        named = f"test_{Path(mutant.file).stem}.py"
        return sorted(found, key=lambda test: (named not in test, self.seconds[test], test))

    def survives(self, mutant: Mutant) -> bool:
        """Whether all tests pass with the change."""
        tests, tree = self.tests_of(mutant), self.free.get()
        file = tree / mutant.file
        before = file.read_text()
        try:
            file.write_text(after := mutant.source())
            # Else the bytecode of another one of the same second and size would be run.
            os.utime(file, (stamp := crc32(after.encode()), stamp))
            (tree / "tests.txt").write_text("\n".join(tests))
            return not (tests and complaint_of(tree, "@tests.txt")) and not race(tree)
        finally:
            file.write_text(before)
            self.free.put(tree)


def complaint_of(tree: Path, *arguments: str, runner: Sequence[str] = ("pytest",)) -> str:
    """What pytest finds wrong in ``tree``, or nothing."""
    command = [sys.executable, "-m", *runner, "-x", "-p", "no:cacheprovider", *arguments]
    try:
        done = subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return "It takes too long."
    said = f"{done.stdout[-3000:]}{done.stderr[-3000:]}"
    if done.returncode < 0 or "ERROR: not found:" in said:
        # Killed by somebody, or of tests that do not exist: that would count as having noticed.
        raise RuntimeError(f"The tests did not run: {said}")
    return "" if done.returncode == TESTS_PASSED else said or "It fails."


def race(tree: Path) -> str:
    """The same for what only several processes on PostgreSQL can notice."""
    return complaint_of(tree, "-m", "postgres", *RACES, runner=("tests.with_postgres", "pytest"))


def main(wanted: list[str]) -> int:
    """Try so many changes of files whose path contains one of ``wanted``; 1 if too few are noticed."""
    files = (str(file.relative_to(ROOT)) for name in FOLDERS for file in (ROOT / name).glob("*.py"))
    chosen = [file for file in files if not wanted or any(word in file for word in wanted)]
    every = [mutant for file in sorted(chosen) for mutant in mutants_of(ROOT, file)]
    drawn = random.Random(SEED).sample(every, min(NUMBER, len(every)))
    survivors = 0
    with tempfile.TemporaryDirectory(prefix="rehive-mutants-") as folder:
        trees = Trees(Path(folder))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for mutant, survived in zip(drawn, pool.map(trees.survives, drawn), strict=True):
                survivors += survived
                if survived:
                    how = "all tests pass" if trees.tests_of(mutant) else "no test runs it"
                    print(f"SURVIVED: {how}\n{mutant.diff()}\n", flush=True)
    share = 1 - survivors / len(drawn)
    print(f"{share:.0%} of {len(drawn)} noticed, drawn from {len(every)}")
    return int(share < ENOUGH)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

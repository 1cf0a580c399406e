"""Takes out each guard of the service in turn and shows that a test notices::

    python -m tests.mutations            # all of them; part of "make test-long"
    python -m tests.mutations lock       # those whose name contains "lock"

A guard without which every test still passes is either dead code or untested. Works on a copy of the
tree, so that an interrupted run leaves nothing behind.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.guards import MUTATIONS, ROOT, Mutation

TESTS_PASSED, TESTS_FAILED = 0, 1
NOT_COPIED = shutil.ignore_patterns(".git", ".venv", "var", ".*_cache", "*.egg-info")


def copy_tree(folder: Path) -> Path:
    """A copy of the project in ``folder``, to be changed at will."""
    return Path(shutil.copytree(ROOT, folder / "tree", ignore=NOT_COPIED))


def survives(mutation: Mutation) -> bool:
    """Whether the tests still pass without the guard."""
    with tempfile.TemporaryDirectory(prefix="rehive-mutation-") as folder:
        tree = copy_tree(Path(folder))
        (tree / mutation.file).write_text(mutation.applied())
        pytest = ["pytest", "-x", "-q", "-p", "no:cacheprovider", *mutation.tests]
        if mutation.postgres:
            pytest = ["tests.with_postgres", *pytest, "-m", "postgres"]
        done = subprocess.run(
            [sys.executable, "-m", *pytest], cwd=tree, capture_output=True, text=True
        )
        if done.returncode not in (TESTS_PASSED, TESTS_FAILED):
            # Tests that no longer exist would count as having noticed.
            raise RuntimeError(f"The tests did not run: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.returncode == TESTS_PASSED


def main(wanted: list[str]) -> int:
    """Try the mutations whose name contains one of ``wanted``; returns the number of survivors."""
    survivors = 0
    for mutation in MUTATIONS:
        if wanted and not any(word in mutation.name for word in wanted):
            continue
        survived = survives(mutation)
        survivors += survived
        print(f"{'SURVIVED' if survived else 'noticed '}  {mutation.name}", flush=True)
    print(f"{survivors} survived")
    return survivors


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1:])))

"""Numbers and spans are optional: without what keeps them everything else is as it was."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import oscar_rehive

ROOT = Path(oscar_rehive.__file__).parent.parent


def test_payments_are_settled_without_prometheus_and_opentelemetry() -> None:
    tests = ["tests/payments/test_statements.py", "tests/payments/test_breaker.py"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.without_extras", "-p", "no:xdist", *tests],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " passed" in ran.stdout


def test_a_folder_for_numbers_that_is_gone_stops_no_shop(tmp_path: Path) -> None:
    """As ``/run`` is empty after each start of the machine."""
    script = "from oscar_rehive import numbers; numbers.count('requests_held_back'); print(numbers.ARE_KEPT)"
    ran = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "gone")},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (ran.returncode, ran.stdout) == (0, "False\n"), ran.stderr
    assert "see to PROMETHEUS_MULTIPROC_DIR" in ran.stderr


def test_nothing_else_imports_them() -> None:
    importing = {
        file.name
        for file in ROOT.joinpath("oscar_rehive").rglob("*.py")
        if "from prometheus_client" in (text := file.read_text()) or "from opentelemetry" in text
    }

    assert importing == {"numbers.py", "collecting.py", "tracing.py"}

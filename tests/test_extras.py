"""Numbers and spans are optional: without what keeps them everything else is as it was."""

from __future__ import annotations

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


def test_nothing_else_imports_them() -> None:
    importing = {
        file.name
        for file in ROOT.joinpath("oscar_rehive").rglob("*.py")
        if "from prometheus_client" in (text := file.read_text()) or "from opentelemetry" in text
    }

    assert importing == {"numbers.py", "collecting.py", "tracing.py"}

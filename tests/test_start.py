"""What a shop's process loads before it serves its first page."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import oscar_rehive

ROOT = Path(oscar_rehive.__file__).parent.parent

START = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
import django
django.setup()
from django.urls import get_resolver
get_resolver().url_patterns
for name in ("payments.gateway", "checkup", "dashboard.health", "dashboard.payments"):
    print(f"oscar_rehive.{name}" in sys.modules)
print("requests" in sys.modules)
"""


def test_what_most_processes_never_need_is_loaded_when_somebody_does() -> None:
    """What calls Rehive takes as long as half of the plugin, the checks and the desk as a third."""
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", START],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert ran.stdout.split() == ["True", *["False"] * 4], ran.stdout + ran.stderr

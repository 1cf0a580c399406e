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
print("oscar_rehive.payments.gateway" in sys.modules, "requests" in sys.modules)
"""


def test_what_calls_rehive_is_loaded_with_the_first_call() -> None:
    """It takes as long as half of the plugin."""
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", START],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert ran.stdout.split() == ["True", "False"], ran.stdout + ran.stderr

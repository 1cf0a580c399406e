"""What a run was made on. No name of it, and no path."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timezone
from pathlib import Path

CPU = Path("/proc/cpuinfo")


def description(database_url: str) -> str:
    """The machine and the versions that matter, and the day."""
    import django
    import psycopg

    with psycopg.connect(database_url) as connection:
        version = connection.info.server_version
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{_cpu()}, {os.cpu_count()} cores, {memory:.0f} GB, {platform.system()};"
        f" Python {platform.python_version()}, Django {django.__version__},"
        f" PostgreSQL {version // 10_000}.{version % 10_000};"
        f" {datetime.now(timezone.utc):%Y-%m-%d}"
    )


def _cpu() -> str:
    if CPU.exists():
        for line in CPU.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()

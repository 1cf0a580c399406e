"""Isolation levels."""

from __future__ import annotations

from typing import Any

from psycopg import IsolationLevel


def options_of(level: IsolationLevel) -> dict[str, Any]:
    """The ``OPTIONS`` of a database whose every statement has that level: of transactions, as Django's
    own option says, and of statements by themselves, as the server may have been told."""
    words = level.name.replace("_", "\\ ").lower()
    return {
        "isolation_level": level,
        "options": f"-c default_transaction_isolation={words}",
    }

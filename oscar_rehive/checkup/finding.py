"""What a check has found: plain words, for a terminal, a page or a monitor."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """How bad it is."""

    GOOD = "good"
    WARNING = "warning"
    """Something must be done, and payments go on meanwhile."""
    ERROR = "error"
    """Orders cannot be paid, or what was paid is not noticed in time."""


@dataclass(frozen=True)
class Finding:
    """One thing that must fit. ``name`` is the same in each run, ``sentence`` tells how it is, and ``mend`` what
    to do where it is not good."""

    name: str
    severity: Severity
    sentence: str
    mend: str = ""

    @property
    def is_good(self) -> bool:
        """Whether nothing must be done."""
        return self.severity is Severity.GOOD


def good(name: str, sentence: str) -> Finding:
    """All is well."""
    return Finding(name, Severity.GOOD, sentence)


def warning(name: str, sentence: str, mend: str) -> Finding:
    """Something must be done."""
    return Finding(name, Severity.WARNING, sentence, mend)


def error(name: str, sentence: str, mend: str) -> Finding:
    """Something must be done before orders can be paid as they should."""
    return Finding(name, Severity.ERROR, sentence, mend)

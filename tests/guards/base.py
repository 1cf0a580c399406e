"""What a guard is, in the lists of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
QUICK = ("tests/payments", "tests/peer_bugs")


@dataclass(frozen=True)
class Mutation:
    """One guard: where it stands, what it is replaced by, which tests must notice."""

    name: str
    file: str
    guard: str
    without: str
    tests: tuple[str, ...] = QUICK
    postgres: bool = False

    def applied(self) -> str:
        """The source of the file without its guard."""
        return (ROOT / self.file).read_text().replace(self.guard, self.without)

"""What a run of reconcile did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from django.utils import timezone

from oscar_rehive.cleaning import without_secrets


@dataclass
class Summary:
    """What a run that began at ``begun`` (UTC) did. ``failures`` are things that another run must do again,
    as texts; ``attention`` is how many facts wait for a person, ``new_attention`` of how many of these
    no run has told before. ``newest_delivery`` is the key of the last delivery that had come by then.
    ``still_here`` is to be called by what
    takes long: others that run meanwhile know by it that it goes on. Of the ``spared`` businesses another
    run is reading the list."""

    begun: datetime = field(default_factory=timezone.now)
    newest_delivery: int = 0
    asked: int = 0
    paid: int = 0
    cancelled: int = 0
    mailed: int = 0
    attention: int = 0
    new_attention: int = 0
    failures: list[str] = field(default_factory=list)
    spared: set[str] = field(default_factory=set)
    still_here: Callable[[], None] = field(default=lambda: None, repr=False, compare=False)

    def __str__(self) -> str:
        return (
            f"{self.asked} looked at, {self.paid} paid, {self.cancelled} cancelled,"
            f" {self.mailed} mails sent, {len(self.failures)} failed;"
            f" {self.attention} need attention"
        )

    def fields(self) -> str:
        """The same for machines: names and numbers, with ``=`` between."""
        numbers = {
            "looked_at": self.asked,
            "paid": self.paid,
            "cancelled": self.cancelled,
            "mailed": self.mailed,
            "failed": len(self.failures),
            "attention": self.attention,
            "new_attention": self.new_attention,
        }
        return " ".join(f"{name}={number}" for name, number in numbers.items())

    def fails(self, what: str) -> None:
        """Note what another run must do again; whatever a shop's own code raises, no secret in it (P9)."""
        self.failures.append(without_secrets(what))

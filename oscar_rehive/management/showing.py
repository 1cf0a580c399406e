"""How the commands show what was found."""

from __future__ import annotations

from django.core.management.base import BaseCommand

from oscar_rehive.checkup import Finding


def show(command: BaseCommand, finding: Finding) -> None:
    """A line with a tick, or one with a cross and below it the way to mend it."""
    style = command.style
    if finding.is_good:
        command.stdout.write(style.SUCCESS(f"✓ {finding.sentence}"))
        return
    command.stdout.write(style.ERROR(f"✗ {finding.sentence}"))
    command.stdout.write(f"    {finding.mend}")

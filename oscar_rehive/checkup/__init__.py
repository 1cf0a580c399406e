"""One list of checks of the whole way between this shop and Rehive, for ``rehive_check``, ``rehive_setup`` and
whatever else shows how things are."""

from __future__ import annotations

from oscar_rehive.checkup.everything import findings
from oscar_rehive.checkup.finding import Finding, Severity

__all__ = ["Finding", "Severity", "findings"]

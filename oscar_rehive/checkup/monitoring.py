"""The one list of checks as a monitor gets it, within a time."""

from __future__ import annotations

from threading import Event
from typing import Any

from oscar_rehive.background import Lane
from oscar_rehive.checkup.everything import findings
from oscar_rehive.checkup.finding import Finding, Severity, error
from oscar_rehive.cleaning import without_secrets
from oscar_rehive.logs import Log

logger = Log(__name__)

SECONDS = 5.0
"""A database that does not answer is an answer, too: monitors give up after ten, as a rule."""

LANE = Lane("the monitor", at_once=1)
"""A thread of its own: nothing else bounds the time of a database that hangs."""


def report() -> tuple[bool, dict[str, Any]]:
    """Whether nothing must be done that stops payments, and all findings, as JSON has them. Neither Rehive nor the
    shop's own address is called."""
    found = _found_in_time()
    severities = {one.severity for one in found}
    worst = next(one for one in reversed(Severity) if one in severities)
    told = {"status": worst.value, "checks": [_told(one) for one in found]}
    return worst is not Severity.ERROR, told


def _found_in_time() -> list[Finding]:
    """What the checks find; or that it could not be found out, or not in time."""
    done = Event()
    found: list[Finding] = []

    def work() -> None:
        try:
            found.extend(list(findings(ask=False)))
        except Exception:  # whatever it is, the monitor is told that it is not well
            logger.exception("The checks cannot be made")
        finally:
            done.set()

    if LANE.do(work) and done.wait(SECONDS) and found:
        return list(found)
    return [
        error(
            "checks",
            f"The checks could not be made within {SECONDS:.0f} seconds.",
            "See the shop's log, and whether its database answers.",
        )
    ]


def _told(finding: Finding) -> dict[str, Any]:
    return {
        "name": finding.name,
        "severity": finding.severity.value,
        "sentence": without_secrets(finding.sentence),
        "mend": without_secrets(finding.mend),
    }

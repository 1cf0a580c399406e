"""Guards of health and of being told."""

from __future__ import annotations

from tests.guards.base import Mutation

PURE = ("tests/test_telling.py",)
MAILED = ("tests/test_being_told.py",)
MONITOR = ("tests/test_health.py",)
PAGE = ("tests/dashboard/test_health.py",)

TELLING: tuple[Mutation, ...] = (
    Mutation(
        "told: what is over at once is not told",
        "oscar_rehive/checkup/telling.py",
        "return not one.is_told and now - one.since >= FEW_MINUTES",
        "return not one.is_told",
        PURE,
    ),
    Mutation(
        "told: no two mails within minutes",
        "oscar_rehive/checkup/telling.py",
        "if memory.mailed_at is not None and lasts(memory.mailed_at, FEW_MINUTES, now):",
        "if False:",
        PURE,
    ),
    Mutation(
        "told: one of several tells",
        "oscar_rehive/checkup/being_told.py",
        'is_over("claimed_at", CLAIM), ',
        "",
        MAILED,
    ),
    Mutation(
        "told: each fact once",
        "oscar_rehive/checkup/being_told.py",
        "untold.filter(pk__in=some).update(told_at=now)",
        "pass",
        MAILED,
    ),
    Mutation(
        "told: one address that is refused keeps no other from it",
        "oscar_rehive/shop/owners.py",
        "if failed and len(failed) == len(addresses):",
        "if failed:",
        MAILED,
    ),
    Mutation(
        "told: looking costs a request no statement",
        "oscar_rehive/noticing.py",
        "MAILS.do(_notice)",
        "_notice()",
        MAILED,
    ),
    Mutation(
        "monitor: closed without a token in the settings",
        "oscar_rehive/health.py",
        "if not token:",
        "if False:",
        MONITOR,
    ),
    Mutation(
        "monitor: closed to who does not show it",
        "oscar_rehive/health.py",
        "return is_right and ",
        "return ",
        MONITOR,
    ),
    Mutation(
        "health: looking asks nobody",
        "oscar_rehive/dashboard/health.py",
        "found = [_clean(one) for one in findings(ask=False)]",
        "found = [_clean(one) for one in findings()]",
        PAGE,
    ),
)

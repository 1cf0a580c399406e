"""What the owners are to be told, as a pure function: once, and once when it is over."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from oscar_rehive.checkup.finding import Finding, error
from oscar_rehive.checkup.telling import FEW_MINUTES, Memory, News, as_json, decide, from_json

NOON = datetime(2026, 11, 25, 12, tzinfo=timezone.utc)
RECONCILE = error("reconcile", "It has never run.", "Let it run.")
REHIVE = error("rehive", "Rehive is down.", "Wait.")
STEP = timedelta(minutes=1)


class Owners:
    """What they are told, minute by minute."""

    def __init__(self) -> None:
        self.memory, self.now, self.mails = Memory(), NOON, list[tuple[datetime, News]]()

    def minute(
        self, *wrong: Finding, facts: bool = False, times: int = 1, fails: bool = False
    ) -> Owners:
        """It is looked ``times``, a minute apart; a mail server that ``fails`` takes nothing."""
        for _ in range(times):
            # As the row keeps it between two processes.
            memory = from_json(json.loads(json.dumps(as_json(self.memory))))
            assert memory == self.memory
            news, seen, told = decide(wrong, facts, memory, self.now)
            self.memory = told if news and not fails else seen
            if news and not fails:
                self.mails.append((self.now, news))
            self.now += STEP
        return self

    def told(self) -> list[tuple[list[str], list[str], bool]]:
        return [
            ([one.name for one in news.begun], list(news.over), news.has_facts)
            for _, news in self.mails
        ]


def test_where_all_is_well_nobody_is_told() -> None:
    assert Owners().minute(times=100).told() == []


def test_what_lasts_is_told_once_and_once_when_it_is_over() -> None:
    owners = Owners().minute(REHIVE, times=60).minute(times=60)

    assert owners.told() == [(["rehive"], [], False), ([], ["Rehive is down."], False)]
    assert [at - NOON for at, _ in owners.mails] == [FEW_MINUTES, timedelta(hours=1) + FEW_MINUTES]


def test_what_is_over_at_once_is_not_told() -> None:
    assert Owners().minute(REHIVE, times=4).minute(times=60).told() == []


def test_what_comes_and_goes_is_not_told_each_time() -> None:
    owners = Owners().minute(REHIVE, times=5)
    for _ in range(20):
        owners.minute(times=3).minute(REHIVE, times=3)

    assert owners.told() == [(["rehive"], [], False)]


def test_what_comes_again_is_told_again() -> None:
    owners = Owners()
    for _ in range(2):
        owners.minute(REHIVE, times=10).minute(times=10)

    assert len(owners.told()) == 4


def test_several_things_are_one_mail() -> None:
    owners = Owners().minute(REHIVE, RECONCILE, times=5, facts=False)

    assert owners.told() == [(["rehive", "reconcile"], [], False)]


def test_facts_are_told_at_once_and_collected_after_that() -> None:
    owners = Owners().minute(facts=True).minute(times=2).minute(facts=True, times=2)

    assert owners.told() == [([], [], True), ([], [], True)]
    assert [at - NOON for at, _ in owners.mails] == [timedelta(0), FEW_MINUTES]


def test_what_could_not_be_mailed_is_told_later() -> None:
    """P3's spirit: delayed, never lost."""
    owners = Owners().minute(REHIVE, facts=True, times=30, fails=True)
    assert owners.told() == []

    owners.minute(REHIVE, facts=True)
    owners.minute(times=30, fails=True).minute()

    assert owners.told() == [(["rehive"], [], True), ([], ["Rehive is down."], False)]


def test_a_clock_that_was_wrong_keeps_nobody_from_being_told() -> None:
    owners = Owners()
    owners.now += timedelta(days=400)
    owners.minute(REHIVE, facts=True, times=2)
    owners.now = NOON
    owners.minute(REHIVE, facts=True, times=5)

    assert [at - NOON for at, _ in owners.mails][1:] == [timedelta(0), FEW_MINUTES]
    assert owners.told()[-1][0] == ["rehive"]


MOMENTS = st.lists(
    st.tuples(
        st.lists(st.sampled_from([RECONCILE, REHIVE]), unique=True), st.booleans(), st.booleans()
    ),
    max_size=80,
)


@given(MOMENTS)
def test_whatever_happens(moments: Sequence[tuple[list[Finding], bool, bool]]) -> None:
    """Each trouble is told and then over, in turn; no two mails come within a few minutes; and in the end all
    that was told is told to be over."""
    owners = Owners()
    for wrong, facts, fails in moments:
        owners.minute(*wrong, facts=facts, fails=fails)
    owners.minute(times=30)

    for finding in (RECONCILE, REHIVE):
        turns = [
            step
            for begun, over, _ in owners.told()
            for step in (
                "over" if finding.sentence in over else "",
                "begun" if finding.name in begun else "",
            )
            if step
        ]
        assert turns == ["begun", "over"] * (len(turns) // 2)
    at = [one for one, _ in owners.mails]
    assert all(after - before >= FEW_MINUTES for before, after in pairwise(at))

"""One bad thing is never in the way of the others: whatever stands still, everything behind it is reached
within two runs (P7)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TransactionTestCase

from oscar_rehive.models import Retry
from oscar_rehive.payments import reconciling
from oscar_rehive.payments.mails import NotSent
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.payments.stages import MAIL_SERVER, Task
from oscar_rehive.payments.summary import Summary
from oscar_rehive.rehive.exceptions import NotFound, Refused, Throttled, Unintelligible

pytestmark = pytest.mark.django_db(transaction=True)

BAD: dict[str, Callable[[], bool]] = {}


def _bad(function: Callable[[], bool]) -> Callable[[], bool]:
    BAD[function.__name__] = function
    return function


@_bad
def waits_for_a_person() -> bool:
    return False


@_bad
def is_refused() -> bool:
    raise Refused("no", {})


@_bad
def is_gone() -> bool:
    raise NotFound


@_bad
def makes_no_sense() -> bool:
    raise Unintelligible("?")


@_bad
def is_the_shops_own_fault() -> bool:
    raise ValueError


class Work:
    """Two stages of tasks, of which some are bad, under a limit of so many calls a run."""

    def __init__(self, bad: list[str], good: int, limit: int) -> None:
        self.bad, self.good, self.limit = bad, good, limit
        self.done: Counter[str] = Counter()
        self.tried: Counter[str] = Counter()
        self.left = limit

    def run(self) -> Summary:
        self.left = self.limit
        stages = (self._first, self._second)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reconciling, "FIRST", ())
            patch.setattr(reconciling, "ASKING", stages)
            patch.setattr(reconciling, "LAST", ())
            return reconcile()

    def _first(self, summary: Summary) -> Iterator[Task]:
        for number, kind in enumerate(self.bad):
            yield self._task(f"bad {number}", BAD[kind])
        yield from self._goods("first")

    def _second(self, summary: Summary) -> Iterator[Task]:
        yield from self._goods("second")

    def _goods(self, stage: str) -> Iterator[Task]:
        for number in range(self.good):
            name = f"{stage} {number}"
            if not self.done[name]:
                yield self._task(name, lambda: True)

    def _task(self, name: str, work: Callable[[], bool]) -> Task:
        def do(summary: Summary) -> bool:
            self.left -= 1
            if self.left < 0:
                raise Throttled(1)
            self.tried[name] += 1
            came_through = work()
            self.done[name] += 1
            return came_through

        return Task(name, "somebody", do)


class TestStarvation(TransactionTestCase):
    @settings(max_examples=25, deadline=None)
    # What the first stage had tried in vain came before what the second one had never tried.
    @example(bad=["is_gone", "is_gone"], good=1, spare=0)
    @given(
        bad=st.lists(st.sampled_from(sorted(BAD)), max_size=8),
        good=st.integers(0, 4),
        spare=st.integers(0, 3),
    )
    def test_whatever_stands_still_the_rest_is_reached_within_two_runs(
        self, bad: list[str], good: int, spare: int
    ) -> None:
        """The limit lets all the bad ones be tried, or all the good ones, and not both."""
        Retry.objects.all().delete()
        work = Work(bad, good, limit=max(len(bad), 2 * good) + spare)

        work.run()
        work.run()

        goods = {f"{stage} {number}" for stage in ("first", "second") for number in range(good)}
        assert goods <= set(work.done)


def test_a_stage_behind_a_limit_has_its_turn_in_the_next_run() -> None:
    work = Work([], good=3, limit=2)
    work.run()
    work.done.clear()  # there is always more of what comes first
    work.limit = 3

    work.run()

    assert work.done["second 2"]


def test_what_stands_still_is_tried_ever_more_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work(["waits_for_a_person"], good=0, limit=99)
    now = [timezone.now()]
    monkeypatch.setattr(reconciling.timezone, "now", lambda: now[0])

    for _ in range(3 * 24 * 12):  # every five minutes, three days long
        now[0] += timedelta(minutes=5)
        work.run()

    assert 10 <= work.tried["bad 0"] <= 16


def test_what_came_through_is_forgotten() -> None:
    work = Work(["is_refused"], good=0, limit=99)
    work.run()
    assert Retry.objects.count() == 1
    work.bad = ["waits_for_a_person"]
    work._task = lambda name, do: Task(name, "", lambda summary: True)  # type: ignore[method-assign]  # this one work's own

    work.run()

    assert not Retry.objects.exists()


@pytest.mark.parametrize(
    ("error", "is_silence"),
    [(TimeoutError(), True), (ConnectionRefusedError(), True), (ValueError(), False)],
)
def test_a_mail_server_that_says_nothing_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, error: Exception, is_silence: bool
) -> None:
    tried: list[int] = []

    def mail(number: int) -> Task:
        def do(summary: Summary) -> bool:
            tried.append(number)
            raise NotSent(error)

        return Task(f"mail {number}", MAIL_SERVER, do)

    def mails(summary: Summary) -> Iterator[Task]:
        return iter([mail(number) for number in range(20)])

    for name in ("FIRST", "ASKING"):
        monkeypatch.setattr(reconciling, name, ())
    monkeypatch.setattr(reconciling, "LAST", (mails,))
    reconcile()

    assert len(tried) == (reconciling.IN_A_ROW if is_silence else 20)

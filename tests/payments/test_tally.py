"""What is kept of a day for the health page: calls that went wrong by the hour, and each run of reconcile."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from oscar_rehive import conf
from oscar_rehive.models import Run
from oscar_rehive.payments import tally
from oscar_rehive.payments.gateway import client_for
from oscar_rehive.payments.reconciling import KEPT_FOR, reconcile
from oscar_rehive.rehive.exceptions import NotFound, RehiveError, Throttled, Unreachable
from oscar_rehive.remembering import is_shared
from tests.steps import a_cache_that_is_down, no_cache_at_all, opened


def ask() -> None:
    client_for(conf.current().businesses["USD"]).business()


class TestCalls:
    def test_each_kind_by_the_hour(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tally, "time", lambda: 100 * tally.HOUR + 5)
        tally.note(Throttled(1))
        monkeypatch.setattr(tally, "time", lambda: 102 * tally.HOUR)
        for outcome in (Unreachable(""), Unreachable(""), NotFound(""), "an answer", None):
            tally.note(outcome)

        told = tally.of_the_day()

        assert set(told) == set(tally.KINDS)
        assert told["throttled"] == [0] * 21 + [1, 0, 0]
        assert told["unreachable"] == [0] * 23 + [2]
        assert sum(told["unauthorised"]) == 0

    def test_those_that_rehive_answers_cost_nothing(
        self, rehive: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def count(*args: Any) -> None:
            raise AssertionError

        monkeypatch.setattr(tally, "count", count)

        ask()

    def test_are_counted_where_they_are_made(self, rehive: Any) -> None:
        rehive.faults(error_status=503)
        with pytest.raises(RehiveError):
            ask()

        assert tally.of_the_day()["unreachable"][-1] == 1

    def test_a_cache_that_is_down_fails_none(
        self, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And this process counts by itself, as the page says."""
        a_cache_that_is_down(settings, monkeypatch)
        tally.note(Unreachable(""))

        assert tally.of_the_day()["unreachable"][-1] == 1

    def test_a_cache_of_one_process_is_no_shared_one(
        self, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert not is_shared()  # Django's own default
        no_cache_at_all(settings, monkeypatch)
        assert not is_shared()
        settings.CACHES = {
            "default": {
                "BACKEND": "django.core.cache.backends.db.DatabaseCache",
                "LOCATION": "cache",
            }
        }
        assert is_shared()


@pytest.mark.django_db
class TestRuns:
    def test_each_run_is_noted_once(self, rehive: Any, place_order: Any) -> None:
        opened(place_order())

        reconcile()

        run = Run.objects.get()
        assert (run.failed, run.trouble) == (0, "")
        assert run.seconds > 0
        assert timezone.now() - run.ended_at < timedelta(minutes=1)

    @pytest.mark.parametrize("trouble", ["unreachable", "unauthorised"])
    def test_says_why_rehive_was_left_alone(
        self, rehive: Any, place_order: Any, settings: Any, trouble: str
    ) -> None:
        opened(place_order())
        if trouble == "unreachable":
            rehive.faults(error_status=503)
        else:
            settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "TOKEN": "not-any-more"}

        reconcile()

        assert Run.objects.get().trouble == trouble

    def test_old_ones_are_forgotten(self, rehive: Any) -> None:
        Run.objects.create(ended_at=timezone.now() - KEPT_FOR - timedelta(minutes=1))
        Run.objects.create(ended_at=timezone.now() - KEPT_FOR + timedelta(minutes=1))

        reconcile()

        assert Run.objects.count() == 2

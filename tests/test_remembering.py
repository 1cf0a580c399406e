"""What the shop's cache remembers; and what each process does by itself where there is none that works."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache

from oscar_rehive import remembering
from oscar_rehive.remembering import claim, count, forget, in_turn, remember, remembered
from tests.steps import (
    a_cache_that_hides_that_it_is_down,
    a_cache_that_is_down,
    no_cache_at_all,
)


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock of what a process does by itself."""
    now = [1000.0]
    monkeypatch.setattr(remembering, "monotonic", lambda: now[0])
    return now


def shared(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is."""


def test_a_cache_that_hides_that_it_is_down_has_nothing_claimed(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says no to each claim: no delivery was worked on, and no button of the shopper's did anything."""
    a_cache_that_hides_that_it_is_down(settings, monkeypatch)

    assert [claim("mine", 60), claim("mine", 60)] == [True, False]
    forget("mine")
    assert claim("mine", 60)
    done: list[str] = []
    in_turn("it", 60, lambda: done.append("done"))
    assert done == ["done"]


def test_a_claim_that_is_left_while_it_is_asked_for_is_no_sign_of_that(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    claim("mine", 60)
    real = cache.get

    def left(key: str) -> Any:
        cache.delete("mine")
        return real(key)

    monkeypatch.setattr(cache, "get", left)

    assert claim("mine", 60)
    assert caplog.text == ""


def test_nor_is_one_that_others_take_and_leave_all_the_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A process that takes the cache for down forgets for seconds what the others have asked Rehive."""
    real = cache.get
    monkeypatch.setattr(cache, "add", lambda *args, **kwargs: False)
    monkeypatch.setattr(cache, "get", lambda key: None if key == "mine" else real(key))

    assert not claim("mine", 60)
    assert caplog.text == ""


@pytest.mark.parametrize("kind", [shared, no_cache_at_all, a_cache_that_is_down])
def test_all_kinds_do_the_same(settings: Any, monkeypatch: pytest.MonkeyPatch, kind: Any) -> None:
    kind(settings, monkeypatch)

    assert remembered("a-word") is None
    remember("a-word", (1, "two"), 60)
    assert tuple(remembered("a-word")) == (1, "two")
    forget("a-word"), forget("a-word")
    assert remembered("a-word") is None

    assert [claim("mine", 60), claim("mine", 60)] == [True, False]
    forget("mine")
    assert claim("mine", 60)

    count("calls", 60), count("calls", 60), count("other-calls", 60)
    assert (remembered("calls"), remembered("other-calls")) == (2, 1)


def test_by_itself_a_process_forgets_too(
    settings: Any, monkeypatch: pytest.MonkeyPatch, seconds: list[float]
) -> None:
    no_cache_at_all(settings, monkeypatch)
    remember("a-word", 1, 60), count("calls", 60), claim("mine", 60)
    seconds[0] += 59
    count("calls", 60)
    assert (remembered("a-word"), remembered("calls"), claim("mine", 60)) == (1, 2, False)

    seconds[0] += 1
    assert (remembered("a-word"), remembered("calls"), claim("mine", 60)) == (None, None, True)
    remember("another", 1, 60)
    assert list(remembering._own._kept) == ["mine", "another"], "nothing piles up"


def test_a_cache_that_is_down_is_asked_now_and_then(
    monkeypatch: pytest.MonkeyPatch, seconds: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    """Each question may take its time-out, and writes a page of log."""
    asked, works = [], [False]

    def get(key: str) -> Any:
        asked.append(key)
        if not works[0]:
            raise ConnectionError("no cache")
        return "it is back"

    monkeypatch.setattr(cache, "get", get)
    for _ in range(5):
        assert remembered("a-word") is None
    assert len(asked) == caplog.text.count("The cache does not answer") == 1

    works[0] = True
    seconds[0] += remembering.LEFT_ALONE_SECONDS
    assert remembered("a-word") == "it is back"


class TestInTurn:
    def test_who_finds_it_taken_goes_and_it_is_done_once_more_for_all_of_them(self) -> None:
        done: list[str] = []

        def work() -> None:
            done.append("begun")
            if len(done) == 1:
                for _ in range(3):
                    in_turn("it", 60, lambda: done.append("by another"))

        in_turn("it", 60, work)

        assert done == ["begun", "begun"]
        assert claim("it", 60)

    def test_who_comes_as_it_is_left_does_it_himself(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nobody would be left to see that he came."""
        claim("it", 60)
        real = remembering.remember

        def left_meanwhile(*args: Any) -> None:
            real(*args)
            forget("it")

        monkeypatch.setattr(remembering, "remember", left_meanwhile)
        done: list[str] = []

        in_turn("it", 60, lambda: done.append("done"))

        assert done == ["done"]

    def test_work_that_fails_is_left_to_the_next(self) -> None:
        def fails() -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            in_turn("it", 60, fails)

        assert claim("it", 60)

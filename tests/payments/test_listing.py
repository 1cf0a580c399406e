"""How much of a list is read: never more calls than single questions would be, never all of a long list at once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from oscar_rehive.payments.listing import (
    ALWAYS,
    MOST_PAGES,
    Outlook,
    pages_to_meet_all,
    reads_on,
    share_of_pass,
    spares_questions,
)


def outlook(
    due: int,
    count: int | None,
    *,
    newest_first: bool = False,
    newer: int = 0,
    made: int = 0,
    is_sought: bool = False,
) -> Outlook:
    return Outlook(count, newest_first, due, newer, made or count or 0, is_sought)


def pages_read(some: Outlook) -> int:
    """How many pages are read from the front, if no page shows any of those that are due."""
    read = 0
    while reads_on(some, read):
        read += 1
    return read


@pytest.mark.parametrize(
    ("due", "count", "pages"),
    [
        (10_000, 10_000, 40),  # all of them are due
        (20, 100_000, 0),  # 20 questions, or 400 pages
        (400, 100_000, 400),
        (399, 100_000, 0),
        (0, 100, 0),
        (1, 100, 1),
        (2, 501, 0),
    ],
)
def test_whichever_way_costs_fewer_calls(due: int, count: int, pages: int) -> None:
    assert pages_read(outlook(due, count)) == pages


def test_what_is_new_is_at_the_front_of_a_list_that_is_newest_first() -> None:
    known = outlook(20, 100_000, newest_first=True, newer=700, made=100_000)

    assert pages_to_meet_all(known) == 4
    assert reads_on(known, 3)


def test_others_make_invoices_in_the_same_business_too() -> None:
    known = outlook(90, 100_000, newest_first=True, newer=100, made=1_000)

    assert pages_to_meet_all(known) == 41


def test_the_rest_is_asked_singly_as_soon_as_that_costs_less() -> None:
    assert reads_on(outlook(100, 100_000), 300)
    assert not reads_on(outlook(99, 100_000), 300)


def test_those_that_are_not_where_they_should_be_may_be_in_the_rest() -> None:
    known = outlook(300, 100_000, newest_first=True, newer=300, made=100_000)

    assert pages_to_meet_all(known) == 3
    assert not reads_on(known, 3), "397 pages, or 300 questions"
    assert reads_on(outlook(400, 100_000, newest_first=True, newer=400), 3)


def test_a_list_of_unknown_length_is_looked_at_once() -> None:
    assert reads_on(outlook(1, None), 0)
    assert not reads_on(outlook(1, None), 1)
    assert reads_on(outlook(2, None), 1)


def test_what_cannot_be_asked_about_is_sought_where_it_must_be_and_no_further() -> None:
    known = outlook(0, 100_000, newest_first=True, newer=400, is_sought=True)
    assert pages_read(known) == 3

    far = outlook(0, 1_000_000, newest_first=True, newer=900_000, is_sought=True)
    assert pages_read(far) == MOST_PAGES


@pytest.mark.parametrize(
    ("pages", "minutes", "share"),
    [
        (ALWAYS, 5, ALWAYS),  # a small shop's list is read in every run
        (ALWAYS, None, ALWAYS),
        (400, None, 1),
        (400, 5, 6),  # all of it within six hours
        (400, 0, 1),
        (400, -5, 1),  # a clock was set back
        (2_400, 5, 34),
        (400, 60 * 24, MOST_PAGES),
    ],
)
def test_a_long_list_is_read_in_a_few_hours(pages: int, minutes: int | None, share: int) -> None:
    since = None if minutes is None else timedelta(minutes=minutes)

    assert share_of_pass(pages, since, is_sought=False) == share


def test_what_is_sought_is_worth_more() -> None:
    assert share_of_pass(400, timedelta(minutes=5), is_sought=True) == MOST_PAGES


@pytest.mark.parametrize(
    ("count", "read", "due", "spares"),
    [
        (1000, 1, 3, True),  # three pages, or three questions
        (1000, 1, 2, False),
        (250, 1, 10, False),  # that was all of it
        (10_000_000, 1, 250, False),
        (None, 1, 4, True),
        (None, 2, 4, False),
        (500, 1, 0, False),
    ],
)
def test_a_list_of_others_too_is_read_on_where_that_spares_questions(
    count: int | None, read: int, due: int, spares: bool
) -> None:
    assert spares_questions(count, read, due) is spares

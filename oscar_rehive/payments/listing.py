"""How much of a business's list of invoices a run reads: arithmetic, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from oscar_rehive.rehive.client import PAGE_SIZE

MOST_PAGES = 40
"""In one run, besides those that spare more questions than they cost."""

ALWAYS = 4
"""So many pages are read in every run: all of a list that has no more."""

PASS_TIME = timedelta(hours=6)
"""In which all of a longer list is read, a few pages in each run."""


@dataclass(frozen=True)
class Outlook:
    """What is known before a page is read.

    ``count`` is how many invoices Rehive lists (None: unknown), ``newest_first`` whether it has proved to
    list them so. ``due`` of ours are to be asked about; ``newer`` of all ``made`` are not older than the
    oldest of these. ``is_sought``: something is looked for that cannot be asked about by itself.
    """

    count: int | None
    newest_first: bool
    due: int
    newer: int
    made: int
    is_sought: bool = False


def pages_in_all(outlook: Outlook) -> int | None:
    """How many pages the list has; None: nobody knows."""
    return None if outlook.count is None else max(1, _divided(outlook.count, PAGE_SIZE))


def pages_to_meet_all(outlook: Outlook) -> int | None:
    """After how many pages all that are due have been met, so far as one can tell; None: nobody knows.

    Others may have made invoices in the same business: they are taken to lie evenly among ours.
    """
    pages = pages_in_all(outlook)
    if pages is None or outlook.count is None or not outlook.newest_first:
        return pages
    among_all = outlook.newer * max(outlook.count, outlook.made)
    return min(pages, _divided(among_all, max(outlook.made, 1) * PAGE_SIZE) + 1)


def reads_on(outlook: Outlook, read: int) -> bool:
    """Whether another page from the front of the list costs less than a question for each that is still
    ``due``, after ``read`` pages."""
    pages = pages_to_meet_all(outlook)
    if outlook.is_sought and outlook.newest_first:
        return read < MOST_PAGES and (pages is None or read < pages)
    if not outlook.due:
        return False
    if pages is None:
        return read == 0 or outlook.due > 1
    left = pages - read
    if left <= 0:  # they are not where they should be: perhaps in the rest
        left = (pages_in_all(outlook) or 0) - read
    return 0 < left <= outlook.due


def spares_questions(count: int | None, read: int, due: int) -> bool:
    """Whether the rest of a list of ``count`` rows (None: unknown), of which so many pages are ``read``,
    costs no more than a question for each that is still ``due``."""
    if count is None:
        return read < due // 2
    return 0 < _divided(count, PAGE_SIZE) - read <= due


def share_of_pass(pages: int, since: timedelta | None, *, is_sought: bool) -> int:
    """How many of the ``pages`` of a pass a run reads, ``since`` the last one (None: there was none): what
    has ended may change too, and nothing else tells of it."""
    if pages <= ALWAYS:
        return pages
    if is_sought:
        return MOST_PAGES
    seconds = 0 if since is None else max(int(since.total_seconds()), 0)
    return min(max(_divided(pages * seconds, int(PASS_TIME.total_seconds())), 1), MOST_PAGES)


def _divided(number: int, by: int) -> int:
    """Rounded up."""
    return -(-number // by)

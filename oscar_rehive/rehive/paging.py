"""Lists of Rehive: read page by page, each in bounded time and to a bounded end (promise P11)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from oscar_rehive.rehive import wire
from oscar_rehive.rehive.exceptions import NotAllReadable, TooLarge, Unintelligible

SMALL_PAGE_SIZE = 10
"""For a page that is too large: metadata may be 104,857 bytes a row, which is Rehive's limit."""

MOST_ROWS = 1_000_000
"""Whatever Rehive tells."""

GROWTH = 500
"""Rows that may come while a list is read, besides a tenth of it."""

Rows = Iterator[Any]

T = TypeVar("T")


@dataclass(frozen=True)
class Page:
    """One page of a business's invoices. ``count`` is how many there are in all, where told; ``unreadable``
    are the rows that cannot be read. ``ends_early``: it is the last, and yet there are more."""

    invoices: tuple[wire.RemoteInvoice, ...]
    unreadable: tuple[Any, ...]
    count: int | None
    is_last: bool
    ends_early: bool = False

    def may_hold(self, *sought: str) -> bool:
        """Whether a row that cannot be read carries one of these keys and references: what is not to be
        seen on this page may be that."""
        pattern = _words(sought)
        return pattern is not None and any(_carries(row, pattern) for row in self.unreadable)


def read_page(ask: Callable[[int, int], Any], number: int, *, size: int) -> Page:
    """The page of that number, from 1 on, of ``size`` rows. ``ask`` brings the page of a number and size.

    A page that is too large is read in small ones. Raises ``Unintelligible`` for what is no list.
    """
    try:
        rows, count, is_last = _rows(ask(number, size))
    except TooLarge:
        if size <= SMALL_PAGE_SIZE or size % SMALL_PAGE_SIZE:
            raise
        rows, count, is_last = [], None, False
        parts = size // SMALL_PAGE_SIZE
        for part in range((number - 1) * parts + 1, number * parts + 1):
            some, count, is_last = _rows(ask(part, SMALL_PAGE_SIZE))
            rows += some
            if is_last:
                break
    invoices, unreadable = [], []
    for row in rows:
        invoice, is_whole = _read(row)
        if invoice is not None:
            invoices.append(invoice)
        if not is_whole:
            unreadable.append(row)
    ends_early = is_last and _lacks((number - 1) * size + len(rows), count)
    return Page(tuple(invoices), tuple(unreadable), count, is_last, ends_early)


def read_pages(ask: Callable[[int, int], Any], *, size: int, untold: int) -> Rows:
    """The rows of all pages. ``ask`` brings the page of that number and size; ``untold`` is how many rows
    there may be where Rehive does not tell.

    Raises ``Unintelligible`` for a list that has another shape, goes on beyond what its first page
    said, ends before what its last page says, or brings nothing new.
    """
    page = 1
    most: int | None = None
    known: set[str] = set()
    read = 0
    while True:
        try:
            data = ask(page, size)
        except TooLarge:
            if size <= SMALL_PAGE_SIZE or size % SMALL_PAGE_SIZE:
                raise
            page, size = (page - 1) * (size // SMALL_PAGE_SIZE) + 1, SMALL_PAGE_SIZE
            continue
        rows, count, is_last = _rows(data)
        yield from rows
        read += len(rows)
        if is_last and _lacks(read, count):
            # What is looked for, or what was refunded, may be in the rest.
            raise Unintelligible(f"Rehive's list ends after {read} of {count} rows.")
        if is_last:
            return
        if most is None:
            most = untold if count is None else most_rows(count)
        names = set(map(_name, rows))
        # Some may come twice: whatever is made meanwhile moves the others on.
        if names <= known:
            raise Unintelligible(f"Rehive's list brings nothing new with page {page}.")
        if read >= most:
            raise Unintelligible(f"Rehive's list does not end after {read} rows.")
        known |= names
        page += 1


def read_invoices(rows: Rows, sought: Iterable[str]) -> Iterator[wire.RemoteInvoice]:
    """The invoices among ``rows`` that can be read; ``NotAllReadable`` at the end where one that cannot
    carries a word of ``sought``."""
    pattern = _words(sought)
    missed = 0
    for row in rows:
        invoice, is_whole = _read(row)
        if not is_whole:
            missed += bool(pattern and _carries(row, pattern))
        if invoice is not None:
            yield invoice
    if missed:
        raise NotAllReadable(
            f"Rehive's list has {missed} invoice(s) that cannot be read and may be those that are"
            " looked for; look at them in Rehive's app."
        )


def read_all(rows: Rows, read: Callable[[Any], T]) -> Iterator[T]:
    """What ``read`` makes of ``rows``; ``NotAllReadable`` at the end where it could not read all of them: what
    is left out of an account must be said."""
    missed = 0
    for row in rows:
        try:
            yield read(row)
        except Unintelligible:
            missed += 1
    if missed:
        raise NotAllReadable(f"Rehive's list has {missed} row(s) that cannot be read.")


def most_rows(count: int) -> int:
    """How many rows a list may have that said ``count``, for some come while it is read: with a fixed limit
    a lost invoice of a large business would be looked for for ever."""
    return min(MOST_ROWS, count + count // 10 + GROWTH)


def _rows(data: Any) -> tuple[list[Any], int | None, bool]:
    """The rows of a page, how many there are in all where that is told, and whether it is the last."""
    if isinstance(data, list):
        return data, None, True
    rows = data.get("results") if isinstance(data, Mapping) else None
    if not isinstance(rows, list):
        raise Unintelligible("Rehive sent a list without results.")
    count = data.get("count")
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        count = None
    return rows, count if count is None else min(count, MOST_ROWS), not data.get("next")


def _lacks(read: int, count: int | None) -> bool:
    return count is not None and read < count


def _carries(row: Any, pattern: re.Pattern[str]) -> bool:
    return bool(pattern.search(json.dumps(row, ensure_ascii=False)))


def _name(row: Any) -> str:
    """What tells a row from the others of its list."""
    if isinstance(row, Mapping):
        for key in ("id", "identifier", "rehive_code"):
            if isinstance(row.get(key), (str, int)):
                return str(row[key])[:100]
    return str(hash(repr(row)))


def _read(row: Any) -> tuple[wire.RemoteInvoice | None, bool]:
    """The invoice, where it can be read, and whether nothing in the row is hidden by its shape: metadata in
    another one tells no key, and yet may carry it."""
    try:
        return wire.read_invoice(row), isinstance(row.get("metadata") or {}, Mapping)
    except Unintelligible:
        return None, False


def _words(sought: Iterable[str]) -> re.Pattern[str] | None:
    words = [re.escape(json.dumps(word, ensure_ascii=False)[1:-1]) for word in sought if word]
    return re.compile(rf"(?<!\w)(?:{'|'.join(words)})(?!\w)") if words else None

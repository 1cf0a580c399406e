"""Lists of Rehive: read page by page, each in bounded time and to a bounded end (promise P11)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from oscar_rehive.rehive import wire
from oscar_rehive.rehive.exceptions import NotAllReadable, TooLarge, Unintelligible

SMALL_PAGE_SIZE = 10
"""For a page that is too large: metadata may be 104,857 bytes a row, which is Rehive's limit."""

MOST_ROWS = 1_000_000
"""Whatever Rehive tells."""

GROWTH = 500
"""Rows that may come while a list is read, besides a tenth of it."""

Rows = Iterator[Any]


def read_pages(ask: Callable[[int, int], Any], *, size: int, untold: int) -> Rows:
    """The rows of all pages. ``ask`` brings the page of that number and size; ``untold`` is how many rows
    there may be where Rehive does not tell.

    Raises ``Unintelligible`` for a list that has another shape, goes on beyond what its first page
    said, or brings nothing new.
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
        rows = data.get("results") if isinstance(data, Mapping) else data
        if not isinstance(rows, list):
            raise Unintelligible("Rehive sent a list without results.")
        yield from rows
        if not isinstance(data, Mapping) or not data.get("next"):
            return
        if most is None:
            most = _most(data.get("count"), untold)
        read += len(rows)
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
        invoice = _invoice_or_none(row)
        # Metadata in another shape tells no key, and yet may carry it.
        if invoice is None or not isinstance(row.get("metadata") or {}, Mapping):
            missed += bool(pattern and pattern.search(json.dumps(row, ensure_ascii=False)))
        if invoice is not None:
            yield invoice
    if missed:
        raise NotAllReadable(
            f"Rehive's list has {missed} invoice(s) that cannot be read and may be those that are"
            " looked for; look at them in Rehive's app."
        )


def _most(count: Any, untold: int) -> int:
    """However many Rehive says that there are, and some that come meanwhile: with a fixed limit a lost
    invoice of a large business would be looked for for ever."""
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        return untold
    return min(MOST_ROWS, count + count // 10 + GROWTH)


def _name(row: Any) -> str:
    """What tells a row from the others of its list."""
    if isinstance(row, Mapping):
        for key in ("id", "identifier", "rehive_code"):
            if isinstance(row.get(key), (str, int)):
                return str(row[key])[:100]
    return str(hash(repr(row)))


def _invoice_or_none(row: Any) -> wire.RemoteInvoice | None:
    try:
        return wire.read_invoice(row)
    except Unintelligible:
        return None


def _words(sought: Iterable[str]) -> re.Pattern[str] | None:
    words = [re.escape(json.dumps(word, ensure_ascii=False)[1:-1]) for word in sought if word]
    return re.compile(rf"(?<!\w)(?:{'|'.join(words)})(?!\w)") if words else None

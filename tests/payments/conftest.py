"""What tests of the payment service share with each other, and with those of the shop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from oscar_rehive.models import Invoice
from oscar_rehive.payments import listing, reading
from oscar_rehive.rehive import client as rehive_client
from tests.payments.forgettable import refunded
from tests.payments.pages import PER_PAGE, minutes_ago
from tests.shop.conftest import buy
from tests.steps import opened

__all__ = ["buy", "refunded"]


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of four, of which only two are read in any case."""
    for module in (rehive_client, listing, reading):
        monkeypatch.setattr(module, "PAGE_SIZE", PER_PAGE)
    monkeypatch.setattr(listing, "ALWAYS", 2)


@pytest.fixture
def invoices(rehive: Any, place_order: Any) -> Callable[[int], list[Invoice]]:
    """Opens so many more, some minutes ago."""

    def invoices(count: int) -> list[Invoice]:
        made = [opened(place_order(total="10.00")) for _ in range(count)]
        minutes_ago()
        return made

    return invoices


@pytest.fixture
def calls(rehive: Any) -> Callable[[], dict[str, int]]:
    """What Rehive was asked since this was asked last, by kind."""
    seen = [0]

    def calls() -> dict[str, int]:
        new = rehive.requests()[seen[0] :]
        seen[0] += len(new)
        found = {"pages": 0, "single": 0, "refunds": 0, "filtered": 0}
        for one in new:
            path = one["path"]
            if one["method"] != "GET" or path.endswith("/businesses/demo-business/"):
                continue
            kind = (
                "pages"
                if path.endswith("/invoices/")
                else "refunds"
                if path.endswith("/refunds/")
                else "filtered"
                if path.endswith("/requests/")
                else "single"
            )
            found[kind] += 1
        return found

    return calls

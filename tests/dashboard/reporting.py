"""Oscar's page of reports, as the tests look at it."""

from __future__ import annotations

import csv
from typing import Any

from django.urls import reverse

from oscar_rehive.dashboard.reports.utils import REPORTS
from tests.dashboard.conftest import Desk

CODES = [report.code for report in REPORTS]
QUIET = [code for code in CODES if code != "rehive_books"]
"""Those that ask Rehive nothing."""


def report(code: str, **query: str) -> str:
    """The address of a report."""
    told = "&".join(f"{name}={value}" for name, value in {"report_type": code, **query}.items())
    return f"{reverse('dashboard:reports-index')}?{told}"


def cells(page: Any, what: str = "[data-rows]") -> list[list[str]]:
    """The rows of a table."""
    rows = page.select(f"{what} tbody tr")
    return [[" ".join(one.get_text(" ").split()) for one in row.select("th, td")] for row in rows]


def lines(reader: Desk, code: str, **query: str) -> list[dict[str, str]]:
    """The rows of the file."""
    answer = reader.get(report(code, download="on", **query))
    assert answer.headers["Content-Type"].startswith("text/csv")
    return list(csv.DictReader(b"".join(answer.streaming_content).decode().splitlines()))

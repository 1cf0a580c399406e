"""The list of reports. Oscar finds ``GeneratorRepository`` here where the dashboard's config is the one of
``oscar_rehive.dashboard.apps``."""

from __future__ import annotations

from typing import Any

from oscar.apps.dashboard.reports import utils

from oscar_rehive.dashboard.reports.books import BooksReport
from oscar_rehive.dashboard.reports.conversion import ConversionReport
from oscar_rehive.dashboard.reports.reconciliation import ReconciliationReport
from oscar_rehive.dashboard.reports.takings import TakingsReport

REPORTS = (TakingsReport, ReconciliationReport, BooksReport, ConversionReport)


class RehiveReportsMixin:
    """To be put before the other bases of a shop's own ``GeneratorRepository``: its reports, and ours after
    them."""

    generators: list[Any]

    def get_report_generators(self) -> list[Any]:
        return [*self.generators, *REPORTS]

    def get_generator(self, code: str) -> Any | None:
        return next((one for one in self.get_report_generators() if one.code == code), None)


class GeneratorRepository(RehiveReportsMixin, utils.GeneratorRepository):
    """Oscar's reports, and ours."""

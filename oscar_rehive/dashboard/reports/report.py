"""What our reports have in common: their days, their file, and who may see them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any, ClassVar

from django.http import HttpResponseBase
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from oscar.core.loading import get_class

from oscar_rehive.dashboard import rights
from oscar_rehive.dashboard.listing import csv_file
from oscar_rehive.dashboard.reports.days import days_of

ReportGenerator: Any = get_class("dashboard.reports.reports", "ReportGenerator")
ReportCSVFormatter: Any = get_class("dashboard.reports.reports", "ReportCSVFormatter")
ReportHTMLFormatter: Any = get_class("dashboard.reports.reports", "ReportHTMLFormatter")

PER_PAGE = 50


class Found:
    """What a report has found, as Oscar pages it: counted, and read a slice at a time. The page shows its rows
    and, from ``paginator.object_list``, what else it tells."""

    per_page = PER_PAGE
    headings: ClassVar[Sequence[str]] = ()
    """Of the file: for machines, and so in one language."""

    def count(self) -> int:
        """How many rows there are in all."""
        raise NotImplementedError

    def __len__(self) -> int:
        return self.count()

    def __getitem__(self, part: slice) -> Sequence[Any]:
        raise NotImplementedError

    def lines(self) -> Iterator[Sequence[object]]:
        """The rows as the file has them, read some at a time."""
        raise NotImplementedError


class FileFormatter(ReportCSVFormatter):
    """All rows as a file, sent while they are read."""

    def generate_response(self, objects: Found, **kwargs: Any) -> HttpResponseBase:
        rows = objects.lines()
        # While there is a page yet that can say what is wrong.
        begin = [objects.headings, *islice(rows, 1)]
        return csv_file(kwargs["name"], chain(begin, rows))


class Report(ReportGenerator):
    """A report in Oscar's list. Derived classes find what it tells of ``days``, in the shop's ``TIME_ZONE``."""

    # Oscar's form has no dates for reports without a column; ours look for theirs by themselves.
    date_range_field_name = "days"

    def __init__(self, **kwargs: Any) -> None:
        zone = timezone.get_default_timezone()
        today = timezone.now().astimezone(zone).date()
        first, last = kwargs.get("start_date"), kwargs.get("end_date")
        self.days = days_of(first, last, today=today, zone=zone)
        super().__init__(**kwargs)

    def found(self) -> Found:
        """What there is to tell; nothing is read before it is wanted."""
        raise NotImplementedError

    def get_queryset(self) -> Found:
        return self.found()

    def filter_with_date_range(self, queryset: Found) -> Found:
        return queryset

    def generate(self) -> Any:
        first, last = self.days.first.isoformat(), self.days.last.isoformat()
        name = f"{self.code.replace('_', '-')}-{first}-to-{last}.csv"
        return self.formatter.generate_response(self.queryset, name=name)

    def report_description(self) -> str:
        return _("%(report)s, %(first)s to %(last)s") % {
            "report": self.description,
            "first": date_format(self.days.first, "DATE_FORMAT"),
            "last": date_format(self.days.last, "DATE_FORMAT"),
        }

    def is_available_to(self, user: Any) -> bool:
        return rights.may(user, rights.VIEW)

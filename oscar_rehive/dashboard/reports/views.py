"""Oscar's page of reports, which finds this ``IndexView`` where the dashboard's config is the one of
``oscar_rehive.dashboard.apps``."""

from __future__ import annotations

from typing import Any

from django.db import OperationalError, ProgrammingError, transaction
from django.http import HttpRequest
from django.shortcuts import render
from django.utils.decorators import method_decorator
from oscar.apps.dashboard.reports import views
from oscar.core.loading import get_class

from oscar_rehive.dashboard import rights
from oscar_rehive.dashboard.reports.utils import REPORTS
from oscar_rehive.databases import database_of
from oscar_rehive.logs import Log
from oscar_rehive.models import OrderPayment
from oscar_rehive.payments.gateway import asks_rehive

logger = Log(__name__)

ReportForm: Any = get_class("dashboard.reports.forms", "ReportForm")

OURS = frozenset(report.code for report in REPORTS)


class RehiveReportsViewMixin:
    """To be put before the other bases of a shop's own page of reports: ours are in its list for those who may
    see them, and where they can be shown; and one of them may ask Rehive."""

    request: HttpRequest
    paginate_by: int

    @method_decorator(asks_rehive)
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return super().dispatch(request, *args, **kwargs)  # type: ignore[misc]  # of Oscar's view

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if request.GET.get("report_type") not in OURS:
            return super().get(request, *args, **kwargs)  # type: ignore[misc]  # as above
        try:
            answer = super().get(request, *args, **kwargs)  # type: ignore[misc]  # as above
            # What the page reads while it is written is to fail here, too.
            return answer.render() if hasattr(answer, "render") else answer
        except (ProgrammingError, OperationalError):
            logger.exception("A report cannot be shown")
            return render(request, "oscar_rehive/dashboard/out_of_order.html", status=503)

    def report_form_class(self, *args: Any) -> Any:
        """Oscar's form, without those of our reports that its user cannot have."""
        form = ReportForm(*args)
        if not may_have_reports(self.request.user):
            field = form.fields["report_type"]
            field.choices = [one for one in field.choices if one[0] not in OURS]
        return form

    def get_paginate_by(self, queryset: Any) -> int:
        """Rows of ours are shorter than Oscar's."""
        return getattr(queryset, "per_page", self.paginate_by)


class IndexView(RehiveReportsViewMixin, views.IndexView):
    """Oscar's page of reports, with ours."""


def may_have_reports(user: Any) -> bool:
    """Whether ``user`` may see our reports, and they have tables to read. One statement."""
    if not rights.may(user, rights.VIEW):
        return False
    try:
        # A transaction of its own: on PostgreSQL a query that fails ends the page's.
        with transaction.atomic(using=database_of(OrderPayment)):
            OrderPayment.objects.order_by("pk").values_list("pk").first()
    except (ProgrammingError, OperationalError):
        logger.exception("Reports about payments are not in the list")
        return False
    return True

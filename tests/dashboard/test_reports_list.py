"""Our reports in Oscar's list: who has them, how much they read, and that nothing of them takes Oscar's own down."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import resolve, reverse
from oscar.apps.dashboard.reports import utils

from oscar_rehive.dashboard import rights
from oscar_rehive.dashboard.reports import reconciliation
from oscar_rehive.dashboard.reports.utils import REPORTS, RehiveReportsMixin
from oscar_rehive.models import Entry, Invoice, OrderPayment
from tests.dashboard.conftest import EVERYTHING, OF_OSCAR, OF_REPORTS, Desk
from tests.dashboard.reporting import CODES, QUIET, lines, report
from tests.steps import not_migrated

pytestmark = pytest.mark.django_db


class TestTheList:
    def choices(self, desk: Desk) -> list[str]:
        page = desk.page(reverse("dashboard:reports-index"))
        return [one["value"] for one in page.select("#id_report_type option")]

    def test_has_oscars_reports_and_ours_after_them(self, reader: Desk) -> None:
        assert self.choices(reader)[-4:] == CODES
        assert "order_report" in self.choices(reader)

    def test_oscars_own_are_as_they_were(self, reader: Desk, paid: Any) -> None:
        number = paid().number

        assert number in reader.get(report("order_report")).content.decode()
        assert reader.get(report("order_report", download="on")).status_code == 200

    @pytest.mark.parametrize("code", CODES)
    def test_who_may_not_see_payments_has_none(self, paid: Any, code: str) -> None:
        paid()
        others = Desk(OF_OSCAR, OF_REPORTS, *set(EVERYTHING) - {rights.VIEW})

        assert set(self.choices(others)).isdisjoint(CODES)
        assert "24.90" not in others.get(report(code)).content.decode()
        assert "24.90" not in others.get(report(code, download="on")).content.decode()

    def test_nor_where_the_page_is_oscars_own(self, reader: Desk) -> None:
        """Then the list shows them; what they show is refused."""
        others = Desk(OF_OSCAR, OF_REPORTS, username="kim")

        for one in REPORTS:
            assert one().is_available_to(reader.user)
            assert not one().is_available_to(others.user)

    def test_users_of_a_partner_have_none(self, paid: Any) -> None:
        partner = Desk(rights.PARTNER, OF_REPORTS, *EVERYTHING, is_staff=False)

        assert set(self.choices(partner)).isdisjoint(CODES)
        assert "24.90" not in partner.get(report("rehive_takings")).content.decode()

    def test_a_list_of_the_shops_own_takes_the_mixin(self) -> None:
        theirs = type("Theirs", (), {"code": "theirs"})
        bases = (RehiveReportsMixin, utils.GeneratorRepository)
        own = type("GeneratorRepository", bases, {"generators": [theirs]})()

        assert [one.code for one in own.get_report_generators()] == ["theirs", *CODES]
        assert own.get_generator("theirs") is theirs
        assert own.get_generator("rehive_takings") is REPORTS[0]
        assert own.get_generator("nonsense") is None

    # On PostgreSQL a query that fails would end the test's own transaction.
    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("model", [OrderPayment, Invoice, Entry])
    def test_where_tables_are_missing(self, reader: Desk, paid: Any, model: Any) -> None:
        paid()
        with not_migrated(model):
            shown = self.choices(reader)
            of_oscar = reader.get(report("order_report")).status_code
            ours = [
                reader.get(report(code, download=download))
                for code in QUIET
                for download in ("", "on")
            ]

        assert of_oscar == 200
        assert (set(shown) & set(CODES)) == (set() if model is OrderPayment else set(CODES))
        assert {answer.status_code for answer in ours} <= {200, 503}
        if model is not OrderPayment:  # else they are not in the list any more
            told = [answer for answer in ours if answer.status_code == 503]
            assert len(told) >= 2
            assert all("manage.py migrate" in answer.content.decode() for answer in told)

    @pytest.mark.django_db(transaction=True)
    def test_nor_what_is_read_while_the_page_is_written(self, reader: Desk) -> None:
        with not_migrated(Invoice):
            assert reader.get(report("rehive_reconciliation")).status_code == 503

    @pytest.mark.parametrize("query", ["page=99", "page=x"])
    def test_pages_that_there_are_not(self, reader: Desk, paid: Any, query: str) -> None:
        paid()

        assert reader.get(f"{report('rehive_takings')}&{query}").status_code == 404

    def test_days_that_are_none_are_told(self, reader: Desk) -> None:
        page = reader.page(report("rehive_takings", date_from="32.13.2026"))

        assert page.select(".error-block li")

    def test_the_page_is_outside_of_transactions(self) -> None:
        """One of them asks Rehive (P8)."""
        view = resolve(reverse("dashboard:reports-index")).func

        assert view._non_atomic_requests == {"default"}


class TestStatements:
    @pytest.mark.parametrize("code", QUIET)
    @pytest.mark.parametrize("download", ["", "on"])
    def test_are_as_many_for_much_as_for_little(
        self, reader: Desk, paid: Any, code: str, download: str
    ) -> None:
        url = report(code, download=download)

        def statements() -> int:
            with CaptureQueriesContext(connection) as captured:
                answer = reader.get(url)
                assert answer.status_code == 200
                if answer.streaming:
                    b"".join(answer.streaming_content)
            return len(captured)

        paid()
        statements()
        before = statements()
        for _ in range(4):
            paid(more=250)

        assert statements() == before
        assert before <= 20

    def test_of_a_long_file_are_so_many_for_each_part(
        self, reader: Desk, paid: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reconciliation, "AT_ONCE", 2)
        orders = [paid() for _ in range(5)]

        found = [one["order"] for one in lines(reader, "rehive_reconciliation")]

        assert found == [one.number for one in reversed(orders)]

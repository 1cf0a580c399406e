"""What the reports tell of real payments: takings, reconciliation by order, conversion. What they add up is in
test_reports_arithmetic.py, and Rehive's own books are in test_reports_books.py."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone as clock
from oscar.core.loading import get_model

from oscar_rehive.dashboard.reports import conversion
from oscar_rehive.models import Entry, Invoice, OrderPayment
from oscar_rehive.payments.cancelling import cancel_order
from oscar_rehive.payments.opening import open_invoice
from oscar_rehive.payments.refunding import refund
from oscar_rehive.payments.settling import refresh
from oscar_rehive.rehive.exceptions import RehiveError
from tests.dashboard.conftest import Desk, invoice_of, said
from tests.dashboard.reporting import cells, lines, report
from tests.steps import RETURN_URL, moved, opened, other_source, rehive_tells, settled

pytestmark = pytest.mark.django_db


@pytest.fixture
def paid_back(rehive: Any, paid: Any) -> Callable[..., Any]:
    """An order over 24.90 that is paid, with ``more`` smallest units beyond, of which ``amount`` went back."""

    def paid_back(amount: str, more: int = 0) -> Any:
        order = paid(more=more)
        asked = refund(invoice_of(order), Decimal(amount), reason="so", by="kim")
        rehive.refund(asked.remote_id, "complete")
        refresh(invoice_of(order), Entry.Source.STAFF, with_refunds=True)
        return order

    return paid_back


class TestTakings:
    def test_are_what_came_less_what_went_back_and_not_what_was_ordered(
        self, reader: Desk, paid: Any, paid_back: Any, place_order: Any
    ) -> None:
        paid()
        paid_back("4.90", more=250)
        place_order(total="1000.00")

        page = reader.page(report("rehive_takings"))

        assert cells(page) == [
            [cells(page)[0][0], "2", "52.30 USD", "4.90 USD", "47.40 USD"],
        ]
        assert cells(page, "[data-sums]") == [
            ["USD", "1049.80 USD", "1000.00 USD", "52.30 USD", "4.90 USD", "47.40 USD"]
        ]
        assert "counts every order when it is placed" in said(page, ".alert-info")

    def test_what_paid_an_order_that_had_the_same_number_has_not_paid_this_one(
        self, reader: Desk, paid: Any
    ) -> None:
        paid()
        OrderPayment.objects.update(order_key="999999")

        assert cells(reader.page(report("rehive_takings")), "[data-sums]")[0][2] == "24.90 USD"

    def test_what_goes_back_or_comes_when_its_order_is_gone_is_told_too(
        self, reader: Desk, rehive: Any, paid: Any, place_order: Any
    ) -> None:
        """The desk's way out of money without an order is a refund: it was still among the takings."""
        order, later = paid(), place_order(total="10.00")
        waits = opened(later)
        given_back = invoice_of(order)
        order.delete()
        later.delete()
        rehive.outcome(waits.remote_id, "pay")
        settled(waits)
        asked = refund(given_back, Decimal("24.90"), reason="so", by="kim")
        rehive.refund(asked.remote_id, "complete")
        refresh(given_back, Entry.Source.STAFF, with_refunds=True)

        page = reader.page(report("rehive_takings"))

        assert cells(page)[0][1:] == ["2", "34.90 USD", "24.90 USD", "10.00 USD"]
        assert get_model("payment", "Source").objects.count() == 0

    def test_of_two_currencies_stand_apart(self, reader: Desk, paid: Any) -> None:
        paid()
        Invoice.objects.filter(payment__order_number=paid().number).update(currency="EUR")

        page = reader.page(report("rehive_takings"))

        assert [row[2] for row in cells(page)] == ["24.90 USD", "24.90 EUR"]
        assert [one["data-chart"] for one in page.select("figure")] == ["takings-0", "takings-1"]

    def test_money_that_does_not_fit_its_order_is_money(
        self, reader: Desk, rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        invoice = opened(place_order(total="10.00"))
        rehive.outcome(invoice.remote_id, "pay")
        rehive_tells(monkeypatch, reference="another")
        settled(invoice)

        assert cells(reader.page(report("rehive_takings")))[0][2] == "10.00 USD"

    @pytest.mark.parametrize(
        ("moment", "day"),
        [
            ("2026-03-28T22:59", "2026-03-28"),
            ("2026-03-28T23:00", "2026-03-29"),
            # Clocks go forward on this day, and it ends an hour earlier.
            ("2026-03-29T21:59", "2026-03-29"),
            ("2026-03-29T22:00", "2026-03-30"),
        ],
    )
    def test_of_a_day_are_those_of_the_shops_time_zone(
        self, reader: Desk, paid: Any, settings: Any, moment: str, day: str
    ) -> None:
        settings.TIME_ZONE = "Europe/Berlin"
        paid()
        when = datetime.fromisoformat(moment).replace(tzinfo=timezone.utc)
        Entry.objects.filter(amount__isnull=False).update(at=when)

        # Wherever who looks at it is.
        with clock.override("Asia/Tokyo"):
            of_each = [
                lines(reader, "rehive_takings", date_from=each, date_to=each)
                for each in ("2026-03-28", "2026-03-29", "2026-03-30")
            ]

        assert [one["day"] for some in of_each for one in some] == [day]

    def test_have_a_picture_that_says_what_it_shows(self, reader: Desk, paid: Any) -> None:
        paid()

        (picture,) = reader.page(report("rehive_takings")).select("svg")

        named = [picture.find(id=one).get_text() for one in picture["aria-labelledby"].split()]
        assert picture["role"] == "img"
        assert named[0] == "Takings in USD"
        assert "24.90 USD" in named[1]

    def test_nothing_came(self, reader: Desk) -> None:
        page = reader.page(report("rehive_takings"))

        assert "No money came" in said(page, "[data-nothing]")
        assert page.select("svg") == []


class TestReconciliation:
    def test_of_orders_in_each_way(
        self, reader: Desk, rehive: Any, paid: Any, paid_back: Any, place_order: Any
    ) -> None:
        fits, excess, part_back = paid(), paid(more=250), paid_back("4.90")
        twice = place_order(total="10.00")
        first = opened(twice)
        rehive.outcome(first.remote_id, "pay_less", amount=400)
        rehive.outcome(first.remote_id, "expire")
        settled(first)
        second = opened(twice)
        rehive.outcome(second.remote_id, "pay_late")
        settled(second)
        cancelled = paid()
        moved(cancelled, "Cancelled")
        ended = place_order(total="7.00")
        cancel_order(ended.number, reason="so", source="staff")
        gift = place_order(total="20.00")
        other_source(gift, debited="15.00")
        third = opened(gift)
        rehive.outcome(third.remote_id, "pay")
        settled(third)

        found = {
            one["order"]: (one["came in"], one["went back"], one["difference"], one["verdict"])
            for one in lines(reader, "rehive_reconciliation")
        }

        assert found == {
            fits.number: ("24.90", "0.00", "0.00", "fits"),
            excess.number: ("27.40", "0.00", "2.50", "more"),
            part_back.number: ("24.90", "4.90", "-4.90", "given back"),
            twice.number: ("10.00", "0.00", "0.00", "fits"),
            cancelled.number: ("24.90", "0.00", "24.90", "waits"),
            ended.number: ("0.00", "0.00", "0.00", "fits"),
            gift.number: ("5.00", "0.00", "0.00", "fits"),
        }

    def test_the_page_shows_them_with_sums(self, reader: Desk, paid: Any, paid_back: Any) -> None:
        order = paid_back("4.90")
        page = reader.page(report("rehive_reconciliation"))

        ((number, _, *rest),) = cells(page)
        assert number == order.number
        assert rest == [
            "paid",
            "24.90 USD",
            "–",
            "24.90 USD",
            "4.90 USD",
            "-4.90 USD",
            "given back since",
        ]
        assert cells(page, "[data-sums]") == [["24.90 USD", "4.90 USD", "20.00 USD"]]

    def test_oscars_ledger_is_looked_at_too(self, reader: Desk, paid: Any) -> None:
        order = paid()
        get_model("payment", "Source").objects.filter(order=order).update(amount_debited=20)

        ((*_, verdict),) = cells(reader.page(report("rehive_reconciliation")))

        assert verdict == "Oscar's ledger differs 20.00 USD"

    def test_an_order_that_got_the_number_of_another_is_not_its_order(
        self, reader: Desk, paid: Any
    ) -> None:
        paid()
        OrderPayment.objects.update(order_key="999999")

        (row,) = lines(reader, "rehive_reconciliation")

        assert (row["total"], row["came in"]) == ("", "24.90")


class TestConversion:
    def test_counts_what_became_of_each(
        self, reader: Desk, rehive: Any, paid: Any, place_order: Any
    ) -> None:
        paid()
        OrderPayment.objects.update(paid_at=clock.now() + timedelta(seconds=150))
        opened(place_order())
        place_order()
        failed = opened(place_order())
        rehive.outcome(failed.remote_id, "expire")
        settled(failed)
        # The newest attempt is what counts.
        failed = open_invoice(failed.order_number, return_url=RETURN_URL)
        rehive.outcome(failed.remote_id, "fail")
        settled(failed)
        cancel_order(failed.order_number, reason="so", source="staff")

        page = reader.page(report("rehive_conversion"))

        today, totals = cells(page)[0], page.select("[data-rows] tfoot td")
        assert today[1:10] == ["4", "3", "1", "25", "2", "0", "1", "0", "0"]
        assert today[10] == today[11] == "2 min 30 s"
        assert totals[0].get_text() == "4"
        assert len(page.select("svg")) == 1

    def test_an_attempt_that_never_came_through_has_opened_nothing(
        self, reader: Desk, rehive: Any, place_order: Any
    ) -> None:
        """Rehive is down: nobody has seen its page."""
        order = place_order()
        failed = opened(place_order())
        rehive.outcome(failed.remote_id, "fail")
        settled(failed)
        rehive.faults(error_status=True)
        for number in (order.number, failed.order_number):
            with pytest.raises(RehiveError):
                open_invoice(number, return_url=RETURN_URL)
        cancel_order(failed.order_number, reason="so", source="staff")
        OrderPayment.objects.filter(order_number=failed.order_number).update(closed_at=clock.now())

        (row,) = [one for one in lines(reader, "rehive_conversion") if one["chosen"] != "0"]

        assert (row["chosen"], row["opened"]) == ("2", "1")
        assert (row["failed"], row["ended otherwise"]) == ("1", "0")

    def test_by_weeks_where_there_are_many_days(self, reader: Desk, paid: Any) -> None:
        paid()

        rows = lines(reader, "rehive_conversion", date_from="2026-01-01")

        assert all(one["from"][-2:].isdigit() for one in rows)
        assert sum(int(one["paid"]) for one in rows) == 1
        assert len(rows) < 60

    def test_a_page_does_not_read_for_minutes(
        self, reader: Desk, paid: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        paid()
        monkeypatch.setattr(conversion, "MOST_PAYMENTS", 0)

        page = reader.page(report("rehive_conversion"))

        assert "too many payments" in said(page, "[data-nothing]")
        assert any(one["paid"] == "1" for one in lines(reader, "rehive_conversion"))

"""What the reports add up and conclude, in milliseconds: no database, no page."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscar_rehive.dashboard.charts import HEIGHT, LOW, Bar, chart
from oscar_rehive.dashboard.listing import csv_line
from oscar_rehive.dashboard.reports.asking import Booked, PaidOut, Told
from oscar_rehive.dashboard.reports.books import chains_of, months_of
from oscar_rehive.dashboard.reports.conversion import Outcome, in_words, percentile, periods_of
from oscar_rehive.dashboard.reports.days import Days, days_of
from oscar_rehive.dashboard.reports.reconciliation import Row, Verdict, rows_for
from oscar_rehive.dashboard.reports.takings import Taking, charts_of, sums_of
from oscar_rehive.models import Invoice, OrderPayment
from tests.payments.cases import order

UTC = timezone.utc
BERLIN = ZoneInfo("Europe/Berlin")
TODAY = date(2026, 11, 25)
NOVEMBER = Days(date(2026, 11, 1), date(2026, 11, 30), UTC)


def at(day: int, hour: int = 12, month: int = 11) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=UTC)


def taking(day: int, came: str, back: str = "0", currency: str = "USD", month: int = 11) -> Taking:
    return Taking(date(2026, month, day), currency, Decimal(came), Decimal(back), 1)


class TestDays:
    def test_what_is_left_open_is_the_last_thirty_days(self) -> None:
        days = days_of(None, None, today=TODAY, zone=UTC)

        assert (days.first, days.last, days.length) == (date(2026, 10, 27), TODAY, 30)

    def test_or_those_before_the_end(self) -> None:
        days = days_of(None, date(2026, 1, 30), today=TODAY, zone=UTC)

        assert (days.first, days.last) == (date(2026, 1, 1), date(2026, 1, 30))

    def test_from_a_day_on_is_until_today(self) -> None:
        days = days_of(date(2026, 2, 1), None, today=TODAY, zone=UTC)

        assert (days.first, days.last) == (date(2026, 2, 1), TODAY)

    @pytest.mark.parametrize("first", [None, date.min, date.max])
    @pytest.mark.parametrize("last", [None, date.min, date.max])
    def test_the_ends_of_the_calendar_are_asked_for_too(
        self, first: date | None, last: date | None
    ) -> None:
        days = days_of(first, last, today=TODAY, zone=BERLIN)

        assert 1 <= days.length < 10_000
        assert days.start < days.end
        assert days.last <= TODAY + timedelta(days=1)

    def test_a_day_on_which_clocks_change_is_as_long_as_it_is(self) -> None:
        spring = Days(date(2026, 3, 29), date(2026, 3, 29), BERLIN)
        autumn = Days(date(2026, 10, 25), date(2026, 10, 25), BERLIN)

        lengths = [one.end.astimezone(UTC) - one.start.astimezone(UTC) for one in (spring, autumn)]
        assert lengths == [timedelta(hours=23), timedelta(hours=25)]

    def test_a_moment_belongs_to_the_day_of_the_shop(self) -> None:
        days = Days(TODAY, TODAY, BERLIN)

        assert days.day_of(at(24, 23)) == TODAY
        assert days.start <= at(24, 23) < days.end <= at(25, 23)


class TestTakings:
    def test_each_currency_is_summed_up_by_itself(self) -> None:
        takings = [taking(1, "10.00"), taking(2, "5.00", "12.34"), taking(2, "7.00", "1.00", "EUR")]

        euros, dollars = sums_of(takings, {"USD": (Decimal("90.00"), Decimal("75.00"))})

        assert (dollars.came, dollars.back, dollars.kept) == ("15.00 USD", "12.34 USD", "2.66 USD")
        assert (dollars.oscar, dollars.unpaid) == ("90.00 USD", "75.00 USD")
        assert (euros.kept, euros.oscar) == ("6.00 EUR", "0.00 EUR")

    def test_orders_that_nobody_paid_are_no_takings(self) -> None:
        (only,) = sums_of([], {"USD": (Decimal("90.00"), Decimal("90.00"))})

        assert (only.oscar, only.kept) == ("90.00 USD", "0.00 USD")

    def test_the_picture_has_all_days_and_words_for_them(self) -> None:
        (picture,) = charts_of([taking(2, "30.00", "10.00"), taking(3, "15.00")], NOVEMBER)

        tall, below, half = picture.rectangles
        assert (tall.height, below.height, half.height) == ("120.0", "40.0", "60.0")
        assert (tall.y, below.y, half.y) == ("0.0", "120.0", "60.0")
        assert tall.says == "11/02/2026: 20.00 USD"
        assert "30.00 USD" in picture.text
        assert (picture.first, picture.last) == ("11/01/2026", "11/30/2026")

    def test_each_currency_has_its_own(self) -> None:
        dollars = [taking(2, "30.00"), taking(3, "10.00")]

        euros, same = charts_of([*dollars, taking(2, "5.00", currency="EUR")], NOVEMBER)

        assert [one.says for one in euros.rectangles] == ["11/02/2026: 5.00 EUR"]
        assert same.rectangles == charts_of(dollars, NOVEMBER)[0].rectangles

    def test_of_many_days_it_shows_months(self) -> None:
        year = Days(date(2026, 1, 1), date(2026, 12, 31), UTC)

        (picture,) = charts_of([taking(2, "3.00"), taking(30, "4.00")], year)

        (november,) = picture.rectangles
        assert november.says == "November 2026: 7.00 USD"
        assert picture.first == "January 2026"

    def test_the_parts_of_a_bar_stand_on_each_other(self) -> None:
        bar = Bar("", ups=[("green", Decimal(3)), ("grey", Decimal(1))])

        lower, upper = chart([bar], key="k", title="", text="").rectangles

        assert (lower.y, lower.height) == ("40.0", "120.0")
        assert (upper.y, upper.height) == ("0.0", "40.0")

    @given(st.lists(st.tuples(*[st.integers(0, 10**6)] * 3), min_size=1, max_size=30))
    def test_one_of_a_million_is_seen_and_nothing_is_outside(
        self, columns: list[tuple[int, int, int]]
    ) -> None:
        bars = [
            Bar("", [("blue", Decimal(a)), ("amber", Decimal(b))], [("red", Decimal(c))])
            for a, b, c in columns
        ]

        drawn = chart(bars, key="k", title="", text="", pixels=LOW).rectangles

        assert len(drawn) == sum(bool(value) for column in columns for value in column)
        for one in drawn:
            assert float(one.height) * LOW / HEIGHT > 0.98, "a pixel"
            assert float(one.y) >= 0
            assert float(one.y) + float(one.height) <= HEIGHT + 0.2
            assert float(one.x) + float(one.width) <= 1000

    def test_nothing_makes_no_picture(self) -> None:
        assert charts_of([], NOVEMBER) == []
        assert chart([Bar("", [])], key="k", title="", text="").rectangles == []


class TestReconciliation:
    def row(self, came: int, back: int = 0, **changes: Any) -> Row:
        invoice = Invoice(currency="USD", divisibility=2, received=came, refunded=back)
        held = changes.pop("ledger", Decimal(came - back) / 100)
        covered = changes.pop("covered", "0")
        payment = OrderPayment(order_number="7", created_at=at(1), **{"paid_at": at(2), **changes})
        (row,) = rows_for(payment, order(covered=covered), [invoice], {"USD": held})
        return row

    @pytest.mark.parametrize(
        ("came", "back", "changes", "difference", "verdict"),
        [
            (1000, 0, {}, "0.00", Verdict.FITS),
            (1000, 400, {}, "-4.00", Verdict.GIVEN_BACK),
            (1000, 1000, {}, "-10.00", Verdict.GIVEN_BACK),
            (1250, 0, {}, "2.50", Verdict.MORE),
            (1250, 250, {}, "0.00", Verdict.FITS),
            (995, 0, {}, "-0.05", Verdict.LESS),
            (800, 0, {"covered": "2.00"}, "0.00", Verdict.FITS),
            (800, 0, {"covered": "12.00"}, "8.00", Verdict.MORE),
            (0, 0, {"paid_at": None}, "0.00", Verdict.FITS),
            (400, 0, {"paid_at": None}, "4.00", Verdict.WAITS),
            (1000, 0, {"released_at": at(3)}, "10.00", Verdict.WAITS),
            (1000, 1000, {"released_at": at(3)}, "0.00", Verdict.FITS),
            (1000, 0, {"ledger": Decimal(0)}, "0.00", Verdict.LEDGER),
            (1000, 0, {"ledger": Decimal(20)}, "0.00", Verdict.LEDGER),
        ],
    )
    def test_an_order(
        self, came: int, back: int, changes: dict[str, Any], difference: str, verdict: Verdict
    ) -> None:
        row = self.row(came, back, **changes)

        assert (row.difference, row.verdict) == (Decimal(difference), verdict)

    def test_attempts_are_added_up_and_a_second_currency_has_a_row_of_its_own(self) -> None:
        attempts = [
            Invoice(currency="USD", divisibility=2, received=400, refunded=0),
            Invoice(currency="USD", divisibility=2, received=600, refunded=0),
            Invoice(currency="JPY", divisibility=0, received=50, refunded=0),
            Invoice(currency="EUR", divisibility=2, received=0, refunded=0),
        ]
        payment = OrderPayment(order_number="7", created_at=at(1), paid_at=at(2))
        ledger = {"USD": Decimal("10.00"), "JPY": Decimal("50.00")}

        dollars, yen = rows_for(payment, order(), attempts, ledger)

        assert (dollars.total, dollars.came, dollars.verdict) == (10, 10, Verdict.FITS)
        assert (yen.total, yen.due, yen.difference) == (None, 0, 50)
        assert yen.verdict is Verdict.MORE

    def test_a_ledger_of_two_decimals_may_lack_what_it_cannot_hold(self) -> None:
        ether = Invoice(currency="ETH", divisibility=18, received=10**16 + 1, refunded=0)
        payment = OrderPayment(order_number="7", created_at=at(1))

        (row,) = rows_for(payment, None, [ether], {"ETH": Decimal("0.01")})

        assert row.verdict is Verdict.WAITS
        assert row.difference == Decimal("0.010000000000000001")

    def test_of_each_attempt_by_itself(self) -> None:
        half = Invoice(currency="BTC", divisibility=8, received=500_000, refunded=0)
        other = Invoice(currency="BTC", divisibility=8, received=1_900_000, refunded=600_000)
        payment = OrderPayment(order_number="7", created_at=at(1))

        (row,) = rows_for(payment, None, [half, other], {"BTC": Decimal("0.01")})

        assert (row.difference, row.verdict) == (Decimal("0.018"), Verdict.WAITS)

    def test_nor_does_it_hold_what_went_back_beyond_what_came(self) -> None:
        assert self.row(1000, 1200, ledger=Decimal(0)).verdict is Verdict.GIVEN_BACK

    def test_money_of_an_order_that_is_gone_is_here_for_nothing(self) -> None:
        paid = Invoice(currency="USD", divisibility=2, received=1000, refunded=0)
        payment = OrderPayment(order_number="7", created_at=at(1), paid_at=at(2))

        (row,) = rows_for(payment, None, [paid], {})

        assert (row.total, row.difference, row.verdict) == (None, 10, Verdict.LEDGER)


class TestConversion:
    def test_what_became_of_each(self) -> None:
        made = at(2)
        outcomes: list[Outcome] = [
            (made, made + timedelta(seconds=90), None, None),
            (made, made + timedelta(hours=3), None, None),
            (made, None, None, "processing"),
            (made, None, None, None),
            (made, None, at(3), "expired"),
            (made, None, at(3), "failed"),
            (made, None, at(3), "cancelled"),
            (made, None, at(3), None),
            (made, None, at(3), "paid"),
        ]

        day = periods_of(outcomes, NOVEMBER)[1]

        assert (day.begins, day.chosen, day.opened) == (date(2026, 11, 2), 9, 7)
        assert (day.paid, day.waiting, day.share) == (2, 2, 22)
        assert day.ended == {"expired": 1, "failed": 1, "cancelled": 1, "otherwise": 2}
        assert (day.usual_told, day.slow_told) == ("1 min 30 s", "3 h 0 min")

    def test_days_without_any_are_there(self) -> None:
        periods = periods_of([], NOVEMBER)

        assert len(periods) == 30
        assert (periods[0].share, periods[0].usual, periods[0].usual_told) == (None, None, "–")

    def test_of_many_days_weeks_are_told_and_the_first_may_be_shorter(self) -> None:
        days = Days(date(2026, 11, 4), date(2026, 12, 31), UTC)

        periods = periods_of([(at(8), None, None, None), (at(9), None, None, None)], days)

        assert [one.begins.day for one in periods[:3]] == [4, 9, 16]
        assert [one.chosen for one in periods[:3]] == [1, 1, 0]

    def test_a_day_is_that_of_the_shop(self) -> None:
        days = Days(date(2026, 11, 24), TODAY, BERLIN)

        assert [one.chosen for one in periods_of([(at(24, 23), None, None, None)], days)] == [0, 1]

    def test_a_clock_that_was_wrong_makes_no_time_below_nothing(self) -> None:
        (day,) = periods_of([(at(25), at(24), None, None)], Days(TODAY, TODAY, UTC))

        assert day.usual == 0

    @pytest.mark.parametrize(
        ("seconds", "percent", "expected"),
        [
            ([], 50, None),
            ([7], 50, 7),
            ([7], 90, 7),
            ([4, 1, 3, 2], 50, 2),
            ([5, 4, 1, 3, 2], 50, 3),
            (range(1, 11), 90, 9),
            (range(1, 12), 90, 10),
        ],
    )
    def test_percentiles_are_of_those_who_paid(
        self, seconds: Any, percent: int, expected: int | None
    ) -> None:
        assert percentile(seconds, percent) == expected

    @pytest.mark.parametrize(
        ("seconds", "words"),
        [(0, "0 s"), (61, "1 min 1 s"), (3_660, "1 h 1 min"), (90_000, "1 d 1 h")],
    )
    def test_times_are_told_by_their_two_largest_units(self, seconds: int, words: str) -> None:
        assert in_words(seconds) == words


def booked(invoice_id: str, amount: str, **changes: Any) -> Booked:
    usual = {
        "id": "t",
        "kind": "credit",
        "status": "complete",
        "currency": "USD",
        "amount": Decimal(amount),
        "fee": Decimal("0.10"),
        "invoice_id": invoice_id,
        "at": at(2),
    }
    return Booked(**{**usual, **changes})


class TestBooks:
    def test_a_month_has_both_halves(self) -> None:
        told = Told(
            [
                booked("1", "10.00"),
                booked("2", "5.00", fee=None),
                booked("2", "9.00", status="pending"),
                booked("2", "9.00", kind="debit"),
                booked("", "9.00"),
                booked("3", "9.00", at=at(2, month=12)),
                booked("3", "9.00", at=None),
            ],
            [
                PaidOut("p", "P1", "complete", "USD", Decimal(12), at(3)),
                PaidOut("p", "P2", "queued", "USD", Decimal(12), at(3)),
                PaidOut("p", "P3", "complete", "USD", Decimal(12), at(3, month=10)),
            ],
        )

        (month,) = months_of([taking(2, "10.00"), taking(3, "6.00", "1.00")], told, NOVEMBER)

        assert (month.begins, month.came, month.back) == (date(2026, 11, 1), 16, 1)
        assert (month.paid, month.fees, month.fees_untold) == (15, Decimal("0.10"), 1)
        assert (month.paid_out, month.difference) == (12, -1)

    def test_a_month_is_that_of_the_shop(self) -> None:
        days = Days(date(2026, 11, 1), date(2026, 12, 31), BERLIN)

        (month,) = months_of([], Told([booked("1", "10.00", at=at(30, 23))]), days)

        assert month.begins == date(2026, 12, 1)

    @pytest.mark.parametrize(
        ("rows", "are_all", "verdict", "difference"),
        [
            ([booked("r1", "10.00")], True, "linked", 0),
            ([booked("r1", "4.00"), booked("r1", "6.00")], False, "linked", 0),
            ([booked("r1", "9.00")], True, "differs", -1),
            ([booked("r1", "10.00", status="failed")], True, "differs", -10),
            ([booked("r1", "10.00", currency="EUR")], True, "differs", -10),
            ([booked("other", "10.00")], True, "missing", -10),
            ([booked("", "10.00")], True, "missing", -10),
            # Absence proves nothing where not all was read.
            ([], False, "unknown", None),
        ],
    )
    def test_an_invoice_is_linked_or_said_to_be_missing(
        self, rows: list[Booked], are_all: bool, verdict: str, difference: int | None
    ) -> None:
        invoice = Invoice(
            pk=1, payment=OrderPayment(pk=1, order_number="7"), remote_id="r1", currency="USD"
        )
        invoice.recorded = Decimal(10)

        (chain,) = chains_of([invoice], Told(rows, has_all_booked=are_all))

        assert (chain.verdict, chain.difference) == (verdict, difference)

    def test_what_the_ledger_has_no_decimals_for_is_no_difference(self) -> None:
        invoice = Invoice(
            pk=1, payment=OrderPayment(pk=1, order_number="7"), remote_id="r1", currency="BTC"
        )
        invoice.recorded = Decimal("0.12")
        rows = [booked("r1", "0.1145", currency="BTC"), booked("r1", "0.0095", currency="BTC")]
        more = booked("r2", "0.029", currency="BTC")

        (chain,) = chains_of([invoice], Told(rows))
        (month,) = months_of([taking(2, "0.14", currency="BTC")], Told([*rows, more]), NOVEMBER)

        assert (chain.verdict, chain.paid) == ("linked", Decimal("0.1240"))
        assert (month.difference, month.paid) == (0, Decimal("0.1530"))


def test_a_file_holds_no_formula_and_leaves_numbers_as_they_are() -> None:
    line = csv_line(["=1+1", "-x", Decimal("-12.30"), Decimal("1E-8"), -3, "plain"])

    assert line == "'=1+1,'-x,-12.30,0.00000001,-3,plain\r\n"

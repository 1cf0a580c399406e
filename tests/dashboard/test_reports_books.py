"""The shop's books beside Rehive's own: what is linked, what is missing, and what cannot be known. The page ends in
the time of a page, and has the shop's half whatever Rehive does (P11)."""

from __future__ import annotations

import csv
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from oscar_rehive.dashboard.reports import asking, books
from oscar_rehive.models import Entry
from oscar_rehive.payments.refunding import refund
from oscar_rehive.payments.settling import refresh
from oscar_rehive.rehive.client import Client as Rehive
from oscar_rehive.rehive.deadlines import seconds_left
from tests.dashboard.conftest import OF_OSCAR, OF_REPORTS, Desk, invoice_of
from tests.dashboard.reporting import cells, report
from tests.steps import opened

pytestmark = pytest.mark.django_db

BOOKS = report("rehive_books")


def troubles(page: Any) -> list[str]:
    """What the page says of Rehive's half."""
    return [" ".join(one.get_text().split()) for one in page.select("[data-trouble]")]


def asked(rehive: Any) -> list[str]:
    """What was asked of the business's own account."""
    words = ("transactions/", "payouts/")
    business = f"businesses/{rehive.business_id}/"
    paths = [request["path"].partition(business)[2] for request in rehive.requests()]
    return [path for path in paths if path in words]


def test_both_halves_month_by_month(reader: Desk, rehive: Any, paid: Any) -> None:
    rehive.fee(10)
    paid()
    order = paid(more=250)
    again = refund(invoice_of(order), Decimal("2.50"), reason="so", by="kim")
    rehive.refund(again.remote_id, "complete")
    refresh(invoice_of(order), Entry.Source.STAFF, with_refunds=True)
    rehive.payout(4000)
    rehive.payout(1000, "queued")

    page = reader.page(BOOKS)

    ((_month, *amounts),) = cells(page, "[data-months]")
    assert amounts == ["52.30 USD", "2.50 USD", "52.30 USD", "0.51 USD", "40.00 USD", "✓ fits"]
    assert [row[2:] for row in cells(page, "[data-payouts]")] == [
        ["queued", "10.00 USD"],
        ["complete", "40.00 USD"],
    ]
    # Nothing documented says to which invoice the money of a refund belongs.
    assert [row[1:] for row in cells(page, "[data-strangers]")] == [
        ["debit", "complete", "–", "2.50 USD"]
    ]
    assert troubles(page) == []


def test_the_chain_of_an_order(reader: Desk, rehive: Any, paid: Any) -> None:
    order = paid()
    invoice = invoice_of(order)

    page = reader.page(BOOKS)

    ((number, told, came, back, transactions, payout),) = cells(page)
    assert (number, came, back) == (order.number, "24.90 USD", "0.00 USD")
    assert transactions.startswith("24.90 USD complete ")
    assert told[:8] == (invoice.remote_id or "")[:8]
    # Rehive's API does not say which payout a transaction is part of, and so does the page.
    assert payout == "not told"
    assert "Which payout a transaction is part of" in page.get_text()


def test_what_is_missing_at_rehive_is_said(reader: Desk, rehive: Any, paid: Any) -> None:
    paid()
    rehive.reset()

    page = reader.page(BOOKS)

    assert cells(page)[0][4] == "missing"
    assert cells(page, "[data-months]")[0][-1] == "-24.90 USD"


def test_so_is_what_the_shop_does_not_know(reader: Desk, rehive: Any, paid: Any) -> None:
    order = paid()
    invoice_of(order).refunds.all().delete()
    Entry.objects.all().delete()
    invoice_of(order).delete()

    page = reader.page(BOOKS)

    assert cells(page, "[data-months]")[0][-1] == "24.90 USD"
    assert cells(page, "[data-strangers]")[0][1:3] == ["credit", "complete"]
    assert cells(page) == []


def test_and_what_it_has_not_noted_yet(reader: Desk, rehive: Any, place_order: Any) -> None:
    invoice = opened(place_order(total="10.00"))
    rehive.outcome(invoice.remote_id, "pay")

    page = reader.page(BOOKS)

    assert [row[3] for row in cells(page, "[data-strangers]")] == [invoice.remote_id]
    assert cells(page, "[data-months]")[0][-1] == "10.00 USD"


def test_the_file_has_the_same(reader: Desk, rehive: Any, paid: Any) -> None:
    rehive.fee(10)
    order = paid()

    answer = reader.get(f"{BOOKS}&download=on")
    (row,) = csv.DictReader(b"".join(answer.streaming_content).decode().splitlines())

    assert (row["order"], row["verdict"]) == (order.number, "linked")
    assert (row["came in"], row["paid at Rehive"], row["fees at Rehive"]) == (
        "24.90",
        "24.90",
        "0.24",
    )
    assert row["payout"] == "not told by Rehive"


class TestP11WhateverRehiveDoes:
    @pytest.mark.parametrize("fault", ["error_status", "html", "throttle"])
    def test_the_shops_half_is_there_and_the_rest_is_said_to_be_unknown(
        self, reader: Desk, rehive: Any, paid: Any, fault: str
    ) -> None:
        paid()
        rehive.faults(**{fault: True})

        page = reader.page(BOOKS)

        ((_month, came, back, *theirs),) = cells(page, "[data-months]")
        assert (came, back) == ("24.90 USD", "0.00 USD")
        assert set(theirs) == {"unknown"}
        assert cells(page)[0][4] == "not among what was read"
        assert len(troubles(page)) == 2

    def test_all_calls_share_the_time_of_a_page(
        self, reader: Desk, rehive: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Also where the page around is a shop's own."""
        left, real = list[float](), Rehive._ask

        def ask(self: Rehive, *args: Any, **kwargs: Any) -> Any:
            left.append(seconds_left())
            return real(self, *args, **kwargs)

        monkeypatch.setattr(Rehive, "_ask", ask)
        asking.ask_for_books()

        assert len(left) == 2
        assert 8 >= left[0] > left[1]

    def test_a_list_without_end_has_one(
        self, reader: Desk, rehive: Any, paid: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        paid()
        paid()
        monkeypatch.setattr(asking, "MOST_ROWS", 1)

        page = reader.page(BOOKS)

        assert "only the first 1 were read" in troubles(page)[0]
        assert sorted(row[4][:6] for row in cells(page)) == ["24.90 ", "not am"]

    @pytest.mark.parametrize(
        "code", ["", "rehive_takings", "rehive_reconciliation", "rehive_conversion"]
    )
    def test_no_other_report_asks(self, reader: Desk, rehive: Any, paid: Any, code: str) -> None:
        paid()
        reader.get(report(code) if code else reverse("dashboard:reports-index"))

        assert asked(rehive) == []

    def test_nor_is_it_asked_for_somebody_who_may_not_see_it(self, rehive: Any, paid: Any) -> None:
        paid()
        Desk(OF_OSCAR, OF_REPORTS).get(BOOKS)

        assert asked(rehive) == []

    def test_unsound_settings_are_told(self, reader: Desk, paid: Any, settings: Any) -> None:
        paid()
        settings.OSCAR_REHIVE = {"BUSINESSES": 7}

        page = reader.page(BOOKS)

        assert "OSCAR_REHIVE" in troubles(page)[0]
        assert cells(page)[0][2] == "24.90 USD"

    def test_p8_a_shop_that_has_a_transaction_around_its_page_does_not_ask(
        self, rehive: Any, paid: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(asking, "in_a_transaction", lambda: True)

        assert asking.ask_for_books().troubles == [
            "Rehive is not asked inside a database transaction."
        ]
        assert asked(rehive) == []

    def test_what_stands_in_a_list_twice_is_money_once(
        self, reader: Desk, rehive: Any, paid: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Rows shift while a list is paged. Only the same one is the same: an id may be given again."""
        paid()
        rehive.payout(1000)
        rows, paid_out = Rehive.movements, Rehive.payouts

        def movements(self: Rehive) -> Any:
            (one,) = rows(self)
            return iter([replace(one, status="pending"), one, replace(one, amount=100)])

        monkeypatch.setattr(Rehive, "movements", movements)
        monkeypatch.setattr(Rehive, "payouts", lambda self: [*paid_out(self), *paid_out(self)])

        page = reader.page(BOOKS)

        ((_month, _came, _back, booked, _fees, left, _difference),) = cells(page, "[data-months]")
        assert (booked, left) == ("25.90 USD", "10.00 USD")

    def test_a_currency_of_unknown_decimals_is_no_money(
        self, reader: Desk, rehive: Any, paid: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        paid()
        real = Rehive.movements

        def movements(self: Rehive) -> Any:
            for one in real(self):
                yield replace(one, currency=replace(one.currency, divisibility=None))

        monkeypatch.setattr(Rehive, "movements", movements)

        assert "does not tell the decimals of USD" in troubles(reader.page(BOOKS))[0]


def test_statements_are_as_many_for_much_as_for_little(
    reader: Desk, rehive: Any, paid: Any
) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            reader.page(BOOKS)
        return len(captured)

    paid()
    statements()
    before = statements()
    for _ in range(4):
        paid(more=250)
    rehive.payout(100)

    assert statements() == before <= 20


def test_a_long_file_is_read_in_parts(
    reader: Desk, rehive: Any, paid: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(books, "AT_ONCE", 2)
    orders = [paid() for _ in range(5)]

    answer = reader.get(f"{BOOKS}&download=on")
    rows = list(csv.DictReader(b"".join(answer.streaming_content).decode().splitlines()))

    assert [one["order"] for one in rows] == [one.number for one in reversed(orders)]

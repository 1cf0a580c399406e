"""How Rehive's list is ordered, what was refunded of what is paid, and attempts that only the list can show (P5, P6)."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from oscar_rehive.models import Attention, Invoice, OrderPayment, Reading
from oscar_rehive.payments import breaker, listing, opening, reading
from oscar_rehive.payments.carrying_out import change
from oscar_rehive.payments.clocks import SKEW
from oscar_rehive.payments.ending import wish_to_cancel
from oscar_rehive.payments.gateway import client_for
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.rehive import wire
from oscar_rehive.rehive.client import Client
from oscar_rehive.rehive.exceptions import NotFound, Refused, RehiveError, Unintelligible
from oscar_rehive.rehive.paging import Page
from tests.payments.pages import business, read, shuffled, strangers
from tests.steps import (
    RETURN_URL,
    answer_lost,
    moved,
    opened,
    payable_at,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("small_pages")]


@pytest.fixture
def asked_for_pages(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses of lists of invoices that Rehive was asked for."""
    asked, real = list[str](), Client._ask

    def ask(self: Client, method: str, url: str, **kwargs: Any) -> Any:
        if method == "GET" and url.endswith("/invoices/"):
            asked.append(url)
        return real(self, method, url, **kwargs)

    monkeypatch.setattr(Client, "_ask", ask)
    return asked


class TestHowTheListIsOrdered:
    def test_newest_first_is_learned_at_its_end(self, invoices: Any) -> None:
        invoices(10)
        read()

        assert Reading.objects.get().newest_first

    def test_and_not_before(self, invoices: Any) -> None:
        invoices(1)
        strangers(12)
        read()

        known = Reading.objects.get()
        assert (known.in_order, known.newest_first) == (True, False)

    def test_what_is_not_is_not(self, invoices: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        invoices(10)
        shuffled(monkeypatch, lambda rows: rows[5:] + rows[:5])
        read()

        assert not Reading.objects.get().newest_first

    def test_nor_what_tells_no_time(self, invoices: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        invoices(3)
        shuffled(monkeypatch, lambda rows: [dataclasses.replace(row, created=None) for row in rows])
        read()

        assert not Reading.objects.get().newest_first

    def test_it_is_unlearned_as_soon_as_it_proves_otherwise(
        self, invoices: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        invoices(10)
        read()
        assert Reading.objects.get().newest_first
        shuffled(monkeypatch, lambda rows: rows[::-1])
        read()

        assert not Reading.objects.get().newest_first

    def test_what_is_too_old_ends_no_pass_that_has_met_newer_ones_behind_it(
        self, invoices: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        invoices(12)
        read()
        assert Reading.objects.get().newest_first
        Invoice.objects.update(state=Invoice.State.CLOSED)
        a_year = 365 * 24 * 3600 * 1000
        shuffled(
            monkeypatch,
            lambda rows: [
                dataclasses.replace(rows[0], created=(rows[0].created or 0) - a_year),
                *rows[1:],
            ],
        )

        read()

        known = Reading.objects.get()
        assert (known.page, known.newest_first) == (2, False)

    def test_what_is_too_old_ends_the_pass(
        self, invoices: Any, calls: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        invoices(12)
        read()
        a_year = 365 * 24 * 3600 * 1000
        shuffled(
            monkeypatch,
            lambda rows: [
                *rows[:3],
                *(
                    dataclasses.replace(row, created=(row.created or 0) - a_year)
                    for row in rows[3:]
                ),
            ],
        )
        Invoice.objects.filter(pk__lte=Invoice.objects.earliest("pk").pk + 8).update(
            state=Invoice.State.CLOSED
        )
        OrderPayment.objects.update(closed_at=timezone.now())
        read()

        assert Reading.objects.get().page == 1

    def test_a_list_without_an_end_fails_and_is_begun_anew(
        self, invoices: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        invoices(3)
        real = Client.invoice_page
        monkeypatch.setattr(
            Client,
            "invoice_page",
            lambda self, number: dataclasses.replace(real(self, 1), count=None, is_last=False),
        )
        monkeypatch.setattr(reading, "MAX_PAGES", 3)

        failures = [failure for _ in range(6) for failure in reconcile().failures]

        assert any("does not end" in failure for failure in failures)
        assert Reading.objects.get().page <= 3


class TestWhatWasRefundedOfWhatIsPaid:
    def test_the_second_list_tells_it_of_all_at_once(
        self, rehive: Any, invoices: Any, calls: Any
    ) -> None:
        made = invoices(7)
        for one in made[:5]:
            rehive.outcome(one.remote_id, "pay")
        back = client_for(business()).create_refund(
            str(made[0].remote_id), amount=300, currency="USD", reason="", idempotency_key="app"
        )
        rehive.refund(back.id, "complete")
        calls()

        summary = reconcile()

        assert (summary.paid, summary.failures) == (5, [])
        asked = calls()
        assert (asked["refunds"], asked["single"]) == (0, 0)
        payments = OrderPayment.objects.in_bulk([one.payment_id for one in made])
        assert payments[made[0].payment_id].paid_at is None, "a part of it was given back"
        assert all(payments[one.payment_id].paid_at for one in made[1:5])

    def test_where_many_of_others_are_among_them_each_is_asked_for(
        self, rehive: Any, invoices: Any, calls: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The first page tells so."""
        made = invoices(3)
        for one in made:
            rehive.outcome(one.remote_id, "pay")
        real, pages = Client.payment_request_page, []

        def page(self: Client, number: int, **filters: str) -> Page:
            pages.append(number)
            return dataclasses.replace(
                real(self, number, **filters), invoices=(), count=1_000_000, is_last=False
            )

        monkeypatch.setattr(Client, "payment_request_page", page)
        calls()

        assert reconcile().paid == 3
        assert (pages, calls()["refunds"]) == ([1], 3)

    @pytest.mark.parametrize("door", ["shut", "forbidden", "lying", "empty"])
    def test_where_that_is_shut_each_is_asked_for(
        self, rehive: Any, invoices: Any, calls: Any, door: str
    ) -> None:
        rehive.requests_door(door)
        made = invoices(6)
        for one in made[:5]:
            rehive.outcome(one.remote_id, "pay")
        calls()

        assert reconcile().paid == 5
        assert calls()["refunds"] == 5

    def test_one_of_which_it_cannot_be_had_does_not_hide_the_others(
        self, rehive: Any, invoices: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rehive.requests_door("shut")
        made = invoices(4)
        for one in made:
            rehive.outcome(one.remote_id, "pay")
        back = client_for(business()).create_refund(
            str(made[0].remote_id), amount=1000, currency="USD", reason="", idempotency_key="app"
        )
        rehive.refund(back.id, "complete")
        real = Client.refunds

        def refunds(self: Client, remote_id: str, **kwargs: Any) -> Any:
            if remote_id == made[0].remote_id:
                raise Refused("no", {})
            return real(self, remote_id, **kwargs)

        monkeypatch.setattr(Client, "refunds", refunds)

        summary = reconcile()

        assert (summary.paid, len(summary.failures)) == (3, 1)


class TestAttemptsWhoseAnswerWasLost:
    def test_is_found_by_its_reference_at_one_call(
        self, rehive: Any, invoices: Any, place_order: Any, calls: Any
    ) -> None:
        invoices(1)
        lost = answer_lost(rehive, place_order())
        strangers(12)
        read_and_controlled = reading.is_open(business(), timeouts=reading.Timeouts())
        assert read_and_controlled
        calls()

        read()

        lost.refresh_from_db()
        assert lost.remote_id is not None
        assert calls()["filtered"] == 1

    @pytest.mark.parametrize(
        "error", [NotFound("404"), Unintelligible("It has no status."), Refused("no", {})]
    )
    def test_one_that_only_the_second_list_shows_does_not_hide_the_others(
        self,
        rehive: Any,
        invoices: Any,
        place_order: Any,
        monkeypatch: pytest.MonkeyPatch,
        error: Exception,
    ) -> None:
        (paid,) = invoices(1)
        rehive.outcome(paid.remote_id, "pay")
        answer_lost(rehive, place_order())

        def fails(*args: Any, **kwargs: Any) -> Any:
            raise error

        monkeypatch.setattr(Client, "invoice", fails)

        assert read().paid == 1

    def test_or_on_a_page(self, rehive: Any, invoices: Any, place_order: Any) -> None:
        rehive.requests_door("shut")
        lost = answer_lost(rehive, place_order())
        invoices(9)

        read()

        lost.refresh_from_db()
        assert lost.remote_id is not None

    def test_one_that_nobody_can_read_waits_for_a_person_and_not_for_runs(
        self, rehive: Any, place_order: Any, calls: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lost = answer_lost(rehive, place_order())
        strangers(30)
        real = wire.read_invoice

        def read(row: Any) -> Any:
            if row["request_reference"] == lost.order_number:
                raise Unintelligible("It has no status.")
            return real(row)

        monkeypatch.setattr(wire, "read_invoice", read)
        reconcile()
        assert Attention.objects.get().kind == Attention.Kind.UNREADABLE
        assert calls()["pages"] == 8, "all of them"

        for _ in range(8):
            reconcile()

        asked = calls()
        assert (asked["filtered"], asked["single"]) == (0, 0)
        assert asked["pages"] == 8, "one in each run: the pass goes on"
        monkeypatch.undo()
        Reading.objects.update(page=1)
        reconcile()
        lost.refresh_from_db()
        assert lost.remote_id is not None

    @pytest.mark.parametrize("who", ["staff", "the shopper"])
    def test_those_of_cancelled_orders_are_looked_for_together(
        self, rehive: Any, place_order: Any, asked_for_pages: list[str], moments: Any, who: str
    ) -> None:
        """For each of them all of the list was read anew: after an outage they are many."""
        rehive.requests_door("shut")
        strangers(30)
        orders = [place_order() for _ in range(5)]
        rehive.faults(html={"value": 504, "methods": ["POST"]})
        for order in orders:
            with pytest.raises(RehiveError):
                opened(order)
        rehive.clear_faults()
        for order in orders:
            if who == "staff":
                moved(order, "Cancelled")
            else:
                change(order.number, "checkout", lambda plan: wish_to_cancel(plan, "changed"))
        moments.go_by(breaker.LONGEST_SECONDS)

        assert reconcile().failures == []

        assert len(asked_for_pages) == 8, "all of them, once"
        assert not OrderPayment.objects.filter(closed_at=None).exists()
        assert not Invoice.objects.exclude(state=Invoice.State.CLOSED).exists()

    def test_is_given_up_only_when_all_the_list_was_read_since(
        self, rehive: Any, invoices: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A page of a pass that had begun before is no proof: it may have been made on one behind us."""
        invoices(1)
        strangers(12)
        read()
        assert Reading.objects.get().page > 1
        rehive.faults(html={"value": 504, "methods": ["POST"]})
        order = place_order()
        with pytest.raises(Exception, match="504"):
            opened(order)
        rehive.clear_faults()
        a_while_ago = timezone.now() - 2 * SKEW
        Invoice.objects.update(lease_ends_at=None, sent_at=a_while_ago)
        Reading.objects.update(begun_at=a_while_ago - 2 * SKEW)
        lost = Invoice.objects.get(payment__order_number=order.number)
        monkeypatch.setattr(listing, "MOST_PAGES", 2)
        at_the_ends_of_passes = []
        for _ in range(6):
            read()
            lost.refresh_from_db()
            if Reading.objects.get().begun_at is None:
                at_the_ends_of_passes.append(lost.state)

        assert at_the_ends_of_passes[:2] == [Invoice.State.OPENING, Invoice.State.CLOSED]

    def test_one_that_is_being_opened_at_this_moment_is_nobody_elses(
        self, rehive: Any, invoices: Any, place_order: Any
    ) -> None:
        rehive.requests_door("shut")
        lost = answer_lost(rehive, place_order())
        Invoice.objects.update(lease_ends_at=timezone.now() + timedelta(minutes=1))
        invoices(2)

        read()

        lost.refresh_from_db()
        assert (lost.state, lost.remote_id) == (Invoice.State.OPENING, None)

    def test_a_twin_is_closed(self, rehive: Any, place_order: Any) -> None:
        rehive.requests_door("shut")
        order = place_order()
        first = answer_lost(rehive, order)
        fields = opening._fields(first, RETURN_URL)
        client_for(business()).create_invoice(fields, idempotency_key="of the second")

        reconcile()

        assert len(payable_at(rehive, order)) == 1

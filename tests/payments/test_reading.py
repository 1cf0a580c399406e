"""Reconcile by pages: what has changed is found at a call for many, wherever it stands in Rehive's list and however
that is ordered, and nothing is missed (P6, P7)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from oscar.core.loading import get_model

from oscar_rehive.models import Attention, Delivery, Invoice, OrderPayment, Reading
from oscar_rehive.payments import reading, stages
from oscar_rehive.payments.gateway import client_for
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.payments.settling import settle
from oscar_rehive.payments.summary import Summary
from oscar_rehive.rehive import paging
from oscar_rehive.rehive.client import Client
from oscar_rehive.rehive.exceptions import Refused, Unintelligible
from oscar_rehive.rehive.paging import Page
from tests.payments.pages import (
    business,
    minutes_ago,
    read,
    shuffled,
    strangers,
)
from tests.steps import (
    answer_lost,
    other_source,
    payable_at,
    settled,
    stands_as,
    told,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("small_pages")]

Order = get_model("order", "Order")


class TestWhatIsOpen:
    def test_all_are_seen_on_their_pages_and_what_was_paid_pays(
        self, rehive: Any, invoices: Any, calls: Any
    ) -> None:
        made = invoices(10)
        rehive.outcome(made[3].remote_id, "pay")
        calls()

        summary = reconcile()

        assert (summary.asked, summary.paid, summary.failures) == (10, 1, [])
        assert calls() == {"pages": 3, "single": 0, "refunds": 1, "filtered": 0}
        assert OrderPayment.objects.get(pk=made[3].payment_id).paid_at is not None

    def test_a_few_among_many_are_asked_singly(
        self, rehive: Any, invoices: Any, calls: Any
    ) -> None:
        made = invoices(2)
        strangers(20)
        read()
        rehive.outcome(made[0].remote_id, "pay")
        calls()

        summary = reconcile()

        assert summary.paid == 1
        asked = calls()
        assert (asked["pages"], asked["single"]) == (1, 2)

    def test_one_that_no_page_shows_is_asked_singly(
        self, rehive: Any, invoices: Any, calls: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hidden = invoices(6)[2]
        rehive.outcome(hidden.remote_id, "pay")
        shuffled(monkeypatch, lambda rows: [row for row in rows if row.id != hidden.remote_id])
        calls()

        assert reconcile().paid == 1
        assert calls()["single"] == 1

    @pytest.mark.parametrize("order", [lambda rows: rows[::-1], lambda rows: rows[3:] + rows[:3]])
    def test_the_order_of_the_list_does_not_matter(
        self, rehive: Any, invoices: Any, monkeypatch: pytest.MonkeyPatch, order: Any
    ) -> None:
        made = invoices(9)
        for one in (made[0], made[8]):
            rehive.outcome(one.remote_id, "pay")
        shuffled(monkeypatch, order)

        assert reconcile().paid == 2

    def test_what_is_made_between_two_pages_moves_the_others_on_and_hides_none(
        self, rehive: Any, invoices: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = invoices(9)
        for one in made:
            rehive.outcome(one.remote_id, "pay")
        real = Client.invoice_page

        def page(self: Client, number: int) -> Page:
            strangers(1)
            return real(self, number)

        monkeypatch.setattr(Client, "invoice_page", page)

        assert reconcile().paid == 9

    def test_those_of_which_nothing_is_new_are_not_written_one_by_one(self, invoices: Any) -> None:
        invoices(2)
        read()
        with CaptureQueriesContext(
            connection,
        ) as two:
            read()
        invoices(2)
        read()
        with CaptureQueriesContext(connection) as four:
            read()

        assert len(four) == len(two)

    def test_what_another_source_pays_closes_an_invoice_of_which_nothing_is_new(
        self, rehive: Any, invoices: Any
    ) -> None:
        (invoice, *_) = invoices(3)
        order = Order.objects.get(number=invoice.order_number)
        other_source(order, debited="5.00")

        reconcile()

        assert payable_at(rehive, order) == []

    def test_a_delivery_that_waits_is_answered_by_the_page(
        self, rehive: Any, invoices: Any, calls: Any
    ) -> None:
        made = invoices(6)
        for one in made:
            Delivery.objects.create(remote_id=one.remote_id)
        calls()

        reconcile()

        assert not Delivery.objects.filter(state=Delivery.State.NEW).exists()
        assert calls()["single"] == 0

    def test_one_that_comes_after_the_page_is_not(
        self, rehive: Any, invoices: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Also where the clock of the machine that stored it is behind."""
        (invoice,) = invoices(1)
        long_ago, real = timezone.now() - timedelta(hours=1), stages.read

        def read(*args: Any) -> None:
            real(*args)
            rehive.outcome(invoice.remote_id, "pay")
            Delivery.objects.create(remote_id=invoice.remote_id, received_at=long_ago)

        monkeypatch.setattr(stages, "read", read)

        reconcile()

        invoice.refresh_from_db()
        assert invoice.state == Invoice.State.PAID

    def test_what_was_settled_before_a_page_that_cannot_be_had_is_told(
        self, rehive: Any, invoices: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        newest = invoices(9)[-1]
        rehive.outcome(newest.remote_id, "pay")
        real = Client.invoice_page

        def page(self: Client, number: int) -> Page:
            if number == 2:
                raise Unintelligible("It has no results.")
            return real(self, number)

        monkeypatch.setattr(Client, "invoice_page", page)
        summary = Summary()
        with pytest.raises(Unintelligible):
            reading.read(business(), summary)

        assert (summary.asked, summary.paid) == (4, 1)


class TestSomebodyIsFaster:
    """A page is older than what somebody settles while it is on its way."""

    def test_an_older_page_undoes_nothing(
        self, rehive: Any, invoices: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        invoice = invoices(2)[0]
        rehive.outcome(invoice.remote_id, "start")
        real = Client.invoice_page

        def page(self: Client, number: int) -> Page:
            before = real(self, number)
            if number == 1:
                rehive.outcome(invoice.remote_id, "pay")
                settled(Invoice.objects.get(pk=invoice.pk))
            return before

        monkeypatch.setattr(Client, "invoice_page", page)

        read()

        invoice.refresh_from_db()
        assert invoice.state == Invoice.State.PAID
        assert invoice.doubted_since is None, "it is old, and casts no doubt"
        assert not Attention.objects.exists()

    def test_and_news_that_are_newer_than_both_are_taken(self, rehive: Any, invoices: Any) -> None:
        invoice = invoices(1)[0]
        before = told(invoice)
        settle(invoice, before, source="webhook")
        rehive.outcome(invoice.remote_id, "pay")

        summary = Summary()
        reading.read(business(), summary)

        assert summary.paid == 1


class TestWhatHasEnded:
    @pytest.fixture
    def paid(self, rehive: Any, invoices: Any) -> list[Invoice]:
        made = invoices(6)
        for one in made:
            rehive.outcome(one.remote_id, "pay")
        reconcile()
        minutes_ago()
        return [Invoice.objects.get(pk=one.pk) for one in made]

    def test_a_list_of_a_small_shop_is_read_in_every_run_and_costs_nothing_else(
        self, paid: list[Invoice], calls: Any
    ) -> None:
        calls()
        reconcile()

        assert calls() == {"pages": 2, "single": 0, "refunds": 0, "filtered": 0}

    @pytest.mark.parametrize("units", [300, 1000])
    def test_a_refund_in_rehives_app_is_found_in_one_run(
        self, rehive: Any, paid: list[Invoice], units: int
    ) -> None:
        made = client_for(business()).create_refund(
            str(paid[0].remote_id), amount=units, currency="USD", reason="", idempotency_key="app"
        )
        rehive.refund(made.id, "complete")

        reconcile()

        paid[0].refresh_from_db()
        assert paid[0].refunded == units

    def test_so_is_money_that_comes_after_staff_cancelled(self, rehive: Any, invoices: Any) -> None:
        (invoice,) = invoices(1)
        order = Order.objects.get(number=invoice.order_number)
        Order.objects.update(status="Cancelled")
        reconcile()
        minutes_ago()
        rehive.outcome(invoice.remote_id, "pay", force=True)

        reconcile()

        assert Attention.objects.get().kind == Attention.Kind.AFTER_CANCEL
        assert stands_as(order) == "Cancelled"

    def test_a_long_list_is_read_page_by_page_run_after_run(
        self, rehive: Any, paid: list[Invoice], calls: Any
    ) -> None:
        strangers(14)
        Reading.objects.all().delete()
        seen: set[int] = set()
        for _ in range(5):
            seen.add(Reading.objects.values_list("page", flat=True).first() or 1)
            calls()
            reconcile()
            assert calls()["pages"] == 1

        assert seen == {1, 2, 3, 4, 5}
        assert Reading.objects.get().page == 1, "the pass is over, and the next one begins"

    def test_nothing_of_interest_costs_nothing(self, rehive: Any, place_order: Any) -> None:
        before = len(rehive.requests())

        reconcile()

        assert len(rehive.requests()) == before


class TestAListThatContradictsItself:
    """It proves nothing of what it does not show, and is read all the same (P5, P7)."""

    def told(self, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
        """From now on Rehive says that of each page of its list."""
        real = Client._ask

        def ask(self: Client, method: str, url: str, **kwargs: Any) -> Any:
            answer = real(self, method, url, **kwargs)
            if method == "GET" and url.endswith("/invoices/"):
                answer["data"].update(changes)
            return answer

        monkeypatch.setattr(Client, "_ask", ask)

    def test_one_that_ends_before_its_end_gives_no_lost_attempt_up(
        self, rehive: Any, invoices: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It was closed here, and stayed payable on a page behind."""
        rehive.requests_door("shut")
        lost = answer_lost(rehive, place_order())
        Invoice.objects.update(lease_ends_at=None)
        paid = invoices(9)[-1]
        rehive.outcome(paid.remote_id, "pay")
        self.told(monkeypatch, next=None)

        summary = reconcile()

        lost.refresh_from_db()
        assert lost.state == Invoice.State.OPENING
        assert (summary.paid, Reading.objects.get().newest_first) == (1, False)
        assert summary.failures == [
            "reading the invoices in USD: Rehive's list of 10 invoices ends with page 1."
        ]

    def test_one_that_has_become_shorter_than_the_pass_had_come_is_begun_anew(
        self, invoices: Any
    ) -> None:
        """Each run asked for the page that was gone, for ever."""
        invoices(1)
        strangers(9)
        read()
        Reading.objects.update(page=7)

        assert len(reconcile().failures) == 1

        assert Reading.objects.get().page == 1
        assert reconcile().failures == []

    @pytest.mark.parametrize("count", [2**31, 10**30])
    def test_a_number_that_no_database_takes_is_none(
        self, rehive: Any, invoices: Any, monkeypatch: pytest.MonkeyPatch, count: int
    ) -> None:
        (paid,) = invoices(1)
        rehive.outcome(paid.remote_id, "pay")
        self.told(monkeypatch, count=count, next="more")

        read()

        paid.refresh_from_db()
        assert paid.state == Invoice.State.PAID
        assert Reading.objects.get().count == paging.MOST_ROWS


def test_a_second_list_that_fails_is_not_tried_again_for_a_while(
    rehive: Any, invoices: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has just passed its control, and would be asked in vain for each page of the list."""
    tried: list[int] = []

    def page(self: Client, number: int, **filters: str) -> Page:
        tried.append(number)
        raise Refused("no", {})

    made = invoices(9)
    assert reading.is_open(business(), timeouts=reading.Timeouts())
    monkeypatch.setattr(Client, "payment_request_page", page)
    for some in (made[:5], made[5:]):
        for one in some:
            rehive.outcome(one.remote_id, "pay")
        reconcile()

    assert set(Invoice.objects.values_list("state", flat=True)) == {Invoice.State.PAID}
    assert tried == [1]

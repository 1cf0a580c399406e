"""Reconcile by pages: what has changed is found at a call for many, wherever it stands in Rehive's list and however
that is ordered, and nothing is missed (P6, P7)."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from oscar.core.loading import get_model

from oscar_rehive import conf
from oscar_rehive.models import Attention, Delivery, Invoice, OrderPayment, Reading
from oscar_rehive.payments import listing, opening, reading
from oscar_rehive.payments.gateway import client_for
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.payments.settling import settle
from oscar_rehive.rehive import client as rehive_client
from oscar_rehive.rehive.client import Client
from oscar_rehive.rehive.exceptions import Refused
from oscar_rehive.rehive.paging import Page
from tests.steps import (
    RETURN_URL,
    answer_lost,
    opened,
    other_source,
    payable_at,
    settled,
    stands_as,
    told,
)

pytestmark = pytest.mark.django_db(transaction=True)

PER_PAGE = 4

Order = get_model("order", "Order")


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of four, of which only two are read in any case."""
    for module in (rehive_client, listing, reading):
        monkeypatch.setattr(module, "PAGE_SIZE", PER_PAGE)
    monkeypatch.setattr(listing, "ALWAYS", 2)


@pytest.fixture
def invoices(rehive: Any, place_order: Any) -> Callable[[int], list[Invoice]]:
    """Opens so many more, some minutes ago."""

    def invoices(count: int) -> list[Invoice]:
        made = [opened(place_order(total="10.00")) for _ in range(count)]
        minutes_ago()
        return made

    return invoices


def minutes_ago() -> None:
    """What was asked so far was asked a while ago: nobody settles at this very moment."""
    then = timezone.now() - timedelta(minutes=5)
    Invoice.objects.filter(asked_at__gt=then).update(asked_at=then)


def strangers(count: int) -> None:
    """So many invoices that somebody else has made in our business."""
    business = conf.current().businesses["USD"]
    for number in range(count):
        client_for(business).create_invoice(
            {"request_reference": f"X{number}", "request_amount": 1, "status": "initiated"},
            idempotency_key=uuid.uuid4().hex,
        )


def business() -> conf.BusinessConfig:
    return conf.current().businesses["USD"]


def read() -> reading.Settled:
    minutes_ago()
    return reading.read(business(), lambda: None)


@pytest.fixture
def calls(rehive: Any) -> Callable[[], dict[str, int]]:
    """What Rehive was asked since this was asked last, by kind."""
    seen = [0]

    def calls() -> dict[str, int]:
        new = rehive.requests()[seen[0] :]
        seen[0] += len(new)
        found = {"pages": 0, "single": 0, "refunds": 0, "filtered": 0}
        for one in new:
            path = one["path"]
            if one["method"] != "GET" or path.endswith("/businesses/demo-business/"):
                continue
            kind = (
                "pages"
                if path.endswith("/invoices/")
                else "refunds"
                if path.endswith("/refunds/")
                else "filtered"
                if path.endswith("/requests/")
                else "single"
            )
            found[kind] += 1
        return found

    return calls


def shuffled(monkeypatch: pytest.MonkeyPatch, order: Callable[[list[Any]], list[Any]]) -> None:
    """From now on Rehive's list is in another order."""
    real = Client.invoices

    def page(self: Client, number: int) -> Page:
        rows = order(list(real(self)))
        shown = rows[(number - 1) * PER_PAGE : number * PER_PAGE]
        return Page(tuple(shown), (), len(rows), number * PER_PAGE >= len(rows))

    monkeypatch.setattr(Client, "invoice_page", page)


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
        assert not Attention.objects.exists()

    def test_and_news_that_are_newer_than_both_are_taken(self, rehive: Any, invoices: Any) -> None:
        invoice = invoices(1)[0]
        before = told(invoice)
        settle(invoice, before, source="webhook")
        rehive.outcome(invoice.remote_id, "pay")

        assert reading.read(business(), lambda: None).paid == 1


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

    def test_or_on_a_page(self, rehive: Any, invoices: Any, place_order: Any) -> None:
        rehive.requests_door("shut")
        lost = answer_lost(rehive, place_order())
        invoices(9)

        read()

        lost.refresh_from_db()
        assert lost.remote_id is not None

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
        Invoice.objects.update(lease_ends_at=None)
        lost = Invoice.objects.get(payment__order_number=order.number)
        monkeypatch.setattr(listing, "MOST_PAGES", 2)
        states = []
        for _ in range(5):
            read()
            lost.refresh_from_db()
            states.append(lost.state)

        assert states[0] == Invoice.State.OPENING
        assert states[-1] == Invoice.State.CLOSED

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

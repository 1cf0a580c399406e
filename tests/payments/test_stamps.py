"""Rehive's ``updated`` is a help, not a judge (P6; design.md, "Which answer is newer"): its hosts' clocks
disagree by seconds, and a copy may lag. No news is dropped for good, and no lagging copy undoes any."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from oscar.core.loading import get_model

from oscar_rehive.models import Attention, Entry, Invoice, OrderPayment
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.payments.settling import refresh, settle
from oscar_rehive.rehive.client import Client
from oscar_rehive.rehive.wire import RemoteInvoice
from tests.steps import (
    cancelled_at_rehive,
    in_the_ledger,
    opened,
    payable_at,
    questions,
    rehive_answers,
    rehive_tells,
    settled,
    stands_as,
    told,
    window_over,
)

pytestmark = pytest.mark.django_db(transaction=True)

StockRecord = get_model("partner", "StockRecord")

SECONDS = 3000
"""By which one of Rehive's clocks is wrong, in milliseconds."""


@pytest.fixture
def order(place_order: Any) -> Any:
    return place_order(total="10.00", in_stock=5)


@pytest.fixture
def invoice(rehive: Any, order: Any) -> Invoice:
    return opened(order)


@pytest.fixture
def happens(rehive: Any, invoice: Invoice) -> Callable[[str], None]:
    """Lets the invoice get a status at Rehive."""

    def happens(status: str) -> None:
        if status == "cancelled":
            cancelled_at_rehive(invoice)
        elif status == "received":
            for _ in range(2):
                rehive.outcome(invoice.remote_id, "start")
        elif status == "underpaid":
            rehive.outcome(invoice.remote_id, "pay_less", amount=400)
        else:
            outcomes = {"failed": "fail", "expired": "expire", "paid": "pay"}
            rehive.outcome(invoice.remote_id, outcomes.get(status, status))
        assert rehive.invoice()["status"] == status

    return happens


def with_a_clock_behind(monkeypatch: pytest.MonkeyPatch, invoice: Invoice) -> None:
    """All that Rehive tells from now on is stamped as older than what was settled."""
    invoice.refresh_from_db()
    assert invoice.remote_updated is not None
    earlier, change = invoice.remote_updated - SECONDS, Client.update_invoice
    rehive_tells(monkeypatch, updated=earlier)
    monkeypatch.setattr(
        Client,
        "update_invoice",
        lambda *args, **kwargs: dataclasses.replace(change(*args, **kwargs), updated=earlier),
    )


def minutes_pass(monkeypatch: pytest.MonkeyPatch, minutes: float) -> None:
    now = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: now() + timedelta(minutes=minutes))


def facts(invoice: Invoice) -> dict[str, Any]:
    """What an answer of Rehive can change."""
    invoice.refresh_from_db()
    payment = OrderPayment.objects.get()
    return {
        "state": invoice.state,
        "status": invoice.remote_status,
        "received": invoice.received,
        "recorded": invoice.recorded,
        "close_due": invoice.close_due,
        "paid": payment.paid_at,
        "closed": payment.closed_at,
        "order": get_model("order", "Order").objects.get().status,
        "attention": list(Attention.objects.values_list("kind", "resolved_by")),
    }


class TestFreshNewsWithAnOlderStampIsBelievedAtOnce:
    @pytest.mark.parametrize(
        ("status", "state", "received"),
        [
            ("failed", Invoice.State.CLOSED, 0),
            ("expired", Invoice.State.CLOSED, 0),
            ("cancelled", Invoice.State.CLOSED, 0),
            ("received", Invoice.State.OPEN, 0),
            ("underpaid", Invoice.State.OPEN, 400),
        ],
    )
    def test_whatever_it_says(
        self,
        invoice: Invoice,
        happens: Callable[[str], None],
        monkeypatch: pytest.MonkeyPatch,
        status: str,
        state: str,
        received: int,
    ) -> None:
        happens(status)
        with_a_clock_behind(monkeypatch, invoice)

        settled(invoice)

        assert (invoice.remote_status, invoice.state, invoice.received) == (status, state, received)
        assert not Attention.objects.filter(kind="vanished").exists()

    @pytest.mark.parametrize("status", ["failed", "expired", "cancelled"])
    def test_p4_its_stock_is_released_at_the_end_of_the_window(
        self,
        order: Any,
        invoice: Invoice,
        happens: Callable[[str], None],
        monkeypatch: pytest.MonkeyPatch,
        status: str,
    ) -> None:
        happens(status)
        with_a_clock_behind(monkeypatch, invoice)
        window_over(order)

        reconcile()

        assert (stands_as(order), StockRecord.objects.get().num_allocated) == ("Cancelled", 0)
        assert not Attention.objects.exists()

    def test_money_on_its_way_is_not_cancelled_at_the_end_of_the_window(
        self,
        rehive: Any,
        order: Any,
        invoice: Invoice,
        happens: Callable[[str], None],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        happens("received")
        with_a_clock_behind(monkeypatch, invoice)
        window_over(order)

        reconcile()

        assert (rehive.invoice()["status"], stands_as(order)) == ("received", "Pending")

    @pytest.mark.parametrize("status", ["failed", "cancelled"])
    def test_the_shopper_can_pay_again(
        self,
        rehive: Any,
        order: Any,
        invoice: Invoice,
        happens: Callable[[str], None],
        monkeypatch: pytest.MonkeyPatch,
        status: str,
    ) -> None:
        happens(status)
        with_a_clock_behind(monkeypatch, invoice)
        settled(invoice)

        assert payable_at(rehive, order) == []
        assert opened(order).attempt == 2

    def test_p2_more_money_each_time(
        self, rehive: Any, order: Any, invoice: Invoice, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_a_clock_behind(monkeypatch, invoice)
        for units in (300, 200, 100):
            rehive.outcome(invoice.remote_id, "pay_less", amount=units)
            settled(invoice)
        assert in_the_ledger(order) == 6

        rehive.outcome(invoice.remote_id, "pay")
        settled(invoice)

        assert (stands_as(order), in_the_ledger(order)) == ("Being processed", 10)


KNOWN = ["expired", "cancelled", "received", "underpaid", "paid"]


@pytest.fixture
def copy(
    request: pytest.FixtureRequest, invoice: Invoice, happens: Callable[[str], None]
) -> RemoteInvoice:
    """The invoice as it was before the status was settled that the parameter names."""
    before = told(invoice)
    happens(request.param)
    settled(invoice)
    assert invoice.remote_status == request.param
    assert invoice.remote_updated is not None
    return dataclasses.replace(before, updated=invoice.remote_updated - SECONDS)


class TestAStepBackWithAnOlderStampIsDoubted:
    @pytest.mark.parametrize("copy", KNOWN, indirect=True)
    @pytest.mark.parametrize("times", [1, 3])
    def test_it_changes_nothing_and_the_truth_ends_the_doubt(
        self, invoice: Invoice, copy: RemoteInvoice, times: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        known = facts(invoice)
        with monkeypatch.context() as lagging:
            rehive_answers(lagging, copy)
            for _ in range(times):
                settled(invoice)
            assert facts(invoice) == known
            assert invoice.doubted_since is not None

        settled(invoice)

        assert facts(invoice) == known
        assert invoice.doubted_since is None

    @pytest.mark.parametrize("copy", ["expired", "cancelled", "paid"], indirect=True)
    def test_rehive_is_asked_again_by_the_next_run_though_nothing_is_due(
        self,
        rehive: Any,
        invoice: Invoice,
        copy: RemoteInvoice,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        with monkeypatch.context() as lagging:
            rehive_answers(lagging, copy)
            settled(invoice)
        before = questions(rehive, invoice)

        reconcile()
        after = questions(rehive, invoice)
        reconcile()

        assert before < after
        assert questions(rehive, invoice) == after, "the doubt is over"

    @pytest.mark.parametrize("copy", ["expired", "cancelled", "received"], indirect=True)
    def test_it_is_believed_when_it_is_still_told_after_two_minutes(
        self,
        order: Any,
        invoice: Invoice,
        copy: RemoteInvoice,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The clock that stamped what we knew was ahead, and Rehive has opened the invoice anew."""
        rehive_answers(monkeypatch, copy)
        settled(invoice)
        minutes_pass(monkeypatch, 3)

        reconcile()

        invoice.refresh_from_db()
        assert (invoice.remote_status, invoice.state) == ("initiated", Invoice.State.OPEN)
        assert opened(order) == invoice, "the shopper is sent there again, and not to another"

    @pytest.mark.parametrize("copy", ["expired"], indirect=True)
    def test_not_when_it_is_told_again_before_that(
        self, invoice: Invoice, copy: RemoteInvoice, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The two minutes begin with the first doubt; no later answer begins them anew."""
        rehive_answers(monkeypatch, copy)
        settled(invoice)
        minutes_pass(monkeypatch, 1)
        settled(invoice)
        assert invoice.state == Invoice.State.CLOSED
        minutes_pass(monkeypatch, 1.5)

        settled(invoice)

        assert invoice.state == Invoice.State.OPEN

    @pytest.mark.parametrize("copy", ["paid"], indirect=True)
    def test_p10_what_it_takes_back_of_a_payment_is_for_a_person(
        self,
        order: Any,
        invoice: Invoice,
        copy: RemoteInvoice,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        rehive_answers(monkeypatch, dataclasses.replace(copy, status="failed"))
        settled(invoice)
        assert not Attention.objects.exists()
        minutes_pass(monkeypatch, 3)

        settled(invoice)

        assert (stands_as(order), invoice.state) == ("Being processed", Invoice.State.PAID)
        assert Attention.objects.get().kind == "backward"

    @pytest.mark.parametrize("copy", ["expired", "cancelled"], indirect=True)
    def test_money_that_comes_while_it_is_in_doubt_is_believed_at_once(
        self,
        rehive: Any,
        order: Any,
        invoice: Invoice,
        copy: RemoteInvoice,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        with_a_clock_behind(monkeypatch, invoice)
        with monkeypatch.context() as lagging:
            rehive_answers(lagging, copy)
            settled(invoice)
        rehive.outcome(invoice.remote_id, "pay_less", amount=400, force=True)

        settled(invoice)

        assert in_the_ledger(order) == 4
        assert invoice.doubted_since is None


class TestAnswersThatOverlap:
    """Rehive was asked before somebody else settled, and answers after."""

    @pytest.mark.parametrize("status", ["failed", "underpaid", "cancelled"])
    def test_p6_one_that_says_more_with_an_older_stamp_is_not_lost(
        self,
        rehive: Any,
        invoice: Invoice,
        happens: Callable[[str], None],
        monkeypatch: pytest.MonkeyPatch,
        status: str,
    ) -> None:
        real = Client.invoice

        def somebody_is_faster(*args: Any, **kwargs: Any) -> RemoteInvoice:
            monkeypatch.setattr(Client, "invoice", real)
            rehive.outcome(invoice.remote_id, "start")
            faster = settled(Invoice.objects.get())
            assert faster.remote_status == "processing"
            happens(status)
            with_a_clock_behind(monkeypatch, faster)
            return Client.invoice(*args, **kwargs)

        monkeypatch.setattr(Client, "invoice", somebody_is_faster)
        refresh(invoice, Entry.Source.RETURN)

        assert invoice.remote_status == status

    def test_p6_settle_asks_for_another_answer_instead_of_dropping_this_one(
        self, rehive: Any, invoice: Invoice, happens: Callable[[str], None]
    ) -> None:
        mine = Invoice.objects.get()
        rehive.outcome(invoice.remote_id, "start")
        settled(invoice)
        happens("failed")
        assert invoice.remote_updated is not None
        answer = dataclasses.replace(told(invoice), updated=invoice.remote_updated - SECONDS)

        assert settle(mine, answer, source=Entry.Source.WEBHOOK) is False

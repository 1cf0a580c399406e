"""Stories that a review found to lose money, orders or time; each was seen to fail before its guard."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client as Browser
from oscar.core.loading import get_class

from oscar_rehive.models import Attention, Entry, Invoice, OrderPayment, Refund
from oscar_rehive.payments.cancelling import cancel_order, claim_basket
from oscar_rehive.payments.deciding import NotAcceptable, accept, give_back, resolve, take_for_gone
from oscar_rehive.payments.meanings import received_units
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.payments.refunding import NotRefundable, follow, refund
from oscar_rehive.payments.settling import settle
from oscar_rehive.rehive.client import Client
from oscar_rehive.rehive.exceptions import NotFound, Refused, RehiveError, Throttled
from oscar_rehive.rehive.statuses import Status
from tests.steps import opened, paid_by_cash, payable_at, payment_page, settled, told, window_over

pytestmark = pytest.mark.django_db(transaction=True)

LOST = {"value": True, "methods": ["POST"]}


def cancelled_by_staff(order: Any) -> None:
    order.refresh_from_db()
    get_class("order.processing", "EventHandler")().handle_order_status_change(order, "Cancelled")


class TestRefundsAreGivenOnce:
    @pytest.fixture
    def excess(self, rehive: Any, place_order: Any) -> Attention:
        rehive.outcome(opened(place_order(total="10.00")).remote_id, "pay_more", amount=1250)
        reconcile()
        return Attention.objects.get()

    def test_an_excess_whose_refund_was_never_answered_is_not_refunded_again(
        self, rehive: Any, excess: Attention
    ) -> None:
        rehive.faults(lose_answer=LOST)
        with pytest.raises(RehiveError):
            give_back(excess, by="ann")
        rehive.clear_faults()

        with pytest.raises(NotRefundable):
            give_back(Attention.objects.get(), by="ann")

        assert [one.amount for one in Refund.objects.all()] == [250]

    def test_a_double_click_refunds_once(
        self, excess: Attention, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        second, real = Attention.objects.get(), Client.create_refund

        def while_the_first_is_under_way(*args: Any, **kwargs: Any) -> Any:
            monkeypatch.setattr(Client, "create_refund", real)
            with pytest.raises(NotRefundable):
                give_back(second, by="bob")
            return real(*args, **kwargs)

        monkeypatch.setattr(Client, "create_refund", while_the_first_is_under_way)
        give_back(excess, by="ann")

        assert [one.amount for one in Refund.objects.all()] == [250]

    def test_more_excess_after_one_was_dealt_with_is_shown_anew(
        self, rehive: Any, excess: Attention
    ) -> None:
        give_back(excess, by="ann")
        invoice = Invoice.objects.get()
        rehive.outcome(invoice.remote_id, "pay_more", amount=1700, force=True)
        settled(invoice)

        assert Attention.objects.filter(resolved_at=None).exists()


class TestMoneyThatWasGivenBackPaysNothing:
    def test_a_late_payment_whose_refund_is_under_way_cannot_be_accepted(
        self, rehive: Any, place_order: Any, settings: Any
    ) -> None:
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "LATE_PAYMENTS": "hold"}
        order = place_order(total="10.00")
        invoice = opened(order)
        rehive.outcome(invoice.remote_id, "pay_late")
        settled(invoice)
        rehive.faults(lose_answer=LOST)
        with pytest.raises(RehiveError):
            give_back(Attention.objects.get(), by="ann")
        rehive.clear_faults()

        with pytest.raises(NotAcceptable):
            accept(Attention.objects.get(), by="bob")

        order.refresh_from_db()
        assert order.status == "Pending"

    def test_the_rest_of_a_payment_whose_part_was_given_back_is_not_the_whole(
        self, rehive: Any, place_order: Any
    ) -> None:
        order = place_order(total="10.00")
        invoice = opened(order)
        rehive.outcome(invoice.remote_id, "pay_less", amount=400)
        settled(invoice)
        made = refund(invoice, Decimal("4.00"), reason="", by="ann")
        rehive.refund(made.remote_id, "complete")
        follow(invoice, Entry.Source.RECONCILE)
        rehive.outcome(invoice.remote_id, "pay")
        settled(invoice)

        order.refresh_from_db()
        assert order.status == "Pending"
        assert Attention.objects.get().kind == Attention.Kind.MISMATCH


class TestDueWorkIsDoneUnderAnyLimit:
    @pytest.fixture
    def budget(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """How many requests Rehive still takes from us."""
        left, real = [10**6], Client._send

        def send(*args: Any, **kwargs: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise Throttled(10)
            return real(*args, **kwargs)

        monkeypatch.setattr(Client, "_send", send)
        return left

    def test_many_open_invoices_do_not_keep_an_order_from_ending(
        self, rehive: Any, place_order: Any, budget: list[int]
    ) -> None:
        late = place_order()
        opened(late)
        window_over(late)
        for _ in range(5):
            opened(place_order())

        budget[0] = 5
        reconcile()

        late.refresh_from_db()
        assert late.status == "Cancelled"

    def test_the_search_for_one_lost_invoice_does_not_keep_another_from_being_paid(
        self, rehive: Any, place_order: Any, budget: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for _ in range(8):
            opened(place_order())
        paid = Invoice.objects.earliest("pk")
        rehive.outcome(paid.remote_id, "pay")
        rehive.faults(error_status={"value": 500, "methods": ["POST"]})
        with pytest.raises(RehiveError):
            opened(place_order())
        rehive.clear_faults()
        monkeypatch.setattr("oscar_rehive.rehive.client.PAGE_SIZE", 1)

        for _ in range(3):
            budget[0] = 6
            reconcile()

        assert OrderPayment.objects.get(order_number=paid.order_number).paid_at is not None


class TestNobodyCanPayWhatNobodyShould:
    @pytest.mark.parametrize("how", ["cancelled", "moved on", "paid in cash"])
    def test_an_order_changed_behind_oscars_signals(
        self, rehive: Any, place_order: Any, how: str
    ) -> None:
        order = place_order()
        opened(order)
        if how == "paid in cash":
            paid_by_cash(order)
        else:
            status = {"cancelled": "Cancelled", "moved on": "Being processed"}[how]
            type(order).objects.filter(pk=order.pk).update(status=status)

        reconcile()

        assert payable_at(rehive, order) == []

    def test_a_part_paid_order_that_staff_cancel(self, rehive: Any, place_order: Any) -> None:
        order = place_order(total="10.00")
        invoice = opened(order)
        rehive.outcome(invoice.remote_id, "pay_less", amount=400)
        settled(invoice)

        cancelled_by_staff(order)
        for _ in range(2):
            reconcile()

        assert payable_at(rehive, order) == []
        assert Attention.objects.get().kind == Attention.Kind.PART_PAID

    def test_an_attempt_that_rehive_opens_anew_while_the_order_is_being_cancelled(
        self, rehive: Any, place_order: Any
    ) -> None:
        order = place_order(total="10.00")
        first = opened(order)
        rehive.outcome(first.remote_id, "fail")
        settled(first)
        opened(order)
        rehive.faults(error_status={"value": 500, "methods": ["PATCH"]})
        with pytest.raises(RehiveError):
            cancel_order(order.number, reason="because", source=Entry.Source.CHECKOUT)
        rehive.clear_faults()
        rehive.outcome(first.remote_id, "start", force=True)
        settled(first)

        for _ in range(3):
            reconcile()

        assert payable_at(rehive, order) == []

    def test_a_newer_attempt_of_an_order_that_an_older_one_pays(
        self, rehive: Any, place_order: Any
    ) -> None:
        order = place_order(total="10.00")
        first = opened(order)
        rehive.outcome(first.remote_id, "fail")
        settled(first)
        second = opened(order)
        rehive.outcome(first.remote_id, "pay", force=True)

        settled(first)

        second.refresh_from_db()
        assert second.close_due
        reconcile()
        assert payable_at(rehive, order) == []

    def test_a_payment_that_is_held_is_not_asked_for_again(
        self, rehive: Any, place_order: Any, settings: Any, client: Browser
    ) -> None:
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "LATE_PAYMENTS": "hold"}
        order = place_order(total="10.00")
        rehive.outcome(opened(order).remote_id, "pay_late")
        client.get(payment_page("return", order))

        client.get(payment_page("pay", order))

        assert payable_at(rehive, order) == []


class TestTheClockIsNotBlind:
    def test_an_unknown_status_at_the_end_of_the_window(
        self, rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = place_order()
        opened(order)
        real = Client.invoice

        def confirming(*args: Any, **kwargs: Any) -> Any:
            return dataclasses.replace(real(*args, **kwargs), status="confirming")

        monkeypatch.setattr(Client, "invoice", confirming)
        window_over(order)
        for _ in range(2):
            reconcile()

        order.refresh_from_db()
        assert order.status == "Pending"
        assert rehive.invoice()["status"] == "initiated"

    def test_money_on_its_way_through_an_invoice_that_does_not_fit(
        self, rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = place_order(total="10.00")
        invoice = opened(order)
        for _ in range(2):
            rehive.outcome(invoice.remote_id, "start")
        real = Client.invoice
        monkeypatch.setattr(
            Client, "invoice", lambda *a, **k: dataclasses.replace(real(*a, **k), amount=1100)
        )
        window_over(order)
        for _ in range(2):
            reconcile()

        assert rehive.invoice()["status"] == "received"

    def test_a_part_payment_that_somebody_waited_for_and_that_ended_is_shown_again(
        self, rehive: Any, place_order: Any
    ) -> None:
        order = place_order(total="10.00")
        invoice = opened(order)
        rehive.outcome(invoice.remote_id, "pay_less", amount=300)
        window_over(order)
        reconcile()
        resolve(Attention.objects.get(), by="ann")
        rehive.outcome(invoice.remote_id, "pay_less", amount=500)
        rehive.outcome(invoice.remote_id, "expire", force=True)

        reconcile()

        assert Attention.objects.filter(resolved_at=None).exists()


class TestWhatCannotBeClosedIsShown:
    def test_rehive_refuses_to_cancel(
        self, rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = place_order()
        opened(order)

        def refused(*args: Any, **kwargs: Any) -> Any:
            raise Refused("no", {})

        monkeypatch.setattr(Client, "update_invoice", refused)
        window_over(order)
        reconcile()

        assert Attention.objects.get().kind == Attention.Kind.UNCLOSABLE

    def test_an_invoice_that_vanished_is_taken_for_gone_by_a_person_only(
        self, rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = place_order()
        opened(order)

        def gone(*args: Any, **kwargs: Any) -> Any:
            raise NotFound("404")

        monkeypatch.setattr(Client, "invoice", gone)
        window_over(order)
        reconcile()
        order.refresh_from_db()
        assert order.status == "Pending"

        take_for_gone(Attention.objects.get(), by="ann")
        reconcile()

        order.refresh_from_db()
        assert order.status == "Cancelled"


class TestAbsurdAnswers:
    def test_more_money_than_the_ledger_holds(
        self, rehive: Any, place_order: Any, client: Browser
    ) -> None:
        order = place_order(total="10.00")
        rehive.outcome(opened(order).remote_id, "pay_more", amount=10**13)

        assert client.get(payment_page("return", order)).status_code == 200

        order.refresh_from_db()
        assert order.status == "Being processed"
        assert Attention.objects.filter(kind=Attention.Kind.MISMATCH).exists()

    def test_a_time_of_change_in_the_far_future(self, rehive: Any, place_order: Any) -> None:
        order = place_order()
        invoice = opened(order)
        future = dataclasses.replace(told(invoice), updated=2**52)
        settle(invoice, future, source=Entry.Source.WEBHOOK)
        rehive.outcome(invoice.remote_id, "pay")

        reconcile()

        order.refresh_from_db()
        assert order.status == "Being processed"

    def test_quotes_in_any_order(self, rehive: Any, place_order: Any) -> None:
        invoice = opened(place_order(total="10.00"))
        rehive.outcome(invoice.remote_id, "pay_less", amount=500)
        rehive.outcome(invoice.remote_id, "pay", currency="BTC")
        remote = told(invoice)
        turned = dataclasses.replace(remote, quotes=tuple(reversed(remote.quotes)))

        assert received_units(remote, Status(remote.status)) == 1000
        assert received_units(turned, Status(turned.status)) == 1000


def test_the_basket_is_given_back_once(rehive: Any, place_order: Any) -> None:
    order = place_order()
    cancel_order(order.number, reason="because", source=Entry.Source.CHECKOUT)

    assert [claim_basket(order.number) for _ in range(3)] == [True, False, False]


def test_a_basket_whose_order_could_only_be_cancelled_later_is_still_given_back(
    rehive: Any, place_order: Any, client: Browser
) -> None:
    order = place_order(in_stock=5)
    opened(order)
    rehive.faults(error_status=503)
    assert (
        "being cancelled"
        in client.post(payment_page("cancel", order), follow=True).content.decode()
    )
    rehive.clear_faults()
    waiting = client.get(payment_page("return", order)).content.decode()
    assert "Put the items back into my basket" in waiting

    basket = client.post(payment_page("cancel", order), {"then": "basket"}, follow=True).context[
        "basket"
    ]

    assert [line.quantity for line in basket.all_lines()] == [1]
    again = client.get(payment_page("return", order)).content.decode()
    assert "Put the items back" not in again

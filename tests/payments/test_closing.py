"""Closing: nobody can pay what nobody should, and nothing is closed while money comes (P5)."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client as Browser

from oscar_rehive.models import Attention, Entry, Invoice
from oscar_rehive.payments.cancelling import cancel_order
from oscar_rehive.payments.deciding import resolve, take_for_gone
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.payments.refunding import follow, refund
from oscar_rehive.rehive.client import Client
from oscar_rehive.rehive.exceptions import Refused, RehiveError
from oscar_rehive.rehive.wire import Currency, Quote
from tests.steps import (
    moved,
    opened,
    paid_by_cash,
    payable_at,
    payment_page,
    rehive_forgot,
    rehive_tells,
    settled,
    window_over,
)

pytestmark = pytest.mark.django_db(transaction=True)


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

        moved(order, "Cancelled")
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

    def test_an_invoice_that_rehive_opens_anew_after_it_was_closed(
        self, rehive: Any, place_order: Any
    ) -> None:
        order = place_order()
        invoice = opened(order)
        cancel_order(order.number, reason="because", source=Entry.Source.CHECKOUT)
        rehive.outcome(invoice.remote_id, "start", force=True)
        settled(invoice)

        reconcile()

        assert payable_at(rehive, order) == []

    @pytest.mark.parametrize("is_older", [True, False], ids=["older", "only"])
    def test_an_attempt_that_is_paid_in_part_after_the_order_was_cancelled(
        self, rehive: Any, place_order: Any, is_older: bool
    ) -> None:
        order = place_order(total="10.00")
        first = opened(order)
        if is_older:
            rehive.outcome(first.remote_id, "fail")
            settled(first)
            opened(order)
        cancel_order(order.number, reason="because", source=Entry.Source.CHECKOUT)
        rehive.outcome(first.remote_id, "pay_less", amount=400, force=True)
        settled(first)

        reconcile()

        assert payable_at(rehive, order) == []
        assert Attention.objects.get().kind == Attention.Kind.PART_PAID

    def test_an_invoice_that_a_webhook_tells_of_while_it_is_being_closed(
        self, rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = place_order()
        invoice = opened(order)
        real = Client.update_invoice

        def meanwhile_a_webhook(*args: Any, **kwargs: Any) -> Any:
            settled(Invoice.objects.get())
            return dataclasses.replace(real(*args, **kwargs), updated=None)

        monkeypatch.setattr(Client, "update_invoice", meanwhile_a_webhook)
        cancel_order(order.number, reason="because", source=Entry.Source.CHECKOUT)

        invoice.refresh_from_db()
        assert invoice.state == Invoice.State.CLOSED


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
        rehive_tells(monkeypatch, amount=1100)
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

        rehive_forgot(monkeypatch)
        window_over(order)
        reconcile()
        order.refresh_from_db()
        assert order.status == "Pending"

        take_for_gone(Attention.objects.get(), by="ann")
        reconcile()

        order.refresh_from_db()
        assert order.status == "Cancelled"


class TestMoneyThatIsHereOrComes:
    @pytest.mark.parametrize(
        ("status", "told"),
        [
            pytest.param("processing", [], id="the merchant guide knows no received"),
            pytest.param("expired", ["was on its way"], id="sent in the last minute"),
        ],
    )
    def test_a_quote_alone_tells_of_money_on_its_way(
        self,
        rehive: Any,
        place_order: Any,
        monkeypatch: pytest.MonkeyPatch,
        status: str,
        told: list[str],
    ) -> None:
        order = place_order(total="10.00")
        invoice = opened(order)
        for _ in range(2):
            rehive.outcome(invoice.remote_id, "start")
        rehive_tells(monkeypatch, status=status)
        window_over(order)
        for _ in range(2):
            reconcile()

        order.refresh_from_db()
        assert order.status == "Pending"
        assert rehive.invoice()["status"] == "received"
        reasons = [fact.reason for fact in Attention.objects.all()]
        assert len(reasons) == len(told)
        assert all(word in reason for word, reason in zip(told, reasons, strict=True))

    def test_a_part_that_was_given_back_keeps_nothing_open(
        self, rehive: Any, place_order: Any
    ) -> None:
        order = place_order(total="10.00")
        invoice = opened(order)
        rehive.outcome(invoice.remote_id, "pay_less", amount=400)
        made = refund(settled(invoice), Decimal("4.00"), reason="", by="ann")
        rehive.refund(made.remote_id, "complete")
        follow(invoice, Entry.Source.RECONCILE)

        cancel_order(order.number, reason="because", source=Entry.Source.CHECKOUT)

        order.refresh_from_db()
        assert order.status == "Cancelled"
        assert payable_at(rehive, order) == []

    def test_a_paid_invoice_that_does_not_fit_is_left_alone(
        self, rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = place_order(total="10.00")
        rehive.outcome(opened(order).remote_id, "pay")
        rehive_tells(monkeypatch, currency=Currency("EUR", 2))
        window_over(order)
        for _ in range(3):
            reconcile()

        assert [one for one in rehive.requests() if one["method"] == "PATCH"] == []
        order.refresh_from_db()
        assert order.status == "Pending"


class TestRehivesOwnWordsCrashNothing:
    """No database stores half a surrogate pair, and no page shows one."""

    def test_in_a_refusal(
        self, rehive: Any, place_order: Any, client: Browser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refused(*args: Any, **kwargs: Any) -> Any:
            raise Refused("bad \ud800", {})

        order = place_order()
        with monkeypatch.context() as patch:
            patch.setattr(Client, "create_invoice", refused)
            assert client.get(payment_page("pay", order)).status_code == 503
        opened(order)
        monkeypatch.setattr(Client, "update_invoice", refused)
        window_over(order)
        reconcile()

        assert Attention.objects.filter(kind=Attention.Kind.UNCLOSABLE).exists()

    def test_in_the_code_of_a_currency(
        self, rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        opened(place_order())
        rehive_tells(monkeypatch, currency=Currency("U\ud800", 2))

        assert reconcile().failures == []
        assert Attention.objects.get().kind == Attention.Kind.MISMATCH


class TestMoneyThatOnlyAQuoteTellsOf:
    @pytest.fixture
    def order(self, rehive: Any, place_order: Any) -> Any:
        """An order of which part was paid, and whose payer has chosen how to pay the rest."""
        order = place_order(total="10.00")
        invoice = opened(order)
        rehive.outcome(invoice.remote_id, "pay_less", amount=400)
        rehive.outcome(invoice.remote_id, "start", force=True)
        assert rehive.invoice()["status"] == "processing"
        return order

    def test_part_was_paid_and_the_payer_chose_how_to_pay_the_rest(self, order: Any) -> None:
        window_over(order)

        for _ in range(2):
            reconcile()

        order.refresh_from_db()
        assert order.status == "Pending"
        assert "part was paid" in Attention.objects.get().reason

    def test_part_was_paid_so_and_staff_cancel_the_order(self, rehive: Any, order: Any) -> None:
        settled(Invoice.objects.get())

        moved(order, "Cancelled")
        reconcile()

        assert payable_at(rehive, order) == []

    def test_the_rest_of_what_was_accepted_is_not_cut_off(
        self, rehive: Any, place_order: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "TOLERANCE_AMOUNT": "2"}
        invoice = opened(place_order(total="10.00"))
        rehive.outcome(invoice.remote_id, "pay_less", amount=900)
        raw = {**rehive.invoice()["payment_processor_quotes"][0], "total_pending": 100}
        quote = Quote(Currency("USD", 2), 1000, 900, 100, "underpaid", raw)
        rehive_tells(monkeypatch, quotes=(quote,))

        for _ in range(2):
            reconcile()

        assert not [one for one in rehive.requests() if one["method"] == "PATCH"]

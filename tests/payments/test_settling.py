"""Settling: what each status of Rehive does to the order (design.md, status table)."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from django.test import Client as Browser

from oscar_rehive import conf
from oscar_rehive.models import Attention, Entry, Invoice, OrderPayment
from oscar_rehive.payments.deciding import accept
from oscar_rehive.payments.gateway import business_of, client_for
from oscar_rehive.payments.mails import send_confirmation_if_due
from oscar_rehive.payments.meanings import received_units
from oscar_rehive.payments.obstacles import is_enough
from oscar_rehive.payments.opening import NotPayable, open_invoice
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.payments.settling import settle
from oscar_rehive.rehive.client import Client
from oscar_rehive.rehive.exceptions import NotFound
from oscar_rehive.rehive.statuses import Status
from tests.steps import (
    RETURN_URL,
    opened,
    payment_page,
    rehive_forgot,
    rehive_tells,
    settled,
    told,
    window_over,
)

pytestmark = pytest.mark.django_db


def test_p7_what_needs_attention_is_also_logged_once(
    rehive: Any, place_order: Any, caplog: pytest.LogCaptureFixture
) -> None:
    order = place_order(total="10.00")
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay_more", amount=1250)

    for _ in range(2):
        settled(invoice)

    (said,) = [record for record in caplog.records if "attention" in record.getMessage()]
    assert (said.levelname, said.name) == ("WARNING", "oscar_rehive.payments.history")
    assert f"Order #{order.number} needs attention: 2.5" in said.getMessage()


@pytest.mark.parametrize("outcome", ["pay", "pay_late"])
def test_p1_a_paid_invoice_pays_its_order(rehive: Any, place_order: Any, outcome: str) -> None:
    order = place_order(total="12.34")
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, outcome)

    settled(invoice)

    order.refresh_from_db()
    assert order.status == "Being processed"
    source = order.sources.get()
    assert (source.amount_allocated, source.amount_debited) == (Decimal("12.34"), Decimal("12.34"))
    assert [event.amount for event in order.payment_events.all()] == [Decimal("12.34")]
    assert not Attention.objects.exists()


def test_p2_and_p3_the_same_news_ten_times_is_one_payment_and_one_mail(
    rehive: Any, place_order: Any
) -> None:
    order = place_order()
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay")

    for _ in range(10):
        settled(invoice)
        send_confirmation_if_due(order.number)

    assert order.sources.get().amount_debited == Decimal("12.34")
    assert order.sources.get().transactions.count() == 2
    assert len(mail.outbox) == 1


def test_underpaid_records_the_part_and_the_rest_completes_it(
    rehive: Any, place_order: Any
) -> None:
    order = place_order(total="10.00")
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay_less", amount=400)
    settled(invoice)
    order.refresh_from_db()
    assert order.status == "Pending"
    assert order.sources.get().amount_debited == Decimal("4.00")

    rehive.outcome(invoice.remote_id, "pay")
    settled(invoice)

    order.refresh_from_db()
    assert order.status == "Being processed"
    assert order.sources.get().amount_debited == Decimal("10.00")


def test_overpaid_pays_the_order_and_shows_the_excess(rehive: Any, place_order: Any) -> None:
    order = place_order(total="10.00")
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay_more", amount=1250)

    settled(invoice)

    order.refresh_from_db()
    assert order.status == "Being processed"
    assert order.sources.get().amount_debited == Decimal("12.50")
    assert Attention.objects.get().kind == Attention.Kind.EXCESS
    assert "2.50" in Attention.objects.get().reason


@pytest.mark.parametrize("outcome", ["expire", "fail"])
def test_a_closed_attempt_leaves_the_order_payable(
    rehive: Any, place_order: Any, outcome: str
) -> None:
    order = place_order()
    first = opened(order)
    rehive.outcome(first.remote_id, outcome)
    settled(first)
    order.refresh_from_db()
    assert (first.state, order.status) == (Invoice.State.CLOSED, "Pending")

    second = opened(order)

    assert (second.attempt, second.state) == (2, Invoice.State.OPEN)
    assert OrderPayment.objects.get().invoices.count() == 2


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


class TestNewsIsNotDropped:
    def test_paid_counts_though_rehives_clock_has_gone_back(
        self, rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = place_order()
        invoice = opened(order)
        rehive.outcome(invoice.remote_id, "start")
        settled(invoice)
        rehive.outcome(invoice.remote_id, "pay")
        rehive_tells(monkeypatch, updated=invoice.remote_updated - 1)

        settled(invoice)

        order.refresh_from_db()
        assert order.status == "Being processed"

    def test_nor_for_an_impossible_time_in_the_answer_to_the_create(
        self, rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = Client.create_invoice

        def in_microseconds(*args: Any, **kwargs: Any) -> Any:
            remote = real(*args, **kwargs)
            return dataclasses.replace(remote, updated=remote.updated * 1000)

        monkeypatch.setattr(Client, "create_invoice", in_microseconds)
        order = place_order()
        invoice = opened(order)
        rehive.outcome(invoice.remote_id, "pay")

        settled(invoice)

        order.refresh_from_db()
        assert order.status == "Being processed"

    def test_one_odd_quote_does_not_keep_an_order_unpaid(
        self, rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = place_order()
        invoice = opened(order)
        rehive.outcome(invoice.remote_id, "pay")
        real = Client._send

        def send(*args: Any, **kwargs: Any) -> Any:
            answer = real(*args, **kwargs)
            for quote in answer["data"].get("payment_processor_quotes", []):
                quote["currency"] = {"code": None}
            return answer

        monkeypatch.setattr(Client, "_send", send)

        settled(invoice)

        order.refresh_from_db()
        assert order.status == "Being processed"


class TestWhatWouldCostTheShopItsGoods:
    def test_money_that_was_given_back_before_anybody_looked_pays_nothing(
        self, rehive: Any, place_order: Any
    ) -> None:
        order = place_order(total="10.00")
        invoice = opened(order)
        rehive.outcome(invoice.remote_id, "pay")
        made = client_for(business_of(invoice)).create_refund(
            invoice.remote_id or "",
            amount=1000,
            currency="USD",
            reason="in the app",
            idempotency_key="app",
        )
        rehive.refund(made.id, "complete")

        settled(invoice)

        order.refresh_from_db()
        assert order.status == "Pending"
        assert Attention.objects.get().kind == Attention.Kind.MISMATCH

    def test_no_tolerance_makes_a_small_order_free(
        self, rehive: Any, place_order: Any, settings: Any
    ) -> None:
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "TOLERANCE_AMOUNT": "1.00"}
        order = place_order(total="0.80")
        invoice = opened(order)
        rehive.outcome(invoice.remote_id, "pay_less", amount=1)

        settled(invoice)

        order.refresh_from_db()
        assert order.status == "Pending"

    def test_dust_is_within_a_tolerance_of_half_a_cent(self, settings: Any) -> None:
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "TOLERANCE_AMOUNT": "0.005"}

        almost = Invoice(total=Decimal("10.00"), divisibility=6, amount=10**7, received=10**7 - 1)

        assert is_enough(almost, almost.asked, conf.current())


class TestFalseAlarms:
    def test_the_rest_that_we_cancelled_ourselves_is_no_step_back(
        self, rehive: Any, place_order: Any, settings: Any
    ) -> None:
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "TOLERANCE_AMOUNT": "0.05"}
        invoice = opened(place_order(total="10.00"))
        rehive.outcome(invoice.remote_id, "pay_less", amount=999)
        reconcile()
        reconcile()
        assert rehive.invoice()["status"] == "cancelled"

        settled(invoice)

        assert [one.kind for one in Attention.objects.all()] == [Attention.Kind.DIFFERENCE]

    def test_nor_is_what_had_expired_before_a_person_accepted_it(
        self, rehive: Any, place_order: Any
    ) -> None:
        invoice = opened(place_order(total="10.00"))
        rehive.outcome(invoice.remote_id, "pay_less", amount=900)
        rehive.outcome(invoice.remote_id, "expire")
        settled(invoice)
        accept(Attention.objects.get(), by="ann")

        settled(invoice)

        assert [one.kind for one in Attention.objects.all()] == [Attention.Kind.PART_PAID]

    def test_an_invoice_that_is_there_again_was_not_lost(
        self, rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One run with a wrong API_URL left a fact to click away for every open order."""
        invoice = opened(place_order())

        for _ in range(2):
            with monkeypatch.context() as patch:
                rehive_forgot(patch)
                for _ in range(2):
                    with pytest.raises(NotFound):
                        settled(invoice)
            assert Attention.objects.filter(resolved_at=None).count() == 1
            settled(invoice)

        assert {one.resolved_by for one in Attention.objects.all()} == {"Rehive"}

    def test_an_order_that_staff_moved_on_was_not_cancelled(
        self, rehive: Any, place_order: Any
    ) -> None:
        order = place_order()
        invoice = opened(order)
        type(order).objects.filter(pk=order.pk).update(status="Being processed")
        window_over(order)
        for _ in range(2):
            reconcile()
        rehive.outcome(invoice.remote_id, "pay_late", force=True)

        settled(invoice)

        assert Attention.objects.get().kind == Attention.Kind.MOVED_ON


def test_money_that_is_held_is_still_there_when_its_invoice_is_edited(held: Invoice) -> None:
    edited = dataclasses.replace(told(held), status="cancelled", amount=1100)

    settle(held, edited, source=Entry.Source.WEBHOOK)

    with pytest.raises(NotPayable):
        open_invoice(held.order_number, return_url=RETURN_URL)

"""The promises of the design, each by what would break it (design.md, "Promises").

Every test here was seen to fail with its guard taken out.
"""

from __future__ import annotations

import dataclasses
import logging
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from django.db import transaction

from oscar_rehive import conf
from oscar_rehive.models import Attention, Delivery, Entry, Invoice, OrderPayment
from oscar_rehive.payments.deciding import refund_offered
from oscar_rehive.payments.gateway import client_for
from oscar_rehive.payments.mails import send_confirmation_if_due
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.payments.settling import refresh, settle
from oscar_rehive.rehive.wire import Currency
from tests.steps import opened, told

pytestmark = pytest.mark.django_db

OTHER_ID = "11111111-2222-3333-4444-555555555555"


class TestP1Proof:
    """An order becomes paid only from a verified remote of an invoice of *this* order, of our
    business, with the right currency and amount."""

    @pytest.mark.parametrize(
        "lie",
        [
            {"id": OTHER_ID},
            {"reference": "somebody-elses-order"},
            {"amount": 1},
            {"amount": 123400},
            {"currency": Currency("EUR", 2)},
            {"currency": Currency("USD", 8)},
        ],
        ids=lambda lie: next(iter(lie)),
    )
    def test_a_paid_invoice_that_is_not_this_orders_pays_nothing(
        self, rehive: Any, place_order: Any, lie: dict[str, Any]
    ) -> None:
        order = place_order(total="12.34")
        invoice = opened(order)
        rehive.outcome(invoice.remote_id, "pay")

        settle(invoice, dataclasses.replace(told(invoice), **lie), source=Entry.Source.WEBHOOK)

        order.refresh_from_db()
        assert order.status == "Pending"
        assert OrderPayment.objects.get().paid_at is None
        assert Attention.objects.get().kind == Attention.Kind.MISMATCH

    @pytest.mark.parametrize(
        ("lie", "recorded"),
        [
            ({"reference": "somebody-elses-order"}, ["12.34"]),
            ({"amount": 1300}, ["13.00"]),
            ({"currency": Currency("EUR", 2)}, []),
            ({"id": OTHER_ID}, []),
        ],
        ids=lambda value: next(iter(value), "nothing"),
    )
    def test_what_came_through_an_invoice_that_does_not_fit_can_be_given_back(
        self, rehive: Any, place_order: Any, lie: dict[str, Any], recorded: list[str]
    ) -> None:
        """Edited in Rehive's app: its money was neither in the ledger nor refundable, and reconcile
        tried to cancel the paid invoice for ever."""
        order = place_order(total="12.34")
        invoice = opened(order)
        rehive.outcome(invoice.remote_id, "pay")
        remote = dataclasses.replace(told(invoice), **lie, quotes=())

        settle(invoice, remote, source=Entry.Source.WEBHOOK)

        assert [str(source.amount_debited) for source in order.sources.all()] == recorded
        assert refund_offered(Attention.objects.get()) == sum(map(Decimal, recorded))

    def test_an_unknown_status_changes_nothing_and_is_shown(
        self, rehive: Any, place_order: Any
    ) -> None:
        """Peer bug 18: ``canceled`` is not ``cancelled``, and neither is it a success."""
        order = place_order()
        invoice = opened(order)

        settle(
            invoice,
            dataclasses.replace(told(invoice), status="canceled"),
            source=Entry.Source.WEBHOOK,
        )

        order.refresh_from_db()
        invoice.refresh_from_db()
        assert (order.status, invoice.state) == ("Pending", Invoice.State.OPEN)
        assert Attention.objects.get().kind == Attention.Kind.UNKNOWN_STATUS


class TestP2Once:
    """Each movement of money is in the ledger once; sums equal the verified amounts."""

    def test_parts_and_repeats_add_up_to_the_cent(self, rehive: Any, place_order: Any) -> None:
        order = place_order(total="100.00")
        invoice = opened(order)
        for part in (1, 333, 3333, None):
            rehive.outcome(invoice.remote_id, "pay_less" if part else "pay", amount=part)
            for _ in range(3):
                refresh(invoice, Entry.Source.WEBHOOK)

        assert order.sources.get().amount_debited == Decimal("100.00")
        debits = order.sources.get().transactions.filter(txn_type="Debit")
        assert sum(debit.amount for debit in debits) == Decimal("100.00")

    def test_the_same_answer_settled_by_two_that_asked_at_once_counts_once(
        self, rehive: Any, place_order: Any
    ) -> None:
        order = place_order()
        by_return, by_webhook = opened(order), Invoice.objects.get()
        rehive.outcome(by_return.remote_id, "pay")
        answer = told(by_return)

        settle(by_return, answer, source=Entry.Source.RETURN)
        settle(by_webhook, answer, source=Entry.Source.WEBHOOK)

        assert order.sources.get().amount_debited == order.total_incl_tax


class TestP3OneMail:
    """The confirmation goes out once, after payment; a crash delays it, never loses it."""

    def test_no_mail_before_the_payment(self, rehive: Any, place_order: Any) -> None:
        order = place_order()
        refresh(opened(order), Entry.Source.RETURN)
        send_confirmation_if_due(order.number)
        assert mail.outbox == []

    def test_a_mail_server_that_is_down_delays_the_mail(
        self, rehive: Any, place_order: Any, settings: Any
    ) -> None:
        order = place_order()
        invoice = opened(order)
        rehive.outcome(invoice.remote_id, "pay")
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
        reconcile()
        assert OrderPayment.objects.get().mail_sent_at is None

        settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
        for _ in range(3):
            reconcile()

        assert len(mail.outbox) == 1


class TestP6NewerWins:
    """Old news, in whatever order it comes, never undoes newer news."""

    def test_an_older_answer_that_arrives_late_is_dropped(
        self, rehive: Any, place_order: Any
    ) -> None:
        order = place_order(total="10.00")
        invoice = opened(order)
        rehive.outcome(invoice.remote_id, "pay_less", amount=400)
        old = told(invoice)
        rehive.outcome(invoice.remote_id, "expire")
        refresh(invoice, Entry.Source.WEBHOOK)

        settle(invoice, old, source=Entry.Source.RETURN)

        invoice.refresh_from_db()
        assert (invoice.remote_status, invoice.state) == ("expired", Invoice.State.CLOSED)

    def test_without_times_an_answer_asked_for_before_somebody_else_settled_is_not_trusted(
        self, rehive: Any, place_order: Any
    ) -> None:
        """``updated`` can be missing (rehive-api.md): then only "who asked last" is left."""
        order = place_order(total="10.00")
        slow = opened(order)
        old = dataclasses.replace(told(slow), updated=None)
        rehive.outcome(slow.remote_id, "pay_less", amount=400)
        quick = Invoice.objects.get()
        settle(quick, dataclasses.replace(told(quick), updated=None), source=Entry.Source.WEBHOOK)

        assert settle(slow, old, source=Entry.Source.RETURN) is False

        slow.refresh_from_db()
        assert slow.remote_status == "underpaid"

    @pytest.mark.parametrize("backward", ["expire", "fail"])
    def test_backward_from_paid_leaves_the_order_and_calls_a_person(
        self, rehive: Any, place_order: Any, backward: str
    ) -> None:
        order = place_order()
        invoice = opened(order)
        rehive.outcome(invoice.remote_id, "pay")
        refresh(invoice, Entry.Source.WEBHOOK)

        rehive.outcome(invoice.remote_id, backward, force=True)
        refresh(invoice, Entry.Source.WEBHOOK)

        order.refresh_from_db()
        assert (order.status, invoice.state) == ("Being processed", Invoice.State.PAID)
        assert Attention.objects.get().kind == Attention.Kind.BACKWARD


class TestP8NoCallUnderLock:
    """No network call while a database transaction or row lock is held."""

    @pytest.mark.django_db(transaction=True)
    def test_asking_rehive_inside_a_transaction_is_refused(
        self, rehive: Any, place_order: Any
    ) -> None:
        business = conf.business_for("USD")
        assert business is not None
        with (
            transaction.atomic(),
            pytest.raises(RuntimeError, match="inside a database transaction"),
        ):
            client_for(business)
        assert rehive.requests() == []

    @pytest.mark.django_db(transaction=True)
    def test_settling_inside_a_transaction_is_refused(self, rehive: Any, place_order: Any) -> None:
        """ "Committed before the next network call" would not be true there."""
        invoice = opened(place_order())
        answer = told(invoice)
        with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
            settle(invoice, answer, source=Entry.Source.RETURN)


class TestP9Secrets:
    """Tokens and webhook secrets never reach the database, a log, an error page or a URL."""

    @pytest.mark.parametrize("fault", [{}, {"error_status": 500}, {"throttle": 3}, {"html": 502}])
    def test_nothing_that_is_kept_or_logged_contains_them(
        self,
        rehive: Any,
        place_order: Any,
        client: Any,
        caplog: pytest.LogCaptureFixture,
        fault: dict[str, Any],
    ) -> None:
        caplog.set_level(logging.DEBUG)
        secret = conf.current().businesses["USD"].webhook_secrets[0]
        order = place_order()
        invoice = opened(order)
        rehive.outcome(invoice.remote_id, "pay")
        rehive.faults(**fault)
        body = {
            "data": {"id": invoice.remote_id, "metadata": {"note": "x"}},
            "secret": secret,
            "headers": {"Authorization": f"Token {rehive.token}"},
        }
        client.post(
            "/rehive/webhook/",
            body,
            content_type="application/json",
            headers={"Authorization": f"Secret {secret}"},
        )
        reconcile()

        kept = "\n".join(
            str(row)
            for model in (Delivery, Entry, Attention, Invoice, OrderPayment)
            for row in model.objects.values()
        )
        for hidden in (rehive.token, secret):
            assert hidden not in kept
            assert hidden not in caplog.text
        assert Delivery.objects.exists()

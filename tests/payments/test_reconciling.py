"""Reconciling: what is due comes first, whatever else there is to ask, and what has ended is not
forgotten (P7)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from oscar_rehive.models import Attention, Invoice, OrderPayment, Refund
from oscar_rehive.payments import reconciling
from oscar_rehive.payments.gateway import client_for
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.payments.settling import business_of
from oscar_rehive.payments.stages import Task
from oscar_rehive.rehive.client import Client
from oscar_rehive.rehive.exceptions import RehiveError, Throttled, Unintelligible, Unreachable
from oscar_rehive.shop.oscar import OscarShop
from tests.steps import opened, rehive_forgot, settled, window_over

pytestmark = pytest.mark.django_db(transaction=True)


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


def days_pass(days: int) -> None:
    """All that the shop remembers is older by ``days``."""
    for model, names in (
        (Invoice, ("created_at", "asked_at")),
        (OrderPayment, ("created_at", "window_ends_at", "paid_at")),
    ):
        for row in model.objects.all():
            for name in names:
                if getattr(row, name) is not None:
                    setattr(row, name, getattr(row, name) - timedelta(days=days))
            row.save()


class TestWhoDoesNotAnswerIsLeftAlone:
    """For the rest of the run: each question takes seconds, and everybody waits behind it."""

    def test_a_business_that_is_down(
        self, rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for _ in range(4):
            opened(place_order())
        asked: list[Any] = []

        def down(*args: Any, **kwargs: Any) -> Any:
            asked.append(args)
            raise Unreachable("hangs")

        monkeypatch.setattr(Client, "_send", down)
        failures = reconcile().failures

        assert (len(failures), len(asked)) == (1, 2)

    def test_but_not_for_invoices_on_which_rehive_stumbles(
        self, rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        poor = [opened(place_order()).remote_id for _ in range(4)]
        rehive.outcome(opened(place_order()).remote_id, "pay")
        real = Client.invoice

        def invoice(client: Client, remote_id: str, **kwargs: Any) -> Any:
            if remote_id in poor:
                raise Unreachable("500")
            return real(client, remote_id, **kwargs)

        def page(*args: Any) -> Any:
            raise Unintelligible("It has no results.")

        monkeypatch.setattr(Client, "invoice", invoice)
        monkeypatch.setattr(Client, "invoice_page", page)
        summary = reconcile()

        assert (len(summary.failures), summary.paid) == (1 + 4, 1)

    def test_a_business_that_the_settings_no_longer_name(
        self, rehive: Any, place_order: Any, settings: Any
    ) -> None:
        """Told once for all that is owed, and not at all for what is merely looked at again."""
        for _ in range(3):
            rehive.outcome(opened(place_order()).remote_id, "pay")
        reconcile()
        days_pass(2)
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "BUSINESS_ID": "another"}
        assert reconcile().failures == []

        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "BUSINESS_ID": rehive.business_id}
        window_over(place_order())
        for order in (place_order(), place_order()):
            opened(order)
            window_over(order)
        opened(place_order())
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "BUSINESS_ID": "another"}
        summary = reconcile()

        assert [rehive.business_id in failure for failure in summary.failures] == [True]
        assert summary.cancelled == 1, "an order without any invoice needs no business"

    @pytest.fixture
    def tried(self, rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """The orders whose confirmation was tried; the mail server takes none but the last."""
        tried: list[str] = []
        orders = [place_order() for _ in range(4)]

        def send(shop: OscarShop, number: str, **kwargs: Any) -> None:
            tried.append(number)
            if number != orders[-1].number:
                raise TimeoutError

        monkeypatch.setattr(OscarShop, "send_confirmation", send)
        for order in orders:
            rehive.outcome(opened(order).remote_id, "pay")
        return tried

    def test_a_mail_server(self, tried: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reconciling, "IN_A_ROW", 1)

        summary = reconcile()

        assert (summary.paid, len(summary.failures), len(tried)) == (4, 1, 1)

    def test_but_one_mail_that_never_goes_does_not_keep_the_others_waiting(
        self, tried: list[str]
    ) -> None:
        mailed = sum(reconcile().mailed for _ in range(4))

        assert (mailed, len(set(tried))) == (1, 4)


class TestWhatHasEndedIsNotForgotten:
    """While no webhook comes."""

    @pytest.fixture
    def failed(self, rehive: Any, place_order: Any) -> Invoice:
        """The only attempt to pay an order over 10.00 USD, which has failed."""
        invoice = opened(place_order(total="10.00"))
        rehive.outcome(invoice.remote_id, "fail")
        return settled(invoice)

    def test_bug9_an_attempt_that_was_paid_after_it_had_failed_is_asked_before_the_clock_cancels(
        self, rehive: Any, failed: Invoice
    ) -> None:
        rehive.outcome(failed.remote_id, "pay", force=True)
        OrderPayment.objects.update(window_ends_at=timezone.now())

        reconcile()

        payment = OrderPayment.objects.get()
        assert (payment.paid_at is not None, payment.closed_at) == (True, None)

    def test_bug9_while_rehive_cannot_be_asked_the_clock_cancels_nothing(
        self, rehive: Any, failed: Invoice
    ) -> None:
        OrderPayment.objects.update(window_ends_at=timezone.now())
        rehive.faults(error_status=503)

        reconcile()
        assert OrderPayment.objects.get().closed_at is None

        rehive.clear_faults()
        reconcile()
        assert OrderPayment.objects.get().closed_at is not None

    def test_an_attempt_of_a_business_of_the_past_does_not_keep_its_order_waiting(
        self, failed: Invoice, settings: Any
    ) -> None:
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "BUSINESS_ID": "another"}
        OrderPayment.objects.update(window_ends_at=timezone.now())

        assert reconcile().failures == []
        assert OrderPayment.objects.get().closed_at is not None

    def test_an_attempt_that_rehive_has_forgotten_does_not_keep_its_order_waiting(
        self, failed: Invoice, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rehive_forgot(monkeypatch)
        OrderPayment.objects.update(window_ends_at=timezone.now())

        assert reconcile().failures == []
        assert OrderPayment.objects.get().closed_at is not None
        assert Attention.objects.get().kind == Attention.Kind.VANISHED

    def test_money_that_comes_after_the_end_is_noticed(self, rehive: Any, failed: Invoice) -> None:
        """``late`` usually comes after ``expired``: we send the same moment for both."""
        OrderPayment.objects.update(window_ends_at=timezone.now())
        reconcile()
        rehive.outcome(failed.remote_id, "pay_late", force=True)

        reconcile()

        assert Invoice.objects.get().received == 1000
        assert Attention.objects.get().kind == Attention.Kind.AFTER_CANCEL

    def test_an_end_of_long_ago_is_left_alone(self, rehive: Any, failed: Invoice) -> None:
        OrderPayment.objects.update(window_ends_at=timezone.now())
        reconcile()
        days_pass(130)
        asked = len(rehive.requests())

        reconcile()

        assert len(rehive.requests()) == asked

    @pytest.mark.parametrize("days", [1, 100])
    def test_a_refund_in_rehives_own_app_is_noticed_for_months_after_the_payment(
        self, rehive: Any, place_order: Any, days: int
    ) -> None:
        """A part of it: that shows in the time of change alone."""
        invoice = opened(place_order(total="10.00"))
        rehive.outcome(invoice.remote_id, "pay")
        reconcile()
        made = client_for(business_of(invoice)).create_refund(
            invoice.remote_id or "", amount=1, currency="USD", reason="", idempotency_key="app"
        )
        rehive.refund(made.id, "complete")
        days_pass(days)

        reconcile()

        assert Refund.objects.exists()


@pytest.mark.parametrize("then", ["deleted", "moved on"])
def test_what_staff_cancelled_and_then_changed_is_not_cleared_up_for_ever(
    rehive: Any, place_order: Any, then: str
) -> None:
    """The process was killed between the cancellation and its clearing up."""
    order = place_order()
    type(order).objects.update(status="Cancelled")
    if then == "deleted":
        order.delete()
    else:
        type(order).objects.update(status="Being processed")
    window_over(order)
    done: list[str] = []

    def watch(tasks: list[Task]) -> list[Task]:
        done.extend(task.name for task in tasks)
        return tasks

    for _ in range(2):
        reconcile()
    reconcile(watch)

    assert OrderPayment.objects.get().closed_at is not None
    assert done == []

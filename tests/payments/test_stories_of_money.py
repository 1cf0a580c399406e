"""Money, parts, cancellations and numbers, in the orders in which they hurt each other (P1, P2, P4, P5)."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.utils import timezone
from oscar.core.loading import get_model
from oscar.test.factories import create_basket, create_order, create_product

from oscar_rehive.models import Attention, Invoice, OrderPayment
from oscar_rehive.payments import stages
from oscar_rehive.payments.deciding import (
    can_accept,
    refund_offered,
    resolve,
    take_for_gone,
)
from oscar_rehive.payments.gateway import client_for
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.payments.refunding import refund
from oscar_rehive.payments.settling import business_of
from oscar_rehive.payments.summary import Summary
from oscar_rehive.rehive.client import Client
from oscar_rehive.simulator.process import SimulatorProcess
from tests.steps import (
    moved,
    opened,
    paid_by_cash,
    payable_at,
    rehive_forgot,
    settled,
    stands_as,
    taking_back_is_allowed,
    told,
    waiting_for_a_person,
    window_over,
)

pytestmark = pytest.mark.django_db(transaction=True)

Order = get_model("order", "Order")
StockRecord = get_model("partner", "StockRecord")


def a_day_later() -> None:
    Invoice.objects.update(asked_at=timezone.now() - timedelta(days=2))


def in_two_parts(rehive: Any, order: Any) -> tuple[Invoice, Invoice]:
    """The order is paid by 5.00 through an attempt that has expired, and the rest through the next."""
    first = opened(order)
    rehive.outcome(first.remote_id, "pay_less", amount=500)
    rehive.outcome(first.remote_id, "expire")
    settled(first)
    second = opened(order)
    rehive.outcome(second.remote_id, "pay")
    settled(second)
    assert stands_as(order) == "Being processed"
    return first, second


def test_the_part_that_pays_is_not_offered_as_a_duplicate(rehive: Any, place_order: Any) -> None:
    order = place_order(total="12.34")
    first, _ = in_two_parts(rehive, order)
    # The rest of the first comes late, though the second has paid it.
    rehive.outcome(first.remote_id, "pay_late", force=True)
    settled(first)
    assert (first.received, first.pays) == (1234, 500)

    offered = {one.kind: refund_offered(one) for one in Attention.objects.filter(resolved_at=None)}
    assert max(offered.values()) == Decimal("7.34"), offered


def test_money_of_ended_parts_is_told_when_the_paid_order_is_cancelled(
    rehive: Any, place_order: Any
) -> None:
    order = place_order(total="12.34")
    in_two_parts(rehive, order)
    moved(order, "Cancelled")
    reconcile()

    offered = sum(refund_offered(one) for one in Attention.objects.filter(resolved_at=None))
    assert offered == Decimal("12.34")


class TestEightDecimals:
    @pytest.fixture
    def rehive(self, settings: Any) -> Iterator[Any]:
        with SimulatorProcess("--currency", "USD", "--divisibility", "8") as process:
            settings.OSCAR_REHIVE = {
                **settings.OSCAR_REHIVE,
                "API_URL": process.api_url,
                "PAYMENT_REQUESTS_URL": process.payment_requests_url,
                "TOKEN": process.token,
                "BUSINESS_ID": process.business_id,
            }
            yield process

    def test_the_rest_of_a_part_stays_payable(self, rehive: Any, place_order: Any) -> None:
        order = place_order(total="10.00")
        first = opened(order)
        rehive.outcome(first.remote_id, "pay_less", amount=12_345_678)  # 0.12345678
        rehive.outcome(first.remote_id, "expire")
        settled(first)

        second = opened(order)
        assert second.amount == 1_000_000_000 - 12_345_678
        reconcile()

        assert payable_at(rehive, order) == [second.remote_id]
        assert opened(order) == second


def test_the_migration_does_not_say_that_a_duplicate_pays(rehive: Any, place_order: Any) -> None:
    order = place_order(total="12.34")
    first = opened(order)
    rehive.outcome(first.remote_id, "expire")
    settled(first)
    second = opened(order)
    rehive.outcome(second.remote_id, "pay")
    settled(second)
    rehive.outcome(first.remote_id, "pay_late", force=True)
    settled(first)
    assert waiting_for_a_person() == ["duplicate"]
    # As 0002 left it.
    Invoice.objects.update(pays=None, told="")
    migration = importlib.import_module("oscar_rehive.migrations.0004_fill_in")
    migration.fill_in(apps, SimpleNamespace(connection=connection))

    a_day_later()
    reconcile()

    offered = [
        (one.kind, refund_offered(one)) for one in Attention.objects.filter(resolved_at=None)
    ]
    assert sum(amount for _, amount in offered) == Decimal("12.34"), offered


def test_another_end_than_cancelled_does_not_hold_stock_again(
    rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        Order,
        "pipeline",
        {
            "Pending": ("Being processed", "Cancelled"),
            "Being processed": ("Cancelled",),
            "Cancelled": ("Refunded",),
            "Refunded": (),
        },
    )
    order = place_order()
    rehive.outcome(opened(order).remote_id, "pay")
    reconcile()
    moved(order, "Cancelled")
    assert StockRecord.objects.get().num_allocated == 0
    moved(order, "Refunded")
    reconcile()

    assert StockRecord.objects.get().num_allocated == 0


class TestOrdersAtRest:
    """The work of a run does not grow with the orders of all years."""

    def test_one_word_for_pending_and_paid(
        self, rehive: Any, place_order: Any, settings: Any
    ) -> None:
        settings.OSCAR_REHIVE = {
            **settings.OSCAR_REHIVE,
            "ORDER_STATUS": {"pending": "Pending", "paid": "Pending", "cancelled": "Cancelled"},
        }
        for _ in range(3):
            rehive.outcome(opened(place_order()).remote_id, "pay")
        for _ in range(2):
            reconcile()
        assert OrderPayment.objects.filter(paid_at__isnull=False).count() == 3

        assert list(stages._standing(Summary())) == []

    def test_a_new_word_for_cancelled(self, rehive: Any, place_order: Any, settings: Any) -> None:
        for _ in range(3):
            moved(place_order(), "Cancelled")
        reconcile()
        settings.OSCAR_REHIVE = {
            **settings.OSCAR_REHIVE,
            "ORDER_STATUS": {"pending": "Pending", "paid": "Being processed", "cancelled": "Void"},
        }
        for _ in range(2):
            reconcile()

        assert list(stages._standing(Summary())) == []

    def test_cash_and_a_status_that_is_left(self, rehive: Any, place_order: Any) -> None:
        order = place_order()
        paid_by_cash(order)
        window_over(order)
        for _ in range(3):
            reconcile()

        assert list(stages._standing(Summary())) == []


def test_new_words_for_the_statuses_do_not_call_a_person_for_each_old_order(
    rehive: Any, place_order: Any, settings: Any
) -> None:
    words = {"pending": "New", "paid": "Pending", "cancelled": "Cancelled"}
    settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "ORDER_STATUS": words}
    Order.pipeline["New"] = ("Pending",)
    try:
        for _ in range(3):
            rehive.outcome(opened(place_order(status="New")).remote_id, "pay")
            reconcile()
    finally:
        del Order.pipeline["New"]
    assert OrderPayment.objects.filter(paid_at__isnull=False).count() == 3
    words = {"pending": "Pending", "paid": "Being processed", "cancelled": "Cancelled"}
    settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "ORDER_STATUS": words}

    reconcile()

    assert waiting_for_a_person() == []


def test_late_money_can_go_back_after_another_attempt_has_paid(
    rehive: Any, place_order: Any, settings: Any
) -> None:
    settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "LATE_PAYMENTS": "hold"}
    order = place_order()
    first = opened(order)
    rehive.outcome(first.remote_id, "expire")
    settled(first)
    second = opened(order)
    rehive.outcome(first.remote_id, "pay_late", force=True)
    settled(first)
    assert waiting_for_a_person() == ["late"]
    rehive.outcome(second.remote_id, "pay")
    settled(second)
    assert stands_as(order) == "Being processed"

    assert sum(
        refund_offered(one) for one in Attention.objects.filter(resolved_at=None)
    ) == Decimal("12.34")


def test_of_two_payments_the_second_is_not_given_back_after_the_first(
    rehive: Any, place_order: Any
) -> None:
    """Staff gave the first back on its invoice's page, and then pressed the button of the attention."""
    order = place_order()
    first = opened(order)
    rehive.outcome(first.remote_id, "expire")
    settled(first)
    second = opened(order)
    rehive.outcome(second.remote_id, "pay")
    settled(second)
    rehive.outcome(first.remote_id, "pay_late", force=True)
    settled(first)
    refund(second, Decimal("12.34"), reason="paid twice", by="ann")
    reconcile()

    (duplicate,) = Attention.objects.filter(kind="duplicate")
    assert not refund_offered(duplicate)


class TestPaidCancelledAndTakenBack:
    @pytest.fixture
    def order(self, rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
        taking_back_is_allowed(monkeypatch)
        order = place_order()
        rehive.outcome(opened(order).remote_id, "pay")
        reconcile()
        moved(order, "Cancelled")
        assert waiting_for_a_person() == ["after_cancel"]
        return order

    def test_no_button_gives_back_what_pays_it(self, order: Any) -> None:
        moved(order, "Being processed")
        reconcile()

        offered = [refund_offered(one) for one in Attention.objects.filter(resolved_at=None)]
        assert not any(offered), waiting_for_a_person()

    def test_cancelled_once_more_a_person_is_told_once_more(self, order: Any) -> None:
        resolve(Attention.objects.get(), by="ann")
        moved(order, "Being processed")
        moved(order, "Cancelled")
        reconcile()

        assert waiting_for_a_person() == ["after_cancel"]


def test_rehives_money_pays_when_the_cash_is_given_back_instead(
    rehive: Any, place_order: Any
) -> None:
    order = place_order()
    invoice = opened(order)
    paid_by_cash(order)
    rehive.outcome(invoice.remote_id, "pay")
    settled(invoice)
    (attention,) = Attention.objects.all()
    assert attention.kind == "duplicate"
    # Staff give the cash back, and not Rehive's money.
    order.sources.filter(source_type__code="cash").update(amount_refunded=order.total_incl_tax)
    resolve(attention, by="ann")
    window_over(order)
    for _ in range(3):
        reconcile()
        a_day_later()

    assert stands_as(order) == "Being processed" or any(
        can_accept(one) for one in Attention.objects.all()
    ), waiting_for_a_person()


def test_what_was_taken_for_gone_does_not_fail_in_every_run(
    rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = place_order()
    invoice = opened(order)
    older = told(invoice)
    rehive.outcome(invoice.remote_id, "start", currency="USD")
    settled(invoice)
    with monkeypatch.context() as lagging:
        lagging.setattr(Client, "invoice", lambda *a, **k: replace(older, updated=1))
        settled(invoice)
    assert invoice.doubted_since is not None
    rehive_forgot(monkeypatch)
    reconcile()
    take_for_gone(Attention.objects.get(kind="vanished"), by="ann")

    assert reconcile().failures == []


def test_an_order_that_is_imported_with_its_old_date_is_not_the_deleted_ones(
    rehive: Any, place_order: Any
) -> None:
    old = opened(place_order(number="1001"))
    Order.objects.all().delete()
    basket = create_basket(empty=True)
    basket.add_product(create_product(price=Decimal("20.00"), num_in_stock=5))
    new = create_order(
        basket=basket,
        number="1001",
        status="Pending",
        date_placed=timezone.now() - timedelta(days=400),
    )
    OrderPayment.objects.update(window_ends_at=timezone.now() - timedelta(seconds=1))
    for _ in range(2):
        reconcile()

    new.refresh_from_db()
    assert new.status == "Pending"
    assert rehive.invoice(old.remote_id)["status"] == "cancelled"


@pytest.mark.parametrize("status", ["pending", "complete"])
@pytest.mark.parametrize("amount", [1234, 500])
def test_money_that_goes_back_already_does_not_pay(
    rehive: Any, place_order: Any, status: str, amount: int
) -> None:
    order = place_order()
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay")
    made = client_for(business_of(invoice)).create_refund(
        invoice.remote_id or "",
        amount=amount,
        currency="USD",
        reason="in the app",
        idempotency_key="in the app",
    )
    if status == "complete":
        rehive.refund(made.id)
    reconcile()

    assert stands_as(order) == "Pending"

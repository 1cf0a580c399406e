"""Rehive is asked for what is missing: gift cards, bank transfers and attempts that ended part paid pay
their part, and money that was given back pays nothing (design.md, "What is asked for, and what pays").
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client as Browser
from oscar.core.loading import get_model

from oscar_rehive.models import Attention, Invoice, OrderPayment, Refund
from oscar_rehive.payments.deciding import accept, give_back, refund_offered, resolve
from oscar_rehive.payments.progress import progress_of
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.payments.refunding import refund
from tests.steps import (
    acceptable,
    asked_for,
    cancelled_at_rehive,
    in_the_ledger,
    opened,
    other_source,
    payable_at,
    payment_page,
    settled,
    stands_as,
    waiting_for_a_person,
    window_over,
)

pytestmark = pytest.mark.django_db(transaction=True)

Source = get_model("payment", "Source")

FIVE = [
    pytest.param([{"allocated": "5.00"}], id="allocated"),
    pytest.param([{"debited": "5.00"}], id="debited"),
    pytest.param([{"allocated": "5.00", "debited": "5.00"}], id="both"),
    pytest.param([{"allocated": "5.00", "debited": "2.00"}], id="partly debited"),
    pytest.param([{"debited": "8.00", "refunded": "3.00"}], id="partly refunded"),
    pytest.param([{"debited": "2.00"}, {"debited": "3.00"}], id="two cards"),
    pytest.param([{"allocated": "2.00"}, {"debited": "3.00", "name": "Cash"}], id="two kinds"),
    pytest.param([{"debited": "5.00"}, {"debited": "9.00", "refunded": "9.00"}], id="one refunded"),
    pytest.param([{"debited": "5.00"}, {"debited": "7.34", "currency": "EUR"}], id="one in euros"),
    pytest.param([{"debited": "5.00", "name": "Rehive", "code": "rehive-card"}], id="same name"),
]
"""Ways in which others hold 5.00 USD of an order."""


@pytest.mark.parametrize("sources", FIVE)
def test_p2_rehive_is_asked_for_the_rest_and_the_ledger_holds_the_total(
    rehive: Any, place_order: Any, sources: list[dict[str, str]]
) -> None:
    order = place_order(total="12.34")
    for source in sources:
        other_source(order, **source)

    invoice = opened(order)
    assert asked_for(rehive, invoice) == 734
    rehive.outcome(invoice.remote_id, "pay")
    settled(invoice)

    assert (stands_as(order), in_the_ledger(order)) == ("Being processed", Decimal("12.34"))
    assert (invoice.total, invoice.covered, invoice.amount, invoice.pays) == (
        Decimal("12.34"),
        Decimal("5.00"),
        734,
        734,
    )
    assert not Attention.objects.exists()


def test_money_in_another_currency_covers_nothing(rehive: Any, place_order: Any) -> None:
    order = place_order(total="12.34")
    other_source(order, debited="20.00", currency="EUR")

    assert asked_for(rehive, opened(order)) == 1234


def test_what_is_paid_in_full_and_given_back_in_part_is_asked_for(
    rehive: Any, place_order: Any
) -> None:
    order = place_order(total="12.34")
    other_source(order, allocated="12.34", debited="12.34", refunded="7.34")

    assert asked_for(rehive, opened(order)) == 734


class TestACardThatIsBookedAfterTheInvoiceWasOpened:
    @pytest.fixture
    def order(self, place_order: Any) -> Any:
        return place_order(total="12.34")

    @pytest.fixture
    def invoice(self, rehive: Any, order: Any) -> Invoice:
        """Asks for all of it."""
        invoice = opened(order)
        other_source(order, debited="5.00")
        return invoice

    def test_p5_nobody_can_pay_the_whole_any_more(
        self, rehive: Any, order: Any, invoice: Invoice
    ) -> None:
        reconcile()

        assert payable_at(rehive, order) == []
        assert asked_for(rehive, opened(order)) == 734
        assert not Attention.objects.exists()

    def test_p5_not_even_without_a_reconcile(
        self, rehive: Any, order: Any, invoice: Invoice
    ) -> None:
        settled(invoice)

        second = opened(order)

        assert payable_at(rehive, order) == [second.remote_id]
        assert asked_for(rehive, second) == 734

    def test_but_it_is_not_closed_while_money_is_on_its_way(
        self, rehive: Any, order: Any, invoice: Invoice
    ) -> None:
        for _ in range(2):
            rehive.outcome(invoice.remote_id, "start")
        reconcile()
        assert rehive.invoice()["status"] == "received"

        rehive.outcome(invoice.remote_id, "confirm")
        reconcile()

        assert stands_as(order) == "Being processed"
        assert waiting_for_a_person() == ["excess"]

    def test_if_the_whole_was_paid_meanwhile_what_is_too_much_goes_back(
        self, rehive: Any, order: Any, invoice: Invoice
    ) -> None:
        rehive.outcome(invoice.remote_id, "pay")
        settled(invoice)
        attention = Attention.objects.get()
        assert (stands_as(order), attention.kind) == ("Being processed", "excess")
        assert "5.00" in attention.reason
        assert refund_offered(attention) == Decimal("5.00")

        give_back(attention, by="ann")
        rehive.refund(Refund.objects.get().remote_id, "complete")
        reconcile()

        assert (in_the_ledger(order), stands_as(order)) == (Decimal("12.34"), "Being processed")
        assert (Refund.objects.get().amount, waiting_for_a_person()) == (500, [])

    def test_a_part_of_the_rest_completes_nothing_and_the_rest_of_it_does(
        self, rehive: Any, order: Any, invoice: Invoice
    ) -> None:
        """7.33 are a cent too little; what the card pays is not asked for again."""
        rehive.outcome(invoice.remote_id, "pay_less", amount=733)
        rehive.outcome(invoice.remote_id, "expire")
        settled(invoice)
        assert stands_as(order) == "Pending"

        second = opened(order)

        assert asked_for(rehive, second) == 1

    def test_one_that_covers_all_leaves_nothing_to_pay(
        self, rehive: Any, order: Any, invoice: Invoice
    ) -> None:
        """And the clock, which ends what nobody paid, does not end what two cards paid."""
        other_source(order, allocated="7.34")
        window_over(order)

        reconcile()

        assert (payable_at(rehive, order), stands_as(order)) == ([], "Pending")
        assert not Attention.objects.exists()


class TestACardThatIsTakenBackAfterTheInvoiceWasOpened:
    @pytest.fixture
    def order(self, place_order: Any) -> Any:
        order = place_order(total="12.34")
        other_source(order, debited="5.00")
        return order

    @pytest.fixture(params=["refunded", "deleted"])
    def invoice(self, rehive: Any, order: Any, request: pytest.FixtureRequest) -> Invoice:
        """Asks for 7.34 of the 12.34 that are missing by now."""
        invoice = opened(order)
        if request.param == "refunded":
            Source.objects.update(amount_refunded=Decimal("5.00"))
        else:
            Source.objects.all().delete()
        return invoice

    def test_unpaid_it_is_replaced(self, rehive: Any, order: Any, invoice: Invoice) -> None:
        assert asked_for(rehive, invoice) == 734
        reconcile()

        assert payable_at(rehive, order) == []
        assert asked_for(rehive, opened(order)) == 1234

    def test_paid_it_waits_for_a_person_and_not_for_the_clock(
        self, rehive: Any, order: Any, invoice: Invoice
    ) -> None:
        rehive.outcome(invoice.remote_id, "pay")
        settled(invoice)
        window_over(order)
        for _ in range(2):
            reconcile()
        assert (stands_as(order), len(waiting_for_a_person())) == ("Pending", 1)

        accept(acceptable(), by="ann")

        assert (stands_as(order), waiting_for_a_person()) == ("Being processed", [])
        assert in_the_ledger(order) == Decimal("7.34")


class TestCashThatWasBookedAndGivenBack:
    @pytest.fixture(params=["before", "after"])
    def invoice(self, rehive: Any, place_order: Any, request: pytest.FixtureRequest) -> Invoice:
        """Of an order for which cash was booked, and given back, before or after this was opened."""
        order = place_order(total="12.34")
        invoice = opened(order) if request.param == "after" else None
        other_source(order, allocated="12.34", debited="12.34", refunded="12.34", name="Cash")
        return invoice or opened(order)

    def test_the_order_is_plainly_paid_through_rehive(self, rehive: Any, invoice: Invoice) -> None:
        rehive.outcome(invoice.remote_id, "pay")
        settled(invoice)

        assert OrderPayment.objects.get().paid_at is not None
        progress = progress_of(invoice.order_number)
        assert progress is not None
        assert progress.stage == "paid"
        assert not Attention.objects.exists()

    def test_unpaid_the_clock_ends_it(self, rehive: Any, invoice: Invoice) -> None:
        order = get_model("order", "Order").objects.get()
        window_over(order)
        reconcile()

        assert (stands_as(order), payable_at(rehive, order)) == ("Cancelled", [])


def test_p4_an_order_whose_cash_is_given_back_after_the_window_calls_a_person_once(
    rehive: Any, place_order: Any
) -> None:
    """Its payment had ended, because the cash had paid it: its stock would have been held for ever, and
    nobody told. The machine does not cancel it: it may be an order of long ago (P10)."""
    order = place_order(total="10.00")
    cash = other_source(order, debited="10.00")
    window_over(order)
    reconcile()
    assert OrderPayment.objects.get().closed_at is not None
    Source.objects.filter(pk=cash.pk).update(amount_refunded=10)

    for _ in range(2):
        reconcile()

    assert stands_as(order) == "Pending"
    (attention,) = Attention.objects.all()
    assert attention.kind == "disagrees"
    resolve(attention, by="ann")
    reconcile()
    assert waiting_for_a_person() == []


class TestAnAttemptThatEndedPartPaid:
    @pytest.fixture
    def order(self, place_order: Any) -> Any:
        return place_order(total="12.34")

    @pytest.fixture(params=["expired", "failed", "cancelled"])
    def first(self, rehive: Any, order: Any, request: pytest.FixtureRequest) -> Invoice:
        """5.00 came through it."""
        invoice = opened(order)
        rehive.outcome(invoice.remote_id, "pay_less", amount=500)
        if request.param == "cancelled":
            cancelled_at_rehive(invoice)
        else:
            rehive.outcome(
                invoice.remote_id, {"expired": "expire", "failed": "fail"}[request.param]
            )
        settled(invoice)
        assert waiting_for_a_person() == ["part_paid"]
        return invoice

    def test_the_next_asks_for_the_rest_and_both_pay_the_order(
        self, rehive: Any, order: Any, first: Invoice
    ) -> None:
        second = opened(order)
        assert asked_for(rehive, second) == 734
        rehive.outcome(second.remote_id, "pay")
        settled(second)

        assert (stands_as(order), in_the_ledger(order)) == ("Being processed", Decimal("12.34"))
        assert waiting_for_a_person() == []
        assert [refund_offered(one) for one in Attention.objects.all()] == [0]
        first.refresh_from_db()
        assert (first.pays, second.pays) == (500, 734)

    def test_what_was_given_back_of_it_is_asked_for_again(
        self, rehive: Any, order: Any, first: Invoice
    ) -> None:
        """Half of it only: the other half still pays its part."""
        assert asked_for(rehive, opened(order)) == 734
        made = refund(first, Decimal("2.00"), reason="", by="ann")
        rehive.refund(made.remote_id, "complete")
        for _ in range(2):
            reconcile()

        assert asked_for(rehive, opened(order)) == 934

    def test_with_a_gift_card_three_ways_of_paying_make_the_total(
        self, rehive: Any, order: Any, first: Invoice
    ) -> None:
        other_source(order, allocated="3.00")
        second = opened(order)
        assert asked_for(rehive, second) == 434
        rehive.outcome(second.remote_id, "pay")
        settled(second)

        assert (stands_as(order), in_the_ledger(order)) == ("Being processed", Decimal("12.34"))
        assert waiting_for_a_person() == []


@pytest.mark.parametrize("came", ["card", "earlier attempt"])
def test_the_payer_is_told_what_is_missing(
    rehive: Any, place_order: Any, client: Browser, came: str
) -> None:
    order = place_order(total="12.34")
    if came == "card":
        other_source(order, debited="5.00")
    else:
        first = opened(order)
        rehive.outcome(first.remote_id, "pay_less", amount=500)
        rehive.outcome(first.remote_id, "expire")
        settled(first)
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay_less", amount=300)
    settled(invoice)

    progress = progress_of(order.number)
    assert progress is not None
    assert (progress.stage, progress.missing) == ("part_paid", Decimal("4.34"))
    assert "4.34" in client.get(payment_page("return", order)).content.decode()

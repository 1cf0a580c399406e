"""Money that waits for a person: in whatever order the wish to cancel and the money arrive, neither the
clock nor the shopper cancels the order, and the ways out that attention offers work."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client as Browser
from oscar.core.loading import get_model

from oscar_rehive.models import Entry, Invoice, OrderPayment, Refund
from oscar_rehive.payments.cancelling import cancel_order
from oscar_rehive.payments.deciding import accept, give_back, refund_offered
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.rehive.client import Client
from oscar_rehive.rehive.exceptions import RehiveError
from tests.steps import (
    acceptable,
    in_the_ledger,
    opened,
    payment_page,
    rehive_tells,
    settled,
    stands_as,
    window_over,
)

pytestmark = pytest.mark.django_db(transaction=True)

Order = get_model("order", "Order")
StockRecord = get_model("partner", "StockRecord")

Happens = Callable[[], None]


@pytest.fixture
def order(place_order: Any, settings: Any) -> Any:
    """Of a shop that wants to be asked about late payments."""
    settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "LATE_PAYMENTS": "hold"}
    return place_order(total="10.00", in_stock=5)


@pytest.fixture
def invoice(rehive: Any, order: Any) -> Invoice:
    return opened(order)


@pytest.fixture(params=["late", "total edited", "does not fit", "part paid, then expired"])
def money_comes(
    request: pytest.FixtureRequest,
    rehive: Any,
    order: Any,
    invoice: Invoice,
    monkeypatch: pytest.MonkeyPatch,
) -> Happens:
    """Lets money come that pays nothing before a person has said so."""

    def comes() -> None:
        if request.param == "late":
            rehive.outcome(invoice.remote_id, "pay_late")
        elif request.param == "total edited":
            Order.objects.update(total_incl_tax=Decimal("11.00"))
            rehive.outcome(invoice.remote_id, "pay")
        elif request.param == "does not fit":
            rehive.outcome(invoice.remote_id, "pay")
            rehive_tells(monkeypatch, amount=900)
        else:
            rehive.outcome(invoice.remote_id, "pay_less", amount=400)
            rehive.outcome(invoice.remote_id, "expire")

    return comes


@pytest.fixture(params=["clock", "shopper"])
def wished(request: pytest.FixtureRequest, rehive: Any, order: Any, invoice: Invoice) -> None:
    """The order was to be cancelled while Rehive could not be asked; by now it can."""
    if request.param == "clock":
        # The question about the invoice comes through, and its closing does not.
        rehive.faults(error_status={"value": 503, "methods": ["PATCH"]})
        window_over(order)
        reconcile()
    else:
        rehive.faults(error_status=503)
        with pytest.raises(RehiveError):
            cancel_order(order.number, reason="by the shopper", source=Entry.Source.CHECKOUT)
    assert OrderPayment.objects.get().cancel_reason != ""
    rehive.clear_faults()


def waits_with(order: Any, amount: str) -> None:
    """The order waits for a person, with this money in the ledger, whatever the clock does."""
    window_over(order)
    for _ in range(3):
        reconcile()
    assert (stands_as(order), in_the_ledger(order)) == ("Pending", Decimal(amount))
    assert StockRecord.objects.get().num_allocated == 1
    assert OrderPayment.objects.get().closed_at is None


def the_ways_out_work(rehive: Any, order: Any, decision: str) -> None:
    attention = acceptable()
    if decision == "accept":
        accept(attention, by="ann")
        assert stands_as(order) == "Being processed"
        assert OrderPayment.objects.get().paid_at is not None
        return
    came = in_the_ledger(order)
    assert refund_offered(attention) == came
    give_back(attention, by="ann")
    rehive.refund(Refund.objects.get().remote_id, "complete")
    for _ in range(3):
        reconcile()
    assert (stands_as(order), in_the_ledger(order)) == ("Cancelled", 0)
    assert StockRecord.objects.get().num_allocated == 0


DECISIONS = pytest.mark.parametrize("decision", ["accept", "give back"])


@DECISIONS
def test_the_wish_came_first(
    rehive: Any, order: Any, wished: None, money_comes: Happens, decision: str
) -> None:
    money_comes()
    reconcile()

    waits_with(order, "10.00" if Invoice.objects.get().received == 1000 else "4.00")
    the_ways_out_work(rehive, order, decision)


def test_the_wish_is_dropped_with_the_settling_that_notes_the_money(
    order: Any, invoice: Invoice, wished: None, money_comes: Happens
) -> None:
    """And not by the next step of the same run: a process that dies in between leaves no wish."""
    money_comes()

    settled(invoice)

    assert OrderPayment.objects.get().cancel_reason == ""
    assert stands_as(order) == "Pending"


@DECISIONS
@pytest.mark.parametrize("by", ["clock", "shopper"])
def test_a_part_comes_between_our_question_and_our_patch(
    rehive: Any,
    order: Any,
    invoice: Invoice,
    client: Browser,
    monkeypatch: pytest.MonkeyPatch,
    by: str,
    decision: str,
) -> None:
    real = Client.update_invoice

    def a_moment_too_late(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(Client, "update_invoice", real)
        rehive.outcome(invoice.remote_id, "pay_less", amount=400)
        return real(*args, **kwargs)

    monkeypatch.setattr(Client, "update_invoice", a_moment_too_late)
    if by == "clock":
        window_over(order)
        reconcile()
    else:
        client.post(payment_page("cancel", order))
    assert rehive.invoice()["status"] == "cancelled"

    waits_with(order, "4.00")
    the_ways_out_work(rehive, order, decision)

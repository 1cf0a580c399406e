"""What was decided is decided: buttons of yesterday, colleagues at the same moment, decisions made by
hand. Found by review: money of paid orders was given back."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from django.urls import reverse
from oscar.core.loading import get_model

from oscar_rehive.models import Attention, Entry, Invoice, OrderPayment, Refund
from oscar_rehive.payments import deciding
from oscar_rehive.payments.cancelling import cancel_order
from oscar_rehive.payments.deciding import (
    NotAcceptable,
    accept,
    can_accept,
    give_back,
    refund_offered,
    resolve,
    take_for_gone,
)
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.payments.refunding import refund
from oscar_rehive.rehive.client import Client
from oscar_rehive.rehive.exceptions import NotFound
from tests.steps import (
    asked,
    moved,
    opened,
    paid_by_cash,
    payable_at,
    questions,
    rehive_forgot,
    rehive_tells,
    settled,
    window_over,
)

pytestmark = pytest.mark.django_db(transaction=True)

Order = get_model("order", "Order")


@pytest.fixture
def part_paid(rehive: Any, place_order: Any) -> Invoice:
    """The invoice of an order over 10.00 of which 4.00 were paid when the time to pay was over."""
    order = place_order(total="10.00")
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay_less", amount=400)
    window_over(order)
    reconcile()
    return invoice


def test_a_payment_that_was_accepted_is_not_refunded_by_an_older_page(
    held: Invoice, admin_client: Any
) -> None:
    attention = Attention.objects.get()
    pages = [
        reverse("dashboard:rehive-attention-decide", args=[attention.pk, way])
        for way in ("accept", "refund")
    ]
    for page, fields in [(page, asked(admin_client, page)) for page in pages]:
        admin_client.post(page, fields)

    assert OrderPayment.objects.get().paid_at is not None
    assert not Refund.objects.exists()


def test_accepting_and_resolving_are_one(held: Invoice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding, "mark_paid", lambda *args: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        accept(Attention.objects.get(), by="ann")

    assert OrderPayment.objects.get().paid_at is None
    assert Attention.objects.get().resolved_at is None


def test_an_order_that_was_paid_in_cash_meanwhile_is_not_paid_again(held: Invoice) -> None:
    paid_by_cash(Order.objects.get(number=held.order_number))

    with pytest.raises(NotAcceptable):
        accept(Attention.objects.get(), by="ann")


def test_a_payment_is_not_accepted_again_by_an_older_page(held: Invoice) -> None:
    older_page = Attention.objects.get()
    assert can_accept(older_page)
    accept(Attention.objects.get(), by="ann")

    with pytest.raises(NotAcceptable):
        accept(older_page, by="bob")

    assert Attention.objects.get().resolved_by == "ann"


def test_nothing_that_came_pays_no_order(
    rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = place_order(total="10.00")
    rehive_tells(monkeypatch, amount=1100)
    settled(opened(order))

    with pytest.raises(NotAcceptable):
        accept(Attention.objects.get(kind=Attention.Kind.MISMATCH), by="ann")


def test_staff_accept_by_hand_and_the_shopper_is_told(held: Invoice) -> None:
    order = Order.objects.get(number=held.order_number)
    moved(order, "Being processed")

    window_over(order)
    reconcile()

    payment = OrderPayment.objects.get()
    assert None not in (payment.paid_at, payment.mail_sent_at)
    assert Attention.objects.get().resolved_at is not None


def test_what_they_gave_back_first_does_not_pay_the_order(rehive: Any, held: Invoice) -> None:
    made = refund(held, Decimal("10.00"), reason="no", by="ann")
    rehive.refund(made.remote_id, "complete")
    reconcile()
    moved(Order.objects.get(number=held.order_number), "Being processed")

    settled(held)

    assert OrderPayment.objects.get().paid_at is None


def test_a_part_payment_whose_rest_came_is_no_question_any_more(
    rehive: Any, part_paid: Invoice
) -> None:
    attention = Attention.objects.get()
    rehive.outcome(part_paid.remote_id, "pay")

    settled(part_paid)

    assert refund_offered(attention) == 0
    attention.refresh_from_db()
    assert (attention.resolved_by, refund_offered(attention)) == ("payment", 0)


def test_a_part_refund_that_failed_does_not_offer_the_whole(rehive: Any, place_order: Any) -> None:
    invoice = opened(place_order(total="10.00"))
    rehive.outcome(invoice.remote_id, "pay")
    made = refund(settled(invoice), Decimal("2.50"), reason="scratch", by="ann")
    rehive.refund(made.remote_id, "failed")
    reconcile()

    assert refund_offered(Attention.objects.get(kind="refund_failed")) == 0


def test_money_is_not_forgotten_with_an_invoice_that_is_taken_for_gone(
    rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = place_order(total="10.00")
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay")
    settled(invoice)

    rehive_forgot(monkeypatch)
    with pytest.raises(NotFound):
        settled(invoice)
    take_for_gone(Attention.objects.get(kind="vanished"), by="ann")

    moved(order, "Cancelled")
    reconcile()

    assert Attention.objects.filter(kind="after_cancel").exists()


def test_a_cancellation_that_waits_for_an_invoice_ends_when_that_is_taken_for_gone(
    rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = place_order()
    opened(order)
    rehive_forgot(monkeypatch)
    with pytest.raises(NotFound):
        cancel_order(order.number, reason="because", source=Entry.Source.CHECKOUT)

    take_for_gone(Attention.objects.get(), by="ann")

    order.refresh_from_db()
    assert order.status == "Cancelled"


def meanwhile(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """While Rehive answers what was refunded already, ``happens``."""
    real = Client.refunds

    def refunds(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(Client, "refunds", real)
        happens()
        return real(*args, **kwargs)

    monkeypatch.setattr(Client, "refunds", refunds)


def test_a_payment_is_not_given_back_that_a_colleague_accepts_at_this_moment(
    held: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, colleagues = Attention.objects.get(), Attention.objects.get()
    meanwhile(monkeypatch, lambda: accept(colleagues, by="bob"))

    with pytest.raises(NotAcceptable, match="by bob"):
        give_back(mine, by="ann")

    assert OrderPayment.objects.get().paid_at is not None
    assert not Refund.objects.exists()


def test_a_part_payment_is_not_given_back_whose_rest_comes_at_this_moment(
    rehive: Any, part_paid: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def the_rest_comes() -> None:
        rehive.outcome(part_paid.remote_id, "pay")
        settled(Invoice.objects.get())

    meanwhile(monkeypatch, the_rest_comes)
    with pytest.raises(NotAcceptable):
        give_back(Attention.objects.get(), by="ann")

    assert OrderPayment.objects.get().paid_at is not None
    assert not Refund.objects.exists()


def test_an_old_page_does_not_take_a_living_invoice_for_gone(rehive: Any, place_order: Any) -> None:
    """Rehive's 404 was an outage; the shopper would get a second payable page (P5)."""
    order = place_order()
    invoice = opened(order)
    with pytest.MonkeyPatch.context() as outage:
        rehive_forgot(outage)
        reconcile()
    settled(invoice)

    with pytest.raises(NotAcceptable, match="decided already, by Rehive"):
        take_for_gone(Attention.objects.get(), by="ann")

    opened(order)
    assert len(payable_at(rehive, order)) == 1


def test_an_old_page_does_not_change_who_decided(held: Invoice) -> None:
    resolve(Attention.objects.get(), by="ann")
    resolve(Attention.objects.get(), by="bob")

    assert Attention.objects.get().resolved_by == "ann"


@pytest.mark.parametrize("why", ["total edited", "part paid and expired"])
def test_what_staff_decide_by_hand_as_they_are_told_is_settled(
    rehive: Any, place_order: Any, why: str
) -> None:
    """Found by review: such an order was asked about at every run, for ever, and never mailed."""
    order = place_order(total="10.00")
    invoice = opened(order)
    if why == "total edited":
        Order.objects.update(total_incl_tax=Decimal("11.00"))
        rehive.outcome(invoice.remote_id, "pay")
    else:
        rehive.outcome(invoice.remote_id, "pay_less", amount=900)
        rehive.outcome(invoice.remote_id, "expire")
    settled(invoice)
    assert "by hand" in Attention.objects.get().ways_out

    moved(order, "Being processed")
    window_over(order)
    reconcile()

    assert OrderPayment.objects.get().is_settled
    assert len(mail.outbox) == 1
    before = questions(rehive, invoice)
    reconcile()
    assert questions(rehive, invoice) == before


def test_an_order_paid_in_cash_is_not_taken_for_one_that_rehive_paid(
    rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Staff moved it on, and nothing had come through its invoice, about which there was a doubt."""
    order = place_order(total="10.00")
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "expire")
    with monkeypatch.context() as odd:
        rehive_tells(odd, amount=1100)
        settled(invoice)
    assert Attention.objects.get().kind == "mismatch"

    moved(order, "Being processed")
    settled(invoice)

    assert OrderPayment.objects.get().paid_at is None
    assert mail.outbox == []


@pytest.mark.parametrize("decision", [accept, give_back, take_for_gone])
def test_a_page_that_nobody_was_offered_decides_nothing_about_no_invoice(
    rehive: Any, place_order: Any, decision: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shop that refuses the paid status is told of, and that fact is about no invoice."""
    order = place_order()
    monkeypatch.setattr(type(order), "pipeline", {})
    rehive.outcome(opened(order).remote_id, "pay")
    reconcile()

    with pytest.raises(NotAcceptable):
        decision(Attention.objects.get(kind=Attention.Kind.REFUSED_STATUS), by="ann")

    assert Attention.objects.get().resolved_at is None


def test_a_part_that_pays_the_order_by_hand_and_that_rehive_has_opened_anew(
    rehive: Any, place_order: Any
) -> None:
    """Its payer could have paid the rest, of an order that was done."""
    order = place_order(total="10.00")
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay_less", amount=400)
    rehive.outcome(invoice.remote_id, "expire")
    settled(invoice)
    rehive.outcome(invoice.remote_id, "start", force=True)
    settled(invoice)
    assert payable_at(rehive, order)

    accept(Attention.objects.get(), by="ann")
    reconcile()

    assert payable_at(rehive, order) == []

"""Small changes of the service that no test had noticed, each with the harm that it would do."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from oscar.core.loading import get_model

from oscar_rehive.cleaning import storable
from oscar_rehive.models import Attention, Delivery, Entry, Invoice, OrderPayment
from oscar_rehive.payments import deciding, deliveries
from oscar_rehive.payments.cancelling import cancel_order
from oscar_rehive.payments.carrying_out import changes_nothing
from oscar_rehive.payments.ending import refused
from oscar_rehive.payments.locking import under_lock
from oscar_rehive.payments.opening import Busy, NotPayable, open_invoice
from oscar_rehive.payments.plans import Move, Plan
from oscar_rehive.payments.progress import Stage, progress_of
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.payments.rules import mark_paid
from oscar_rehive.payments.weighing import digest
from oscar_rehive.rehive.exceptions import RehiveError
from tests.payments import cases
from tests.steps import RETURN_URL, answer_lost, opened, settled

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_number_that_is_not_ours_is_named(rehive: Any) -> None:
    with pytest.raises(OrderPayment.DoesNotExist, match="no such one is not paid through Rehive"):
        under_lock("no such one", lambda held: None)


def test_an_order_in_a_currency_without_a_business_cannot_be_paid(
    rehive: Any, place_order: Any
) -> None:
    order = place_order()
    get_model("order", "Order").objects.update(currency="SEK")

    with pytest.raises(NotPayable):
        open_invoice(order.number, return_url=RETURN_URL)


def test_while_an_invoice_is_being_opened_nobody_else_opens_one(
    rehive: Any, place_order: Any
) -> None:
    """The second of two clicks must not look for what the first has not sent yet."""
    order = place_order()
    answer_lost(rehive, order)

    Invoice.objects.update(lease_ends_at=timezone.now() + timedelta(seconds=60))
    with pytest.raises(Busy):
        opened(order)


def test_while_it_is_being_opened_its_page_says_so_and_offers_no_button(
    rehive: Any, place_order: Any
) -> None:
    order = place_order()
    answer_lost(rehive, order)

    def stage() -> str:
        progress = progress_of(order.number)
        assert progress is not None
        return progress.stage

    Invoice.objects.update(lease_ends_at=timezone.now() + timedelta(seconds=10))
    assert stage() == Stage.OPENING

    Invoice.objects.update(lease_ends_at=timezone.now() - timedelta(seconds=10))
    assert stage() == Stage.OPEN


def test_after_a_look_that_failed_the_shopper_may_try_again_at_once(
    rehive: Any, place_order: Any
) -> None:
    order = place_order()
    answer_lost(rehive, order)
    rehive.faults(error_status={"value": 503, "methods": ["GET"]})
    with pytest.raises(RehiveError):
        opened(order)
    rehive.clear_faults()

    assert opened(order).remote_id
    assert Invoice.objects.count() == 1


def test_a_fact_without_an_invoice_cannot_be_accepted(rehive: Any, place_order: Any) -> None:
    payment = OrderPayment.objects.get(order_number=place_order().number)
    attention = Attention.objects.create(
        payment=payment, kind=Attention.Kind.DISAGREES, subject="1", reason="They disagree."
    )

    with pytest.raises(deciding.NotAcceptable):
        deciding.accept(attention, by="staff")


@pytest.mark.parametrize(
    ("of_the_other", "pays"),
    [
        # What it brought waits for a person, and what is missing of the price comes out of it.
        ({"known": "paid", "pays": None}, 600),
        # Rehive may still say that this comes to nothing.
        ({"known": "underpaid", "received": 700, "recorded": Decimal("7.00")}, None),
        # Nothing is left of it, or it does its part already.
        ({"known": "paid", "received": 0, "pays": None}, None),
        ({"known": "paid", "pays": 250}, 250),
    ],
)
def test_only_paid_money_that_waits_fills_up_what_an_accepted_part_lacks(
    of_the_other: dict[str, Any], pays: int | None
) -> None:
    accepted = cases.invoice("underpaid", attempt=2, received=400, recorded=Decimal("4.00"))
    accepted.state = Invoice.State.PAID
    plan = Plan(cases.case(cases.invoice(**of_the_other), accepted), Entry.Source.STAFF)

    mark_paid(plan, plan.invoice(2))

    assert (plan.invoice(1).pays, plan.invoice(2).pays) == (pays, 400)


def test_nothing_is_offered_for_refund_once_it_is_resolved(held: Invoice) -> None:
    attention = Attention.objects.get()
    assert deciding.refund_offered(attention) == held.recorded

    attention.resolved_at = timezone.now()

    assert deciding.refund_offered(attention) == 0


def test_what_is_nested_without_end_is_stored_cut(db: None) -> None:
    nested: Any = {}
    for _ in range(900):
        nested = {"deeper": nested}

    assert str(storable(nested)).count("deeper") < 200


def test_a_run_counts_an_order_that_it_cancels_once_and_no_other(
    rehive: Any, place_order: Any
) -> None:
    order = place_order()
    opened(order)
    paid = opened(place_order())
    rehive.outcome(paid.remote_id, "pay")
    settled(paid)
    rehive.faults(error_status=503)
    with pytest.raises(RehiveError):
        cancel_order(order.number, reason="by the shopper", source=Entry.Source.CHECKOUT)
    rehive.clear_faults()

    summary = reconcile()

    assert (summary.cancelled, reconcile().cancelled) == (1, 0)


def test_an_unpaid_order_that_is_taken_back_has_no_confirmation_due(
    rehive: Any, place_order: Any
) -> None:
    order = place_order()
    opened(order)
    Order = get_model("order", "Order")
    Order.objects.update(status="Cancelled")
    reconcile()
    Order.objects.update(status="Pending")
    reconcile()

    payment = OrderPayment.objects.get()
    assert (payment.released_at, payment.closed_at, payment.mail_due_at) == (None, None, None)
    assert Entry.objects.exists()


@pytest.mark.parametrize(("tries", "state"), [(2, "new"), (1, "unusable")])
def test_a_delivery_that_fails_the_shops_own_code_is_tried_just_so_often(
    monkeypatch: pytest.MonkeyPatch, tries: int, state: str
) -> None:
    monkeypatch.setattr(deliveries, "_settle_hint", lambda delivery: 1 / 0)
    delivery = Delivery.objects.create(remote_id="abc", tries=deliveries.MAX_TRIES - tries)

    deliveries.work_on(delivery.remote_id)

    assert Delivery.objects.get().state == state


@pytest.mark.parametrize(
    ("move", "subject", "is_due"), [(Move.PAID, "paid", True), (Move.CANCELLED, "cancelled", False)]
)
def test_a_status_that_the_shop_refuses_is_told_for_what_it_is(
    move: Move, subject: str, is_due: bool
) -> None:
    plan = Plan(cases.case(cases.invoice("paid")), Entry.Source.RECONCILE)
    plan.move = move

    refused(plan, "no")

    assert ([one.subject for one in plan.attentions], plan.payment.status_due) == (
        [subject],
        is_due,
    )


def test_a_page_of_something_before_rehive_says_nothing_of_the_invoice(
    rehive: Any, place_order: Any
) -> None:
    invoice = opened(place_order())
    rehive.faults(html={"value": 200, "methods": ["GET"]})

    for _ in range(4):
        with pytest.raises(RehiveError):
            settled(invoice)

    invoice.refresh_from_db()
    assert invoice.failures == 0
    assert not Attention.objects.exists()


def test_a_fact_alone_makes_another_version() -> None:
    """Else an answer that was asked for before it would not be asked for again."""
    made = cases.known_to_say(cases.invoice("initiated"), cases.remote("initiated"))
    standing = cases.case(made, order=None)

    plan = cases.decide(standing, cases.remote("paid", cases.quote(1000)))

    assert plan.invoice(1).version == made.version + 1


@pytest.mark.parametrize(
    "what",
    [
        {"entries": [Entry()]},
        {"movements": ["money"]},
        {"lost": ["a refund"]},
        {"move": Move.PAID},
        {"releases": True},
        {"holds": True},
    ],
    ids=lambda what: next(iter(what)),
)
def test_each_part_of_a_plan_alone_is_a_change(what: dict[str, Any]) -> None:
    """What passes for no change on a page of Rehive's list is not carried out."""
    plan = Plan(cases.case(cases.invoice()), Entry.Source.RECONCILE)
    assert changes_nothing(plan)

    for name, value in what.items():
        setattr(plan, name, value)

    assert not changes_nothing(plan)


def test_what_rehive_tells_in_another_order_is_no_news() -> None:
    """Each delivery would have taken the order's lock, for JSON objects have no order."""
    told = cases.remote("paid", cases.quote(1000))
    turned = dict(reversed(told.quotes[0].raw.items()))
    assert list(turned) != list(told.quotes[0].raw)

    other = dataclasses.replace(told, quotes=(dataclasses.replace(told.quotes[0], raw=turned),))

    assert digest(other) == digest(told)

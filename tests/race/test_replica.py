"""The whole path of a payment in a shop that reads from a replica that lags (Django's own example of a router).

Nothing that decides may be read there: the pay page was 404 right after placing, and 10.00 that were paid
once became 20.00 in the ledger, with a button that offered to refund the only payment.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from oscar.core.loading import get_class, get_model
from oscar.test.factories import CountryFactory, create_product

from oscar_rehive.models import Attention, Invoice, OrderPayment
from oscar_rehive.payments import deciding, refunding
from oscar_rehive.payments.reconciling import reconcile
from tests.checkout.conftest import COUNTRY, Shopper
from tests.checkout.pages import stage_of
from tests.race.replica import Replica
from tests.steps import (
    delivered,
    overwritten,
    payable_at,
    payment_page,
    settled,
    taking_back_is_allowed,
    waiting_for_a_person,
    window_over,
)

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

Order = get_model("order", "Order")
StockRecord = get_model("partner", "StockRecord")
Transaction = get_model("payment", "Transaction")

TOLD_AGAIN = 10


class Story:
    """One order and its payment, step by step. Each step runs with the router; between the steps the
    test looks at what is really so."""

    def __init__(self, rehive: Any, replica: Replica, *, knows_the_invoice: bool) -> None:
        self.rehive, self.replica, self.knows_the_invoice = rehive, replica, knows_the_invoice
        self.client = Client()

    def step(self, work: Callable[[], Any]) -> Any:
        with self.replica.is_read():
            return work()

    def places(self) -> None:
        create_product(price=Decimal("10.00"), num_in_stock=10)
        CountryFactory(iso_3166_1_a2=COUNTRY, is_shipping_country=True)
        shopper = Shopper(self.client)
        shopper.add(StockRecord.objects.get().product)
        shopper.go_to_payment()
        shopper.choose("rehive")
        self.replica.catches_up()
        with self.replica.is_read():
            answer = shopper.place()
        assert answer.headers["Location"] == payment_page("pay", self.order)

    def page(self, name: str, method: str = "get") -> Any:
        return self.step(lambda: getattr(self.client, method)(payment_page(name, self.order)))

    def goes_to_pay(self) -> None:
        answer = self.page("pay")
        assert answer.status_code == 302
        assert answer.headers["Location"] == self.invoice.redirect_url
        if self.knows_the_invoice:
            self.replica.catches_up()

    def is_told(self) -> None:
        assert self.step(lambda: delivered(Client(), self.invoice)).status_code == 200

    def pays(self, outcome: str = "pay", **how: Any) -> None:
        self.rehive.outcome(self.invoice.remote_id, outcome, **how)

    def staff_move_it(self, status: str) -> None:
        handler = get_class("order.processing", "EventHandler")()
        self.step(lambda: handler.handle_order_status_change(self.order, status))

    @property
    def order(self) -> Any:
        return Order.objects.using("default").get()

    @property
    def invoice(self) -> Invoice:
        return Invoice.objects.using("default").latest("attempt")

    @property
    def source(self) -> Any:
        return self.order.sources.get()

    @property
    def held(self) -> int:
        """How many pieces of what was ordered are held for it."""
        count: int = StockRecord.objects.get().num_allocated or 0
        return count

    @property
    def takings(self) -> list[tuple[str, Decimal]]:
        """What the ledger says, line by line."""
        lines = Transaction.objects.exclude(txn_type="Authorise").order_by("pk")
        return list(lines.values_list("txn_type", "amount"))


@pytest.fixture(params=["as before the order", "as before the payment"])
def story(rehive: Any, replica: Replica, settings: Any, request: pytest.FixtureRequest) -> Story:
    """An order that was placed a moment ago. The replica has not seen it; or it has seen the order's invoice
    being opened, and nothing of what comes then."""
    settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "BASE_URL": "https://shop.example.com"}
    story = Story(rehive, replica, knows_the_invoice=request.param == "as before the payment")
    story.places()
    return story


@pytest.fixture
def paid(story: Story) -> Story:
    """The same, paid and told by the webhook."""
    story.goes_to_pay()
    story.pays()
    story.is_told()
    return story


def test_the_pay_page_right_after_placing(story: Story) -> None:
    story.goes_to_pay()
    story.goes_to_pay()

    assert Invoice.objects.count() == 1
    assert len(payable_at(story.rehive, story.order)) == 1
    assert stage_of(story.page("return")) == "open"


def test_the_shopper_who_comes_back_has_paid(story: Story) -> None:
    story.goes_to_pay()
    story.pays()

    assert stage_of(story.page("return")) == "paid"
    assert story.page("status").json() == {"stage": "paid", "final": True}
    assert (story.order.status, story.takings) == (
        "Being processed",
        [("Debit", Decimal("10.00"))],
    )
    assert len(mail.outbox) == 1


def test_p2_p3_what_is_told_ten_times_is_booked_and_mailed_once(paid: Story) -> None:
    for _ in range(TOLD_AGAIN):
        paid.is_told()
        assert stage_of(paid.page("return")) == "paid"
        # These two see that nothing is new; this one looks under the lock.
        paid.step(lambda: settled(paid.invoice))
    paid.step(reconcile)

    assert paid.takings == [("Debit", Decimal("10.00"))]
    assert paid.source.amount_debited == Decimal("10.00")
    assert paid.order.status_changes.count() == 1
    assert len(mail.outbox) == 1
    assert waiting_for_a_person() == []  # whose button would have refunded the only payment


def test_p2_a_refund_is_booked_once(paid: Story) -> None:
    def refunded(amount: str) -> Any:
        return refunding.refund(paid.invoice, Decimal(amount), reason="why", by="staff")

    asked = paid.step(lambda: refunded("4.00"))
    paid.rehive.refund(asked.remote_id, "complete")
    for _ in range(2):
        paid.is_told()
        paid.step(reconcile)

    assert paid.takings == [("Debit", Decimal("10.00")), ("Refund", Decimal("4.00"))]
    with pytest.raises(refunding.NotRefundable):
        paid.step(lambda: refunded("6.01"))


def test_an_excess_is_given_back_once(story: Story) -> None:
    story.goes_to_pay()
    story.pays("pay_more", amount=1250)
    story.is_told()
    excess = Attention.objects.get()
    assert excess.kind == Attention.Kind.EXCESS

    story.step(lambda: deciding.give_back(excess, by="staff"))
    with pytest.raises(deciding.NotAcceptable):
        story.step(lambda: deciding.give_back(excess, by="a second click"))

    assert [one.amount for one in story.invoice.refunds.all()] == [250]
    assert (story.order.status, waiting_for_a_person()) == ("Being processed", [])


def test_p4_p5_a_cancelled_order_gives_its_stock_back_once(story: Story) -> None:
    story.goes_to_pay()
    assert story.held == 1

    for _ in range(2):
        assert story.page("cancel", "post").status_code == 302
    story.step(reconcile)

    assert (story.order.status, story.held) == ("Cancelled", 0)
    assert payable_at(story.rehive, story.order) == []


def test_p4_what_staff_cancel_and_take_back(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    taking_back_is_allowed(monkeypatch)
    story.goes_to_pay()
    first = story.invoice

    story.staff_move_it("Cancelled")
    story.step(reconcile)
    assert (story.held, payable_at(story.rehive, story.order)) == (0, [])
    assert story.page("pay").headers["Location"] == payment_page("return", story.order)
    story.staff_move_it("Pending")
    assert story.held == 1
    story.goes_to_pay()

    assert story.invoice != first
    story.pays()
    story.is_told()
    assert (story.order.status, story.held) == ("Being processed", 1)
    assert story.takings == [("Debit", Decimal("10.00"))]
    assert waiting_for_a_person() == []


class TestReconcileFinds:
    """Without any webhook, and though the replica knows of nothing."""

    def test_a_payment(self, story: Story) -> None:
        story.goes_to_pay()
        story.pays()

        for _ in range(2):
            story.step(reconcile)

        assert (story.order.status, len(mail.outbox)) == ("Being processed", 1)
        assert story.takings == [("Debit", Decimal("10.00"))]

    def test_an_order_that_nobody_paid_in_time(self, story: Story) -> None:
        story.goes_to_pay()
        window_over(story.order)

        for _ in range(2):
            story.step(reconcile)

        assert (story.order.status, story.held) == ("Cancelled", 0)
        assert payable_at(story.rehive, story.order) == []

    def test_a_payment_that_the_clock_has_overtaken(self, story: Story) -> None:
        story.goes_to_pay()
        story.pays()
        window_over(story.order)

        story.step(reconcile)

        assert (story.order.status, story.held) == ("Being processed", 1)

    def test_an_order_that_was_cancelled_without_a_signal(self, story: Story) -> None:
        story.goes_to_pay()
        overwritten(story.order, "Cancelled")

        for _ in range(2):
            story.step(reconcile)

        assert (story.held, payable_at(story.rehive, story.order)) == (0, [])

    def test_an_invoice_whose_making_was_never_answered(self, story: Story) -> None:
        story.rehive.faults(lose_answer={"value": True, "methods": ["POST"]})
        assert story.page("pay").status_code == 503
        story.rehive.clear_faults()
        (made,) = payable_at(story.rehive, story.order)
        Invoice.objects.update(lease_ends_at=None)

        story.step(reconcile)
        story.goes_to_pay()

        assert story.invoice.remote_id == made

    def test_a_confirmation_that_no_server_took(self, story: Story) -> None:
        story.goes_to_pay()
        story.pays()
        story.is_told()
        mail.outbox.clear()
        OrderPayment.objects.update(mail_sent_at=None, mail_claimed_at=None)

        for _ in range(2):
            story.step(reconcile)

        assert len(mail.outbox) == 1

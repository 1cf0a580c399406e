"""The promises of the design as what must hold after every step, and at the end, of any story."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.core import mail
from hypothesis.stateful import RuleBasedStateMachine, invariant
from oscar.core.loading import get_model

from oscar_rehive.models import Attention, Invoice, OrderPayment
from tests.model.world import BUSINESS_ID, World
from tests.steps import OPEN_WORDS

Order = get_model("order", "Order")
Line = get_model("order", "Line")
Source = get_model("payment", "Source")


class Promises(RuleBasedStateMachine):
    """Checks them; ``Machine`` tells the stories."""

    world: World
    orders: list[str]
    decided: dict[str, str]
    paid: set[str]
    accepted: set[str]
    """Orders of which staff said, perhaps, that what was paid pays them."""
    tolerance: Decimal
    mails_unnoted: int
    """Mails that the mail server took just before the process was killed: they go out again, for the
    alternative is to lose one."""

    @invariant()
    def p1_paid_only_with_the_money(self) -> None:
        def least(invoice: Invoice) -> int:
            return int(invoice.amount - self.tolerance * 100)

        for payment in OrderPayment.objects.exclude(paid_at=None):
            by_hand = self.decided.get(payment.order_number) not in (None, "Cancelled")
            assert (
                by_hand
                or payment.order_number in self.accepted
                or any(
                    self.world.rehive.received(invoice.remote_id) >= least(invoice)
                    for invoice in payment.invoices.filter(state=Invoice.State.PAID)
                    if invoice.remote_id
                )
            )

    @invariant()
    def p2_every_cent_once(self) -> None:
        for invoice in Invoice.objects.exclude(remote_id=None):
            there = self.world.rehive.received(invoice.remote_id)
            assert invoice.received <= there
            assert invoice.recorded == Decimal(invoice.received) / 100
            source = Source.objects.filter(reference=invoice.remote_id).first()
            assert (source.amount_debited if source else 0) == invoice.recorded
            assert (source.amount_refunded if source else 0) == invoice.refund_recorded
            if source:
                debits = source.transactions.filter(txn_type="Debit")
                assert sum(debit.amount for debit in debits) == invoice.recorded

    @invariant()
    def p2_never_refunded_more_than_received(self) -> None:
        for remote in self.everything():
            given = sum(
                made["amount"]
                for made in self.world.rehive.refunds(BUSINESS_ID, remote["id"])["results"]
                if made["status"] != "failed"
            )
            assert given <= self.world.rehive.received(remote["id"])

    @invariant()
    def p3_one_mail_and_only_for_paid(self) -> None:
        assert len(mail.outbox) == self.mails_noted() + self.mails_unnoted
        assert not OrderPayment.objects.filter(paid_at=None, mail_sent_at__isnull=False).exists()

    @invariant()
    def p4_stock_is_held_once(self) -> None:
        for number in self.orders:
            line = Line.objects.get(order__number=number)
            ended = OrderPayment.objects.get(order_number=number).closed_at is not None
            cancelled = Order.objects.get(number=number).status == "Cancelled"
            held = line.stockrecord.num_allocated
            assert held in (0, 1)
            if not ended and not cancelled:
                assert held == 1

    @invariant()
    def p5_one_payable_invoice(self) -> None:
        for number in self.orders:
            payable = [
                remote
                for remote in self.everything()
                if remote["request_reference"] == number
                and remote["status"] in OPEN_WORDS
                # Closed when reconcile finds it.
                and remote["id"] not in self.world.unasked
            ]
            assert len(payable) <= 1

    @invariant()
    def p6_paid_stays_paid(self) -> None:
        now = set(OrderPayment.objects.exclude(paid_at=None).values_list("order_number", flat=True))
        assert self.paid <= now
        self.paid = now

    @invariant()
    def p10_what_staff_decided_stands(self) -> None:
        for number, status in self.decided.items():
            assert Order.objects.get(number=number).status == status

    def mails_noted(self) -> int:
        return OrderPayment.objects.exclude(mail_sent_at=None).count()

    def everything(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.world.rehive.invoices(BUSINESS_ID, 1, 250)["results"]
        return found

    def agree(self, number: str) -> None:
        """Shop and Rehive say the same of the order: what must hold once all trouble is over."""
        payment = OrderPayment.objects.get(order_number=number)
        order = Order.objects.get(number=number)
        remotes = [remote for remote in self.everything() if remote["request_reference"] == number]
        known = {invoice.remote_id: invoice for invoice in payment.invoices.exclude(remote_id=None)}
        assert {remote["id"] for remote in remotes} <= set(known)
        for remote in remotes:
            invoice = known[remote["id"]]
            received = self.world.rehive.received(remote["id"])
            part_paid = remote["status"] == "underpaid" and invoice.state != Invoice.State.PAID
            money_comes = remote["status"] == "received" or part_paid
            if payment.is_settled and not money_comes:
                assert remote["status"] not in OPEN_WORDS
            if remote["status"] in ("paid", "complete", "overpaid", "late"):
                assert payment.paid_at or Attention.objects.filter(invoice=invoice).exists()
            if not money_comes:
                assert invoice.received == received or _is_unsaid_excess(remote, invoice, received)
            refunded = sum(
                made["amount"]
                for made in self.world.rehive.refunds(BUSINESS_ID, remote["id"])["results"]
                if made["status"] == "complete"
            )
            assert invoice.refunded == refunded
        part = any(remote["status"] in ("received", "underpaid") for remote in remotes)
        assert payment.is_settled or part or Attention.objects.filter(payment=payment).exists()
        held = Line.objects.get(order=order).stockrecord.num_allocated
        assert held == (0 if order.status == "Cancelled" else 1)
        if payment.paid_at and number not in self.decided:
            assert order.status == "Being processed"
        if payment.paid_at and order.status != "Cancelled":
            assert payment.mail_sent_at


def _is_unsaid_excess(remote: dict[str, Any], invoice: Invoice, received: int) -> bool:
    """Whether ``received`` is more than the amount, in foreign money, and Rehive does not say that
    it is too much (a payment forced upon a paid invoice): nothing tells what it stands for."""
    own = remote["request_currency"]["code"]
    quotes = remote["payment_processor_quotes"]
    is_foreign = any(quote["currency"]["code"] != own for quote in quotes)
    has_all = int(invoice.amount) <= invoice.received < received
    return is_foreign and has_all and remote["status"] != "overpaid"

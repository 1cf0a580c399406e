"""The promises of the design as what must hold after every step of any story. What must hold once all
trouble is over is in agreement.py."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.core import mail
from hypothesis.stateful import RuleBasedStateMachine, invariant
from oscar.core.loading import get_model

from oscar_rehive.models import Attention, Invoice, OrderPayment
from oscar_rehive.payments.opening import METADATA_KEY
from oscar_rehive.shop.oscar import SOURCE_TYPE_CODE
from tests.model.world import BUSINESS_ID, World
from tests.steps import OPEN_WORDS

Order = get_model("order", "Order")
Line = get_model("order", "Line")
Source = get_model("payment", "Source")
StockRecord = get_model("partner", "StockRecord")


@dataclass
class Placed:
    """An order as the story knows it, and what its people did to it. A number can belong to several
    of them, of which one at most is not deleted."""

    number: str
    payment: int
    line: int
    pieces: int
    """What it is to hold as long as it is not cancelled: less what was shipped, and less what
    somebody else had bought when it was taken back."""
    decided: str | None = None
    """The status that staff gave it last, if the machine has not been given it back."""
    by_hand: bool = False
    accepted: bool = False
    """Staff said, perhaps, that what was paid pays it."""
    taken_back: bool = False
    put_back: bool = False
    """A stale save may have made it pending again though it is paid."""
    deleted: bool = False
    not_held: int = 0
    """How often a person was told that not all of it can be held again."""

    def order(self) -> Any:
        """Oscar's order as it is now, or None."""
        return None if self.deleted else Order.objects.filter(number=self.number).first()

    def row(self) -> OrderPayment:
        """Its payment as it is now."""
        return OrderPayment.objects.get(pk=self.payment)


class Promises(RuleBasedStateMachine):
    """Checks them; ``Machine`` tells the stories."""

    world: World
    orders: list[Placed]
    former: list[Placed]
    """Deleted orders whose number another has by now."""
    paid: set[int]
    ended: set[int]
    seen: set[int]
    """The attempts that were made before this step."""
    leaked: dict[int, int]
    """Pieces by stock record that deleted orders held: Oscar leaves them allocated, and nobody is left
    to give them back."""
    clocks_differ: bool
    forced: set[str]
    """Invoices with which something happened at Rehive that never should."""
    tolerance: Decimal
    mails_unnoted: int
    """Mails that the mail server took just before the process was killed: they go out again, for the
    alternative is to lose one."""

    @invariant()
    def promises_hold(self) -> None:
        self.p1_paid_only_with_the_money()
        self.p1_asks_for_what_is_missing()
        self.p2_every_cent_once()
        self.p2_never_refunded_more_than_received()
        self.p3_one_mail_and_only_for_paid()
        self.p4_stock_is_held_exactly()
        self.p5_one_payable_invoice()
        self.p6_what_was_reached_stays()
        self.p10_what_staff_decided_stands()

    def p1_paid_only_with_the_money(self) -> None:
        def least(invoice: Invoice) -> int:
            return int(invoice.amount - self.tolerance * 100)

        for placed, payment in self.payments():
            if payment.paid_at is None or placed.by_hand or placed.accepted:
                continue
            paid = payment.invoices.filter(state=Invoice.State.PAID).exclude(remote_id=None)
            assert any(
                self.world.rehive.received(invoice.remote_id) >= least(invoice) for invoice in paid
            )
            if payment.pk not in self.paid and not placed.deleted:
                # Since an invoice asks only for what is missing, its own amount is not enough: all
                # together must cover the total. At this moment: later others may take back theirs.
                ours = sum(self.that_pays(invoice) for invoice in payment.invoices.all())
                order = placed.order()
                assert ours + held_by_others(order) >= order.total_incl_tax - self.tolerance

    def p1_asks_for_what_is_missing(self) -> None:
        """At the moment of the attempt; a twin that a lost create made asks for what its first did."""
        made = Invoice.objects.exclude(pk__in=self.seen).select_related("payment")
        for invoice in made:
            self.seen.add(invoice.pk)
            placed = next(one for one in self.all_placed() if one.payment == invoice.payment_id)
            order = placed.order()
            if not invoice.posts or order is None:
                continue
            missing = units(order.total_incl_tax - held_by_others(order))
            before = invoice.payment.invoices.filter(attempt__lt=invoice.attempt)
            brought = sum(max(int(one.received) - one.given_back(), 0) for one in before)
            assert missing - brought <= invoice.amount <= missing
            assert invoice.amount == units(invoice.total - invoice.covered)
        for remote in self.everything():
            key = remote["metadata"][METADATA_KEY]
            assert remote["request_amount"] == Invoice.objects.get(key=key).amount

    def p2_every_cent_once(self) -> None:
        gone = {placed.payment for placed in self.all_placed() if placed.deleted}
        for invoice in Invoice.objects.exclude(remote_id=None):
            there = self.world.rehive.received(invoice.remote_id)
            assert invoice.received <= there
            assert invoice.recorded == Decimal(invoice.received) / 100
            if invoice.payment_id in gone:
                # The order's sources were deleted with it, and what comes later has no ledger.
                assert not Source.objects.filter(reference=invoice.remote_id).exists()
                continue
            source = Source.objects.filter(reference=invoice.remote_id).first()
            assert (source.amount_debited if source else 0) == invoice.recorded
            assert (source.amount_refunded if source else 0) == invoice.refund_recorded
            if source:
                debits = source.transactions.filter(txn_type="Debit")
                assert sum(debit.amount for debit in debits) == invoice.recorded

    def p2_never_refunded_more_than_received(self) -> None:
        for remote in self.everything():
            given = sum(
                made["amount"]
                for made in self.world.rehive.refunds(BUSINESS_ID, remote["id"])["results"]
                if made["status"] != "failed"
            )
            assert given <= self.world.rehive.received(remote["id"])

    def p3_one_mail_and_only_for_paid(self) -> None:
        assert len(mail.outbox) == self.mails_noted() + self.mails_unnoted
        assert not OrderPayment.objects.filter(paid_at=None, mail_sent_at__isnull=False).exists()

    def p4_stock_is_held_exactly(self) -> None:
        """All that is not shipped from placing to cancelling, and nothing in between and after. Where
        not all could be had again, a person was told."""
        for placed, payment in self.payments():
            if placed.deleted:
                continue
            held = Line.objects.get(pk=placed.line).num_allocated
            told = payment.attentions.filter(kind=Attention.Kind.NOT_HELD).count()
            if payment.released_at is not None:
                assert held == 0
            elif held != placed.pieces:
                assert held < placed.pieces
                assert told > placed.not_held
                placed.pieces = held
            placed.not_held = told
            cancelled = placed.order().status == "Cancelled"
            released = payment.released_at is not None
            # Of a stale save nobody is told; reconcile sees it.
            assert cancelled == released or (released and placed.taken_back)
        for record in StockRecord.objects.all():
            lines = Line.objects.filter(stockrecord=record)
            held = sum(lines.values_list("num_allocated", flat=True))
            assert (record.num_allocated or 0) == held + self.leaked.get(record.pk, 0)
            assert (record.num_allocated or 0) <= record.num_in_stock

    def p5_one_payable_invoice(self) -> None:
        """For a payment, not for a number: a deleted order's is closed when reconcile finds it."""
        payable = [
            Invoice.objects.get(key=remote["metadata"][METADATA_KEY]).payment_id
            for remote in self.everything()
            # Closed when reconcile finds it.
            if remote["status"] in OPEN_WORDS and remote["id"] not in self.world.unasked
        ]
        assert len(payable) == len(set(payable))

    def p6_what_was_reached_stays(self) -> None:
        """Paid for ever; ended until staff take it back, whatever a lagging copy says."""
        paid = set(OrderPayment.objects.exclude(paid_at=None).values_list("pk", flat=True))
        assert self.paid <= paid
        self.paid = paid
        ended = set(OrderPayment.objects.exclude(closed_at=None).values_list("pk", flat=True))
        back = {placed.payment for placed in self.all_placed() if placed.taken_back}
        assert self.ended <= ended | back
        self.ended = ended

    def p10_what_staff_decided_stands(self) -> None:
        for placed in self.all_placed():
            if placed.decided is not None and not placed.deleted:
                assert placed.order().status == placed.decided

    # Looking

    def all_placed(self) -> list[Placed]:
        return [*self.orders, *self.former]

    def payments(self) -> list[tuple[Placed, OrderPayment]]:
        return [(placed, placed.row()) for placed in self.all_placed()]

    def mails_noted(self) -> int:
        return OrderPayment.objects.exclude(mail_sent_at=None).count()

    def everything(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.world.rehive.invoices(BUSINESS_ID, 1, 250)["results"]
        return found

    def that_pays(self, invoice: Invoice) -> Decimal:
        """What of the order's price really came through ``invoice``, less what is known to go back."""
        if invoice.pays is None or invoice.remote_id is None:
            return Decimal(0)
        came = self.world.rehive.received(invoice.remote_id) - invoice.given_back()
        return Decimal(max(min(int(invoice.pays), came), 0)) / 100


def held_by_others(order: Any) -> Decimal:
    """What other sources hold of the order's price."""
    others = Source.objects.filter(order=order, currency=order.currency).exclude(
        source_type__code=SOURCE_TYPE_CODE
    )
    return sum(
        (
            max(max(one.amount_allocated, one.amount_debited) - one.amount_refunded, Decimal(0))
            for one in others
        ),
        Decimal(0),
    )


def units(amount: Decimal) -> int:
    """``amount`` in cents."""
    return int(amount * 100)

"""Shopper, Rehive, network, clock and staff at random, with faults and kills between any two steps.

Promises P1 to P10 are checked after every step; once the faults have ended and reconcile has run,
shop and Rehive must agree. ``REHIVE_EXAMPLES`` sets how many examples are played.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from oscar.core.loading import get_class, get_model

from oscar_rehive.models import (
    Attention,
    Delivery,
    Entry,
    Invoice,
)
from oscar_rehive.payments import deciding, deliveries, refunding
from oscar_rehive.payments.cancelling import NotCancellable, cancel_order
from oscar_rehive.payments.gateway import BusinessNotUsable
from oscar_rehive.payments.mails import send_confirmation_if_due
from oscar_rehive.payments.opening import Busy, NotOpened, NotPayable, open_invoice
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.payments.settling import refresh, settle
from oscar_rehive.rehive.exceptions import RehiveError
from oscar_rehive.rehive.wire import RemoteInvoice
from oscar_rehive.simulator.errors import RehiveError as RefusedByRules
from tests.model.promises import Promises
from tests.model.world import BUSINESS_ID, FAULTS, Killed, World, empty_the_database
from tests.steps import OPEN_WORDS, RETURN_URL

Order = get_model("order", "Order")
Line = get_model("order", "Line")
Source = get_model("payment", "Source")
SourceType = get_model("payment", "SourceType")
StockRecord = get_model("partner", "StockRecord")

EXPECTED = (
    NotPayable,
    Busy,
    NotOpened,
    NotCancellable,
    BusinessNotUsable,
    RehiveError,
    RefusedByRules,
    refunding.NotRefundable,
    deciding.NotAcceptable,
)
"""What a step may end with: said to the shopper or staff, and nothing lost by it."""

TOLERANCE = "0.50"
ALMOST = 970
"""Cents of an order over 10.00: within the tolerance, where there is one."""

SHRINK = bool(os.environ.get("REHIVE_SHRINK"))

ORDERS = st.sampled_from([0, 0, 0, 1])
ATTEMPTS = st.sampled_from([0, 0, 1, 2])

TROUBLE = st.one_of(
    st.none(),
    st.none(),
    st.tuples(st.sampled_from(FAULTS), st.integers(0, 2)),
    st.tuples(st.just("write"), st.sampled_from(FAULTS)),
    st.tuples(st.just("killed"), st.integers(1, 10)),
)
"""What befalls a step: nothing, a fault of its n-th network call or of the next one that changes
something at Rehive, or death at its n-th boundary."""


class Machine(Promises):
    """One world, up to two orders."""

    place_order: Any = None
    set_up: Any = None

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self._installed = self.world.installed()
        self._installed.__enter__()
        self.orders: list[str] = []
        self.decided: dict[str, str] = {}
        self.paid: set[str] = set()
        self.accepted: set[str] = set()
        self.mails_unnoted = 0
        self.old_news: list[tuple[Invoice, RemoteInvoice]] = []
        mail.outbox.clear()
        empty_the_database()

    # The shopper

    @initialize(
        late=st.sampled_from(["accept", "hold"]), tolerance=st.sampled_from(["0", TOLERANCE])
    )
    def place_the_first(self, late: str, tolerance: str) -> None:
        self.tolerance = Decimal(tolerance)
        type(self).set_up(LATE_PAYMENTS=late, TOLERANCE_AMOUNT=tolerance)
        self.place("10.00")

    @precondition(lambda self: len(self.orders) < 2)
    @rule(total=st.sampled_from(["0.03", "99999.99"]))
    def place(self, total: str) -> None:
        order = type(self).place_order(total=total, in_stock=5)
        self.orders.append(order.number)

    @rule(order=ORDERS, trouble=TROUBLE)
    def click_again(self, order: int, trouble: Any) -> None:
        for befalls in (trouble, None):
            with self.step(order, befalls) as number:
                open_invoice(number, return_url=RETURN_URL)

    @rule(order=ORDERS, trouble=TROUBLE)
    def go_and_pay(self, order: int, trouble: Any) -> None:
        with self.step(order, trouble) as number:
            open_invoice(number, return_url=RETURN_URL)

    @rule(order=ORDERS, trouble=TROUBLE)
    def come_back(self, order: int, trouble: Any) -> None:
        with self.step(order, trouble) as number:
            for invoice in Invoice.objects.filter(payment__order_number=number).exclude(
                remote_id=None
            ):
                refresh(invoice, Entry.Source.RETURN)
            send_confirmation_if_due(number)

    @rule(order=ORDERS, trouble=TROUBLE)
    def change_the_basket(self, order: int, trouble: Any) -> None:
        with self.step(order, trouble) as number:
            cancel_order(number, reason="shopper", source=Entry.Source.CHECKOUT)

    # Rehive

    @rule(
        order=ORDERS,
        attempt=ATTEMPTS,
        outcome=st.sampled_from(
            [
                "pay",
                "pay",
                "pay_less",
                "pay_more",
                "pay_late",
                "start",
                "confirm",
                "complete",
                "fail",
                "expire",
            ]
        ),
        currency=st.sampled_from([None, None, "BTC", "EUR"]),
        almost=st.booleans(),
        force=st.sampled_from([False] * 9 + [True]),
    )
    def payer(
        self,
        order: int,
        attempt: int,
        outcome: str,
        currency: str | None,
        almost: bool,
        force: bool,
    ) -> None:
        """``force``: also what should never happen, such as a step back from paid."""
        amount = ALMOST if outcome == "pay_less" and almost and currency is None else None
        for remote in self.remote(order, attempt):
            with suppress(RefusedByRules):
                now = self.world.rehive.outcome(
                    remote["id"], outcome, currency=currency, amount=amount, force=force
                )
                if remote["status"] not in OPEN_WORDS and now["status"] in OPEN_WORDS:
                    self.world.unasked.add(remote["id"])

    @rule(order=ORDERS, attempt=ATTEMPTS, work=st.booleans(), trouble=TROUBLE)
    def webhook(self, order: int, attempt: int, work: bool, trouble: Any) -> None:
        for remote in self.remote(order, attempt):
            with self.step(order, trouble):
                delivery = deliveries.store(
                    b'{"data": {"id": "%s", "request_reference": "%s"}}'
                    % (remote["id"].encode(), remote["request_reference"].encode())
                )
                if work:
                    deliveries.work_on(delivery)

    @rule(order=ORDERS, attempt=ATTEMPTS)
    def an_answer_is_slow(self, order: int, attempt: int) -> None:
        for remote in self.remote(order, attempt):
            invoice = Invoice.objects.filter(remote_id=remote["id"]).first()
            if invoice is not None:
                with self.step(order):
                    self.old_news.append((invoice, self.world.client.invoice(remote["id"])))

    @precondition(lambda self: self.old_news)
    @rule()
    def the_slow_answer_arrives(self) -> None:
        invoice, remote = self.old_news.pop()
        with self.step(0):
            settle(invoice, remote, source=Entry.Source.RETURN)

    @rule(
        order=ORDERS,
        attempt=ATTEMPTS,
        amount=st.sampled_from([1, 400, 1000]),
        by_app=st.booleans(),
        trouble=TROUBLE,
    )
    def a_refund(self, order: int, attempt: int, amount: int, by_app: bool, trouble: Any) -> None:
        for remote in self.remote(order, attempt):
            with self.step(order, trouble):
                if by_app:
                    body = {"amount": amount, "currency": "USD", "type": "native"}
                    self.world.rehive.create_refund(BUSINESS_ID, remote["id"], body)
                else:
                    invoice = Invoice.objects.filter(remote_id=remote["id"]).first()
                    if invoice is not None:
                        refunding.refund(
                            invoice, Decimal(amount) / 100, reason="because", by="staff"
                        )

    @rule(
        order=ORDERS, attempt=ATTEMPTS, status=st.sampled_from(["processing", "complete", "failed"])
    )
    def a_refund_goes_on(self, order: int, attempt: int, status: str) -> None:
        for remote in self.remote(order, attempt):
            for made in self.world.rehive.refunds(BUSINESS_ID, remote["id"])["results"]:
                with suppress(RefusedByRules):
                    self.world.rehive.progress_refund(made["identifier"], status)

    # Staff, time, network

    @rule(order=ORDERS, status=st.sampled_from(["Cancelled", "Being processed", "Complete"]))
    def staff_decide(self, order: int, status: str) -> None:
        for number in self.orders[order : order + 1]:
            placed = Order.objects.get(number=number)
            if status in placed.available_statuses():
                handler = get_class("order.processing", "EventHandler")()
                handler.handle_order_status_change(placed, status)
                self.decided[number] = status

    @rule(
        which=st.integers(0, 2),
        decision=st.sampled_from([deciding.accept, deciding.give_back, deciding.resolve]),
        trouble=TROUBLE,
    )
    def staff_deal_with_attention(self, which: int, decision: Any, trouble: Any) -> None:
        for attention in Attention.objects.order_by("pk")[which : which + 1]:
            with self.step(0, trouble):
                if decision is deciding.accept and deciding.can_accept(attention):
                    # Noted before: a kill can come after the commit.
                    self.accepted.add(attention.payment.order_number)
                decision(attention, by="staff")

    @rule(order=ORDERS, total=st.sampled_from(["10.00", "12.00"]))
    def staff_edit(self, order: int, total: str) -> None:
        for number in self.orders[order : order + 1]:
            Order.objects.filter(number=number, status="Pending").update(
                total_incl_tax=Decimal(total)
            )

    @rule(order=ORDERS)
    def paid_in_cash(self, order: int) -> None:
        for number in self.orders[order : order + 1]:
            placed = Order.objects.get(number=number)
            cash, _ = SourceType.objects.get_or_create(code="cash", defaults={"name": "Cash"})
            Source.objects.create(
                order=placed, source_type=cash, amount_debited=placed.total_incl_tax
            )

    @rule(hours=st.sampled_from([0.01, 0.2, 1, 3, 25]))
    def time_passes(self, hours: float) -> None:
        self.world.advance(timedelta(hours=hours))

    @rule(trouble=TROUBLE)
    def reconcile(self, trouble: Any) -> None:
        with self.step(0, trouble):
            reconcile()

    # The end

    def teardown(self) -> None:
        try:
            if self.orders:
                self.settle_down()
        finally:
            self._installed.__exit__(None, None, None)

    def settle_down(self) -> None:
        """Faults end, time passes, reconcile runs: shop and Rehive agree."""
        for _ in range(3):
            self.world.advance(timedelta(hours=27))
            summary = reconcile()
        assert summary.failures == []
        self.invariants_hold()
        for number in self.orders:
            self.agree(number)
        assert not Delivery.objects.filter(state=Delivery.State.NEW).exists()

    def invariants_hold(self) -> None:
        self.p1_paid_only_with_the_money()
        self.p2_every_cent_once()
        self.p2_never_refunded_more_than_received()
        self.p3_one_mail_and_only_for_paid()
        self.p4_stock_is_held_once()
        self.p5_one_payable_invoice()
        self.p6_paid_stays_paid()
        self.p10_what_staff_decided_stands()

    # Helpers

    @contextmanager
    def step(self, order: int, trouble: Any = None) -> Iterator[str]:
        """Something that may fail in the ways that are said, and in no other."""
        number = self.orders[min(order, len(self.orders) - 1)]
        kind, at = trouble or ("", 0)
        self.world.kill_in = at if kind == "killed" else None
        self.world.write_fault = at if kind == "write" else ""
        self.world.faults = [*[""] * at, kind] if kind in FAULTS else []
        try:
            yield number
        except Killed:
            self.mails_unnoted = len(mail.outbox) - self.mails_noted()
        except EXPECTED:
            pass
        finally:
            self.world.kill_in, self.world.faults, self.world.write_fault = None, [], ""

    def remote(self, order: int, attempt: int) -> list[dict[str, Any]]:
        """The invoice of that attempt at Rehive, if there is one."""
        number = self.orders[min(order, len(self.orders) - 1)]
        mine = [
            remote
            for remote in reversed(self.everything())
            if remote["request_reference"] == number
        ]
        return mine[attempt : attempt + 1]


@pytest.mark.django_db(transaction=True)
def test_any_story_ends_with_shop_and_rehive_in_agreement(place_order: Any, settings: Any) -> None:
    from hypothesis import settings as hypothesis_settings

    def set_up(**changes: str) -> None:
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "BUSINESS_ID": BUSINESS_ID, **changes}

    Machine.place_order = staticmethod(place_order)
    Machine.set_up = staticmethod(set_up)
    run_state_machine_as_test(
        Machine,
        settings=hypothesis_settings(
            max_examples=int(os.environ.get("REHIVE_EXAMPLES", "60")),
            stateful_step_count=40,
            deadline=None,
            # Shrinking a long story takes minutes; REHIVE_SHRINK=1 asks for it.
            phases=[phase for phase in Phase if phase is not Phase.shrink or SHRINK],
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )

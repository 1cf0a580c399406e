"""Shopper, Rehive, network, clock and staff at random, with faults and kills between any two steps.

Promises P1 to P10 are checked after every step; once the faults have ended and reconcile has run,
shop and Rehive must agree. ``REHIVE_EXAMPLES`` sets how many examples are played.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
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
from oscar.core.loading import get_model

from oscar_rehive.models import (
    Delivery,
    Entry,
    Invoice,
)
from oscar_rehive.payments import deliveries, refunding
from oscar_rehive.payments.cancelling import cancel_order
from oscar_rehive.payments.mails import send_confirmation_if_due
from oscar_rehive.payments.opening import open_invoice
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.payments.settling import refresh, settle
from oscar_rehive.rehive.wire import RemoteInvoice
from oscar_rehive.simulator.errors import RehiveError as RefusedByRules
from tests.model.lies import SKEW
from tests.model.people import People
from tests.model.promises import Placed
from tests.model.stage import ATTEMPTS, IN_STOCK, ORDERS, PIECES, SELDOM, TROUBLE
from tests.model.world import BUSINESS_ID, World, empty_the_database
from tests.steps import OPEN_WORDS, RETURN_URL

Order = get_model("order", "Order")
Line = get_model("order", "Line")
Source = get_model("payment", "Source")
SourceType = get_model("payment", "SourceType")
StockRecord = get_model("partner", "StockRecord")

TOLERANCE = "0.50"
ALMOST = 970
"""Cents of an order over 10.00: within the tolerance, where there is one."""

OUTCOMES = st.sampled_from(
    ["pay"] * 4
    + ["pay_less"] * 2
    + ["pay_more", "pay_late", "start", "confirm", "complete", "fail", "expire"]
)

SHARED = "10.00, of a product that another order has too"
TOTALS = st.sampled_from(["0.03", "99999.99", SHARED])

SHRINK = bool(os.environ.get("REHIVE_SHRINK"))

EVENTS: dict[str, Callable[[Any], None]] = {
    "open": lambda it: it.go_and_pay(0, None, None),
    "pay": lambda it: it.go_and_pay(0, "pay", None),
    "pay less": lambda it: it.go_and_pay(0, "pay_less", None),
    "let expire": lambda it: it.go_and_pay(0, "expire", None),
    "Rehive takes it back": lambda it: it.payer(0, 0, "fail", None, False, True, False),
    "return": lambda it: it.come_back(0, None),
    "gift card": lambda it: it.somebody_else_pays(0, "0.4", "allocated", "gift card"),
    "cash": lambda it: it.somebody_else_pays(0, "1", "debited", "cash"),
    "others give back": lambda it: it.somebody_else_pays(0, "-1", "both", "cash"),
    "cancel or take back": lambda it: it.staff_decide(0, "Cancelled", False, True),
    "stale save": lambda it: it.staff_decide(0, "Cancelled", True, False),
    "old copy": lambda it: it.staff_do(0, "save an old copy"),
    "ship": lambda it: it.staff_do(0, "ship"),
    "delete": lambda it: it.staff_do(0, "delete"),
    "reconcile": lambda it: it.reconcile(None),
    "a copy lags": lambda it: it.a_copy_lags(2, 2),
    "three minutes": lambda it: it.time_passes(0.05),
    "a day": lambda it: it.time_passes(25),
}
"""What happens often, in one word each."""


class Machine(People):
    """One world, up to six orders."""

    set_up: Any = None

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self._installed = self.world.installed()
        self._installed.__enter__()
        self.orders: list[Placed] = []
        self.former: list[Placed] = []
        self.paid: set[int] = set()
        self.ended: set[int] = set()
        self.seen: set[int] = set()
        self.leaked: dict[int, int] = {}
        self.clocks_differ = False
        self.forced: set[str] = set()
        self.mails_unnoted = 0
        self.old_news: list[tuple[Invoice, RemoteInvoice]] = []
        mail.outbox.clear()
        empty_the_database()
        self.shared = self.new_product("2.00", IN_STOCK)

    # The shopper

    @initialize(
        late=st.sampled_from(["accept", "hold"]),
        tolerance=st.sampled_from(["0", TOLERANCE]),
        second=TOTALS,
        clocks=st.one_of(st.just([]), st.lists(st.integers(-SKEW, SKEW), min_size=1, max_size=6)),
    )
    def open_the_shop(self, late: str, tolerance: str, clocks: list[int], second: str) -> None:
        self.tolerance = Decimal(tolerance)
        type(self).set_up(LATE_PAYMENTS=late, TOLERANCE_AMOUNT=tolerance)
        self.clocks_differ = len(set(clocks)) > 1
        self.world.lies.hosts(clocks)
        self.orders.append(self.placed(self.shared, PIECES))
        self.place(second)

    @precondition(lambda self: len(self.orders) < 6)
    @rule(total=TOTALS, really=SELDOM)
    def place(self, total: str, really: bool = True) -> None:
        if self.waiting() and not really:
            return
        if total != SHARED:
            self.orders.append(self.placed(self.new_product(total, 5), 1))
        elif StockRecord.objects.get(product=self.shared).net_stock_level > 0:
            self.orders.append(self.placed(self.shared, PIECES))

    @rule(order=ORDERS, trouble=TROUBLE)
    def click_again(self, order: int, trouble: Any) -> None:
        for befalls in (trouble, None):
            with self.step(order, befalls) as number:
                open_invoice(number, return_url=RETURN_URL)

    @rule(order=ORDERS, outcome=st.one_of(st.none(), OUTCOMES), trouble=TROUBLE)
    def go_and_pay(self, order: int, outcome: str | None, trouble: Any) -> None:
        """To the hosted page and perhaps back from it."""
        with self.step(order, trouble) as number:
            invoice = open_invoice(number, return_url=RETURN_URL)
            if outcome:
                self.world.rehive.outcome(invoice.remote_id or "", outcome)
                refresh(invoice, Entry.Source.RETURN)

    @rule(order=ORDERS, trouble=TROUBLE)
    def come_back(self, order: int, trouble: Any) -> None:
        with self.step(order, trouble) as number:
            for invoice in Invoice.objects.filter(payment__order_number=number).exclude(
                remote_id=None
            ):
                refresh(invoice, Entry.Source.RETURN)
            send_confirmation_if_due(number)

    @rule(order=ORDERS, really=SELDOM, trouble=TROUBLE)
    def change_the_basket(self, order: int, really: bool, trouble: Any) -> None:
        if not really:
            return
        with self.step(order, trouble) as number:
            cancel_order(number, reason="shopper", source=Entry.Source.CHECKOUT)

    # Rehive

    @rule(
        order=ORDERS,
        attempt=ATTEMPTS,
        outcome=OUTCOMES,
        currency=st.sampled_from([None, None, "BTC", "EUR"]),
        almost=st.booleans(),
        force=st.sampled_from([False] * 9 + [True]),
        opens=st.booleans(),
    )
    def payer(
        self,
        order: int,
        attempt: int,
        outcome: str,
        currency: str | None,
        almost: bool,
        force: bool,
        opens: bool,
    ) -> None:
        """``force``: also what should never happen, such as a step back from paid."""
        if opens:
            with self.step(order) as number:
                open_invoice(number, return_url=RETURN_URL)
        amount = ALMOST if outcome == "pay_less" and almost and currency is None else None
        for remote in self.remote(order, attempt):
            if force:
                self.forced.add(remote["id"])
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
                    deliveries.work_on(delivery.remote_id)

    @rule(answers=st.integers(1, 3), steps=st.integers(1, 3))
    def a_copy_lags(self, answers: int, steps: int) -> None:
        self.world.lies.lag(answers, steps)

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

    @rule(order=ORDERS, events=st.lists(st.sampled_from(list(EVENTS)), min_size=3, max_size=8))
    def much_happens_to_one_order(self, order: int, events: list[str]) -> None:
        """Without trouble, and one thing after the other. Drawn one by one, steps seldom meet at the
        same order: most orders would be over before two kinds of money came together."""
        self.focus = self.nth(order)
        try:
            for event in events:
                EVENTS[event](self)
                self.promises_hold()
        finally:
            self.focus = None

    # Time, network

    @rule(hours=st.sampled_from([0.01, 0.01, 0.02, 0.05, 0.05, 0.2, 0.6, 1, 3, 25]))
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
        """Faults and lies end, time passes, reconcile runs: shop and Rehive agree."""
        self.world.lies.end()
        for _ in range(3):
            self.world.advance(timedelta(hours=27))
            summary = reconcile()
        assert summary.failures == []
        self.promises_hold()
        self.all_agree()
        assert not Delivery.objects.filter(state=Delivery.State.NEW).exists()


@pytest.mark.django_db(transaction=True)
def test_any_story_ends_with_shop_and_rehive_in_agreement(
    set_up_machine: Callable[[], None],
) -> None:
    from hypothesis import settings as hypothesis_settings

    set_up_machine()
    run_state_machine_as_test(
        Machine,
        settings=hypothesis_settings(
            max_examples=int(os.environ.get("REHIVE_EXAMPLES", "45")),
            stateful_step_count=40,
            deadline=None,
            # Shrinking a long story takes minutes; REHIVE_SHRINK=1 asks for it.
            phases=[phase for phase in Phase if phase is not Phase.shrink or SHRINK],
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )

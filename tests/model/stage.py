"""What the steps of all stories share: placing an order, and a step that may fail as steps do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from django.core import mail
from hypothesis import strategies as st
from oscar.core.loading import get_model
from oscar.test.factories import create_basket, create_order, create_product

from oscar_rehive.models import OrderPayment
from oscar_rehive.payments import deciding, refunding
from oscar_rehive.payments.adopting import NotOpened
from oscar_rehive.payments.cancelling import NotCancellable
from oscar_rehive.payments.gateway import BusinessNotUsable
from oscar_rehive.payments.opening import Busy, NotPayable
from oscar_rehive.payments.placing import expect_payment
from oscar_rehive.rehive.exceptions import RehiveError
from oscar_rehive.simulator.errors import RehiveError as RefusedByRules
from tests.model.agreement import Agreement
from tests.model.promises import Placed
from tests.model.world import FAULTS, Killed

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

ORDERS = st.sampled_from([0, 0, 0, 0, 0, 1, 1, 2, 3])
SELDOM = st.sampled_from([False, False, False, True])
"""For what ends an order: after that little happens to it."""
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

PIECES = 5
IN_STOCK = 7
"""Two orders over as many pieces cannot both hold theirs."""


class Stage(Agreement):
    """Helpers."""

    focus: Placed | None = None
    """The order that all steps are about for a while."""

    def new_product(self, price: str, in_stock: int) -> Any:
        return create_product(price=Decimal(price), num_in_stock=in_stock)

    def placed(self, product: Any, pieces: int, number: str | None = None) -> Placed:
        """A new order, as the shop takes it: no more than is there."""
        record = StockRecord.objects.get(product=product)
        pieces = min(pieces, record.net_stock_level)
        basket = create_basket(empty=True)
        basket.add_product(product, pieces)
        order = create_order(
            number=number, basket=basket, status="Pending", guest_email="guest@example.com"
        )
        payment = expect_payment(str(order.number), language="en")
        return Placed(str(order.number), payment.pk, order.lines.get().pk, pieces)

    @contextmanager
    def step(self, order: int, trouble: Any = None) -> Iterator[str]:
        """Something that may fail in the ways that are said, and in no other."""
        kind, at = trouble or ("", 0)
        self.world.kill_in = at if kind == "killed" else None
        self.world.write_fault = at if kind == "write" else ""
        self.world.faults = [*[""] * at, kind] if kind in FAULTS else []
        try:
            yield self.nth(order).number
        except Killed:
            self.mails_unnoted = len(mail.outbox) - self.mails_noted()
        except EXPECTED:
            pass
        finally:
            self.world.kill_in, self.world.faults, self.world.write_fault = None, [], ""

    def nth(self, order: int) -> Placed:
        """0 is the newest that still waits for its payment: only there do several steps make a story.
        Others are counted from the newest."""
        if self.focus is not None:
            return self.focus
        waiting = self.waiting()
        if order == 0 and waiting:
            return waiting[-1]
        return self.orders[max(len(self.orders) - 1 - order, 0)]

    def waiting(self) -> list[Placed]:
        """The orders whose payment has not ended."""
        open_now = OrderPayment.objects.filter(paid_at=None, closed_at=None)
        pks = set(open_now.values_list("pk", flat=True))
        return [placed for placed in self.orders if placed.payment in pks and not placed.deleted]

    def remote(self, order: int, attempt: int) -> list[dict[str, Any]]:
        """The invoice of that attempt at Rehive, if there is one: of all orders that ever had the
        number, oldest first."""
        number = self.nth(order).number
        mine = [
            remote
            for remote in reversed(self.everything())
            if remote["request_reference"] == number
        ]
        return mine[attempt : attempt + 1]

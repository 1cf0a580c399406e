"""What people do besides paying through Rehive: staff, and whoever books money that others brought."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from oscar.core.loading import get_class, get_model

from oscar_rehive.models import Attention
from oscar_rehive.payments import deciding
from oscar_rehive.shop.oscar import SOURCE_TYPE_CODE
from tests.model.promises import Placed
from tests.model.stage import ORDERS, SELDOM, TROUBLE, Stage

Order = get_model("order", "Order")
Line = get_model("order", "Line")
Source = get_model("payment", "Source")
SourceType = get_model("payment", "SourceType")

PIPELINE = {
    "Pending": ("Being processed", "Cancelled"),
    "Being processed": ("Complete", "Cancelled"),
    "Complete": (),
    "Cancelled": ("Pending", "Being processed"),
}
"""A shop in which a cancellation can be taken back."""


class People(Stage):
    """Staff, gift cards, the bank. What is seldom shares a rule: every rule is played as often as any
    other, and most of a story is to be about paying."""

    @rule(
        order=ORDERS,
        status=st.sampled_from(["Cancelled", "Cancelled", "Being processed", "Complete"]),
        stale=st.booleans(),
        really=SELDOM,
    )
    def staff_decide(self, order: int, status: str, stale: bool, really: bool) -> None:
        """Of a cancelled order: that it is not. ``stale``: they save an old copy of it, and no signal
        tells."""
        placed = self.nth(order)
        found = placed.order()
        if found is None:
            return
        if found.status == "Cancelled":
            placed.taken_back = True
            placed.put_back |= placed.row().paid_at is not None
            if stale:
                self._overwrite(placed)
            else:
                self._move(placed, "Pending" if status == "Cancelled" else "Being processed")
        elif really and status in found.available_statuses():
            self._move(placed, status)

    def _move(self, placed: Placed, status: str) -> None:
        # Noted before: what they do is looked at as soon as it is committed. An order that is
        # pending again is the machine's again.
        placed.decided = None if status == "Pending" else status
        placed.by_hand |= status in ("Being processed", "Complete")
        handler = get_class("order.processing", "EventHandler")()
        handler.handle_order_status_change(placed.order(), status)

    def _overwrite(self, placed: Placed) -> None:
        placed.decided = None
        Order.objects.filter(number=placed.number).update(status="Pending")

    @rule(
        order=ORDERS,
        deed=st.sampled_from(
            ["ship", "ship", "edit", "edit back", "save an old copy", "save an old copy", "delete"]
        ),
    )
    def staff_do(self, order: int, deed: str) -> None:
        placed = self.nth(order)
        found = placed.order()
        if found is None:
            return
        line = Line.objects.get(pk=placed.line)
        if deed == "ship" and line.is_allocation_consumption_possible(2):
            line.consume_allocation(2)
            placed.pieces -= 2
        elif deed in ("edit", "edit back") and found.status == "Pending":
            total = Decimal("12.00" if deed == "edit" else "10.00")
            Order.objects.filter(number=placed.number).update(total_incl_tax=total)
        elif deed == "save an old copy" and found.status == "Being processed":
            if placed.row().paid_at is not None:
                placed.put_back = True
                self._overwrite(placed)
        elif deed == "delete":
            held = self.leaked.get(line.stockrecord_id, 0) + line.num_allocated
            self.leaked[line.stockrecord_id] = held
            found.delete()
            placed.deleted, placed.decided = True, None

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
                    for placed in self.all_placed():
                        placed.accepted |= placed.payment == attention.payment_id
                decision(attention, by="staff")

    @precondition(lambda self: any(placed.deleted for placed in self.orders))
    @rule()
    def its_number_is_used_again(self) -> None:
        at = next(n for n, placed in enumerate(self.orders) if placed.deleted)
        self.former.append(self.orders[at])
        product = self.new_product("2.00", 5)
        self.orders[at] = self.placed(product, 5, number=self.former[-1].number)

    # Money that others hold

    @rule(
        order=ORDERS,
        part=st.sampled_from(
            ["0.4", "0.4", "0.4", "0.4", "0.9", "1", "1.2", "-0.5", "-1", "-1", "-1", "-1"]
        ),
        booked=st.sampled_from(["allocated", "debited", "both"]),
        kind=st.sampled_from(["cash", "gift card"]),
    )
    def somebody_else_pays(self, order: int, part: str, booked: str, kind: str) -> None:
        """A part of the total, all of it, or more, as staff or the shop's own code book it; or, below
        zero, gives back that part of what it holds."""
        found = self.nth(order).order()
        if found is None:
            return
        others = Source.objects.filter(order=found).exclude(source_type__code=SOURCE_TYPE_CODE)
        if Decimal(part) < 0:
            for source in others:
                held = max(source.amount_allocated, source.amount_debited) - source.amount_refunded
                source.amount_refunded += (held * -Decimal(part)).quantize(Decimal("0.01"))
                source.save()
            return
        amount = (found.total_incl_tax * Decimal(part)).quantize(Decimal("0.01"))
        source_type, _ = SourceType.objects.get_or_create(code=kind, defaults={"name": kind})
        Source.objects.create(
            order=found,
            source_type=source_type,
            currency=found.currency,
            amount_allocated=amount if booked != "debited" else 0,
            amount_debited=amount if booked != "allocated" else 0,
        )

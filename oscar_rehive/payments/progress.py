"""Where the payment of an order stands, for the pages that tell the shopper."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from django.utils import timezone

from oscar_rehive.models import Invoice, OrderPayment
from oscar_rehive.payments.opening import is_being_opened
from oscar_rehive.payments.signs import money_is_here_or_comes
from oscar_rehive.rehive.money import floor_to_places, from_units
from oscar_rehive.rehive.statuses import Status
from oscar_rehive.shop import Order, Standing, get_shop


class Stage(str, Enum):
    """What the shopper is told. The value is the word of the status address's JSON."""

    PAID = "paid"
    CONFIRMING = "confirming"
    OPENING = "opening"
    OPEN = "open"
    PART_PAID = "part_paid"
    CLOSED = "closed"
    ENDING = "ending"
    CANCELLED = "cancelled"
    WITH_THE_SHOP = "with_the_shop"


FINAL = frozenset({Stage.PAID, Stage.CANCELLED, Stage.WITH_THE_SHOP})
WAITING = frozenset({Stage.CONFIRMING, Stage.OPENING, Stage.ENDING})


@dataclass(frozen=True)
class Progress:
    """An order, the attempt that matters to the shopper and the stage both are at. ``missing`` is what
    nobody holds yet of the total, in its currency; ``came_before`` is what came through attempts
    that have ended and was not given back; ``money_comes`` tells whether any money, through whichever
    attempt, is here or on its way."""

    order: Order
    payment: OrderPayment
    invoice: Invoice | None
    stage: Stage
    missing: Decimal
    came_before: Decimal
    money_comes: bool

    @property
    def is_final(self) -> bool:
        """Whether waiting longer will not change anything."""
        return self.stage in FINAL

    @property
    def is_waiting(self) -> bool:
        """Whether the page should look again by itself."""
        return self.stage in WAITING

    @property
    def is_payable(self) -> bool:
        """Whether the shopper can (still, or again) go and pay."""
        payable = self.stage in (Stage.OPEN, Stage.PART_PAID, Stage.CLOSED) or self._is_processing
        return payable and self.payment.window_ends_at > timezone.now()

    @property
    def is_part_covered(self) -> bool:
        """Whether only a part of the total is still to be paid."""
        return 0 < self.missing < self.order.total

    @property
    def is_cancellable(self) -> bool:
        """Whether the shopper may cancel the order: nothing was paid and nothing is on its way, through
        this attempt or another."""
        unpaid = self.stage in (Stage.OPEN, Stage.CLOSED, Stage.OPENING) or self._is_processing
        return unpaid and not self.money_comes

    @property
    def _is_processing(self) -> bool:
        """A way of paying is chosen, and nothing more is known: the shopper may have paid just now,
        or have come back to choose differently."""
        chosen = self.invoice is not None and self.invoice.remote_status == Status.PROCESSING
        return chosen and self.stage is Stage.CONFIRMING


def progress_of(number: str) -> Progress | None:
    """How far order ``number`` is, from the database alone; None where it is not ours or gone."""
    payment = OrderPayment.objects.filter(order_number=number).first()
    order = get_shop().find(number) if payment else None
    if payment is None or order is None or not payment.is_for(order.key):
        return None
    return progress_from(order, payment, list(payment.invoices.order_by("-attempt")))


def progress_from(order: Order, payment: OrderPayment, attempts: list[Invoice]) -> Progress:
    """The same of what was read already: ``attempts`` are all of ``payment``'s, newest first."""
    invoice = _telling_invoice(payment, attempts)
    kept = [
        from_units(one.kept(), one.divisibility)
        for one in attempts
        if one.currency == order.currency
    ]
    held = order.covered + floor_to_places(sum(kept, Decimal(0)), 2)
    ended = [
        from_units(one.kept(), one.divisibility)
        for one in attempts
        if one.state == Invoice.State.CLOSED
    ]
    return Progress(
        order,
        payment,
        invoice,
        _stage(order, payment, invoice),
        missing=max(order.total - held, Decimal(0)),
        came_before=floor_to_places(sum(ended, Decimal(0)), 2),
        money_comes=any(money_is_here_or_comes(one) for one in attempts),
    )


def _telling_invoice(payment: OrderPayment, attempts: list[Invoice]) -> Invoice | None:
    """The attempt that matters to the shopper: a paid one before all others, then the one in use, then
    the newest of ``attempts``, which come newest first. One whose money was given back is over, unless
    it has paid the order: the order can be paid anew, and Rehive must be asked about that.

    Not simply the newest: a second create that landed beside the one in use is newer, and is being
    closed (a payer was told "closed, pay again")."""
    for one in attempts:
        if one.state == Invoice.State.PAID and (payment.paid_at or one.kept()):
            return one
    in_use = (one for one in attempts if one.in_use)
    return next(in_use, attempts[0] if attempts else None)


def _stage(order: Order, payment: OrderPayment, invoice: Invoice | None) -> Stage:
    if payment.paid_at is not None:
        # Staff may have cancelled what was paid; to say thank you then would be untrue.
        return Stage.CANCELLED if order.standing is Standing.CANCELLED else Stage.PAID
    if invoice is not None and invoice.state == Invoice.State.PAID and invoice.kept():
        return Stage.WITH_THE_SHOP
    if order.standing is Standing.CANCELLED:
        return Stage.CANCELLED
    if payment.closed_at is not None or order.paid_elsewhere or order.standing is Standing.MOVED_ON:
        return Stage.WITH_THE_SHOP
    if payment.cancel_reason:
        return Stage.ENDING
    if invoice is None:
        return Stage.OPEN
    if invoice.state in (Invoice.State.CLOSED, Invoice.State.PAID):
        return Stage.CLOSED
    if invoice.state == Invoice.State.OPENING:
        # Without a lease nobody is at it any more, and the shopper may try again.
        return Stage.OPENING if is_being_opened(invoice, timezone.now()) else Stage.OPEN
    if invoice.remote_status == Status.UNDERPAID:
        return Stage.PART_PAID
    confirming = (Status.RECEIVED, Status.PROCESSING)
    return Stage.CONFIRMING if invoice.remote_status in confirming else Stage.OPEN

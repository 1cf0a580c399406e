"""What a person decides about money that the machine would not use by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from django.utils import timezone

from oscar_rehive.models import Attention, Entry, Invoice
from oscar_rehive.payments.carrying_out import case_of, change
from oscar_rehive.payments.ending import follow_the_order
from oscar_rehive.payments.locking import Locked, under_lock
from oscar_rehive.payments.obstacles import note_excess
from oscar_rehive.payments.plans import Plan
from oscar_rehive.payments.refunding import follow, refund_decided, units_left
from oscar_rehive.payments.rules import BY_HAND, mark_paid
from oscar_rehive.rehive.money import from_units, shown, to_units_up
from oscar_rehive.shop import Standing

_ACCEPTABLE = BY_HAND
_NO_REFUND = (
    # It would give all back, and what failed may have been a part: the invoice's page takes amounts.
    Attention.Kind.REFUND_FAILED,
    # How much it is about, nobody understands.
    Attention.Kind.UNKNOWN_STATUS,
    Attention.Kind.DIFFERENCE,
    Attention.Kind.BACKWARD,
    Attention.Kind.VANISHED,
    Attention.Kind.UNCLOSABLE,
    Attention.Kind.REFUSED_STATUS,
    Attention.Kind.UNREADABLE,
    Attention.Kind.OUT_OF_REACH,
    Attention.Kind.ODD_REFUND,
    Attention.Kind.NOT_HELD,
    Attention.Kind.DISAGREES,
)
_OF_NO_ORDER = (Attention.Kind.AFTER_CANCEL, Attention.Kind.NO_ORDER)
"""What is about money for an order that is no more, whatever it had paid."""

CAN_BE_GONE = (
    Attention.Kind.VANISHED,
    Attention.Kind.UNREADABLE,
    Attention.Kind.OUT_OF_REACH,
)
"""What leaves nobody to ask about an invoice: only a person can say that it is gone."""

KNOWN_AGAIN = "Rehive"
"""Who resolves that, as soon as Rehive answers."""

_NOTHING = Decimal(0)


class NotAcceptable(Exception):
    """It was decided already, or has changed since; the message says so."""


@dataclass(frozen=True)
class WaysOut:
    """What a person can do about a fact: let its money pay the order, take its invoice for gone, give
    back ``refund`` of the invoice's currency (0: nothing), or note that it was dealt with."""

    refund: Decimal
    accept: bool
    gone: bool
    resolve: bool


def ways_out(plan: Plan, attention: Attention) -> WaysOut:
    """The ways out of ``attention``, which is one of ``plan``'s; asks no database."""
    return WaysOut(
        refund=refund_offered(attention, plan),
        accept=can_accept(attention, plan.given_back),
        gone=can_be_gone(attention),
        resolve=attention.resolved_at is None,
    )


def can_accept(
    attention: Attention, given_back: Callable[[Invoice], int] = Invoice.given_back
) -> bool:
    """Whether "this pays the order" is a way out of ``attention``."""
    invoice = attention.invoice
    return (
        attention.resolved_at is None
        and attention.kind in _ACCEPTABLE
        and invoice is not None
        and invoice.recorded > 0
        and not given_back(invoice)
        and not invoice.payment.is_settled
    )


def refund_offered(attention: Attention, plan: Plan | None = None) -> Decimal:
    """How much a refund is a way out of ``attention``, in the invoice's currency; 0 if it is none.
    ``plan``: what stands about the order, where that was read already, ``attention`` with it."""
    invoice = attention.invoice
    if attention.resolved_at is not None or invoice is None or invoice.remote_id is None:
        return _NOTHING
    if attention.kind in _NO_REFUND:
        return _NOTHING
    left = units_left(invoice) if plan is None else plan.left(invoice)
    units = max(left - _to_keep(attention, invoice, plan), 0)
    return from_units(units, invoice.divisibility)


def _to_keep(attention: Attention, invoice: Invoice, plan: Plan | None = None) -> int:
    """What pays the order, or has to where the other payment was given back, stays as long as there is
    an order. Of an invoice whose order is not paid all goes back, but for the price where it is about
    what is beyond that."""
    if attention.kind in _OF_NO_ORDER:
        return 0
    plan = plan or Plan(case_of(invoice.payment), Entry.Source.STAFF)
    order, current = plan.order, plan.invoice(invoice.pk)
    if plan.payment.paid_at is None or order is None or order.standing is Standing.CANCELLED:
        return int(invoice.amount) if attention.kind == Attention.Kind.EXCESS else 0
    needed = to_units_up(max(plan.missing(without=current), _NOTHING), invoice.divisibility)
    return min(needed if invoice.pays is None else int(invoice.pays), int(invoice.received))


def can_be_gone(attention: Attention) -> bool:
    """Whether "take the invoice for gone" is a way out of ``attention``: also of one that somebody has
    only marked as resolved, as long as the invoice keeps its order waiting."""
    invoice = attention.invoice
    if attention.kind not in CAN_BE_GONE or invoice is None:
        return False
    waits = invoice.close_due or invoice.state in (Invoice.State.OPENING, Invoice.State.OPEN)
    return attention.resolved_at is None or (waits and attention.resolved_by != KNOWN_AGAIN)


def still_missing(plan: Plan, attention: Attention) -> Decimal:
    """What the order waits for without the money of ``attention``, in the order's currency."""
    return max(plan.missing(without=attention.invoice), _NOTHING)


def accept(attention: Attention, *, by: str, agreed: Decimal | None = None) -> None:
    """Let the money of ``attention``, which is as ``by`` has seen it, pay the order; ``agreed`` is what
    ``by`` was told that the order waits for (None: whatever it is). Raises ``NotAcceptable``, also where
    either has changed, or ``RehiveError`` where Rehive cannot be asked what of it went back in its own
    app."""
    if attention.invoice is not None and can_accept(attention):
        follow(attention.invoice, Entry.Source.STAFF)

    def decide(plan: Plan) -> None:
        order = plan.order
        current = next(one for one in plan.attentions if one.pk == attention.pk)
        waiting = (
            order is not None
            and order.standing is not Standing.CANCELLED
            and not order.paid_elsewhere
        )
        if current.invoice_id is None or not waiting or not can_accept(current):
            raise NotAcceptable("This payment cannot be accepted (any more).")
        _insist_on_what_was_seen(current, attention)
        missing = still_missing(plan, current)
        if agreed is not None and agreed != missing:
            # What is missing is forgiven, and the order may have been edited since.
            raise NotAcceptable(
                f"The order waits for {shown(missing)} by now, and no longer for {shown(agreed)}: look at"
                " it again."
            )
        invoice = plan.invoice(current.invoice_id)
        # What is missing is forgiven, so it must not be payable any more (P5).
        invoice.close_due = invoice.state == Invoice.State.OPEN
        invoice.state = Invoice.State.PAID
        plan.write(f"{by} accepted the payment.", invoice=invoice)
        # In the same transaction: on a fact that is still open stands a button that refunds all.
        current.resolved_at, current.resolved_by = plan.now, by[:150]
        mark_paid(plan, invoice)
        note_excess(plan, invoice)

    change(attention.payment.order_number, Entry.Source.STAFF, decide)


def give_back(attention: Attention, *, by: str, agreed: Decimal | None = None) -> None:
    """Refund what ``attention``, which is as ``by`` has seen it, is about; ``agreed`` is how much of the
    invoice's currency ``by`` was told that this is (None: whatever it is). Raises ``NotAcceptable``, also
    where it is another amount by now, or what ``refund_decided`` raises."""
    if attention.invoice is None:
        raise NotAcceptable("There is nothing to refund.")

    def all_but_the_price(invoice: Invoice) -> int:
        # Here and not before: while Rehive was asked, a colleague may have accepted the payment, or
        # its rest may have come, and the order would be paid by money that goes back.
        current = _undecided(attention)
        if not refund_offered(current):
            raise NotAcceptable("There is nothing to give back here (any more).")
        units = units_left(invoice) - _to_keep(current, invoice)
        amount = from_units(units, invoice.divisibility)
        if agreed is not None and agreed != amount:
            raise NotAcceptable(
                f"It is {shown(amount)} {invoice.currency} by now, and no longer {shown(agreed)}: look at"
                " it again."
            )
        return units

    _undecided(attention)  # without asking Rehive anything for a page of yesterday
    reason = str(Attention.Kind(attention.kind).label)
    refund_decided(attention.invoice, all_but_the_price, reason=reason, by=by)
    resolve(attention, by=by)


def _undecided(attention: Attention) -> Attention:
    """``attention`` as it is now: a page that somebody left open has the buttons of yesterday."""
    current = Attention.objects.get(pk=attention.pk)
    if current.resolved_at is not None:
        raise NotAcceptable(f"This was decided already, by {current.resolved_by}.")
    _insist_on_what_was_seen(current, attention)
    return current


def _insist_on_what_was_seen(current: Attention, seen: Attention) -> None:
    if current.subject != seen.subject:
        raise NotAcceptable("This has changed since: look at it again.")


def take_for_gone(attention: Attention, *, by: str) -> None:
    """Nobody can ask Rehive about the invoice of ``attention``, and a person says that it is gone.
    Raises ``NotAcceptable``."""
    if attention.kind not in CAN_BE_GONE or attention.invoice is None:
        raise NotAcceptable("This invoice is not said to be gone.")

    def decide(plan: Plan) -> None:
        current = Attention.objects.get(pk=attention.pk)
        if not can_be_gone(current):  # Rehive may know it again, and it would stay payable
            raise NotAcceptable(f"This was decided already, by {current.resolved_by}.")
        invoice = plan.invoice(attention.invoice_id or 0)
        invoice.close_due = False
        invoice.doubted_since = None  # or it would be asked about in every run
        if invoice.state != Invoice.State.PAID:  # what came through it did come
            invoice.state = Invoice.State.CLOSED
        plan.write(f"{by} takes the invoice for gone.", invoice=invoice)
        plan.rest(invoice, CAN_BE_GONE, by=by)
        follow_the_order(plan)

    change(attention.invoice.order_number, Entry.Source.STAFF, decide)


def resolve(attention: Attention, *, by: str) -> bool:
    """Note that ``by`` has dealt with ``attention``, if nobody else has, and if it is as ``by`` has seen it:
    a fact that has grown since is not raised again. Whether it was so."""
    same = Attention.objects.filter(pk=attention.pk, subject=attention.subject, resolved_at=None)

    def work(held: Locked) -> bool:
        return bool(same.update(resolved_at=timezone.now(), resolved_by=by[:150]))

    # Under the lock, for whoever has read there that it waits may let it grow.
    return under_lock(attention.payment.order_number, work)


def deal_with(attention: Attention, *, by: str) -> None:
    """The same; raises ``NotAcceptable`` where it was not so."""
    if not resolve(attention, by=by):
        _undecided(attention)

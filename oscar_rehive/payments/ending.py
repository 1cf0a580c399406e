"""What the order's own standing does to its payment: cancelled once nothing is payable any more, what it
held released once, and held again where the cancellation is taken back (P4). Pure.

Who changed the order's status does not matter, and nobody has to tell: what should be is compared with what
is. A note in the transaction of staff would need a lock there, and wait for a settling that waits for the
order (a deadlock).
"""

from __future__ import annotations

from oscar_rehive.models import Attention, Invoice
from oscar_rehive.payments.plans import Move, Plan
from oscar_rehive.payments.signs import money_is_here_or_comes
from oscar_rehive.shop import Standing

MENDED = "the order's status"
"""Who resolves that order and payment disagree, once they agree."""


class NotCancellable(Exception):
    """The order is paid, has ended, or money for it is on its way."""


def wish_to_cancel(plan: Plan, reason: str) -> None:
    """Note that the unpaid order is to be cancelled; it is, once nothing can be paid any more.

    Raises ``NotCancellable``.
    """
    number = plan.payment.order_number
    if plan.payment.is_settled:
        raise NotCancellable(f"The payment of order {number} has ended already.")
    if plan.has_money():
        raise NotCancellable(f"Money for order {number} has arrived or is on its way.")
    plan.payment.cancel_reason = reason
    plan.close(plan.payable())
    follow_the_order(plan)


def follow_the_order(plan: Plan) -> None:
    """Do to the payment what the order's standing asks for, and to the order what a wish to cancel
    asks for."""
    follow_standing(plan)
    payment, order = plan.payment, plan.order
    if not payment.cancel_reason or payment.is_settled:
        return
    if order is not None and order.standing is Standing.CANCELLED:
        return  # already, and cleared up above once nothing is payable any more
    pending = order is not None and order.standing is Standing.PENDING
    if pending and plan.has_money():
        _drop_the_wish(plan)
    elif plan.payable():
        return
    elif order is not None and pending and not order.paid_elsewhere:
        plan.move = Move.CANCELLED
    else:
        # Paid another way, shipped, or deleted: what staff decided stands (P10, peer bug 1).
        payment.closed_at = plan.now
        plan.write("The order was left as it is: it is no longer waiting for Rehive.")


def follow_standing(plan: Plan) -> None:
    """Do to the payment what the order's standing asks for, whoever has changed it."""
    payment, order = plan.payment, plan.order
    if order is None:
        plan.close(plan.payable())
        return
    if order.standing is Standing.CANCELLED:
        _clear_up(plan)
        return
    if _is_taken_back(plan):
        _bring_back(plan)
    if _is_unpaid_again(plan):
        _note_unpaid_again(plan)
    elif payment.paid_at is not None and plan.move is None and not payment.status_due:
        _note_whether_put_back(plan)


def status_left(plan: Plan) -> str:
    """The status that the order has once the plan is carried out: another one is somebody's change."""
    words, order = plan.case.config.order_status, plan.order
    if plan.move is Move.PAID:
        return words.paid
    if plan.move is Move.CANCELLED:
        return words.cancelled
    return order.status if order is not None else plan.payment.seen_status


def cancelled(plan: Plan) -> None:
    """The shop has cancelled the order, as the plan asked for."""
    payment = plan.payment
    payment.closed_at = payment.released_at = plan.now
    plan.releases = True
    plan.write(f"The order was cancelled: {payment.cancel_reason}")
    plan.rest(None, (Attention.Kind.REFUSED_STATUS,), by="the shop")
    if plan.order is not None and plan.order.covered > 0:
        plan.attend(
            Attention.Kind.AFTER_CANCEL,
            f"The order was cancelled; {plan.order.covered} {plan.order.currency} that other payment"
            " sources hold for it are still there.",
            subject="others",
            ways_out="Give that money back the way it came, if it is not to be kept.",
        )


def status_was_set(plan: Plan) -> None:
    """The shop has set the order's paid status, as the plan asked for."""
    plan.write("The order is paid.", invoice=plan.paid_by)
    plan.rest(None, (Attention.Kind.REFUSED_STATUS,), by="the shop")


def refused(plan: Plan, error: object) -> None:
    """The shop has refused the status that the plan asked for; reconcile tries again."""
    if plan.move is Move.PAID:
        plan.payment.status_due = True
        plan.attend(
            Attention.Kind.REFUSED_STATUS,
            f"The order is paid, but the shop refused the paid status: {error}",
            subject="paid",
            ways_out="Allow the status in OSCAR_ORDER_STATUS_PIPELINE; reconcile then sets it."
            " Or change the order by hand.",
        )
    else:
        plan.attend(
            Attention.Kind.REFUSED_STATUS,
            f"The unpaid order could not be cancelled ({plan.payment.cancel_reason}): {error}",
            subject="cancelled",
            ways_out="Allow the status in OSCAR_ORDER_STATUS_PIPELINE; reconcile then cancels.",
        )


def not_held(plan: Plan, sentences: list[str]) -> None:
    """What an order that was taken back had given up cannot be had again, or not all of it."""
    if sentences:
        plan.attend(
            Attention.Kind.NOT_HELD,
            "The order's cancellation was taken back, but: " + " ".join(sentences),
            subject=f"taken back {plan.now:%Y-%m-%d %H:%M:%S.%f}",
            ways_out="Get what is missing, or change the order with its buyer.",
        )


def _clear_up(plan: Plan) -> None:
    """The order was cancelled, by whomever: it gives up what it holds at once, whatever its invoices
    still need."""
    payment = plan.payment
    plan.close(plan.payable())
    plan.rest(None, (Attention.Kind.DISAGREES,), by=MENDED)
    if payment.released_at is None:
        payment.released_at = plan.now
        plan.releases = True
        if payment.paid_at is None:
            plan.write("Staff had cancelled the order; it holds nothing any more.")
        else:
            _note_paid_and_cancelled(plan)
    if not payment.is_settled and not plan.payable():
        payment.closed_at = plan.now


def _is_taken_back(plan: Plan) -> bool:
    payment, order = plan.payment, plan.order
    if order is None or payment.released_at is None:
        return False
    if order.standing is Standing.PENDING:
        return True
    # Another end, such as "Refunded", takes nothing back. And where the shop only gave its cancelled
    # status another name in the settings, nobody has changed anything.
    goes_on = order.status == plan.case.config.order_status.paid or not order.is_final
    return goes_on and payment.seen_status not in ("", order.status)


def _bring_back(plan: Plan) -> None:
    """The order is as before its cancellation, with a payment window of its own."""
    payment = plan.payment
    payment.cancel_reason, payment.closed_at, payment.released_at = "", None, None
    _new_window(plan)
    if payment.paid_at is not None and payment.mail_sent_at is None:
        payment.mail_due_at = plan.now
    for invoice in plan.invoices:
        if invoice.pays is not None:  # its button would give back what pays the order
            plan.rest(invoice, (Attention.Kind.AFTER_CANCEL,), by=MENDED)
    plan.holds = True
    plan.write("The cancellation of the order was taken back.")


def _is_unpaid_again(plan: Plan) -> bool:
    """Whether the payment had ended because others paid, and they have taken their money back."""
    payment, order = plan.payment, plan.order
    return (
        payment.closed_at is not None
        and payment.paid_at is None
        and order is not None
        and order.standing is Standing.PENDING
        and order.total > 0
        and plan.missing() > 0
    )


def _note_unpaid_again(plan: Plan) -> None:
    """Not reopened by the machine: it may be an order of years ago, which the clock would then cancel."""
    plan.attend(
        Attention.Kind.DISAGREES,
        "What had paid the order was taken back: it waits for a payment, and holds its stock, for ever.",
        subject="unpaid again",
        ways_out="Cancel the order; to have it paid anew, take that back then.",
    )


def _new_window(plan: Plan) -> None:
    ends = plan.now + plan.case.config.payment_window
    plan.payment.window_ends_at = max(plan.payment.window_ends_at, ends)


def _drop_the_wish(plan: Plan) -> None:
    """Money that waits for a person, or is on its way, wins over a wish to cancel, in whatever order
    the two arrive."""
    plan.payment.cancel_reason = ""
    coming = [
        invoice
        for invoice in plan.payable()
        if invoice.state == Invoice.State.OPEN and money_is_here_or_comes(invoice)
    ]
    # Only the newest of them: earlier ones are to be closed for its sake. And none where another
    # source has come to hold all.
    if coming and plan.missing(without=coming[0]) > 0:
        coming[0].close_due = False
    plan.write("The order is not cancelled: money for it is here or on its way.")


def _note_whether_put_back(plan: Plan) -> None:
    """A paid order that waits for its payment: somebody saved an old copy of it."""
    order, words = plan.order, plan.case.config.order_status
    told = [one for one in plan.attentions if one.kind == Attention.Kind.DISAGREES]
    if order is None or order.standing is not Standing.PENDING:
        plan.rest(None, (Attention.Kind.DISAGREES,), by=MENDED)
    # Some shops have one status for "pending" and "paid" (peer bug 2), and where the shop only gave
    # its statuses other names in the settings, nobody has changed anything.
    elif (
        words.paid != words.pending
        and plan.payment.seen_status not in ("", order.status)
        and all(one.resolved_at for one in told)
    ):
        plan.attend(
            Attention.Kind.DISAGREES,
            f"The order is paid, and yet it has the status {order.status!r} again.",
            subject=f"put back {len(told) + 1}",
            ways_out="Give the order the status that it should have: perhaps an old copy of it was"
            " saved over the paid one.",
        )


def _note_paid_and_cancelled(plan: Plan) -> None:
    plan.write("Staff cancelled the order after it had been paid.")
    for invoice in plan.invoices:
        # Also of one that has brought a part only; and each time anew that staff cancel.
        told = sum(
            one.invoice_id == invoice.pk and one.kind == Attention.Kind.AFTER_CANCEL
            for one in plan.attentions
        )
        if plan.left(invoice):
            plan.attend(
                Attention.Kind.AFTER_CANCEL,
                f"Staff cancelled the order; {invoice.recorded} {invoice.currency} had been paid"
                f" for it through invoice {invoice}.",
                invoice=invoice,
                subject=f"{invoice.attempt} ({told + 1})",
                ways_out="Refund the money to the payer, if it is not to be kept.",
            )

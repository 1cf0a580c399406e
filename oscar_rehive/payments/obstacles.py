"""Money that must not simply be used: why, said to a person with the ways out."""

from __future__ import annotations

from oscar_rehive import conf
from oscar_rehive.models import Attention, Invoice, OrderPayment
from oscar_rehive.payments.history import raise_attention
from oscar_rehive.payments.locking import Locked
from oscar_rehive.rehive.money import from_units
from oscar_rehive.rehive.statuses import Status
from oscar_rehive.shop import Standing

REFUND = "Refund the money to the payer."
DECIDE_BY_HAND = "Decide what the order is worth to you and change its status by hand."


def obstacle(
    held: Locked, invoice: Invoice, status: Status
) -> tuple[Attention.Kind, str, str] | None:
    """Why money that came must not make the order paid: (kind, reason, ways out), or None."""
    payment, order = held.payment, held.order
    money = f"{invoice.recorded} {invoice.currency} came through invoice {invoice}"
    if order is None:
        units = from_units(invoice.received, invoice.divisibility)
        return (
            Attention.Kind.NO_ORDER,
            f"{units} {invoice.currency} came through invoice {invoice}, but the order was deleted.",
            REFUND,
        )
    ended = payment.closed_at is not None and order.standing is Standing.PENDING
    if order.standing is Standing.CANCELLED or (ended and not order.paid_elsewhere):
        return Attention.Kind.AFTER_CANCEL, f"{money}, but the order was cancelled.", REFUND
    if payment.paid_at is not None or order.paid_elsewhere:
        return Attention.Kind.DUPLICATE, f"{money}, but the order had been paid already.", REFUND
    if status is Status.LATE and not conf.current().accept_late:
        return (
            Attention.Kind.LATE,
            f"{money} after it was due.",
            f"Let it pay the order, if that can still be delivered. Or: {REFUND}",
        )
    given_back = invoice.given_back()
    if given_back:
        amount = from_units(given_back, invoice.divisibility)
        return (
            Attention.Kind.MISMATCH,
            f"{money}, but {amount} {invoice.currency} of it was given back.",
            f"{DECIDE_BY_HAND} Or: {REFUND}",
        )
    if (order.total, order.currency) != (invoice.total, invoice.currency):
        return (
            Attention.Kind.MISMATCH,
            f"{money}, but the order now costs {order.total} {order.currency}.",
            f"{DECIDE_BY_HAND} Or: {REFUND}",
        )
    if order.standing is Standing.MOVED_ON:
        return (
            Attention.Kind.MOVED_ON,
            f"{money}, and the order already had the status {order.status!r}.",
            "Nothing, if the order is on its way as it should be.",
        )
    return None


def note_excess(payment: OrderPayment, invoice: Invoice) -> None:
    excess = from_units(invoice.received - invoice.amount, invoice.divisibility)
    if excess > 0 or invoice.remote_status == Status.OVERPAID:
        raise_attention(
            payment,
            Attention.Kind.EXCESS,
            f"{excess} {invoice.currency} more than due came through invoice {invoice}."
            if excess > 0
            else f"Rehive says that invoice {invoice} was overpaid, but not by how much.",
            invoice=invoice,
            subject=f"{invoice.attempt}: {invoice.received}",
            ways_out="Refund the excess to the payer.",
        )


def note_money_of_closed(payment: OrderPayment, invoice: Invoice) -> None:
    if invoice.received > 0:
        raise_attention(
            payment,
            Attention.Kind.PART_PAID,
            f"Invoice {invoice} ended as {invoice.remote_status}, but {invoice.recorded} of"
            f" {invoice.total} {invoice.currency} had been paid.",
            invoice=invoice,
            subject=f"{invoice.attempt}: {invoice.received} ended",
            ways_out=f"{DECIDE_BY_HAND} Or: {REFUND}",
        )


def note_mismatch(payment: OrderPayment, invoice: Invoice, status: str, fault: str) -> None:
    raise_attention(
        payment,
        Attention.Kind.MISMATCH,
        f"What Rehive says of invoice {invoice} ({status}) cannot be used: {fault}.",
        invoice=invoice,
        subject=f"{invoice.attempt} {status}: {fault}",
        ways_out="Compare the invoice in Rehive's app with the order.",
    )


def note_unknown_status(payment: OrderPayment, invoice: Invoice) -> None:
    status = invoice.remote_status
    raise_attention(
        payment,
        Attention.Kind.UNKNOWN_STATUS,
        f"Rehive gives invoice {invoice} the status {status!r}, which it does not document.",
        invoice=invoice,
        subject=f"{invoice.attempt}: {status}",
        ways_out="Look at the invoice in Rehive's app. The order was left as it is.",
    )

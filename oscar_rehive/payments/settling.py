"""Settling: bringing one order and its invoices in line with a verified remote.

The only code that changes an order because of money. It runs under the order's lock, decides from
what it reads there, and can be repeated at will: what was settled once is not settled again.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from django.utils import timezone

from oscar_rehive import conf
from oscar_rehive.models import Attention, Invoice, OrderPayment
from oscar_rehive.payments.cleaning import storable, storable_text
from oscar_rehive.payments.ending import finish_cancellation
from oscar_rehive.payments.gateway import business_of, client_for
from oscar_rehive.payments.history import lay_to_rest, raise_attention, write_entry
from oscar_rehive.payments.locking import Locked, locked
from oscar_rehive.payments.meanings import MEANINGS, received_units
from oscar_rehive.payments.obstacles import (
    note_excess,
    note_mismatch,
    note_money_of_closed,
    note_unknown_status,
    obstacle,
)
from oscar_rehive.payments.refunding import follow
from oscar_rehive.rehive.client import Timeouts
from oscar_rehive.rehive.exceptions import NotFound
from oscar_rehive.rehive.money import floor_to_places, from_units
from oscar_rehive.rehive.statuses import Status
from oscar_rehive.rehive.wire import RemoteInvoice
from oscar_rehive.shop import Standing, StatusRefused, get_shop

OVERTAKEN = (Attention.Kind.LATE, Attention.Kind.PART_PAID, Attention.Kind.UNKNOWN_STATUS)
"""What is no longer a question about an invoice once it has paid its order."""

BY_HAND = (Attention.Kind.LATE, Attention.Kind.MISMATCH, Attention.Kind.PART_PAID)
"""What staff may also decide by changing the order's status, as its ways out say."""

_ROUNDS = 3


def refresh(invoice: Invoice, source: str, *, timeouts: Timeouts = Timeouts()) -> None:
    """Ask Rehive about ``invoice`` and settle what it says; ``invoice`` is read anew after.

    Raises ``RehiveError`` when Rehive cannot be asked; nothing has changed then.
    """
    client = client_for(business_of(invoice))
    for _ in range(_ROUNDS):
        invoice.refresh_from_db()
        if invoice.remote_id is None:
            return
        try:
            remote = client.invoice(invoice.remote_id, timeouts=timeouts)
        except NotFound:
            _note_vanished(invoice)
            raise
        if remote.refunded and invoice.state != Invoice.State.PAID:
            # Paid, and given back in Rehive's own app before anybody here has looked: the money must
            # not pay the order.
            follow(invoice, source, timeouts=timeouts)
            invoice.refresh_from_db()
        settled = settle(invoice, remote, source=source)
        invoice.refresh_from_db()
        if settled:
            return


def settle(invoice: Invoice, remote: RemoteInvoice, *, source: str) -> bool:
    """Settle ``remote``, which Rehive told after ``invoice`` was last read from the database.

    Returns False when somebody else settled meanwhile and nothing tells which of the two answers
    is newer: ask again then. News that is older than what was settled is dropped (P6).
    """
    with locked(invoice.order_number) as held:
        current = held.payment.invoices.get(pk=invoice.pk)
        remote = with_possible_time(remote)
        is_fresh = current.version == invoice.version
        if _is_older(remote, current) and not (is_fresh and _says_paid(remote)):
            return True
        if not is_fresh and not _is_newer(remote, current):
            return False
        current.version += 1
        current.asked_at = timezone.now()
        _apply(held, current, remote, source)
        current.save()
        held.payment.save()
    return True


def disagreement(invoice: Invoice, remote: RemoteInvoice) -> str:
    """In what ``remote`` is not the invoice that was asked for, or nothing (P1)."""
    if invoice.remote_id not in (None, remote.id):
        return f"its id is {remote.id} instead of {invoice.remote_id}"
    if remote.reference not in ("", invoice.order_number):
        return f"its reference is {remote.reference!r} instead of {invoice.order_number!r}"
    if remote.currency.code != invoice.currency:
        return f"its currency is {remote.currency.code} instead of {invoice.currency}"
    if remote.currency.divisibility not in (None, invoice.divisibility):
        return (
            f"its currency has {remote.currency.divisibility} decimals instead of"
            f" {invoice.divisibility}"
        )
    if remote.amount != invoice.amount:
        return f"its amount is {remote.amount} smallest units instead of {invoice.amount}"
    return ""


def with_possible_time(remote: RemoteInvoice) -> RemoteInvoice:
    """``remote`` without a time of change far in the future, which would make all later news look
    old, for ever."""
    latest = (timezone.now() + timedelta(days=1)).timestamp() * 1000
    if remote.updated is not None and remote.updated > latest:
        return replace(remote, updated=None)
    return remote


def _says_paid(remote: RemoteInvoice) -> bool:
    """Asked for after all that was settled, "paid" counts though Rehive's own clock has gone back:
    dropping it would leave a paid order unpaid for ever."""
    status = Status.known(remote.status)
    return status is not None and MEANINGS[status].attempt is Invoice.State.PAID


def _is_older(remote: RemoteInvoice, invoice: Invoice) -> bool:
    known = invoice.remote_updated
    return known is not None and remote.updated is not None and remote.updated < known


def _is_newer(remote: RemoteInvoice, invoice: Invoice) -> bool:
    known = invoice.remote_updated
    return known is not None and remote.updated is not None and remote.updated > known


def _apply(held: Locked, invoice: Invoice, remote: RemoteInvoice, source: str) -> None:
    payment = held.payment
    status = Status.known(remote.status)
    before, now = invoice.remote_status, storable_text(remote.status)[:64]
    fault = disagreement(invoice, remote)
    if fault:
        note_mismatch(payment, invoice, now, fault)
        if remote.id == invoice.remote_id:
            # Kept all the same: whether money is on its way shows here.
            invoice.remote_status = now
            _keep_mismatched(held, invoice, remote, status, source)
        return
    invoice.remote_status = now
    invoice.remote_updated = max(remote.updated or 0, invoice.remote_updated or 0) or None
    invoice.quotes = storable([quote.raw for quote in remote.quotes])
    if status is None:
        note_unknown_status(payment, invoice)
        _note_change(payment, invoice, before, source)
        return
    was_paid = invoice.state == Invoice.State.PAID
    gained = _record_money(held, invoice, received_units(remote, status))
    _note_change(payment, invoice, before, source, gained)
    lay_to_rest(invoice, (Attention.Kind.VANISHED,), by="Rehive")
    if was_paid:
        _stay_paid(held, invoice, status, is_news=before != now)
        return
    invoice.state = MEANINGS[status].attempt
    if invoice.state == Invoice.State.OPEN:
        _forbid_if_unwanted(held, invoice)
    else:
        invoice.close_due = False
    if status is Status.UNDERPAID and _within_tolerance(invoice):
        _accept_difference(payment, invoice)
    # Saved here already: what follows asks the database about all the order's invoices.
    invoice.save()
    if invoice.state == Invoice.State.PAID:
        _pay_order(held, invoice, status, source)
    elif invoice.state == Invoice.State.CLOSED:
        note_money_of_closed(payment, invoice)
        _finish_held(held, invoice)
        finish_cancellation(held, source)


def _keep_mismatched(
    held: Locked, invoice: Invoice, remote: RemoteInvoice, status: Status | None, source: str
) -> None:
    """Money that came through an invoice that is not what was asked for is recorded, where it is in
    the order's currency, and waits for a person; it never pays the order (P1, P7)."""
    if status is None or invoice.state == Invoice.State.PAID:
        return
    same_money = (remote.currency.code, remote.currency.divisibility or invoice.divisibility) == (
        invoice.currency,
        invoice.divisibility,
    )
    state = MEANINGS[status].attempt
    if same_money:
        _record_money(held, invoice, received_units(remote, status))
    if state is Invoice.State.CLOSED or (state is Invoice.State.PAID and same_money):
        invoice.state, invoice.close_due = state, False
        invoice.save()
        finish_cancellation(held, source)


def _note_change(
    payment: OrderPayment,
    invoice: Invoice,
    before: str,
    source: str,
    gained: Decimal | None = None,
) -> None:
    if before != invoice.remote_status or gained:
        write_entry(
            payment,
            source,
            "Rehive told the invoice's status.",
            invoice=invoice,
            from_status=before,
            to_status=invoice.remote_status,
            amount=gained,
        )


def _record_money(held: Locked, invoice: Invoice, received: int) -> Decimal | None:
    """Bring the ledger up to ``received``: the difference to what stands there, once (P2)."""
    before = invoice.received
    if received <= before:
        return None
    invoice.received = received
    if held.order is None:
        return None
    shop = get_shop()
    if from_units(received, invoice.divisibility) > shop.ledger_limit:
        raise_attention(
            held.payment,
            Attention.Kind.MISMATCH,
            f"Rehive says that {from_units(received, invoice.divisibility)} {invoice.currency} came"
            f" through invoice {invoice}, more than the shop's ledger can hold.",
            invoice=invoice,
            subject=f"{invoice.attempt}: ledger",
            ways_out="Look at the invoice in Rehive's app.",
        )
        invoice.received = received = max(before, min(received, invoice.amount))
    total = floor_to_places(from_units(received, invoice.divisibility), shop.ledger_places)
    gained = total - invoice.recorded
    if gained <= 0:
        return None
    shop.record_payment(
        held.order.number,
        amount=gained,
        currency=invoice.currency,
        invoice_id=invoice.remote_id or "",
        reference=f"{invoice.remote_id}:{invoice.version}",
    )
    invoice.recorded = total
    return gained


def _within_tolerance(invoice: Invoice) -> bool:
    config = conf.current()
    missing = invoice.total - from_units(invoice.received, invoice.divisibility)
    allowed = max(config.tolerance_amount, invoice.total * config.tolerance_percent / 100)
    # "Almost" is never less than half, whatever the amount is set to: small orders would be free.
    return missing <= min(allowed, invoice.total / 2)


def _accept_difference(payment: OrderPayment, invoice: Invoice) -> None:
    invoice.state = Invoice.State.PAID
    # The payer could still pay the rest of an order that is done (P5).
    invoice.close_due = True
    raise_attention(
        payment,
        Attention.Kind.DIFFERENCE,
        f"{invoice.recorded} of {invoice.total} {invoice.currency} were paid; the difference is"
        " within the shop's tolerance.",
        invoice=invoice,
        ways_out="Nothing needs to be done.",
    )


def _stay_paid(held: Locked, invoice: Invoice, status: Status, *, is_news: bool) -> None:
    """A paid attempt stays paid; what looks like a step back is shown to a person. No step at all
    (not ``is_news``) is what was accepted, by a person or within the tolerance, and then closed."""
    attempt = MEANINGS[status].attempt
    if attempt is Invoice.State.PAID:
        invoice.close_due = False
        note_excess(held.payment, invoice)
    elif invoice.close_due:
        # Accepted as it was: still "underpaid" until our own cancellation is through.
        invoice.close_due = attempt is Invoice.State.OPEN
    elif is_news:
        raise_attention(
            held.payment,
            Attention.Kind.BACKWARD,
            f"Invoice {invoice} was paid, and now Rehive says {status.value}. The order was left"
            " as it is.",
            invoice=invoice,
            subject=f"{invoice.attempt}: {status.value}",
            ways_out="Check in Rehive's app whether the money is there.",
        )
    _finish_held(held, invoice)


def _finish_held(held: Locked, invoice: Invoice) -> None:
    """Staff have accepted a payment that waited for them by changing the order by hand: then it is
    paid, and its confirmation due, as if they had pressed the button."""
    payment, order = held.payment, held.order
    if order is None or order.standing is not Standing.MOVED_ON or order.paid_elsewhere:
        return
    held_for_them = Attention.objects.filter(invoice=invoice, kind__in=BY_HAND)
    has_paid = invoice.kept() > 0 and not invoice.given_back()
    if not payment.is_settled and has_paid and held_for_them.exists():
        payment.paid_at = payment.mail_due_at = timezone.now()
        lay_to_rest(invoice, OVERTAKEN, by="staff")


def _pay_order(held: Locked, invoice: Invoice, status: Status, source: str) -> None:
    payment = held.payment
    reason_against = obstacle(held, invoice, status)
    note_excess(payment, invoice)
    if reason_against is not None:
        kind, reason, ways_out = reason_against
        raise_attention(payment, kind, reason, invoice=invoice, ways_out=ways_out)
        if kind is Attention.Kind.MOVED_ON:
            # Staff have done the order's part by hand; the payment is complete, and so is the mail.
            payment.paid_at = payment.mail_due_at = timezone.now()
        return
    mark_paid(held, invoice, source)


def mark_paid(held: Locked, invoice: Invoice, source: str) -> None:
    """Make the order paid by ``invoice``; the caller has made sure that it may, and saves the
    payment."""
    payment = held.payment
    payment.paid_at = payment.mail_due_at = timezone.now()
    payment.cancel_reason = ""
    payment.status_due = True
    lay_to_rest(invoice, OVERTAKEN, by="payment")
    set_paid_status(held, invoice, source)
    # An order that is paid must not have another invoice that can be paid (P5).
    payment.payable_invoices().exclude(pk=invoice.pk).update(close_due=True)


def set_paid_status(held: Locked, invoice: Invoice, source: str) -> None:
    """Give the order its paid status if that is still to be done and still the machine's to do.

    Repeated by reconcile when the shop's pipeline refused; the caller saves the payment.
    """
    payment, order = held.payment, held.order
    if order is None or order.standing is not Standing.PENDING:
        payment.status_due = False
        return
    payment.save()
    try:
        get_shop().set_paid(
            order.number, amount=invoice.recorded, reference=invoice.remote_id or ""
        )
    except StatusRefused as error:
        raise_attention(
            payment,
            Attention.Kind.REFUSED_STATUS,
            f"The order is paid, but the shop refused the paid status: {error}",
            subject="paid",
            ways_out="Allow the status in OSCAR_ORDER_STATUS_PIPELINE; reconcile then sets it."
            " Or change the order by hand.",
        )
        return
    # A receiver of the shop's own, such as a check for fraud, may have cancelled it (signals.py).
    payment.refresh_from_db(fields=["cancel_reason"])
    payment.status_due = False
    write_entry(payment, source, "The order is paid.", invoice=invoice)


def _forbid_if_unwanted(held: Locked, invoice: Invoice) -> None:
    """An attempt must close that Rehive opens anew beside another, or that nobody should pay any
    more: its order is gone, no longer pending, paid another way, or about to be cancelled (P5)."""
    payment, order = held.payment, held.order
    others = payment.payable_invoices().exclude(pk=invoice.pk).filter(close_due=False)
    if (
        payment.is_settled
        or payment.cancel_reason
        or order is None
        or order.standing is not Standing.PENDING
        or order.paid_elsewhere
        or others.exists()
    ):
        invoice.close_due = True


def _note_vanished(invoice: Invoice) -> None:
    with locked(invoice.order_number) as held:
        raise_attention(
            held.payment,
            Attention.Kind.VANISHED,
            f"Rehive no longer knows invoice {invoice} ({invoice.remote_id}).",
            invoice=invoice,
            # Laid to rest when it is read again, and then worth another word if it is lost again.
            subject=f"{invoice.attempt}: {invoice.version}",
            ways_out="Check API_URL, BUSINESS_ID and the token's business. If it was deleted at"
            " Rehive, take it for gone: then nothing waits for it any more.",
        )

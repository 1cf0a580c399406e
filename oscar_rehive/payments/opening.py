"""Opening an invoice: one open invoice for an order, whatever is clicked, lost or killed.

Write the attempt, commit, POST, record the answer. When the outcome of the POST is unknown, the
attempt is looked for among the business's invoices before it is ever sent again.
"""

from __future__ import annotations

import time
from datetime import timedelta
from enum import Enum
from typing import Any

from django.db.models import F
from django.utils import timezone

from oscar_rehive import conf
from oscar_rehive.models import Attention, Entry, Invoice
from oscar_rehive.payments.cleaning import storable, storable_text
from oscar_rehive.payments.closing import close_at_rehive
from oscar_rehive.payments.ending import finish_cancellation
from oscar_rehive.payments.gateway import (
    BusinessNotUsable,
    business_of,
    client_for,
    divisibility_of,
)
from oscar_rehive.payments.history import raise_attention, write_entry
from oscar_rehive.payments.locking import Locked, locked
from oscar_rehive.payments.settling import (
    disagreement,
    refresh,
    with_possible_time,
)
from oscar_rehive.rehive.exceptions import RehiveError, Unreachable
from oscar_rehive.rehive.money import InexactAmount, to_units
from oscar_rehive.rehive.wire import RemoteInvoice
from oscar_rehive.shop import Order, Standing, get_shop

METADATA_KEY = "oscar_rehive_key"
METADATA_ATTEMPT = "oscar_rehive_attempt"

LEASE = timedelta(seconds=40)
"""Longer than a look and a POST can take together (P11: 2 + 5 seconds a call), so that an attempt whose
lease has run out is one whose request was killed."""

LOOK_SECONDS = 6.0
_STEPS = 6


class NotPayable(Exception):
    """The order is not waiting for a payment through Rehive (any more)."""


class Busy(Exception):
    """Another request is opening this order's invoice at this moment."""


class NotOpened(Exception):
    """Rehive made something else than what was asked for; a person has been called."""


class _Do(Enum):
    REUSE = "reuse"
    CLOSE = "close"
    LOOK = "look"
    POST = "post"


def open_invoice(number: str, *, return_url: str) -> Invoice:
    """The one open invoice of order ``number``, made if need be.

    ``return_url`` must be free of ``?``, ``&`` and ``#`` (rehive-api.md, "Invoices"). Raises
    ``NotPayable``, ``Busy``, ``NotOpened``, ``BusinessNotUsable`` or ``RehiveError``; after each of
    them the order is as safe as before and the call can be repeated.
    """
    order = get_shop().find(number)
    business = conf.business_for(order.currency) if order else None
    if order is None or business is None:
        raise NotPayable(f"Order {number} cannot be paid through Rehive.")
    divisibility = divisibility_of(business)
    for _ in range(_STEPS):
        what, invoice = _next_step(number, business, divisibility)
        if what is _Do.REUSE:
            return invoice
        if what is _Do.CLOSE:
            close_at_rehive(invoice, Entry.Source.CHECKOUT)
            if invoice.close_due:
                raise NotPayable("An earlier invoice of the order cannot be closed now.")
        elif what is _Do.POST:
            _post(invoice, return_url, again=False)
        elif not _look(invoice):
            _count_post(invoice)
            _post(invoice, return_url, again=True)
    raise Busy(f"Order {number} changes too fast.")


def _look(invoice: Invoice) -> bool:
    """``find_lost``, for the shopper who waits; who may try again at once where it fails."""
    try:
        return find_lost(invoice, Entry.Source.CHECKOUT, LOOK_SECONDS)
    except RehiveError:
        with locked(invoice.order_number) as held:
            held.payment.invoices.filter(pk=invoice.pk).update(lease_ends_at=None)
        raise


def find_lost(invoice: Invoice, source: str, seconds: float) -> bool:
    """Look at Rehive for an attempt whose answer was lost; True when nothing more needs sending.

    Gives up with ``Unreachable`` after ``seconds``: "not found yet" must not be taken for "not
    there". An attempt that is not there and no longer wanted is ended.
    """
    deadline = time.monotonic() + seconds
    for remote in client_for(business_of(invoice)).invoices():
        if matching(remote) == invoice.key.hex:
            adopt(invoice, remote, source)
            return True
        if time.monotonic() > deadline:
            raise Unreachable("Rehive's list of invoices is long; looking for this one goes on.")
    if not invoice.close_due:
        return False
    give_up(invoice, source)
    return True


def give_up(invoice: Invoice, source: str) -> None:
    """End an attempt that Rehive does not know. It ``may_exist`` still: an abandoned create can
    land late, so reconcile goes on looking for it for a while."""
    with locked(invoice.order_number) as held:
        current = held.payment.invoices.get(pk=invoice.pk)
        if current.state == Invoice.State.OPENING:
            current.state, current.close_due = Invoice.State.CLOSED, False
            current.save()
            write_entry(
                held.payment,
                source,
                "Rehive does not know the invoice; it was ended.",
                invoice=current,
            )
            finish_cancellation(held, source)
            held.payment.save()


def matching(remote: RemoteInvoice) -> str:
    """The key of the attempt that ``remote`` was made for, or nothing. Unlike the order's number it
    is ours alone: a staging shop may count through the same numbers in the same business."""
    key = remote.metadata.get(METADATA_KEY)
    return key if isinstance(key, str) else ""


def _next_step(
    number: str, business: conf.BusinessConfig, divisibility: int
) -> tuple[_Do, Invoice]:
    with locked(number) as held:
        order = _payable(held)
        # What is to be closed goes first: a shopper must never hold two payable pages (P5).
        stray = held.payment.invoices.filter(close_due=True).exclude(state=Invoice.State.CLOSED)
        if (invoice := stray.first()) is not None:
            return (_Do.CLOSE, invoice) if invoice.remote_id else (_Do.LOOK, invoice)
        current = held.payment.payable_invoices().first()
        if current is None:
            return _Do.POST, _new_attempt(held, order, business, divisibility)
        if not _fits(current, order):
            return _supersede(held, current)
        if current.state == Invoice.State.OPEN:
            # Of a business that the settings no longer name, nobody could ever ask whether it was
            # paid.
            business_of(current)
            return _Do.REUSE, current
        if current.lease_ends_at is not None and current.lease_ends_at > timezone.now():
            raise Busy(f"The invoice of order {number} is being opened.")
        _lease(current)
        return _Do.LOOK, current


def _payable(held: Locked) -> Order:
    payment, order = held.payment, held.order
    if order is None:
        raise NotPayable(f"Order {payment.order_number} does not exist.")
    if order.total <= 0:
        raise NotPayable(f"There is nothing to pay for order {order.number}.")
    if (
        payment.is_settled
        or payment.cancel_reason
        or order.paid_elsewhere
        or order.standing is not Standing.PENDING
    ):
        raise NotPayable(f"Order {order.number} is not waiting for a payment.")
    if any(paid.kept() for paid in payment.invoices.filter(state=Invoice.State.PAID)):
        raise NotPayable(f"Money for order {order.number} is here and waits for a person.")
    if payment.window_ends_at <= timezone.now():
        raise NotPayable(f"The time to pay order {order.number} is over.")
    return order


def _fits(invoice: Invoice, order: Order) -> bool:
    """An open invoice is reused only while it still asks for what the order costs (peer bug 10)."""
    return (invoice.total, invoice.currency) == (order.total, order.currency)


def _supersede(held: Locked, invoice: Invoice) -> tuple[_Do, Invoice]:
    invoice.close_due = True
    invoice.save()
    write_entry(
        held.payment,
        Entry.Source.CHECKOUT,
        "The order's total changed; the invoice is replaced.",
        invoice=invoice,
    )
    return (_Do.CLOSE, invoice) if invoice.remote_id else (_Do.LOOK, invoice)


def _new_attempt(
    held: Locked, order: Order, business: conf.BusinessConfig, divisibility: int
) -> Invoice:
    try:
        amount = to_units(order.total, divisibility)
    except InexactAmount as error:
        raise BusinessNotUsable(str(error)) from None
    invoice = Invoice(
        payment=held.payment,
        attempt=_next_attempt(held),
        business_id=business.business_id,
        currency=order.currency,
        divisibility=divisibility,
        total=order.total,
        amount=amount,
    )
    _lease(invoice)
    return invoice


def _next_attempt(held: Locked) -> int:
    newest = held.payment.invoices.order_by("-attempt").first()
    return newest.attempt + 1 if newest else 1


def _lease(invoice: Invoice) -> None:
    """Note, before anything is sent, that it may have been sent: a killed process tells nobody."""
    invoice.sent_at = timezone.now()
    invoice.lease_ends_at = invoice.sent_at + LEASE
    invoice.may_exist = True
    invoice.posts = invoice.posts or 1
    invoice.save()


def _count_post(invoice: Invoice) -> None:
    with locked(invoice.order_number) as held:
        held.payment.invoices.filter(pk=invoice.pk).update(posts=F("posts") + 1)


def _post(invoice: Invoice, return_url: str, *, again: bool) -> None:
    client = client_for(business_of(invoice))
    try:
        remote = client.create_invoice(
            _fields(invoice, return_url), idempotency_key=f"{invoice.key}-{invoice.version}"
        )
    except RehiveError as error:
        _record_failure(invoice, error, again=again)
        raise
    adopt(invoice, remote, Entry.Source.CHECKOUT)


def _fields(invoice: Invoice, return_url: str) -> dict[str, Any]:
    ends = int(invoice.payment.window_ends_at.timestamp()) * 1000
    return {
        "request_reference": invoice.order_number,
        "request_amount": invoice.amount,
        "status": "initiated",
        "description": f"Order {invoice.order_number}"[:255],
        "return_url": return_url,
        "due_date": ends,
        "expiration_date": ends,
        "metadata": {METADATA_KEY: invoice.key.hex, METADATA_ATTEMPT: invoice.attempt},
    }


def _record_failure(invoice: Invoice, error: RehiveError, *, again: bool) -> None:
    with locked(invoice.order_number) as held:
        current = held.payment.invoices.get(pk=invoice.pk)
        if current.state != Invoice.State.OPENING:
            return
        current.lease_ends_at = None
        if isinstance(error, Unreachable) and error.was_answered:
            current.version += 1  # another key: to this one Rehive would repeat its fault
        if not error.may_have_happened:
            # Rehive replays a first answer to the same key for 24 hours, a refusal included; so a
            # refused attempt ends here and the next try is a new one.
            # Unless it was sent before: that first create may still land, whatever became of its
            # repetition (found by tests/model).
            current.may_exist = again
            current.state = Invoice.State.CLOSED
            current.close_due = False
        current.save()
        write_entry(
            held.payment,
            Entry.Source.CHECKOUT,
            f"The invoice could not be opened: {error}",
            invoice=current,
        )


def adopt(invoice: Invoice, remote: RemoteInvoice, source: str) -> None:
    """Take ``remote`` for the attempt's invoice, and close it if it is not what was asked for or
    not wanted any more. Raises ``NotOpened`` in the first case."""
    with locked(invoice.order_number) as held:
        current = held.payment.invoices.get(pk=invoice.pk)
        fault = ""
        if current.remote_id is None:
            fault = _fault(current, remote)
            _fill_in(current, remote)
            current.close_due = (
                current.close_due
                or current.state == Invoice.State.CLOSED
                or held.payment.is_settled
                or bool(fault)
            )
            current.state = Invoice.State.OPEN
            current.save()
            write_entry(
                held.payment,
                source,
                "The invoice is open at Rehive.",
                invoice=current,
                to_status=current.remote_status,
            )
        if fault:
            raise_attention(
                held.payment,
                Attention.Kind.MISMATCH,
                f"Rehive made invoice {current} wrongly: {fault}. It is being cancelled.",
                invoice=current,
                ways_out="Compare BUSINESS_ID and the business's currency with the settings.",
            )
    invoice.refresh_from_db()
    if invoice.close_due:
        close_at_rehive(invoice, source)
    elif invoice.remote_status not in ("draft", "initiated"):
        # Found later than it was made, it may be paid by now.
        refresh(invoice, source)
    if fault:
        raise NotOpened(f"Rehive made something else than what was asked for: {fault}.")


def adopt_twin(invoice: Invoice, remote: RemoteInvoice, source: str) -> None:
    """Close ``remote``, which a second create of ``invoice`` has made beside the one in use; noted
    as an attempt of its own, so that money that comes through it is not lost."""
    with locked(invoice.order_number) as held:
        twin = Invoice.objects.create(
            payment=held.payment,
            attempt=_next_attempt(held),
            state=Invoice.State.CLOSED,
            business_id=invoice.business_id,
            currency=invoice.currency,
            divisibility=invoice.divisibility,
            total=invoice.total,
            amount=invoice.amount,
        )
    adopt(twin, remote, source)


def _fill_in(invoice: Invoice, remote: RemoteInvoice) -> None:
    invoice.remote_id = remote.id
    invoice.remote_status = storable_text(remote.status)[:64]
    invoice.remote_updated = with_possible_time(remote).updated
    invoice.redirect_url = storable_text(remote.redirect_url)
    invoice.quotes = storable([quote.raw for quote in remote.quotes])
    invoice.asked_at = timezone.now()
    invoice.lease_ends_at = None
    # Sent twice because the first answer never came, it may be there twice (rehive-api.md: do not
    # rely on the idempotency key alone).
    invoice.may_exist = invoice.posts > 1
    invoice.version += 1


def _fault(invoice: Invoice, remote: RemoteInvoice) -> str:
    fault = disagreement(invoice, remote)
    if not fault and remote.reference != invoice.order_number:
        fault = "it carries no reference to the order"
    if not fault and not remote.has_usable_redirect_url:
        fault = "its redirect_url is not an absolute http(s) address"
    return fault

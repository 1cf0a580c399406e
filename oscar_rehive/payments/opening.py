"""Opening an invoice: one open invoice for an order, whatever is clicked, lost or killed.

Write the attempt, commit, POST, record the answer. When the outcome of the POST is unknown, the
attempt is looked for among the business's invoices before it is ever sent again.
"""

from __future__ import annotations

import time
from datetime import timedelta
from enum import Enum
from typing import Any
from uuid import uuid4

from oscar_rehive import conf
from oscar_rehive.models import Attention, Entry, Invoice
from oscar_rehive.payments.carrying_out import change
from oscar_rehive.payments.cleaning import storable, storable_text
from oscar_rehive.payments.closing import close_at_rehive
from oscar_rehive.payments.doors import find_by_reference
from oscar_rehive.payments.ending import follow_the_order
from oscar_rehive.payments.gateway import (
    QUICK,
    BusinessNotUsable,
    business_of,
    divisibility_of,
)
from oscar_rehive.payments.plans import Plan
from oscar_rehive.payments.rules import NO_WORD
from oscar_rehive.payments.settling import client_of, refresh
from oscar_rehive.payments.weighing import disagreement, with_possible_time
from oscar_rehive.rehive.exceptions import RehiveError, Unreachable
from oscar_rehive.rehive.money import InexactAmount, to_units
from oscar_rehive.rehive.wire import RemoteInvoice
from oscar_rehive.shop import Order, Standing, get_shop

METADATA_KEY = "oscar_rehive_key"
METADATA_ATTEMPT = "oscar_rehive_attempt"

LEASE = timedelta(seconds=60)
"""Longer than a look and a POST can take together (P11: 2 + 5 seconds a call, and 1 + 2 for the four
quick ones), so that an attempt whose lease has run out is one whose request was killed."""

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

        def free(plan: Plan) -> None:
            plan.invoice(invoice.pk).lease_ends_at = None

        change(invoice.order_number, Entry.Source.CHECKOUT, free)
        raise


def find_lost(invoice: Invoice, source: str, seconds: float) -> bool:
    """Look at Rehive for an attempt whose answer was lost; True when nothing more needs sending.

    By its reference first, where Rehive's second list can be trusted, and then in the whole list. Gives
    up with ``Unreachable`` after ``seconds``: "not found yet" must not be taken for "not there". An
    attempt that is not there and no longer wanted is ended.
    """
    deadline = time.monotonic() + seconds
    client = client_of(invoice, source)
    business = business_of(invoice)
    for remote in find_by_reference(business, invoice.payment.reference, timeouts=QUICK) or ():
        if matching(remote) == invoice.key.hex:
            adopt(invoice, client.invoice(remote.id), source)
            return True
    for remote in client.invoices():
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

    def decide(plan: Plan) -> None:
        current = plan.invoice(invoice.pk)
        if current.state == Invoice.State.OPENING:
            current.state, current.close_due = Invoice.State.CLOSED, False
            plan.write("Rehive does not know the invoice; it was ended.", invoice=current)
            follow_the_order(plan)

    change(invoice.order_number, source, decide)


def matching(remote: RemoteInvoice) -> str:
    """The key of the attempt that ``remote`` was made for, or nothing. Unlike the order's number it
    is ours alone: a staging shop may count through the same numbers in the same business."""
    key = remote.metadata.get(METADATA_KEY)
    return key if isinstance(key, str) else ""


def _next_step(
    number: str, business: conf.BusinessConfig, divisibility: int
) -> tuple[_Do, Invoice]:
    return change(
        number, Entry.Source.CHECKOUT, lambda plan: _decide_step(plan, business, divisibility)
    )


def _decide_step(
    plan: Plan, business: conf.BusinessConfig, divisibility: int
) -> tuple[_Do, Invoice]:
    order = _payable(plan)
    # What is to be closed goes first: a shopper must never hold two payable pages (P5).
    for invoice in reversed(plan.invoices):
        if invoice.close_due and invoice.state != Invoice.State.CLOSED:
            return (_Do.CLOSE, invoice) if invoice.remote_id else (_Do.LOOK, invoice)
    current = next(iter(plan.payable()), None)
    if current is None:
        return _Do.POST, _new_attempt(plan, order, business, divisibility)
    if not plan.fits(current):
        plan.close([current])
        plan.write("Something else is missing by now; the invoice is replaced.", invoice=current)
        return (_Do.CLOSE, current) if current.remote_id else (_Do.LOOK, current)
    if current.state == Invoice.State.OPEN:
        # Of a business that the settings no longer name, nobody could ever ask whether it was paid.
        business_of(current)
        return _Do.REUSE, current
    if current.lease_ends_at is not None and current.lease_ends_at > plan.now:
        raise Busy(f"The invoice of order {order.number} is being opened.")
    _lease(plan, current)
    return _Do.LOOK, current


def _payable(plan: Plan) -> Order:
    payment, order = plan.payment, plan.order
    if order is None:
        raise NotPayable(f"Order {payment.order_number} does not exist.")
    if order.total <= 0:
        raise NotPayable(f"There is nothing to pay for order {order.number}.")
    if payment.is_settled or payment.cancel_reason or order.standing is not Standing.PENDING:
        raise NotPayable(f"Order {order.number} is not waiting for a payment.")
    if any(paid.state == Invoice.State.PAID and paid.kept() for paid in plan.invoices):
        raise NotPayable(f"Money for order {order.number} is here and waits for a person.")
    if plan.missing(without=next(iter(plan.payable()), None)) <= 0:
        raise NotPayable(f"Nothing is missing of order {order.number}.")
    if payment.window_ends_at <= plan.now:
        raise NotPayable(f"The time to pay order {order.number} is over.")
    return order


def _new_attempt(
    plan: Plan, order: Order, business: conf.BusinessConfig, divisibility: int
) -> Invoice:
    asked = plan.missing()
    try:
        amount = to_units(asked, divisibility)
    except InexactAmount as error:
        raise BusinessNotUsable(str(error)) from None
    invoice = Invoice(
        payment=plan.payment,
        attempt=next_attempt(plan),
        business_id=business.business_id,
        currency=order.currency,
        divisibility=divisibility,
        total=order.total,
        covered=order.total - asked,
        amount=amount,
        created_at=plan.now,
    )
    _lease(plan, invoice)
    plan.invoices.append(invoice)
    return invoice


def next_attempt(plan: Plan) -> int:
    """The number of the payment's next attempt."""
    return max((invoice.attempt for invoice in plan.invoices), default=0) + 1


def _lease(plan: Plan, invoice: Invoice) -> None:
    """Note, before anything is sent, that it may have been sent: a killed process tells nobody."""
    invoice.sent_at = plan.now
    invoice.lease_ends_at = plan.now + LEASE
    invoice.may_exist = True
    invoice.posts = invoice.posts or 1


def _count_post(invoice: Invoice) -> None:
    def decide(plan: Plan) -> None:
        plan.invoice(invoice.pk).posts += 1

    change(invoice.order_number, Entry.Source.CHECKOUT, decide)


def _post(invoice: Invoice, return_url: str, *, again: bool) -> None:
    client = client_of(invoice, Entry.Source.CHECKOUT)
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
        "request_reference": invoice.payment.reference,
        "request_amount": invoice.amount,
        "status": "initiated",
        "description": f"Order {invoice.payment.reference}"[:255],
        "return_url": return_url,
        "due_date": ends,
        "expiration_date": ends,
        "metadata": {METADATA_KEY: invoice.key.hex, METADATA_ATTEMPT: invoice.attempt},
    }


def _record_failure(invoice: Invoice, error: RehiveError, *, again: bool) -> None:
    def decide(plan: Plan) -> None:
        current = plan.invoice(invoice.pk)
        if current.state != Invoice.State.OPENING:
            return
        current.lease_ends_at = None
        # Rehive replays a first answer to the same key for 24 hours, a refusal and a fault of its
        # own included; so an attempt that was answered ends here, and the next try is a new one.
        was_answered = isinstance(error, Unreachable) and error.was_answered
        if was_answered or not error.may_have_happened:
            # It may exist all the same: after a fault, or where it was sent before and that first
            # create may still land, whatever became of its repetition (found by tests/model).
            current.may_exist = again or was_answered
            current.state = Invoice.State.CLOSED
            current.close_due = False
        plan.write(f"The invoice could not be opened: {error}", invoice=current)

    change(invoice.order_number, Entry.Source.CHECKOUT, decide)


def adopt(invoice: Invoice, remote: RemoteInvoice, source: str) -> None:
    """Take ``remote`` for the attempt's invoice, and close it if it is not what was asked for or
    not wanted any more. Raises ``NotOpened`` in the first case."""
    fault = change(invoice.order_number, source, lambda plan: _take(plan, invoice.pk, remote))
    invoice.refresh_from_db()
    if invoice.close_due:
        close_at_rehive(invoice, source)
    elif invoice.remote_status not in ("draft", "initiated"):
        # Found later than it was made, it may be paid by now.
        refresh(invoice, source)
    if fault:
        raise NotOpened(f"Rehive made something else than what was asked for: {fault}.")


def _take(plan: Plan, pk: int, remote: RemoteInvoice) -> str:
    invoice = plan.invoice(pk)
    if invoice.remote_id is not None:
        return ""
    fault = _fault(invoice, remote)
    others = [other for other in plan.payable() if other is not invoice and not other.close_due]
    _fill_in(plan, invoice, remote)
    invoice.close_due = (
        invoice.close_due
        or invoice.state == Invoice.State.CLOSED
        or plan.payment.is_settled
        or bool(others)
        or bool(fault)
    )
    invoice.state = Invoice.State.OPEN
    plan.write("The invoice is open at Rehive.", invoice=invoice, to_status=invoice.remote_status)
    if fault:
        plan.attend(
            Attention.Kind.MISMATCH,
            f"Rehive made invoice {invoice} wrongly: {fault}. It is being cancelled.",
            invoice=invoice,
            ways_out="Compare BUSINESS_ID and the business's currency with the settings.",
        )
    return fault


def adopt_twin(invoice: Invoice, remote: RemoteInvoice, source: str) -> None:
    """Close ``remote``, which a second create of ``invoice`` has made beside the one in use; noted
    as an attempt of its own, so that money that comes through it is not lost."""

    def decide(plan: Plan) -> Invoice:
        first = plan.invoice(invoice.pk)
        twin = Invoice(
            payment=plan.payment,
            attempt=next_attempt(plan),
            state=Invoice.State.CLOSED,
            key=uuid4(),
            business_id=first.business_id,
            currency=first.currency,
            divisibility=first.divisibility,
            total=first.total,
            covered=first.covered,
            amount=first.amount,
            created_at=plan.now,
        )
        plan.invoices.append(twin)
        return twin

    adopt(change(invoice.order_number, source, decide), remote, source)


def _fill_in(plan: Plan, invoice: Invoice, remote: RemoteInvoice) -> None:
    invoice.remote_id = remote.id
    invoice.remote_status = storable_text(remote.status)[:64] or NO_WORD
    invoice.remote_updated = with_possible_time(remote, plan.now).updated
    invoice.redirect_url = storable_text(remote.redirect_url)
    invoice.quotes = storable([quote.raw for quote in remote.quotes])
    invoice.asked_at = plan.now
    invoice.lease_ends_at = None
    # Sent twice because the first answer never came, it may be there twice (rehive-api.md: do not
    # rely on the idempotency key alone).
    invoice.may_exist = invoice.posts > 1


def _fault(invoice: Invoice, remote: RemoteInvoice) -> str:
    fault = disagreement(invoice, remote)
    if not fault and remote.reference != invoice.payment.reference:
        fault = "it carries no reference to the order"
    if not fault and not remote.has_usable_redirect_url:
        fault = "its redirect_url is not an absolute http(s) address"
    return fault

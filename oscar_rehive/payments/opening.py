"""Opening an invoice: one open invoice for an order, whatever is clicked, lost or killed.

Write the attempt, commit, POST, record the answer. When the outcome of the POST is unknown, the
attempt is looked for among the business's invoices before it is ever sent again.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from oscar_rehive import conf
from oscar_rehive.models import Attention, Entry, Invoice
from oscar_rehive.payments.adopting import adopt, next_attempt
from oscar_rehive.payments.breaker import is_shut, unreachable
from oscar_rehive.payments.carrying_out import change
from oscar_rehive.payments.clocks import lasts
from oscar_rehive.payments.closing import close_at_rehive
from oscar_rehive.payments.doors import find_by_reference
from oscar_rehive.payments.ending import follow_standing
from oscar_rehive.payments.gateway import (
    QUICK,
    BusinessNotUsable,
    business_of,
    client_for,
    divisibility_of,
)
from oscar_rehive.payments.plans import Plan
from oscar_rehive.payments.rules import ANSWERED
from oscar_rehive.payments.settling import client_of
from oscar_rehive.rehive.client import Timeouts
from oscar_rehive.rehive.deadlines import within
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
"""For a look through all of a business's invoices, which may be many."""

FREE_REFUSALS = 5
REFUSAL_WAIT = timedelta(seconds=10)
"""After so many attempts in vain the next one waits, twice as long each time, up to ten minutes."""

_STEPS = 6


class NotPayable(Exception):
    """The order is not waiting for a payment through Rehive (any more)."""


class Busy(Exception):
    """Another request is opening this order's invoice at this moment."""


class _Do(Enum):
    REUSE = "reuse"
    CLOSE = "close"
    LOOK = "look"
    POST = "post"


def open_invoice(number: str, *, return_url: str, may_ask: bool = True) -> Invoice:
    """The one open invoice of order ``number``, made if need be. Unless ``may_ask``, Rehive is asked for
    nothing, and where that is not enough it is ``Busy``.

    ``return_url`` must be free of ``?``, ``&`` and ``#`` (rehive-api.md, "Invoices"). Raises
    ``NotPayable``, ``Busy``, ``NotOpened``, ``BusinessNotUsable`` or ``RehiveError``; after each of
    them the order is as safe as before and the call can be repeated.
    """
    order = get_shop().find(number)
    business = conf.business_for(order.currency) if order else None
    if order is None or business is None:
        raise NotPayable(f"Order {number} cannot be paid through Rehive.")
    divisibility = divisibility_of(business) if may_ask else None
    for _ in range(_STEPS):
        what, invoice = _next_step(number, business, divisibility, is_shut(business.api_url))
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
        return find_lost(invoice, Entry.Source.CHECKOUT)
    except RehiveError:

        def free(plan: Plan) -> None:
            plan.invoice(invoice.pk).lease_ends_at = None

        change(invoice.order_number, Entry.Source.CHECKOUT, free)
        raise


def find_lost(invoice: Invoice, source: str) -> bool:
    """Look at Rehive for an attempt whose answer was lost; True when nothing more needs sending.

    By its reference first, where Rehive's second list can be trusted, and then in the whole list. Gives
    up with ``Unreachable`` after ``LOOK_SECONDS``: "not found yet" must not be taken for "not there". An
    attempt that is not there and no longer wanted is ended.
    """
    with within(LOOK_SECONDS):
        found = _find(invoice, source)
        if found is not None:
            adopt(invoice, found, source)
            return True
    if not invoice.close_due:
        return False
    give_up(invoice, source)
    return True


def _find(invoice: Invoice, source: str) -> RemoteInvoice | None:
    client = client_of(invoice, source)
    found = next(shown_for(invoice, business_of(invoice), timeouts=QUICK), None)
    if found is not None:
        return found
    every = client.invoices(sought=[invoice.key.hex, invoice.payment.reference])
    return next((remote for remote in every if matching(remote) == invoice.key.hex), None)


def shown_for(
    invoice: Invoice, business: conf.BusinessConfig, *, timeouts: Timeouts
) -> Iterator[RemoteInvoice]:
    """What was made for the attempt, as far as Rehive's second list shows it; each is asked for by itself.
    Raises ``RehiveError``."""
    reference = invoice.payment.reference
    for remote in find_by_reference(business, reference, timeouts=timeouts) or ():
        if matching(remote) == invoice.key.hex:
            yield client_for(business).invoice(remote.id)


def give_up(invoice: Invoice, source: str) -> None:
    """End an attempt that Rehive does not know. It ``may_exist`` still: an abandoned create can
    land late, so reconcile goes on looking for it for a while. Whether its order is to be cancelled now is
    looked at by ``finish``."""

    def decide(plan: Plan) -> None:
        current = plan.invoice(invoice.pk)
        if current.state == Invoice.State.OPENING:
            current.state, current.close_due = Invoice.State.CLOSED, False
            plan.write("Rehive does not know the invoice; it was ended.", invoice=current)
            plan.rest(current, ANSWERED, by="Rehive")
            follow_standing(
                plan
            )  # nothing else may have kept the payment of a cancelled order from its end

    change(invoice.order_number, source, decide)


def matching(remote: RemoteInvoice) -> str:
    """The key of the attempt that ``remote`` was made for, or nothing. Unlike the order's number it
    is ours alone: a staging shop may count through the same numbers in the same business."""
    key = remote.metadata.get(METADATA_KEY)
    return key if isinstance(key, str) else ""


def _next_step(
    number: str, business: conf.BusinessConfig, divisibility: int | None, is_down: bool
) -> tuple[_Do, Invoice]:
    return change(
        number,
        Entry.Source.CHECKOUT,
        lambda plan: _decide_step(plan, business, divisibility, is_down),
    )


def _decide_step(
    plan: Plan, business: conf.BusinessConfig, divisibility: int | None, is_down: bool
) -> tuple[_Do, Invoice]:
    order = _payable(plan)
    if divisibility is None:
        return _Do.REUSE, _as_it_is(plan)
    # What is to be closed goes first: a shopper must never hold two payable pages (P5).
    for invoice in reversed(plan.invoices):
        if invoice.close_due and invoice.state != Invoice.State.CLOSED:
            return (_Do.CLOSE, invoice) if invoice.remote_id else (_Do.LOOK, invoice)
    current = next(iter(plan.payable()), None)
    if current is None:
        _wait_after_refusals(plan)
        if is_down:
            raise unreachable()  # an attempt that is not sent would only have to be ended
        return _Do.POST, _new_attempt(plan, order, business, divisibility)
    if not plan.fits(current):
        plan.close([current])
        plan.write("Something else is missing by now; the invoice is replaced.", invoice=current)
        return (_Do.CLOSE, current) if current.remote_id else (_Do.LOOK, current)
    if current.state == Invoice.State.OPEN:
        # Of a business that the settings no longer name, nobody could ever ask whether it was paid.
        business_of(current)
        return _Do.REUSE, current
    if is_being_opened(current, plan.now):
        raise Busy(f"The invoice of order {order.number} is being opened.")
    _lease(plan, current)
    return _Do.LOOK, current


def _as_it_is(plan: Plan) -> Invoice:
    """The open invoice, where nothing else is to be done."""
    current = next(iter(plan.payable()), None)
    unclosed = any(one.close_due and one.state != Invoice.State.CLOSED for one in plan.invoices)
    if current is None or unclosed or current.state != Invoice.State.OPEN or not plan.fits(current):
        raise Busy(f"Rehive was asked about order {plan.payment.order_number} a moment ago.")
    return current


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


def _wait_after_refusals(plan: Plan) -> None:
    """Who reloads the page while Rehive refuses, or makes something else than what was asked for, must not
    have an attempt made each time."""
    refused = 0
    wrong = {one.invoice_id for one in plan.attentions if one.kind == Attention.Kind.MISMATCH}
    newest_first = sorted(plan.invoices, key=lambda one: -one.attempt)
    for invoice in newest_first:
        if invoice.remote_id is not None and (invoice.pk not in wrong or invoice.received):
            break
        refused += 1
    wait = REFUSAL_WAIT * 2 ** min(refused - FREE_REFUSALS, 6)
    if refused >= FREE_REFUSALS and lasts(newest_first[0].sent_at, wait, plan.now):
        raise Unreachable(
            f"The last {refused} attempts came to nothing; another one is made a little later.",
            may_have_happened=False,
        )


def is_being_opened(invoice: Invoice, now: datetime) -> bool:
    """Whether another request may be opening ``invoice`` at this moment."""
    ends = invoice.lease_ends_at
    return ends is not None and lasts(ends - LEASE, LEASE, now)


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

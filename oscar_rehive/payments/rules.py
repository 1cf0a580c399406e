"""What Rehive's word does to an order: the one place where that is decided (design.md, "What each status
means here"). Pure: a plan is written, nothing is done."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from oscar_rehive.cleaning import storable_text
from oscar_rehive.models import Attention, Invoice
from oscar_rehive.payments.clocks import is_to_come
from oscar_rehive.payments.ending import follow_standing, follow_the_order
from oscar_rehive.payments.meanings import MEANINGS, money_of, received_units
from oscar_rehive.payments.obstacles import (
    is_enough,
    note_excess,
    note_mismatch,
    note_money_of_closed,
    note_unknown_status,
    obstacle,
)
from oscar_rehive.payments.plans import Case, Move, Movement, Plan
from oscar_rehive.payments.refunds_told import book_refunds, take_refunds
from oscar_rehive.payments.signs import money_is_here_or_comes
from oscar_rehive.payments.weighing import Weight, digest, disagreement, weigh, with_possible_time
from oscar_rehive.rehive.money import floor_to_places, from_units, to_units_up
from oscar_rehive.rehive.statuses import Status
from oscar_rehive.rehive.wire import RemoteInvoice, RemoteRefund
from oscar_rehive.shop import Standing

OVERTAKEN = (Attention.Kind.LATE, Attention.Kind.PART_PAID, Attention.Kind.UNKNOWN_STATUS)
"""What is no longer a question about an invoice once it has paid its order."""

IN_THE_WAY = (Attention.Kind.DUPLICATE, Attention.Kind.AFTER_CANCEL)
"""Likewise, where it was other money, or a cancellation, that stood in the way and is gone."""

BY_HAND = (
    Attention.Kind.LATE,
    Attention.Kind.MISMATCH,
    Attention.Kind.PART_PAID,
    *IN_THE_WAY,
)
"""What staff may also decide by changing the order's status, as its ways out say."""

ANSWERED = (Attention.Kind.VANISHED, Attention.Kind.UNREADABLE, Attention.Kind.OUT_OF_REACH)
"""What is over as soon as Rehive can be asked about the invoice and answers."""

NO_WORD = "(none)"
"""Stands for an empty status, which must not look like one that was never told."""


@dataclass(frozen=True)
class News:
    """What Rehive answered about the invoice ``pk``, asked for when it had ``asked_at_version``.
    ``refunds`` is None where they were not asked for; of ``unanswered`` (refunds of ours, by primary
    key) Rehive had been told before it was asked, and under the ids ``elsewhere`` refunds of other orders
    are noted."""

    pk: int
    remote: RemoteInvoice
    asked_at_version: int
    refunds: tuple[RemoteRefund, ...] | None = None
    unanswered: frozenset[int] = frozenset()
    elsewhere: frozenset[str] = frozenset()


def decided(case: Case, news: News, source: str) -> Plan:
    """What ``news`` do to the order of ``case``."""
    plan = Plan(case, source)
    settle_news(plan, news)
    return plan


def settle_news(plan: Plan, news: News) -> Weight:
    """Write into ``plan`` what ``news`` do, and tell what they were worth. News that were overtaken, or
    that may be old, change nothing: nothing is dropped for good, for Rehive is asked again (P6)."""
    invoice = plan.invoice(news.pk)
    remote = with_possible_time(news.remote, plan.now)
    weight = weigh(invoice, remote, asked_at_version=news.asked_at_version, now=plan.now)
    doubted = invoice.doubted_since
    if weight is Weight.DOUBTED and (doubted is None or is_to_come(doubted, plan.now)):
        invoice.doubted_since = plan.now
        plan.write(
            f"Rehive told an older state, {storable_text(remote.status)[:64]}; it is asked again.",
            invoice=invoice,
        )
    if weight is Weight.NOTHING and news.refunds:
        return Weight.OVERTAKEN  # what it says of refunds may be news all the same
    if weight is not Weight.NEWS:
        return weight
    before = _outline(plan, invoice)
    invoice.told, invoice.doubted_since, invoice.failures = digest(remote), None, 0
    invoice.asked_at = plan.now
    plan.rest(invoice, ANSWERED, by="Rehive")
    if news.refunds is not None:
        # First: paid, and given back in Rehive's own app before anybody here has looked, must not pay.
        take_refunds(plan, invoice, news.refunds, news.unanswered, news.elsewhere)
    # A cancellation that was taken back must not be held against the money that has just come.
    follow_standing(plan)
    _apply(plan, invoice, remote)
    book_refunds(plan, invoice)
    follow_the_order(plan)
    if _outline(plan, invoice) != before:
        invoice.version += 1
    return weight


def _outline(plan: Plan, invoice: Invoice) -> tuple[object, ...]:
    facts = [
        (one.kind, one.subject, one.resolved_at)
        for one in plan.attentions
        if one.invoice_id == invoice.pk
    ]
    return invoice.told, invoice.state, invoice.close_due, invoice.received, facts


def _apply(plan: Plan, invoice: Invoice, remote: RemoteInvoice) -> None:
    status = Status.known(remote.status)
    before, now = invoice.remote_status, storable_text(remote.status)[:64] or NO_WORD
    fault = disagreement(invoice, remote)
    if fault:
        note_mismatch(plan, invoice, now, fault)
        if remote.id == invoice.remote_id:
            # Kept all the same: whether money is on its way shows here.
            invoice.remote_status = now
            invoice.quotes = [money_of(quote.raw) for quote in remote.quotes]
            _keep_mismatched(plan, invoice, remote, status)
        return
    invoice.remote_status = now
    # Not the larger of two: where a clock was ahead, all later answers would look old for ever.
    invoice.remote_updated = remote.updated or invoice.remote_updated
    invoice.quotes = [money_of(quote.raw) for quote in remote.quotes]
    if status is None:
        note_unknown_status(plan, invoice)
        _note_change(plan, invoice, before)
        return
    was_paid = invoice.state == Invoice.State.PAID
    gained = _record_money(plan, invoice, received_units(remote, status))
    _note_change(plan, invoice, before, gained)
    if was_paid:
        _stay_paid(plan, invoice, status, is_news=before != now)
        return
    invoice.state = MEANINGS[status].attempt
    if invoice.state == Invoice.State.OPEN:
        _forbid_if_unwanted(plan, invoice)
    else:
        invoice.close_due = False
        plan.rest(invoice, (Attention.Kind.UNCLOSABLE,), by="Rehive")
    if status is Status.UNDERPAID and is_enough(invoice, invoice.asked, plan.case.config):
        _accept_difference(plan, invoice)
    if invoice.state == Invoice.State.PAID:
        _pay_order(plan, invoice, status)
    elif invoice.state == Invoice.State.CLOSED:
        note_money_of_closed(plan, invoice)
        _finish_held(plan, invoice)


def _keep_mismatched(
    plan: Plan, invoice: Invoice, remote: RemoteInvoice, status: Status | None
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
    if state is Invoice.State.OPEN and not money_is_here_or_comes(invoice):
        invoice.close_due = True  # whoever pays it pays in vain
    gained = _record_money(plan, invoice, received_units(remote, status)) if same_money else None
    if gained:
        plan.write("Money came that does not fit the order.", invoice=invoice, amount=gained)
    if state is Invoice.State.CLOSED or (state is Invoice.State.PAID and same_money):
        invoice.state, invoice.close_due = state, False


def _note_change(plan: Plan, invoice: Invoice, before: str, gained: Decimal | None = None) -> None:
    if before != invoice.remote_status or gained:
        plan.write(
            "Rehive told the invoice's status.",
            invoice=invoice,
            from_status=before,
            to_status=invoice.remote_status,
            amount=gained,
        )


def _record_money(plan: Plan, invoice: Invoice, received: int) -> Decimal | None:
    """Bring the ledger up to ``received``: the difference to what stands there, once (P2). Where the order is gone
    there is none any more, and the history alone tells of it."""
    before = invoice.received
    if received <= before:
        return None
    invoice.received = received
    if from_units(received, invoice.divisibility) > plan.case.ledger_limit:
        plan.attend(
            Attention.Kind.MISMATCH,
            f"Rehive says that {from_units(received, invoice.divisibility)} {invoice.currency} came"
            f" through invoice {invoice}, more than the shop's ledger can hold.",
            invoice=invoice,
            subject=f"{invoice.attempt}: ledger",
            ways_out="Look at the invoice in Rehive's app.",
        )
        invoice.received = received = max(before, min(received, invoice.amount))
    total = floor_to_places(from_units(received, invoice.divisibility), plan.case.ledger_places)
    gained = total - invoice.recorded
    if gained <= 0:
        return None
    # The version that this settling makes: no other movement of the invoice has it.
    reference = f"{invoice.remote_id}:{invoice.version + 1}"
    if plan.order is not None:
        plan.movements.append(Movement(invoice, gained, reference))
    invoice.recorded = total
    return gained


def _accept_difference(plan: Plan, invoice: Invoice) -> None:
    invoice.state = Invoice.State.PAID
    # The payer could still pay the rest of an order that is done (P5).
    invoice.close_due = True
    plan.attend(
        Attention.Kind.DIFFERENCE,
        f"{invoice.recorded} of {invoice.asked} {invoice.currency} were paid; the difference is"
        " within the shop's tolerance.",
        invoice=invoice,
        ways_out="Nothing needs to be done.",
    )


def _stay_paid(plan: Plan, invoice: Invoice, status: Status, *, is_news: bool) -> None:
    """A paid attempt stays paid; what looks like a step back is shown to a person. No step at all
    (not ``is_news``) is what was accepted, by a person or within the tolerance, and then closed."""
    attempt = MEANINGS[status].attempt
    _finish_held(plan, invoice)
    if attempt is Invoice.State.PAID:
        invoice.close_due = False
        plan.rest(invoice, (Attention.Kind.BACKWARD,), by="Rehive")
        _pay_after_all(plan, invoice, status)
        _need_less(plan, invoice)
        note_excess(plan, invoice)
    elif invoice.close_due:
        # Accepted as it was: still "underpaid" until our own cancellation is through.
        invoice.close_due = attempt is Invoice.State.OPEN
    elif is_news:
        plan.attend(
            Attention.Kind.BACKWARD,
            f"Invoice {invoice} was paid, and now Rehive says {status.value}. The order was left"
            " as it is.",
            invoice=invoice,
            subject=f"{invoice.attempt}: {status.value}",
            ways_out="Check in Rehive's app whether the money is there.",
        )


def _pay_after_all(plan: Plan, invoice: Invoice, status: Status) -> None:
    """Money that was in the way of other money pays the order when that is gone: cash that was given
    back, or a cancellation that was taken back."""
    if not plan.payment.is_settled and obstacle(plan, invoice, status) is None:
        mark_paid(plan, invoice)


def _need_less(plan: Plan, invoice: Invoice) -> None:
    """What another source has come to hold since this invoice paid the order is an excess, though both
    were right when they came. Not what an order costs less by now: that staff decided."""
    order = plan.order
    if order is None or invoice.pays is None or order.currency != invoice.currency:
        return
    price = max(order.total, invoice.total)
    needed = price - (order.total - plan.missing(without=invoice))
    invoice.pays = min(int(invoice.pays), max(to_units_up(needed, invoice.divisibility), 0))


def _finish_held(plan: Plan, invoice: Invoice) -> None:
    """Staff have accepted a payment that waited for them by changing the order by hand: then it is
    paid, and its confirmation due, as if they had pressed the button."""
    payment, order = plan.payment, plan.order
    if order is None or order.standing is not Standing.MOVED_ON or order.paid_elsewhere:
        return
    held_for_them = any(
        attention.invoice_id == invoice.pk and attention.kind in BY_HAND
        for attention in plan.attentions
    )
    has_paid = invoice.kept() > 0 and not plan.given_back(invoice)
    if not payment.is_settled and has_paid and held_for_them:
        payment.paid_at = payment.mail_due_at = plan.now
        invoice.pays = int(invoice.received)
        _need_less(plan, invoice)
        plan.rest(invoice, OVERTAKEN, by="staff")


def _pay_order(plan: Plan, invoice: Invoice, status: Status) -> None:
    reason_against = obstacle(plan, invoice, status)
    if reason_against is None:
        mark_paid(plan, invoice)
        note_excess(plan, invoice)
        return
    kind, reason, ways_out = reason_against
    if kind is Attention.Kind.MOVED_ON:
        # Staff have done the order's part by hand; the payment is complete, and so is the mail.
        _use(plan, invoice)
        plan.payment.paid_at = plan.payment.mail_due_at = plan.now
    plan.attend(kind, reason, invoice=invoice, ways_out=ways_out)
    _finish_held(plan, invoice)
    note_excess(plan, invoice)


def mark_paid(plan: Plan, invoice: Invoice) -> None:
    """Make the order paid by ``invoice``; the caller has made sure that it may."""
    payment = plan.payment
    _use(plan, invoice)
    payment.paid_at = payment.mail_due_at = plan.now
    payment.cancel_reason = ""
    # An order that is paid must not have another invoice that can be paid (P5).
    plan.close(other for other in plan.payable() if other is not invoice)
    give_paid_status(plan, invoice)


def _use(plan: Plan, invoice: Invoice) -> None:
    """Note what of ``invoice``, and of the attempts that brought a part before it, pays the order. And
    what of money that waited for a person, as far as something is missing still: whoever accepts one of
    two payments does not want the other one back."""
    needed = to_units_up(plan.missing(without=invoice), invoice.divisibility)
    for other in plan.invoices:
        if other is not invoice and plan.counts(other) and plan.left(other):
            other.pays = plan.left(other)
            plan.rest(other, OVERTAKEN, by="payment")
    missing = needed - int(invoice.received)
    for other in plan.invoices:
        waits = other.state == Invoice.State.PAID and other.pays is None and plan.left(other)
        if waits and other is not invoice and other.currency == invoice.currency and missing > 0:
            other.pays = min(plan.left(other), missing)
            missing -= other.pays
            plan.rest(other, BY_HAND, by="payment")
    invoice.pays = min(int(invoice.received), needed)
    plan.rest(invoice, (*OVERTAKEN, *IN_THE_WAY), by="payment")


def give_paid_status(plan: Plan, invoice: Invoice) -> None:
    """Give the order its paid status if that is still to be done and still the machine's to do. Repeated
    by reconcile when the shop's pipeline refused."""
    plan.payment.status_due = False
    if plan.order is not None and plan.order.standing is Standing.PENDING:
        plan.move, plan.paid_by = Move.PAID, invoice


def _forbid_if_unwanted(plan: Plan, invoice: Invoice) -> None:
    """An attempt must close that Rehive opens anew beside another, that nobody should pay any more (its
    order is gone, no longer pending, paid another way, or about to be cancelled), or that asks for
    something else than what is missing by now (P5)."""
    payment, order = plan.payment, plan.order
    others = [other for other in plan.payable() if other is not invoice and not other.close_due]
    if (
        payment.is_settled
        or payment.cancel_reason
        or order is None
        or order.standing is not Standing.PENDING
        or plan.missing(without=invoice) <= 0
        or others
    ):
        invoice.close_due = True
    elif not (invoice.close_due or plan.fits(invoice) or money_is_here_or_comes(invoice)):
        invoice.close_due = True
        plan.write("Something else is missing by now; the invoice is closed.", invoice=invoice)

"""Money that must not simply be used: why, said to a person with the ways out. Pure."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from oscar_rehive import conf
from oscar_rehive.models import Attention, Invoice
from oscar_rehive.payments.plans import Plan
from oscar_rehive.payments.signs import is_part_paid_unsaid, is_under_way
from oscar_rehive.rehive.money import floor_to_places, from_units
from oscar_rehive.rehive.statuses import Status
from oscar_rehive.shop import Standing

REFUND = "Refund the money to the payer."
LET_IT_PAY = "Or let this payment pay the order, or change its status by hand, if the rest is to be forgiven."
DECIDE_BY_HAND = "Decide what the order is worth to you and change its status by hand."
ACCEPT_OR_DECIDE = (
    "Let this payment pay the order, if it is worth that to you, or change its status by hand."
)
OR_REFUND = "Or refund the money to the payer."

DUST = 10_000
"""An excess below this part of the amount that the ledger cannot express either calls nobody."""


def obstacle(
    plan: Plan, invoice: Invoice, status: Status
) -> tuple[Attention.Kind, str, str] | None:
    """Why money that came must not make the order paid: (kind, reason, ways out), or None."""
    payment, order = plan.payment, plan.order
    money = f"{invoice.recorded} {invoice.currency} came through invoice {invoice}"
    if order is None:
        units = from_units(invoice.received, invoice.divisibility)
        return (
            Attention.Kind.NO_ORDER,
            f"{units} {invoice.currency} came through invoice {invoice}, but the order was deleted.",
            REFUND,
        )
    missing = plan.missing(without=invoice)
    ended = payment.closed_at is not None and order.standing is Standing.PENDING
    if order.standing is Standing.CANCELLED or (ended and missing > 0):
        return Attention.Kind.AFTER_CANCEL, f"{money}, but the order was cancelled.", REFUND
    if payment.paid_at is not None or missing <= 0:
        return Attention.Kind.DUPLICATE, f"{money}, but the order had been paid already.", REFUND
    if status is Status.LATE and not plan.case.config.accept_late:
        return (
            Attention.Kind.LATE,
            f"{money} after it was due.",
            f"Let it pay the order, if that can still be delivered. {OR_REFUND}",
        )
    if _has_odd_refund(plan, invoice):
        return (
            Attention.Kind.MISMATCH,
            f"{money}, but something of it was given back, and nobody knows what that is worth.",
            f"{DECIDE_BY_HAND} {OR_REFUND}",
        )
    given_back = plan.given_back(invoice)
    if given_back:
        amount = from_units(given_back, invoice.divisibility)
        return (
            Attention.Kind.MISMATCH,
            f"{money}, but {amount} {invoice.currency} of it was given back.",
            f"{DECIDE_BY_HAND} {OR_REFUND}",
        )
    if (order.total, order.currency) != (invoice.total, invoice.currency):
        return (
            Attention.Kind.MISMATCH,
            f"{money}, but the order now costs {order.total} {order.currency}.",
            f"{ACCEPT_OR_DECIDE} {OR_REFUND}",
        )
    if not is_enough(invoice, missing, plan.case.config):
        return (
            Attention.Kind.MISMATCH,
            f"{money}, but {missing} {invoice.currency} are missing by now: another payment was"
            " taken back.",
            f"{ACCEPT_OR_DECIDE} {OR_REFUND}",
        )
    if order.standing is Standing.MOVED_ON:
        return (
            Attention.Kind.MOVED_ON,
            f"{money}, and the order already had the status {order.status!r}.",
            "Nothing, if the order is on its way as it should be.",
        )
    return None


def _has_odd_refund(plan: Plan, invoice: Invoice) -> bool:
    return any(
        one.kind == Attention.Kind.ODD_REFUND and one.invoice is invoice and not one.resolved_at
        for one in plan.attentions
    )


def is_enough(invoice: Invoice, missing: Decimal, config: conf.Config) -> bool:
    """Whether what came through ``invoice`` is, within the shop's tolerance, what is ``missing``."""
    lacking = missing - from_units(invoice.received, invoice.divisibility)
    allowed = max(config.tolerance_amount, invoice.total * config.tolerance_percent / 100)
    # "Almost" is never less than half, whatever the amount is set to: small orders would be free.
    return lacking <= min(allowed, missing / 2)


def note_excess(plan: Plan, invoice: Invoice) -> None:
    """Tell a person of what is beyond the price of the order."""
    needed = invoice.amount if invoice.pays is None else invoice.pays
    units = int(invoice.received) - int(needed)
    excess = from_units(units, invoice.divisibility)
    unsaid = units <= 0 and invoice.remote_status == Status.OVERPAID and not _by_a_trifle(invoice)
    if not unsaid and (units <= 0 or _is_dust(plan, invoice, units)):
        return
    fewer = "" if needed >= invoice.amount else f", {needed} needed"
    plan.attend(
        Attention.Kind.EXCESS,
        f"{excess} {invoice.currency} more than due came through invoice {invoice}."
        if units > 0
        else f"Rehive says that invoice {invoice} was overpaid, but not by how much.",
        invoice=invoice,
        subject=f"{invoice.attempt}: {invoice.received}{fewer}",
        ways_out="Refund the excess to the payer.",
    )


def _is_dust(plan: Plan, invoice: Invoice, units: int) -> bool:
    excess = from_units(units, invoice.divisibility)
    in_the_ledger = floor_to_places(excess, plan.case.ledger_places)
    return not in_the_ledger and units * DUST < invoice.amount


def _by_a_trifle(invoice: Invoice) -> bool:
    """Whether the quotes say how much too much came, and that is less than one smallest unit: a satoshi
    of an invoice in dollars (a person was called to refund 0.00)."""
    worth = Fraction(0)
    for quote in invoice.quotes:
        asked, paid = (quote.get(name) for name in ("amount", "total_paid"))
        if isinstance(asked, int) and isinstance(paid, int) and asked > 0:
            worth += Fraction(paid * int(invoice.amount), asked)
    return bool(invoice.amount < worth < invoice.amount + 1)


def note_money_of_closed(plan: Plan, invoice: Invoice) -> None:
    """An attempt has ended with money in it."""
    if invoice.received > 0:
        ways = f"The payer can pay the rest. {LET_IT_PAY} {OR_REFUND}"
        plan.attend(
            Attention.Kind.PART_PAID,
            f"Invoice {invoice} ended as {invoice.remote_status}, but {invoice.recorded} of"
            f" the {invoice.asked} {invoice.currency} that were asked for had been paid.",
            invoice=invoice,
            subject=f"{invoice.attempt}: {invoice.received} ended",
            ways_out=REFUND if plan.payment.is_settled else ways,
        )


def note_mismatch(plan: Plan, invoice: Invoice, status: str, fault: str) -> None:
    """What Rehive says is not about what was asked for."""
    plan.attend(
        Attention.Kind.MISMATCH,
        f"What Rehive says of invoice {invoice} ({status}) cannot be used: {fault}.",
        invoice=invoice,
        subject=f"{invoice.attempt}: {fault}",
        ways_out="Compare the invoice in Rehive's app with the order.",
    )


def note_unknown_status(plan: Plan, invoice: Invoice) -> None:
    """Rehive says a word that it does not document."""
    status = invoice.remote_status
    plan.attend(
        Attention.Kind.UNKNOWN_STATUS,
        f"Rehive gives invoice {invoice} the status {status!r}, which it does not document.",
        invoice=invoice,
        subject=f"{invoice.attempt}: {status}",
        ways_out="Look at the invoice in Rehive's app. The order was left as it is.",
    )


def remind_of_money(plan: Plan) -> None:
    """The time to pay is over, and money keeps the order from being cancelled: a person decides."""
    for invoice in plan.invoices:
        if invoice.remote_status == Status.UNDERPAID:
            money = f"{invoice.recorded} of {invoice.asked} {invoice.currency} were paid"
        elif is_part_paid_unsaid(invoice):
            money = f"part was paid, says Rehive, though invoice {invoice} is not underpaid"
        elif invoice.state == Invoice.State.CLOSED and is_under_way(invoice):
            money = f"money was on its way when invoice {invoice} expired"
        elif invoice.state == Invoice.State.PAID and invoice.pays is None and invoice.kept():
            _remind(plan, invoice)
            continue
        else:
            continue
        plan.attend(
            Attention.Kind.PART_PAID,
            f"The time to pay is over, and {money}.",
            invoice=invoice,
            subject=f"{invoice.attempt}: {invoice.received}",
            ways_out="Let it pay the order, or cancel the order and refund what was paid.",
        )


def _remind(plan: Plan, invoice: Invoice) -> None:
    """Once more, if nothing about it waits any more: somebody marked it as resolved, and the order would
    wait for ever."""
    about = [one for one in plan.attentions if one.invoice_id == invoice.pk]
    if about and all(one.resolved_at for one in about):
        plan.attend(
            Attention.Kind(about[0].kind),
            f"The time to pay is over, and {invoice.recorded} {invoice.currency} that came through"
            f" invoice {invoice} still pay nothing.",
            invoice=invoice,
            subject=f"{invoice.attempt}: {invoice.received} over",
            ways_out="Let it pay the order, or cancel the order and refund what was paid.",
        )

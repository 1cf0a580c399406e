"""The other half of deciding: reading a case, and carrying a plan out, under the order's lock."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from django.db.models import Model
from django.utils import timezone

from oscar_rehive import conf, numbers
from oscar_rehive.models import Attention, Entry, Invoice, OrderPayment, Refund
from oscar_rehive.payments import ending
from oscar_rehive.payments.history import log_attention
from oscar_rehive.payments.locking import Locked, under_lock
from oscar_rehive.payments.plans import Case, Move, Plan
from oscar_rehive.shop import Order, Shop, StatusRefused, get_shop

T = TypeVar("T")


def change(number: str, source: str, decide: Callable[[Plan], T]) -> T:
    """Let ``decide`` write a plan for what stands in the shop about order ``number``, and carry it out,
    both under the order's lock. ``decide`` may be called again (``under_lock``); what it raises leaves
    everything as it was."""

    def work(held: Locked) -> tuple[Plan, T]:
        plan = Plan(read_case(held), source)
        answer = decide(plan)
        carry_out(plan, held.shop)
        return plan, answer

    plan, answer = under_lock(number, work)
    _count_end(plan)
    return answer


def _count_end(plan: Plan) -> None:
    """Count the payment if ``plan``, which is committed, has ended it."""
    before, after = plan.case.payment, plan.payment
    if after.paid_at and not before.paid_at:
        numbers.count("payments", outcome="paid")
    elif after.closed_at and not before.closed_at:
        numbers.count("payments", outcome="closed")


def read_case(held: Locked) -> Case:
    """What stands in the shop about the order that is locked."""
    payment = held.payment
    orders = {} if held.order is None else {payment.order_number: held.order}
    return _cases([payment], orders, held.shop)[payment.pk]


def case_of(payment: OrderPayment) -> Case:
    """What stands in the shop about the order of ``payment``, without a lock: to show it."""
    return cases_of([payment])[payment.pk]


def cases_of(payments: Collection[OrderPayment]) -> dict[int, Case]:
    """The same of many, by the payment's primary key, in as many statements as of one."""
    shop = get_shop()
    return _cases(payments, shop.find_many([one.order_number for one in payments]), shop)


def _cases(
    payments: Collection[OrderPayment], orders: Mapping[str, Order], shop: Shop
) -> dict[int, Case]:
    invoices: dict[int, list[Invoice]] = defaultdict(list)
    refunds: dict[int, list[Refund]] = defaultdict(list)
    attentions: dict[int, list[Attention]] = defaultdict(list)
    payment_of: dict[int, int] = {}
    for invoice in Invoice.objects.filter(payment__in=payments).order_by("attempt"):
        invoices[invoice.payment_id].append(invoice)
        payment_of[invoice.pk] = invoice.payment_id
    if payment_of:
        for refund in Refund.objects.filter(invoice__in=payment_of).order_by("pk"):
            refunds[payment_of[refund.invoice_id]].append(refund)
    for attention in Attention.objects.filter(payment__in=payments).order_by("pk"):
        attentions[attention.payment_id].append(attention)

    def order_of(payment: OrderPayment) -> Order | None:
        order = orders.get(payment.order_number)
        return order if order is not None and payment.is_for(order.key) else None

    return {
        payment.pk: Case(
            now=timezone.now(),
            order=order_of(payment),
            payment=payment,
            invoices=tuple(invoices[payment.pk]),
            refunds=tuple(refunds[payment.pk]),
            attentions=tuple(attentions[payment.pk]),
            config=conf.as_it_is(),
            ledger_places=shop.ledger_places,
            ledger_limit=shop.ledger_limit,
        )
        for payment in payments
    }


def changes_nothing(plan: Plan) -> bool:
    """Whether carrying ``plan`` out would write no more than that Rehive was asked."""
    case = plan.case
    if plan.entries or plan.movements or plan.lost or plan.move or plan.releases or plan.holds:
        return False
    befores = [case.payment, *case.invoices, *case.refunds, *case.attentions]
    afters = [plan.payment, *plan.invoices, *plan.refunds, *plan.attentions]
    return len(befores) == len(afters) and not any(
        set(_changes(before, after)) - {"asked_at"}
        for before, after in zip(befores, afters, strict=True)
    )


def carry_out(plan: Plan, shop: Shop) -> None:
    """Do what ``plan`` says, each row written once: what has changed of it, and nothing else."""
    case, number = plan.case, plan.payment.order_number
    if plan.move is Move.CANCELLED:
        _cancel(plan, shop)
    if plan.releases:
        plan.payment.released = shop.release(number)
    if plan.holds:
        ending.not_held(plan, shop.hold(number, case.payment.released))
        plan.payment.released = None
    before: dict[int, Model] = {
        id(after): before
        for befores, afters in (
            (case.invoices, plan.invoices),
            (case.refunds, plan.refunds),
            (case.attentions, plan.attentions),
        )
        for before, after in _pairs(befores, afters)
    }
    for refund in plan.lost:
        # First, for what it was called at Rehive is another's name now.
        refund.delete()
    for invoice in plan.invoices:
        invoice.note_use()
    # First those that are in use no longer: there is one in use at a time.
    for row in [*sorted(plan.invoices, key=lambda one: bool(one.in_use)), *plan.refunds]:
        _write(before.get(id(row)), row)
    if plan.order is not None:
        plan.payment.order_key = plan.order.key
        plan.payment.seen_status = ending.status_left(plan)
    _write(case.payment, plan.payment)
    for movement in plan.movements:
        _move_money(plan, shop, movement)
    if plan.move is Move.PAID:
        _set_paid(plan, shop)
    Entry.objects.bulk_create(plan.entries)
    for attention in plan.attentions:
        known = before.get(id(attention))
        if known is None or known.subject != attention.subject:  # type: ignore[attr-defined]  # an Attention
            log_attention(attention)
        _write(known, attention)


def _pairs(befores: Any, afters: Any) -> list[tuple[Model, Model]]:
    by_pk = {before.pk: before for before in befores}
    return [(by_pk[after.pk], after) for after in afters if after.pk in by_pk]


def _write(before: Model | None, after: Model) -> None:
    """Write what differs; what nobody decided is not written, for somebody else may have."""
    if before is None:
        after.save(force_insert=True)
        return
    changes = _changes(before, after)
    if changes:
        type(after)._default_manager.filter(pk=after.pk).update(**changes)


def _changes(before: Model, after: Model) -> dict[str, Any]:
    return {
        field.attname: getattr(after, field.attname)
        for field in after._meta.concrete_fields
        if getattr(after, field.attname) != getattr(before, field.attname)
    }


def _move_money(plan: Plan, shop: Shop, movement: Any) -> None:
    invoice, number = movement.invoice, plan.payment.order_number
    told = {"invoice_id": invoice.remote_id or "", "reference": movement.reference}
    if movement.is_refund:
        shop.record_refund(number, amount=movement.amount, **told)
    else:
        shop.record_payment(number, amount=movement.amount, currency=invoice.currency, **told)


def _cancel(plan: Plan, shop: Shop) -> None:
    try:
        shop.set_cancelled(plan.payment.order_number, reason=plan.payment.cancel_reason)
    except StatusRefused as error:
        ending.refused(plan, error)
    else:
        ending.cancelled(plan)


def _set_paid(plan: Plan, shop: Shop) -> None:
    """After the rows are written: a receiver of the shop's own finds the payment paid."""
    invoice = plan.paid_by
    assert invoice is not None  # whoever asks for this status says by what
    try:
        shop.set_paid(
            plan.payment.order_number,
            amount=invoice.recorded,
            reference=invoice.remote_id or "",
        )
    except StatusRefused as error:
        ending.refused(plan, error)
        seen = plan.order.status if plan.order else ""
        ours = OrderPayment.objects.filter(pk=plan.payment.pk)
        ours.update(status_due=True, seen_status=seen)
    else:
        ending.status_was_set(plan)

"""What stands in a shop and what Rehive says of it, made without a shop, a database or a simulator: rows
that were never saved. pytest-django lets no test without its mark near the database, so whatever is
decided about these is decided purely."""

from __future__ import annotations

import copy
import dataclasses
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Model

from oscar_rehive.conf import Config, OrderStatuses
from oscar_rehive.models import Attention, Invoice, OrderPayment, Refund
from oscar_rehive.payments import ending
from oscar_rehive.payments.plans import Case, Move, Plan
from oscar_rehive.payments.rules import News, decided
from oscar_rehive.payments.weighing import digest
from oscar_rehive.rehive.statuses import CLOSED, PAID, Status
from oscar_rehive.rehive.wire import Currency, Quote, RemoteInvoice, RemoteRefund
from oscar_rehive.shop import Order, Standing

NUMBER = "100012"
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=timezone.utc)
STAMP = int(NOW.timestamp() * 1000)
"""When Rehive last changed what it tells, as an invoice that is told now says it."""

CONFIG = Config(
    businesses={},
    order_status=OrderStatuses(pending="Pending", paid="Paid", cancelled="Cancelled"),
    payment_window=timedelta(hours=1),
    accept_late=True,
    tolerance_amount=Decimal(0),
    tolerance_percent=Decimal(0),
    title="",
    description="",
    payment_methods=(),
    base_url="",
    keep_deliveries=timedelta(days=90),
)
HOLDS_LATE = dataclasses.replace(CONFIG, accept_late=False)

PENDING, CANCELLED, SHIPPED = "Pending", "Cancelled", "Shipped"


def order(status: str = PENDING, *, total: str = "10.00", covered: str = "0") -> Order:
    """An order in dollars; any status but the two is one to which somebody has moved it on."""
    meanings = {PENDING: Standing.PENDING, CANCELLED: Standing.CANCELLED}
    return Order(
        number=NUMBER,
        total=Decimal(total),
        currency="USD",
        status=status,
        standing=meanings.get(status, Standing.MOVED_ON),
        covered=Decimal(covered),
    )


def payment(**changes: Any) -> OrderPayment:
    return OrderPayment(
        **{
            "pk": 1,
            "order_number": NUMBER,
            "reference": NUMBER,
            "created_at": NOW - timedelta(minutes=30),
            "window_ends_at": NOW + timedelta(minutes=30),
            **changes,
        }
    )


def paid_payment(**changes: Any) -> OrderPayment:
    """The payment of an order that was paid a minute ago."""
    then = NOW - timedelta(minutes=1)
    return payment(paid_at=then, mail_due_at=then, **{"seen_status": "Paid", **changes})


def invoice(known: str = "initiated", *, attempt: int = 1, **changes: Any) -> Invoice:
    """An attempt over 10.00 dollars that Rehive told as ``known`` a minute ago. One that is known as
    paid has brought the whole amount, and pays its order."""
    status = Status.known(known)
    state = Invoice.State.OPEN
    if status in PAID:
        state = Invoice.State.PAID
        changes = {"received": 1000, "recorded": Decimal("10.00"), "pays": 1000, **changes}
    elif status in CLOSED:
        state = Invoice.State.CLOSED
    made = Invoice(
        **{
            "pk": attempt,
            "payment_id": 1,
            "attempt": attempt,
            "state": state,
            "key": UUID(int=attempt),
            "business_id": "shop",
            "currency": "USD",
            "divisibility": 2,
            "total": Decimal("10.00"),
            "covered": Decimal(0),
            "amount": 1000,
            "remote_id": f"invoice-{attempt}",
            "remote_status": known,
            "remote_updated": STAMP - 60_000,
            "version": 3,
            "created_at": NOW - timedelta(minutes=20),
            "sent_at": NOW - timedelta(minutes=20),
            **changes,
        }
    )
    made.note_use()
    return made


def attention(kind: Attention.Kind, about: Invoice | None = None, **changes: Any) -> Attention:
    """An open fact about the invoice, or about the order itself."""
    return Attention(
        **{
            "pk": 1,
            "payment_id": 1,
            "kind": kind,
            "subject": str(about.attempt) if about else "",
            "invoice_id": about.pk if about else None,
            "reason": "a reason",
            "raised_at": NOW - timedelta(minutes=1),
            **changes,
        }
    )


def refund(of: Invoice, amount: int, status: str = "complete", **changes: Any) -> Refund:
    return Refund(
        **{
            "pk": 1,
            "invoice_id": of.pk,
            "amount": amount,
            "status": status,
            "key": UUID(int=1000),
            "remote_id": None if status == "requested" else "refund-1",
            "requested_by": "ann",
            "created_at": NOW - timedelta(minutes=5),
            **changes,
        }
    )


def case(
    *invoices: Invoice,
    order: Order | None = order(),
    payment: OrderPayment | None = None,
    refunds: tuple[Refund, ...] = (),
    attentions: tuple[Attention, ...] = (),
    config: Config = CONFIG,
    now: datetime = NOW,
) -> Case:
    """What stands in the shop; the rows are bound to each other as if they had been read."""
    ours = payment or globals()["payment"]()
    by_pk = {one.pk: one for one in invoices}
    for one in invoices:
        one.payment = ours
    for gone in refunds:
        gone.invoice = by_pk[gone.invoice_id]
    for fact in attentions:
        fact.payment = ours
        if fact.invoice_id is not None:
            fact.invoice = by_pk[fact.invoice_id]
    return Case(
        now, order, ours, invoices, refunds, attentions, config, 2, Decimal("9999999999.99")
    )


def quote(paid: int = 0, pending: int = 0, *, amount: int = 1000, code: str = "USD") -> Quote:
    """A way of paying that was chosen: how much of ``amount`` has come, and is on its way."""
    raw = {"amount": amount, "total_paid": paid, "total_pending": pending, "code": code}
    return Quote(
        currency=Currency(code, 2 if code == "USD" else 8),
        amount=amount,
        total_paid=paid,
        total_pending=pending,
        status="",
        raw=raw,
    )


def remote(status: str, *quotes: Quote, attempt: int = 1, **changes: Any) -> RemoteInvoice:
    """What Rehive tells of the attempt now."""
    return RemoteInvoice(
        **{
            "id": f"invoice-{attempt}",
            "status": status,
            "amount": 1000,
            "currency": Currency("USD", 2),
            "reference": NUMBER,
            "redirect_url": "https://pay.example/",
            "metadata": {},
            "quotes": quotes,
            "refunded": False,
            "updated": STAMP,
            "raw": {},
            **changes,
        }
    )


def told_refund(
    amount: int,
    status: str = "complete",
    *,
    called: str = "refund-1",
    currency: str = "USD",
    **raw: Any,
) -> RemoteRefund:
    money = Currency(currency, None) if currency else None
    return RemoteRefund(id=called, amount=amount, currency=money, status=status, raw=raw)


def news(
    told: RemoteInvoice,
    of: Case,
    *,
    asked_at_version: int | None = None,
    refunds: tuple[RemoteRefund, ...] | None = None,
    unanswered: frozenset[int] = frozenset(),
) -> News:
    """``told`` as the answer about the invoice it names; asked for just now, if nothing else is said."""
    about = next(one for one in of.invoices if f"invoice-{one.attempt}" == told.id)
    version = about.version if asked_at_version is None else asked_at_version
    return News(about.pk, told, version, refunds, unanswered)


def decide(of: Case, told: RemoteInvoice, **more: Any) -> Plan:
    """The plan for what stands in the shop when Rehive says ``told``."""
    return decided(of, news(told, of, **more), "reconcile")


def known_to_say(made: Invoice, told: RemoteInvoice) -> Invoice:
    """The invoice with ``told`` as what was settled last."""
    made.remote_status, made.remote_updated = told.status, told.updated
    made.told, made.quotes = digest(told), [one.raw for one in told.quotes]
    return made


def carried_out(plan: Plan, *, now: datetime | None = None) -> Case:
    """What stands in the shop once ``plan`` is carried out by a shop that refuses nothing."""
    found, rows = plan.order, copy.copy(plan.payment)
    words = plan.case.config.order_status
    done = Plan(plan.case, plan.source)
    done.payment = rows
    if plan.move is Move.CANCELLED:
        ending.cancelled(done)
        found = found and dataclasses.replace(
            found, status=words.cancelled, standing=Standing.CANCELLED
        )
    if plan.move is Move.PAID:
        found = found and dataclasses.replace(found, status=words.paid, standing=Standing.MOVED_ON)
    if plan.releases or done.releases:
        rows.released = {"stock": []}
    if plan.holds:
        rows.released = None
    rows.seen_status = ending.status_left(plan)
    invoices, refunds, facts = (
        tuple(copy.copy(row) for row in rows_)
        for rows_ in (plan.invoices, plan.refunds, plan.attentions)
    )
    for some in (refunds, facts):
        highest = max((one.pk or 0 for one in some), default=0)
        for count, one in enumerate((one for one in some if one.pk is None), 1):
            one.pk = highest + count
    for one in invoices:
        one.note_use()
    return case(
        *invoices,
        order=found,
        payment=rows,
        refunds=refunds,
        attentions=facts,
        config=plan.case.config,
        now=now or plan.now,
    )


def rows_of(some: Case | Plan) -> list[dict[str, Any]]:
    """All that stands in the rows, as plain values, to be compared."""
    rows = [some.payment, *some.invoices, *some.refunds, *some.attentions]
    return [_values(row) for row in rows]


def _values(row: Model) -> dict[str, Any]:
    values = {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
    return {"": type(row).__name__, **copy.deepcopy(values)}


def changes_nothing(plan: Plan) -> bool:
    """Whether nothing is to be written and nothing is to be done."""
    return rows_of(plan) == rows_of(plan.case) and not (
        plan.entries or plan.movements or plan.lost or plan.move or plan.releases or plan.holds
    )


# What is looked at in a plan


def raised(plan: Plan) -> list[str]:
    """The kinds of the facts that the plan puts before a person, in alphabetical order."""
    known = {one.pk for one in plan.case.attentions}
    return sorted(one.kind for one in plan.attentions if one.pk is None or one.pk not in known)


def laid_to_rest(plan: Plan) -> list[str]:
    """The kinds of the facts that the plan resolves."""
    open_before = {one.pk for one in plan.case.attentions if one.resolved_at is None}
    return sorted(one.kind for one in plan.attentions if one.pk in open_before and one.resolved_at)


def gains(plan: Plan) -> list[Decimal]:
    """What the ledger gains, movement by movement; what it loses by a refund is negative."""
    return [one.amount * (-1 if one.is_refund else 1) for one in plan.movements]


def is_paid(plan: Plan) -> bool:
    """Whether the plan makes a pending order paid."""
    assert (plan.move is Move.PAID) == (plan.payment.paid_at is not None)
    return plan.move is Move.PAID

"""What there is to put right without any webhook: whatever is open, due or undecided.

Each stage gives its tasks in the order in which they are due. A task names what it is about and how that
stands, and takes the rest from the database when its turn has come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from django.db.models import Count, Max, Min, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from oscar_rehive import conf
from oscar_rehive.models import Attention, Delivery, Entry, Invoice, OrderPayment
from oscar_rehive.payments.cancelling import (
    NotCancellable,
    cancel_order,
    finish,
    look_at_order,
)
from oscar_rehive.payments.carrying_out import change
from oscar_rehive.payments.deliveries import lost_attempts, work_on_waiting
from oscar_rehive.payments.mails import send_confirmation
from oscar_rehive.payments.obstacles import remind_of_money
from oscar_rehive.payments.plans import Plan
from oscar_rehive.payments.refunding import IN_FLIGHT
from oscar_rehive.payments.rules import give_paid_status
from oscar_rehive.payments.settling import refresh
from oscar_rehive.payments.strays import find_all, lost_of
from oscar_rehive.rehive.exceptions import NotFound
from oscar_rehive.shop import Standing, get_shop

YOUNG = timedelta(hours=2)
OPEN_EVERY = timedelta(minutes=20)
"""Open invoices are asked about at every run while they are young, and this seldom after that."""

AGAIN_EVERY = timedelta(hours=24)
PAID_FOR = timedelta(days=120)
CLOSED_FOR = timedelta(days=21)
"""Invoices that were paid or have ended are asked about this seldom, and for this long after the
payment or the end of the payment window: a refund in Rehive's own app, or money that comes after an
invoice has expired, may be told by no webhook."""

MAIL_SERVER = "the mail server"

SOURCE = Entry.Source.RECONCILE


@dataclass
class Summary:
    """What a run did. ``failures`` are things that another run must do again, as texts;
    ``attention`` is how many facts wait for a person."""

    asked: int = 0
    paid: int = 0
    cancelled: int = 0
    mailed: int = 0
    attention: int = 0
    failures: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.asked} looked at, {self.paid} paid, {self.cancelled} cancelled,"
            f" {self.mailed} mails sent, {len(self.failures)} failed;"
            f" {self.attention} need attention"
        )


@dataclass(frozen=True)
class Task:
    """One thing to put right: what it is about, whom that asks (the id of a business, the mail server, or
    nobody), and the way to do it, which tells whether anything has come of it: False is no fault, but
    must not be tried again and again. ``stand`` is how the thing stands: a task that was tried in vain is
    another one as soon as that has changed."""

    name: str
    asks: str
    do: Callable[[Summary], bool]
    stand: object = ""

    @property
    def key(self) -> str:
        """What tells this task, and how its thing stands, from all others."""
        return f"{self.name} [{self.stand}]"[-255:]


def _standing() -> Iterator[Task]:
    """Orders whose status somebody has changed since it was last seen, whoever and however: cancelled and
    yet holding stock, taken back and holding none, paid and pending again. And those whose payment had
    ended because others paid, and that nobody pays any more."""
    shop, young = get_shop(), timezone.now() - PAID_FOR

    def payments(**which: object) -> QuerySet[Any, Any]:
        found = OrderPayment.objects.filter(window_ends_at__gt=young, **which)
        return found.values_list("order_number", flat=True)

    ended = payments(closed_at__isnull=False, paid_at=None, released_at=None)
    ended_untold = ended.exclude(attentions__kind=Attention.Kind.DISAGREES)
    # One question for each status, however many orders there are. What nobody has seen yet (placed a
    # moment ago, or before the update that began to look) is asked about for what it means.
    differing = [
        *shop.standing_as(Standing.CANCELLED, payments(seen_status="", released_at=None)),
        *shop.standing_as(Standing.PENDING, payments(seen_status="", released_at__isnull=False)),
        *shop.unpaid(ended_untold),
    ]
    seen = OrderPayment.objects.exclude(seen_status="").order_by("seen_status")
    for status in seen.values_list("seen_status", flat=True).distinct():
        differing += shop.changed_from(status, payments(seen_status=status))
    for number in dict.fromkeys(differing):
        yield Task(f"standing of order {number}", "", partial(_look, number))


def _look(number: str, summary: Summary) -> bool:
    look_at_order(number, SOURCE)
    return True


def _closings() -> Iterator[Task]:
    """Orders that wait for their end, and invoices that must not stay payable."""
    wished = OrderPayment.objects.filter(paid_at=None, closed_at=None).exclude(cancel_reason="")
    due = OrderPayment.objects.filter(invoices__close_due=True)
    of = dict(due.values_list("pk", "invoices__business_id"))
    for pk, number, stand in _payments(
        OrderPayment.objects.filter(Q(pk__in=wished) | Q(pk__in=due))
    ):
        name = f"closing invoices of order {number}"
        yield Task(name, of.get(pk, ""), partial(_finish, number), stand)


def _finish(number: str, summary: Summary) -> bool:
    before = OrderPayment.objects.get(order_number=number)
    if finish(number, SOURCE) and before.closed_at is None and before.paid_at is None:
        summary.cancelled += 1
    still = Q(invoices__close_due=True) | ~Q(cancel_reason="") & Q(paid_at=None, closed_at=None)
    return not OrderPayment.objects.filter(still, order_number=number).exists()


def _overdue() -> Iterator[Task]:
    """Orders whose payment window is over. Rehive is asked about every attempt first, also about one
    that had expired or failed and may have been paid since: never cancel blind (peer bug 9)."""
    over = OrderPayment.objects.filter(
        window_ends_at__lte=timezone.now(), paid_at=None, closed_at=None, cancel_reason=""
    )
    newest = Invoice.objects.filter(payment=OuterRef("pk")).order_by("-attempt")
    over = over.annotate(asks=Subquery(newest.values("business_id")[:1]))
    of = dict(over.order_by().values_list("pk", "asks"))
    for pk, number, stand in _payments(over):
        yield Task(f"order {number}", of.get(pk) or "", partial(_expire, number), stand)


def _payments(payments: QuerySet[OrderPayment]) -> list[tuple[int, str, str]]:
    """The key, number and stand of ``payments``: whatever happens to one, or is resolved by a person,
    changes its stand."""
    resolved = Count("attentions", filter=Q(attentions__resolved_at__isnull=False), distinct=True)
    found = payments.annotate(last=Max("entries"), resolved=resolved).order_by("pk")
    rows = found.values_list("pk", "order_number", "last", "resolved")
    return [(pk, number, f"{last} {resolved}") for pk, number, last, resolved in rows]


def _expire(number: str, summary: Summary) -> bool:
    payment = OrderPayment.objects.get(order_number=number)
    for invoice in payment.invoices.filter(state=Invoice.State.OPEN):
        refresh(invoice, SOURCE)
    # Also of a payment that is held for a person: staff may have accepted it by hand.
    ended = payment.invoices.exclude(state__in=[Invoice.State.OPENING, Invoice.State.OPEN])
    for invoice in ended.filter(business_id__in=conf.current().by_id).exclude(remote_id=None):
        _refresh_ended(invoice)
    payment.refresh_from_db()
    if payment.is_settled:
        return True
    try:
        done = cancel_order(number, reason="It was not paid in time.", source=SOURCE)
    except NotCancellable:
        change(number, SOURCE, remind_of_money)
        return False
    summary.cancelled += done
    return done


def _deliveries() -> Iterator[Task]:
    """What the webhook told and nobody could work on yet: all about the same invoice at once."""
    waiting = Delivery.objects.filter(state=Delivery.State.NEW)
    alike = waiting.values_list("remote_id", "reference").annotate(
        first=Min("pk"), newest=Max("pk")
    )
    for remote_id, reference, _, newest in alike.order_by("first"):
        known = Invoice.objects.filter(remote_id=remote_id).first()
        invoice = known or lost_attempts(reference).first()
        asks = invoice.business_id if invoice else ""
        work = partial(_work_on, remote_id, reference)
        yield Task(f"deliveries about {remote_id}", asks, work, newest)


def _work_on(remote_id: str, reference: str, summary: Summary) -> bool:
    left = work_on_waiting(remote_id, reference)
    summary.failures += [f"delivery {one.pk}: {one.reason}" for one in left]
    return not left


def _open() -> Iterator[Task]:
    """Those that nobody has asked about for the longest time first."""
    now = timezone.now()
    due = Q(created_at__gt=now - YOUNG) | Q(asked_at=None) | Q(asked_at__lte=now - OPEN_EVERY)
    open_now = Q(due, state=Invoice.State.OPEN) | Q(doubted_since__isnull=False)
    return _invoices("invoice", Invoice.objects.filter(open_now).order_by("asked_at"), _ask)


def _invoices(
    what: str, invoices: QuerySet[Invoice], do: Callable[[int, Summary], bool]
) -> Iterator[Task]:
    rows = invoices.values_list("pk", "payment__order_number", "attempt", "business_id", "version")
    for pk, number, attempt, business_id, version in list(rows):
        yield Task(f"{what} #{number} ({attempt})", business_id, partial(do, pk), version)


def _invoice(pk: int) -> Invoice:
    return Invoice.objects.select_related("payment").get(pk=pk)


def _ask(pk: int, summary: Summary) -> bool:
    invoice = _invoice(pk)
    refresh(invoice, SOURCE)
    summary.asked += 1
    summary.paid += invoice.state == Invoice.State.PAID
    return True


def _refunds() -> Iterator[Task]:
    """Refunds on their way."""
    giving = Invoice.objects.filter(refunds__status__in=IN_FLIGHT).distinct()
    return _invoices("refunds of invoice", giving.order_by("asked_at"), _follow)


def _follow(pk: int, summary: Summary) -> bool:
    refresh(_invoice(pk), SOURCE, with_refunds=True)
    summary.asked += 1
    return True


def _ended() -> Iterator[Task]:
    """Now and then every invoice that was paid, for what was refunded or taken back in Rehive's own
    app; and every one that has ended, for money that came all the same. Not those of a business that
    the settings no longer name: with them nothing is owed."""
    now = timezone.now()
    paid = ~Q(received=0) & (
        Q(payment__paid_at__gt=now - PAID_FOR) | Q(payment__window_ends_at__gt=now - PAID_FOR)
    )
    closed = Q(state=Invoice.State.CLOSED, payment__window_ends_at__gt=now - CLOSED_FOR)
    again = Invoice.objects.filter(
        paid | closed, asked_at__lte=now - AGAIN_EVERY, business_id__in=conf.current().by_id
    )
    return _invoices("invoice", again.exclude(remote_id=None).order_by("asked_at"), _ask_again)


def _ask_again(pk: int, summary: Summary) -> bool:
    invoice = _invoice(pk)
    was_paid = invoice.state == Invoice.State.PAID
    _refresh_ended(invoice)
    summary.asked += 1
    summary.paid += not was_paid and invoice.state == Invoice.State.PAID
    return True


def _refresh_ended(invoice: Invoice) -> None:
    """Ask about an invoice that need not change any more, and what was given back of it. One that
    Rehive has forgotten, of which ``refresh`` has told a person, has nothing new to say and keeps
    nothing waiting."""
    try:
        refresh(invoice, SOURCE, with_refunds=True)
    except NotFound:
        Invoice.objects.filter(pk=invoice.pk).update(asked_at=timezone.now())


def _lost() -> Iterator[Task]:
    """Attempts whose answer never came: one look through each business's invoices for all."""
    for business in conf.current().businesses.values():
        if lost_of(business).exists():
            name = f"looking for unanswered invoices in {business.currency}"
            yield Task(name, business.business_id, partial(_find, business))


def _find(business: conf.BusinessConfig, summary: Summary) -> bool:
    find_all(business)
    return True


def _statuses() -> Iterator[Task]:
    for _, number, stand in _payments(OrderPayment.objects.filter(status_due=True)):
        yield Task(f"status of order {number}", "", partial(_set_status, number), stand)


def _set_status(number: str, summary: Summary) -> bool:
    def decide(plan: Plan) -> None:
        paid = [one for one in plan.invoices if one.state == Invoice.State.PAID]
        if plan.payment.status_due and paid:
            give_paid_status(plan, paid[-1])

    change(number, SOURCE, decide)
    return not OrderPayment.objects.get(order_number=number).status_due


def _mails() -> Iterator[Task]:
    due = OrderPayment.objects.filter(mail_due_at__isnull=False, mail_sent_at=None)
    for number in list(due.order_by("mail_due_at").values_list("order_number", flat=True)):
        yield Task(f"confirmation of order {number}", MAIL_SERVER, partial(_mail, number))


def _mail(number: str, summary: Summary) -> bool:
    summary.mailed += send_confirmation(number)
    return True


# What is due comes first, then what was told, then what is merely looked at, and last what may read a
# whole list. What was settled on the way is finished at the end; the mails last, for a mail server that
# hangs must not keep orders from being settled.
FIRST = (_standing,)
ASKING = (_closings, _overdue, _deliveries, _open, _refunds, _ended, _lost)
LAST = (_closings, _statuses, _mails)

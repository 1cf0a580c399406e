"""Reconciling: makes right, without any webhook, whatever is open, due or undecided.

Every step takes the next thing by itself: one order that cannot be settled does not keep the others
waiting, and a run that is killed is continued by the next.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db.models import F, Q, QuerySet
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
from oscar_rehive.payments.gateway import client_for
from oscar_rehive.payments.mails import NotSent, send_confirmation
from oscar_rehive.payments.obstacles import remind_of_money
from oscar_rehive.payments.opening import NotOpened
from oscar_rehive.payments.plans import Plan
from oscar_rehive.payments.refunding import IN_FLIGHT
from oscar_rehive.payments.rules import give_paid_status
from oscar_rehive.payments.settling import refresh
from oscar_rehive.payments.strays import find_all, lost_of
from oscar_rehive.rehive.exceptions import NotFound, RehiveError, Throttled, Unreachable
from oscar_rehive.shop import Standing, get_shop

logger = logging.getLogger(__name__)

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
    """One thing to put right: what it is about, the way to do it, and whom that asks: the id of a
    business, the mail server, or nobody."""

    name: str
    do: Callable[[Summary], None]
    asks: str = ""


def reconcile(watch: Callable[[list[Task]], Iterable[Task]] = iter) -> Summary:
    """Do everything that there is to do; ``watch`` may show the tasks of a stage as they are done.

    What goes wrong is noted in the summary and left for the next run. Whoever limits our requests or
    does not answer is left alone for the rest of the run: asking on would prolong the wait of all.
    """
    summary = Summary()
    left_alone: set[str] = set()
    for stage in STAGES:
        for task in watch(list(stage())):
            if task.asks not in left_alone:
                _run(task, summary, left_alone)
    summary.attention = Attention.objects.filter(resolved_at=None).count()
    return summary


def _run(task: Task, summary: Summary, left_alone: set[str]) -> None:
    try:
        task.do(summary)
    except (RehiveError, NotOpened, NotSent, ImproperlyConfigured) as error:
        summary.failures.append(f"{task.name}: {error}")
        if task.asks and _is_in_vain(task.asks, error):
            left_alone.add(task.asks)
    except Exception as error:
        # Nobody knows what a shop's own code raises; the orders behind this one must not wait (P7).
        logger.exception("%s failed", task.name)
        summary.failures.append(f"{task.name}: {error}")


def _is_in_vain(asks: str, error: Exception) -> bool:
    """Whether ``error`` says that nobody there would answer another question either, or that the
    settings no longer name the business: said once, not for each of its invoices.

    A business that did not answer is asked for nothing but itself: one invoice on which Rehive
    stumbles every time must not keep the others waiting.
    """
    business = conf.current().by_id.get(asks)
    if isinstance(error, ImproperlyConfigured):
        return business is None
    if isinstance(error, Unreachable) and business is not None:
        try:
            client_for(business).business()
        except RehiveError:
            return True
    return isinstance(error, (Throttled, NotSent))


def _business_id_of(number: str) -> str:
    newest = Invoice.objects.filter(payment__order_number=number).order_by("-attempt").first()
    return newest.business_id if newest else ""


def _lost() -> Iterator[Task]:
    """Attempts whose answer never came: one look through each business's invoices for all."""
    for business in conf.current().businesses.values():
        lost = lost_of(business)
        if lost.exists():
            yield Task(
                f"looking for unanswered invoices in {business.currency}",
                lambda summary, business=business: find_all(business),  # type: ignore[misc]  # mypy cannot infer a lambda with a default
                business.business_id,
            )


def _deliveries() -> Iterator[Task]:
    """What the webhook told and nobody could work on yet: all about the same invoice at once."""
    waiting = Delivery.objects.filter(state=Delivery.State.NEW).order_by("pk")
    for remote_id, reference in dict.fromkeys(waiting.values_list("remote_id", "reference")):
        known = Invoice.objects.filter(remote_id=remote_id).first()
        invoice = known or lost_attempts(reference).first()
        business_id = invoice.business_id if invoice else ""
        yield Task(f"deliveries about {remote_id}", _work_on(remote_id, reference), business_id)


def _work_on(remote_id: str, reference: str) -> Callable[[Summary], None]:
    def do(summary: Summary) -> None:
        for left in work_on_waiting(remote_id, reference):
            summary.failures.append(f"delivery {left.pk}: {left.reason}")

    return do


def _open() -> Iterator[Task]:
    """Those that nobody has asked about for the longest time first."""
    now = timezone.now()
    due = Q(created_at__gt=now - YOUNG) | Q(asked_at=None) | Q(asked_at__lte=now - OPEN_EVERY)
    asked = Q(due, state=Invoice.State.OPEN) | Q(doubted_since__isnull=False)
    open_now = Invoice.objects.filter(asked).select_related("payment")
    for invoice in open_now.order_by("asked_at"):
        yield Task(f"invoice {invoice}", _ask(invoice), invoice.business_id)


def _ask(invoice: Invoice) -> Callable[[Summary], None]:
    def do(summary: Summary) -> None:
        refresh(invoice, SOURCE)
        summary.asked += 1
        summary.paid += invoice.state == Invoice.State.PAID

    return do


def _refunds() -> Iterator[Task]:
    """Refunds on their way."""
    giving = Invoice.objects.filter(refunds__status__in=IN_FLIGHT).distinct()
    for invoice in giving.select_related("payment").order_by("pk"):
        yield Task(f"refunds of invoice {invoice}", _follow(invoice), invoice.business_id)


def _follow(invoice: Invoice) -> Callable[[Summary], None]:
    def do(summary: Summary) -> None:
        refresh(invoice, SOURCE, with_refunds=True)
        summary.asked += 1

    return do


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
    for invoice in again.exclude(remote_id=None).select_related("payment").order_by("asked_at"):
        yield Task(f"invoice {invoice}", _ask_again(invoice), invoice.business_id)


def _ask_again(invoice: Invoice) -> Callable[[Summary], None]:
    def do(summary: Summary) -> None:
        was_paid = invoice.state == Invoice.State.PAID
        _refresh_ended(invoice)
        summary.asked += 1
        summary.paid += not was_paid and invoice.state == Invoice.State.PAID

    return do


def _refresh_ended(invoice: Invoice) -> None:
    """Ask about an invoice that need not change any more, and what was given back of it. One that
    Rehive has forgotten, of which ``refresh`` has told a person, has nothing new to say and keeps
    nothing waiting."""
    try:
        refresh(invoice, SOURCE, with_refunds=True)
    except NotFound:
        Invoice.objects.filter(pk=invoice.pk).update(asked_at=timezone.now())


def _overdue() -> Iterator[Task]:
    """Orders whose payment window is over. Rehive is asked about every attempt first, also about one
    that had expired or failed and may have been paid since: never cancel blind (peer bug 9)."""
    now = timezone.now()
    for payment in OrderPayment.objects.filter(
        window_ends_at__lte=now, paid_at=None, closed_at=None, cancel_reason=""
    ).order_by("pk"):
        number = payment.order_number
        yield Task(f"order {number}", _expire(number), _business_id_of(number))


def _expire(number: str) -> Callable[[Summary], None]:
    def do(summary: Summary) -> None:
        payment = OrderPayment.objects.get(order_number=number)
        for invoice in payment.invoices.filter(state=Invoice.State.OPEN):
            refresh(invoice, SOURCE)
        # Also of a payment that is held for a person: staff may have accepted it by hand.
        ended = payment.invoices.exclude(state__in=[Invoice.State.OPENING, Invoice.State.OPEN])
        for invoice in ended.filter(business_id__in=conf.current().by_id).exclude(remote_id=None):
            _refresh_ended(invoice)
        payment.refresh_from_db()
        if payment.is_settled:
            return
        try:
            summary.cancelled += cancel_order(
                number, reason="It was not paid in time.", source=SOURCE
            )
        except NotCancellable:
            change(number, SOURCE, remind_of_money)

    return do


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
        yield Task(f"standing of order {number}", _look(number))


def _look(number: str) -> Callable[[Summary], None]:
    return lambda summary: look_at_order(number, SOURCE)


def _closings() -> Iterator[Task]:
    """Orders that wait for their end, and invoices that must not stay payable."""
    wished = OrderPayment.objects.filter(paid_at=None, closed_at=None).exclude(cancel_reason="")
    asks = dict.fromkeys(wished.values_list("order_number", flat=True), "")
    due = Invoice.objects.filter(close_due=True)
    asks |= dict(due.values_list("payment__order_number", "business_id"))
    for number in sorted(asks):
        yield Task(f"closing invoices of order {number}", _finish(number), asks[number])


def _finish(number: str) -> Callable[[Summary], None]:
    def do(summary: Summary) -> None:
        before = OrderPayment.objects.get(order_number=number)
        if finish(number, SOURCE) and before.closed_at is None and before.paid_at is None:
            summary.cancelled += 1

    return do


def _statuses() -> Iterator[Task]:
    for payment in OrderPayment.objects.filter(status_due=True).order_by("pk"):
        yield Task(f"status of order {payment.order_number}", _set_status(payment.order_number))


def _set_status(number: str) -> Callable[[Summary], None]:
    def decide(plan: Plan) -> None:
        paid = [one for one in plan.invoices if one.state == Invoice.State.PAID]
        if plan.payment.status_due and paid:
            give_paid_status(plan, paid[-1])

    return lambda summary: change(number, SOURCE, decide)


def _mails() -> Iterator[Task]:
    """Those first that failed longest ago, or never."""
    due = OrderPayment.objects.filter(mail_due_at__isnull=False, mail_sent_at=None)
    for payment in due.order_by(F("mail_claimed_at").asc(nulls_first=True), "mail_due_at"):
        number = payment.order_number
        yield Task(f"confirmation of order {number}", _mail(number), MAIL_SERVER)


def _mail(number: str) -> Callable[[Summary], None]:
    def do(summary: Summary) -> None:
        summary.mailed += send_confirmation(number)

    return do


# In this order, and each asked for its tasks only when the one before is through. What is due comes
# first, then what was told, then what is merely looked at, and last what may read a whole list: a
# limit on our requests, or one lost attempt, must not keep orders from being paid or cancelled. What
# was settled on the way is finished at the end; the mails last, for a mail server that hangs must not
# keep orders from being settled.
STAGES: tuple[Callable[[], Iterator[Task]], ...] = (
    _standing,
    _closings,
    _overdue,
    _deliveries,
    _open,
    _refunds,
    _ended,
    _lost,
    _closings,
    _statuses,
    _mails,
)

"""Reconciling: makes right, without any webhook, whatever is open, due or undecided.

Every step takes the next thing by itself: one order that cannot be settled does not keep the others
waiting, and a run that is killed is continued by the next.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from django.core.exceptions import ImproperlyConfigured
from django.db.models import F, Q
from django.utils import timezone

from oscar_rehive import conf
from oscar_rehive.models import Attention, Delivery, Entry, Invoice, OrderPayment
from oscar_rehive.payments.cancelling import NotCancellable, cancel_order, finish
from oscar_rehive.payments.closing import is_part_paid_unsaid, is_under_way
from oscar_rehive.payments.deliveries import lost_attempts, work_on_waiting
from oscar_rehive.payments.ending import BY_STAFF, TAKEN_BACK
from oscar_rehive.payments.gateway import client_for
from oscar_rehive.payments.history import raise_attention
from oscar_rehive.payments.locking import locked
from oscar_rehive.payments.mails import NotSent, send_confirmation
from oscar_rehive.payments.opening import NotOpened
from oscar_rehive.payments.refunding import IN_FLIGHT, follow
from oscar_rehive.payments.settling import refresh, set_paid_status
from oscar_rehive.payments.strays import find_all, lost_of
from oscar_rehive.rehive.exceptions import NotFound, RehiveError, Throttled, Unreachable
from oscar_rehive.rehive.statuses import Status
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
    open_now = Invoice.objects.filter(due, state=Invoice.State.OPEN).select_related("payment")
    for invoice in open_now.order_by("asked_at"):
        yield Task(f"invoice {invoice}", _ask(invoice), invoice.business_id)


def _ask(invoice: Invoice) -> Callable[[Summary], None]:
    def do(summary: Summary) -> None:
        refresh(invoice, SOURCE)
        summary.asked += 1
        invoice.payment.refresh_from_db()
        summary.paid += invoice.state == Invoice.State.PAID

    return do


def _refunds() -> Iterator[Task]:
    """Refunds on their way."""
    giving = Invoice.objects.filter(refunds__status__in=IN_FLIGHT).distinct()
    for invoice in giving.select_related("payment").order_by("pk"):
        yield Task(f"refunds of invoice {invoice}", _follow(invoice), invoice.business_id)


def _follow(invoice: Invoice) -> Callable[[Summary], None]:
    def do(summary: Summary) -> None:
        refresh(invoice, SOURCE)
        follow(invoice, SOURCE)
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
        if invoice.received:
            follow(invoice, SOURCE)
        summary.asked += 1
        summary.paid += not was_paid and invoice.state == Invoice.State.PAID

    return do


def _refresh_ended(invoice: Invoice) -> None:
    """Ask about an invoice that need not change any more. One that Rehive has forgotten, of which
    ``refresh`` has told a person, has nothing new to say and keeps nothing waiting."""
    try:
        refresh(invoice, SOURCE)
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
            _note_part_paid(number)

    return do


def _note_part_paid(number: str) -> None:
    with locked(number) as held:
        for invoice in held.payment.invoices.all():
            if invoice.remote_status == Status.UNDERPAID:
                money = f"{invoice.recorded} of {invoice.total} {invoice.currency} were paid"
            elif is_part_paid_unsaid(invoice):
                money = f"part was paid, says Rehive, though invoice {invoice} is not underpaid"
            elif invoice.state == Invoice.State.CLOSED and is_under_way(invoice):
                money = f"money was on its way when invoice {invoice} expired"
            else:
                continue
            raise_attention(
                held.payment,
                Attention.Kind.PART_PAID,
                f"The time to pay is over, and {money}.",
                invoice=invoice,
                subject=f"{invoice.attempt}: {invoice.received}",
                ways_out="Let it pay the order, or cancel the order and refund what was paid.",
            )


def _closings() -> Iterator[Task]:
    """Orders that wait for their end, orders that staff cancelled and that hold stock still, and
    invoices that must not stay payable."""
    wished = OrderPayment.objects.filter(released_at=None).exclude(cancel_reason="")
    ending = wished.filter(paid_at=None, closed_at=None).values_list("order_number", flat=True)
    by_staff = wished.filter(cancel_reason=BY_STAFF).values_list("order_number", flat=True)
    holding = [number for number in by_staff if _is_cancelled(number)]
    due = Invoice.objects.filter(close_due=True)
    brought_back = OrderPayment.objects.filter(cancel_reason=TAKEN_BACK)
    taken_back = brought_back.values_list("order_number", flat=True)
    asks = dict.fromkeys([*ending, *holding, *taken_back], "")
    asks |= dict(due.values_list("payment__order_number", "business_id"))
    for number in sorted(asks):
        yield Task(f"closing invoices of order {number}", _finish(number), asks[number])


def _is_cancelled(number: str) -> bool:
    """Not so where staff have changed their mind or deleted the order: it has nothing to release."""
    order = get_shop().find(number)
    return order is not None and order.standing is Standing.CANCELLED


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
    def do(summary: Summary) -> None:
        with locked(number) as held:
            invoice = held.payment.invoices.filter(state=Invoice.State.PAID).first()
            if held.payment.status_due and invoice is not None:
                set_paid_status(held, invoice, SOURCE)
                held.payment.save()

    return do


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

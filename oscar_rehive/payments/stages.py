"""What there is to put right without any webhook: whatever is open, due or undecided.

Each stage gives its tasks in the order in which they are due. A task names what it is about and how that
stands, and takes the rest from the database when its turn has come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from django.db.models import Count, F, Max, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from oscar_rehive import conf
from oscar_rehive.databases import in_parts
from oscar_rehive.models import (
    Attention,
    Delivery,
    Entry,
    Invoice,
    OrderPayment,
    Reading,
    Refund,
)
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
from oscar_rehive.payments.reading import OPEN_EVERY, YOUNG, due, is_of_interest, read
from oscar_rehive.payments.refunding import IN_FLIGHT
from oscar_rehive.payments.rules import give_paid_status
from oscar_rehive.payments.settling import refresh, seen_since
from oscar_rehive.payments.summary import Summary
from oscar_rehive.rehive.exceptions import NotFound
from oscar_rehive.shop import Standing, get_shop

WATCHED_FOR = timedelta(days=120)
"""How long after the end of its time to pay an order is looked at whose status somebody changes."""

OF_A_READING = timedelta(minutes=2)
"""As long as a reading takes that goes on beside a run, and may have begun before it. What it saw then is no sign
that it was broken off: in a flash sale each run read all pages once more, and shoppers were refused."""

AT_A_TIME = 500
"""Of so many keys, the rows that belong to them are read at once; no more of them stand in memory."""

MAIL_SERVER = "the mail server"

SOURCE = Entry.Source.RECONCILE


@dataclass(frozen=True)
class Task:
    """One thing to put right: what it is about, whom that asks (the id of a business, the mail server, or
    nobody), and the way to do it, which tells whether anything has come of it: False is no fault, but
    must not be tried again and again. ``stand`` is how the thing stands: a task that was tried in vain is
    another one as soon as that has changed. One that ``spares`` others their questions is not put behind
    what has not been tried. Of two runs at once, one at a time does something about the same ``order``."""

    name: str
    asks: str
    do: Callable[[Summary], bool]
    stand: object = ""
    spares: bool = False
    order: str = ""

    @property
    def claim(self) -> str:
        """What no other run may have in hand meanwhile."""
        return f"order {self.order}" if self.order else self.name

    @property
    def key(self) -> str:
        """What tells this task, and how its thing stands, from all others."""
        return f"{self.name} [{self.stand}]"[-255:]


def _standing(summary: Summary) -> Iterator[Task]:
    """Orders whose status somebody has changed since it was last seen, whoever and however: cancelled and
    yet holding stock, taken back and holding none, paid and pending again. And those whose payment had
    ended because others paid, and that nobody pays any more."""
    shop, young = get_shop(), timezone.now() - WATCHED_FOR

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
        yield Task(f"standing of order {number}", "", partial(_look, number), order=number)


def _look(number: str, summary: Summary) -> bool:
    look_at_order(number, SOURCE)
    return True


def _closings(summary: Summary) -> Iterator[Task]:
    """Orders that wait for their end, and invoices that must not stay payable."""
    wished = OrderPayment.objects.filter(paid_at=None, closed_at=None).exclude(cancel_reason="")
    unclosed = OrderPayment.objects.filter(invoices__close_due=True)
    both = OrderPayment.objects.filter(Q(pk__in=wished) | Q(pk__in=unclosed))
    for number, asks, stand in _payments(both, Invoice.objects.filter(close_due=True)):
        name = f"closing invoices of order {number}"
        yield Task(name, asks, partial(_finish, number), stand, order=number)


def _finish(number: str, summary: Summary) -> bool:
    before = OrderPayment.objects.get(order_number=number)
    if finish(number, SOURCE) and before.closed_at is None and before.paid_at is None:
        summary.cancelled += 1
    still = Q(invoices__close_due=True) | ~Q(cancel_reason="") & Q(paid_at=None, closed_at=None)
    return not OrderPayment.objects.filter(still, order_number=number).exists()


def _overdue(summary: Summary) -> Iterator[Task]:
    """Orders whose payment window is over. Rehive is asked about every attempt first, also about one
    that had expired or failed and may have been paid since: never cancel blind (peer bug 9)."""
    over = OrderPayment.objects.filter(
        window_ends_at__lte=timezone.now(), paid_at=None, closed_at=None, cancel_reason=""
    )
    for number, asks, stand in _payments(over):
        yield Task(f"order {number}", asks, partial(_expire, number), stand, order=number)


def _payments(
    payments: QuerySet[OrderPayment], asking: QuerySet[Invoice] | None = None
) -> Iterator[tuple[str, str, str]]:
    """The numbers of ``payments``, whom each asks (the business of its newest invoice ``asking``), and how
    it stands: whatever happens to one, or is resolved by a person, changes its stand."""
    of_it = Invoice.objects.all() if asking is None else asking
    newest = of_it.filter(payment=OuterRef("pk")).order_by("-attempt")
    resolved = Count("attentions", filter=Q(attentions__resolved_at__isnull=False), distinct=True)
    told = OrderPayment.objects.annotate(
        last=Max("entries"), resolved=resolved, asks=Subquery(newest.values("business_id")[:1])
    )
    for pks in in_parts(list(payments.order_by("pk").values_list("pk", flat=True)), AT_A_TIME):
        rows = told.filter(pk__in=pks).order_by("pk")
        for number, asks, last, done in rows.values_list(
            "order_number", "asks", "last", "resolved"
        ):
            yield number, asks or "", f"{last} {done}"


def _expire(number: str, summary: Summary) -> bool:
    payment = OrderPayment.objects.get(order_number=number)
    if payment.is_settled:
        return True  # another run was quicker
    since = max(payment.window_ends_at, summary.begun)
    unseen = payment.invoices.exclude(seen_since(since))
    for invoice in unseen.filter(state=Invoice.State.OPEN):
        refresh(invoice, SOURCE)
    # Also of a payment that is held for a person: staff may have accepted it by hand.
    ended = unseen.exclude(state__in=[Invoice.State.OPENING, Invoice.State.OPEN])
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


def _lists(summary: Summary) -> Iterator[Task]:
    """Each business's list of invoices: what is due, what has ended and changed all the same (money that
    comes late, a refund in Rehive's own app), and attempts whose answer never came."""
    for business in conf.current().businesses.values():
        if is_of_interest(business):
            name = f"reading the invoices in {business.currency}"
            yield Task(name, business.business_id, partial(_read, business), spares=True)


def _read(business: conf.BusinessConfig, summary: Summary) -> bool:
    of_it = Reading.objects.filter(business_id=business.business_id)
    ours = Invoice.objects.filter(due(summary.begun), business_id=business.business_id)
    # A clock that was wrong may have left a time that is still to come.
    if (
        of_it.filter(read_at__range=(summary.begun, timezone.now())).exists()
        and not ours.exclude(seen_since(summary.begun - OF_A_READING)).exists()
    ):
        return True  # another run was quicker, and was not broken off
    read(business, summary)
    return True


def _deliveries(summary: Summary) -> Iterator[Task]:
    """What the webhook told and nobody could work on yet: all about the same invoice at once."""
    waiting = Delivery.objects.filter(state=Delivery.State.NEW)
    given: set[tuple[str, str]] = set()
    for pks in in_parts(list(waiting.order_by("pk").values_list("pk", flat=True)), AT_A_TIME):
        rows = waiting.filter(pk__in=pks).order_by("pk").values_list("remote_id", "reference")
        hints = [hint for hint in dict.fromkeys(rows) if hint not in given]
        given.update(hints)
        ids = [remote_id for remote_id, _ in hints]
        known = dict(
            Invoice.objects.filter(remote_id__in=ids).values_list("remote_id", "business_id")
        )
        alike = waiting.filter(remote_id__in=ids).values_list("remote_id", "reference")
        newest = {row[:2]: row[2] for row in alike.annotate(newest=Max("pk")).order_by()}
        for hint in hints:
            remote_id, reference = hint
            asks = known.get(remote_id) or _business_of_lost(reference)
            name = f"deliveries about {remote_id}"
            yield Task(name, asks, partial(_work_on, remote_id, reference), newest.get(hint, ""))


def _business_of_lost(reference: str) -> str:
    lost = lost_attempts(reference).first()
    return lost.business_id if lost else ""


def _work_on(remote_id: str, reference: str, summary: Summary) -> bool:
    newest, since = summary.newest_delivery, summary.begun
    left = work_on_waiting(remote_id, reference, newest=newest, since=since)
    for one in left:
        summary.fails(f"delivery {one.pk}: {one.reason}")
    return not left


def _open(summary: Summary) -> Iterator[Task]:
    """Those of the open ones that no page has shown, first those that nobody has asked about for the longest
    time."""
    unseen = Invoice.objects.filter(due(summary.begun)).exclude(seen_since(summary.begun))
    return _invoices("invoice", unseen.exclude(business_id__in=summary.spared), _ask)


def _invoices(
    what: str,
    invoices: QuerySet[Invoice],
    do: Callable[[int, Summary], bool],
    stand: F | Max = F("version"),
) -> Iterator[Task]:
    for pks in in_parts(
        list(invoices.order_by("asked_at", "pk").values_list("pk", flat=True)), AT_A_TIME
    ):
        rows = Invoice.objects.filter(pk__in=pks).order_by("asked_at", "pk")
        for pk, number, attempt, business_id, stands in rows.annotate(stand=stand).values_list(
            "pk", "payment__order_number", "attempt", "business_id", "stand"
        ):
            name = f"{what} #{number} ({attempt})"
            yield Task(name, business_id, partial(do, pk), stands, order=number)


def _unseen(pk: int, summary: Summary) -> Invoice | None:
    """The invoice, unless somebody else was quicker and has asked about it."""
    unseen = Invoice.objects.select_related("payment").exclude(seen_since(summary.begun))
    return unseen.filter(pk=pk).first()


def _ask(pk: int, summary: Summary) -> bool:
    invoice = _unseen(pk, summary)
    if invoice is not None:
        refresh(invoice, SOURCE)
        summary.asked += 1
        summary.paid += invoice.state == Invoice.State.PAID
    return True


def _refunds(summary: Summary) -> Iterator[Task]:
    """Refunds on their way: as open invoices, at every run while they are young. Some never come to an end:
    those wait ever longer."""
    begun = summary.begun
    in_turn = Q(refunds__created_at__gt=begun - YOUNG) | ~seen_since(begun - OPEN_EVERY)
    giving = Invoice.objects.filter(in_turn, refunds__status__in=IN_FLIGHT)
    found = Invoice.objects.filter(pk__in=giving)
    return _invoices("refunds of invoice", found, _follow, stand=Max("refunds"))


def _follow(pk: int, summary: Summary) -> bool:
    invoice = _unseen(pk, summary)
    if invoice is not None:
        refresh(invoice, SOURCE, with_refunds=True)
    old = Refund.objects.filter(invoice=pk, created_at__lte=summary.begun - YOUNG)
    return not old.filter(status__in=IN_FLIGHT).exists()


def _refresh_ended(invoice: Invoice) -> None:
    """Ask about an invoice that need not change any more, and what was given back of it. One that
    Rehive has forgotten, of which ``refresh`` has told a person, has nothing new to say and keeps
    nothing waiting."""
    try:
        refresh(invoice, SOURCE, with_refunds=True)
    except NotFound:
        Invoice.objects.filter(pk=invoice.pk).update(asked_at=timezone.now())


def _statuses(summary: Summary) -> Iterator[Task]:
    for number, _, stand in _payments(OrderPayment.objects.filter(status_due=True)):
        yield Task(
            f"status of order {number}", "", partial(_set_status, number), stand, order=number
        )


def _set_status(number: str, summary: Summary) -> bool:
    def decide(plan: Plan) -> None:
        paid = [one for one in plan.invoices if one.state == Invoice.State.PAID]
        if plan.payment.status_due and paid:
            give_paid_status(plan, paid[-1])

    change(number, SOURCE, decide)
    return not OrderPayment.objects.get(order_number=number).status_due


def _mails(summary: Summary) -> Iterator[Task]:
    waiting = OrderPayment.objects.filter(mail_due_at__isnull=False, mail_sent_at=None)
    for number in list(waiting.order_by("mail_due_at").values_list("order_number", flat=True)):
        yield Task(f"confirmation of order {number}", MAIL_SERVER, partial(_mail, number))


def _mail(number: str, summary: Summary) -> bool:
    summary.mailed += send_confirmation(number)
    return True


# What is due comes first; then what the lists show, which spares most of the questions behind it. What was
# settled on the way is finished at the end; the mails last, for a mail server that hangs must not keep
# orders from being settled.
FIRST = (_standing,)
ASKING = (_closings, _lists, _overdue, _deliveries, _open, _refunds)
LAST = (_closings, _statuses, _mails)

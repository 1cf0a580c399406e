"""A burst of deliveries about many invoices is answered from the business's list: one call for 250 of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from datetime import datetime

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Exists, F, Max, OuterRef, QuerySet
from django.utils import timezone

from oscar_rehive import conf, numbers
from oscar_rehive.models import Delivery, Invoice, OrderPayment
from oscar_rehive.payments.budget import unhurried
from oscar_rehive.payments.mails import send_confirmation_soon
from oscar_rehive.payments.reading import read
from oscar_rehive.payments.settling import seen_since
from oscar_rehive.payments.summary import Summary
from oscar_rehive.rehive.deadlines import Deadline, within
from oscar_rehive.rehive.exceptions import RehiveError
from oscar_rehive.remembering import in_turn, remember, remembered

MANY = 20
"""Of so many invoices each is asked about by itself."""

ENOUGH = 50
"""So many deliveries show whether there are many: Rehive may tell of each invoice twice."""

READING_SECONDS = 120.0
"""For all calls of whoever reads, for however many. Workers have limits of their own: 180 seconds under RQ, by
default."""

PATIENCE = 5.0
"""For how many seconds what follows a delivery waits for room under ``CALLS_PER_MINUTE``. Its sender has been
answered, and shoppers must not wait for it; but it keeps a thread, or a worker, from other work."""


MOST_TRIES = 1
"""After so many, a burst does not hand on what waits any more."""

TURN = "oscar_rehive:burst"
TURN_SECONDS = 30.0
"""Whoever reads has this in hand in the cache, and says now and then that he goes on."""


def are_many(newest: Iterable[Delivery]) -> bool:
    """Whether the ``ENOUGH`` deliveries that came last, of those that wait, look like a burst. What a reading
    did not answer is none of it."""
    return len({one.remote_id for one in newest if not one.tries}) > MANY


def is_being_answered() -> bool:
    """Whether somebody reads for a burst at this moment."""
    return bool(remembered(TURN))


def is_one() -> bool:
    """Whether enough of what waits is about one and the same business."""
    return any(map(_is_burst, _businesses()))


def answer_by_pages(hand_on: Callable[[str], object]) -> bool:
    """Read the lists of all businesses with many invoices of which deliveries wait, finish what they answer, and
    have the mails sent that come of it. ``hand_on`` is called for each invoice of which deliveries are left, with
    Rehive's id. Where somebody else is reading, he does all that when he is through. False, and nothing has
    happened, where there is no burst.
    """
    begun, looks, has_read = timezone.now(), 0, False
    deadline = Deadline(READING_SECONDS)

    def read_lists() -> None:
        nonlocal looks, has_read
        looks += 1
        for business in _businesses():
            # Whose time is over hands on what has come since, to a worker with time of his own.
            if deadline.left() and _is_burst(business):
                _read(business, deadline)
                has_read = True

    if not in_turn(TURN, TURN_SECONDS, read_lists):
        return True
    if not has_read and looks == 1:
        return False  # nor has anybody left word, whose deliveries would be nobody's
    for payment in OrderPayment.objects.filter(mail_due_at__gte=begun, mail_sent_at=None):
        send_confirmation_soon(payment)
    # What was tried before is reconcile's.
    handed_on = Delivery.objects.filter(state=Delivery.State.NEW, tries__lte=MOST_TRIES)
    left = handed_on.order_by("remote_id")
    for remote_id in left.values_list("remote_id", flat=True).distinct():
        hand_on(remote_id)
    return True


def _businesses() -> Iterable[conf.BusinessConfig]:
    try:
        return conf.current().businesses.values()
    except ImproperlyConfigured:
        return ()


def _is_burst(business: conf.BusinessConfig) -> bool:
    fresh = _waiting(business).filter(tries=0).order_by().values("remote_id")
    return fresh.distinct()[: MANY + 1].count() > MANY


def _waiting(
    business: conf.BusinessConfig, *, asked_since: datetime | None = None
) -> QuerySet[Delivery]:
    """The deliveries that wait about invoices of ``business``, and of which Rehive was asked by then."""
    about = Invoice.objects.filter(
        business_id=business.business_id, remote_id=OuterRef("remote_id")
    )
    if asked_since is not None:
        about = about.filter(seen_since(asked_since))
    return Delivery.objects.filter(Exists(about), state=Delivery.State.NEW)


def _read(business: conf.BusinessConfig, deadline: Deadline) -> None:
    begun = timezone.now()
    # By the key, for another machine may have stamped them, by a clock of its own.
    newest = _waiting(business).aggregate(newest=Max("pk"))["newest"] or 0

    def still_here() -> None:
        remember(TURN, True, TURN_SECONDS)

    try:
        # What was read until then is settled; all else is left.
        with (
            contextlib.suppress(RehiveError),
            within(deadline),
            unhurried(PATIENCE, still_here=still_here),
        ):
            read(business, Summary(begun=begun, still_here=still_here))
    finally:
        _note(business, newest, begun)


def _note(business: conf.BusinessConfig, newest: int, begun: datetime) -> None:
    """Finish those that had come when the reading began, and whose invoice was asked about since; of the
    others note that it was in vain: in the database, for a worker may be a process for each task."""
    once_more, now = F("tries") + 1, timezone.now()
    answered = _waiting(business, asked_since=begun).filter(pk__lte=newest)
    if numbers.ARE_KEPT:
        for came in answered.values_list("received_at", flat=True).iterator():
            age = (now - came).total_seconds()
            numbers.took("delivery_seconds", age, outcome=Delivery.State.DONE.value)
    answered.update(state=Delivery.State.DONE, reason="", tries=once_more, done_at=now)
    # Those of an earlier burst have been handed on, and an outage must not use their tries up.
    fresh = _waiting(business).filter(pk__lte=newest, tries__lte=MOST_TRIES)
    fresh.update(tries=once_more)

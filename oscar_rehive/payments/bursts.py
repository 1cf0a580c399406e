"""A burst of deliveries about many invoices is answered from the business's list: one call for 250 of them."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import datetime

from django.db.models import Exists, F, Max, OuterRef, QuerySet
from django.utils import timezone

from oscar_rehive import conf
from oscar_rehive.models import Delivery, Invoice, OrderPayment
from oscar_rehive.payments.budget import unhurried
from oscar_rehive.payments.claiming import in_hand
from oscar_rehive.payments.mails import send_confirmation_soon
from oscar_rehive.payments.reading import read
from oscar_rehive.payments.summary import Summary
from oscar_rehive.rehive.deadlines import within
from oscar_rehive.rehive.exceptions import RehiveError

MANY = 20
"""Of so many invoices each is asked about by itself."""

ENOUGH = 50
"""So many deliveries show whether there are many: Rehive may tell of each invoice twice."""

READING_SECONDS = 120.0
"""For all calls of one reading. Workers have limits of their own: 180 seconds under RQ, by default."""

PATIENCE = 5.0
"""For how many seconds what follows a delivery waits for room under ``CALLS_PER_MINUTE``. Its sender has been
answered, and shoppers must not wait for it; but it keeps a thread, or a worker, from other work."""


def business_of_burst(remote_id: str, newest: Sequence[Delivery]) -> conf.BusinessConfig | None:
    """The business whose list is to be read for the deliveries about the invoice ``remote_id``: so many about
    its other invoices have come as well. What a reading did not answer is asked about by itself. ``newest``
    are the ``ENOUGH`` deliveries that came last, of those that wait.

    Raises ``ImproperlyConfigured`` where the settings are not sound.
    """
    if len({one.remote_id for one in newest}) <= MANY:
        return None
    asks = Invoice.objects.filter(remote_id=remote_id).values_list("business_id", flat=True)
    business = conf.current().by_id.get(asks.first() or "")
    if business is None:
        return None
    fresh = _waiting(business).filter(tries=0)
    invoices = fresh.order_by().values("remote_id").distinct()[: MANY + 1]
    is_burst = invoices.count() > MANY and fresh.filter(remote_id=remote_id).exists()
    return business if is_burst else None


def _waiting(
    business: conf.BusinessConfig, *, asked_since: datetime | None = None
) -> QuerySet[Delivery]:
    """The deliveries that wait about invoices of ``business``, and of which Rehive was asked by then."""
    about = Invoice.objects.filter(
        business_id=business.business_id, remote_id=OuterRef("remote_id")
    )
    if asked_since is not None:
        about = about.filter(asked_at__gte=asked_since)
    return Delivery.objects.filter(Exists(about), state=Delivery.State.NEW)


def answer_by_pages(business: conf.BusinessConfig) -> list[str]:
    """Read the list of ``business``, finish what it answers, and have the mails sent that come of it. Returns
    the invoices of which deliveries are left, by Rehive's ids. Where somebody else is reading, nothing is
    done, for what waits then is left to him.
    """
    with in_hand(f"webhooks about many invoices in {business.currency}") as claimant:
        if claimant is None:
            return []
        begun = timezone.now()
        # By the key, for another machine may have stamped them, by a clock of its own.
        newest = _waiting(business).aggregate(newest=Max("pk"))["newest"] or 0
        try:
            # What was read until then is settled; all else is left.
            with (
                contextlib.suppress(RehiveError),
                within(READING_SECONDS),
                unhurried(PATIENCE),
            ):
                read(business, Summary(begun=begun, still_here=claimant.still_here))
        finally:
            _note(business, newest, begun)
    for payment in OrderPayment.objects.filter(mail_due_at__gte=begun, mail_sent_at=None):
        send_confirmation_soon(payment)
    # Looked for after the list is left: who found it taken has stored his before.
    left = _waiting(business).order_by("remote_id").values_list("remote_id", flat=True)
    return list(left.distinct())


def _note(business: conf.BusinessConfig, newest: int, begun: datetime) -> None:
    """Finish those that had come when the reading began, and whose invoice was asked about since; of the
    others note that it was in vain: in the database, for a worker may be a process for each task."""
    once_more = F("tries") + 1
    answered = _waiting(business, asked_since=begun).filter(pk__lte=newest)
    answered.update(state=Delivery.State.DONE, reason="", tries=once_more, done_at=timezone.now())
    _waiting(business).filter(pk__lte=newest).update(tries=once_more)

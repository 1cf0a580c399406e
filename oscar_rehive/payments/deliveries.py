"""The inbox of webhook calls: stored first, worked on after, never dropped (P7)."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, transaction
from django.db.models import F, Max, QuerySet
from django.utils import timezone

from oscar_rehive import conf, numbers
from oscar_rehive.addresses import without_tokens
from oscar_rehive.background import REHIVE, Work
from oscar_rehive.cleaning import storable, storable_text, without_secrets
from oscar_rehive.databases import database_of, in_parts
from oscar_rehive.logs import Log, about
from oscar_rehive.models import Delivery, Entry, Invoice, OrderPayment, RefusedDeliveries
from oscar_rehive.payments.adopting import NotOpened, adopt
from oscar_rehive.payments.budget import unhurried
from oscar_rehive.payments.bursts import (
    ENOUGH,
    PATIENCE,
    answer_by_pages,
    are_many,
    is_being_answered,
    is_one,
)
from oscar_rehive.payments.gateway import QUICK, business_of, client_for
from oscar_rehive.payments.mails import send_confirmation_soon
from oscar_rehive.payments.opening import matching
from oscar_rehive.payments.settling import refresh, seen_since
from oscar_rehive.payments.trying import is_trial
from oscar_rehive.rehive import webhooks
from oscar_rehive.rehive.deadlines import within
from oscar_rehive.rehive.exceptions import NotFound, RehiveError
from oscar_rehive.rehive.hiding import SecretBytes
from oscar_rehive.rehive.wire import RemoteInvoice
from oscar_rehive.remembering import in_turn

logger = Log(__name__)

MAX_KEPT_CHARACTERS = 65_536
WORK_SECONDS = 20.0
TURN_SECONDS = 40.0
"""How long the deliveries about one invoice may take: what Rehive is asked, and what is written then."""

MAX_TRIES = 50
KEPT_FOR = timedelta(days=30)
"""How often a delivery is tried in vain where the shop's own code fails, and for how long where Rehive
cannot be asked."""

AT_ONCE = 500
"""How many rows are named in one statement."""

FORGOTTEN_AT_ONCE = 500
MOST_FORGOTTEN = 50_000
"""In how small steps what is old is deleted, for each holds its rows until it is through, and how much of
it in one run of reconcile: a shop that updates with a million of them gets rid of them in an hour or two,
or at once with ``rehive_purge``."""


def store(body: bytes, *, fault: str = "") -> Delivery:
    """Store an authenticated delivery as it came, less what could be a secret.

    A delivery with a ``fault``, or whose body cannot be understood, is kept as unusable with the
    reason.
    """
    body = SecretBytes(body)
    # Saved here, where no variable holds what was sent: an error of the database shows them all (P9).
    delivery = _read(body, fault)
    delivery.save()
    numbers.count(
        "deliveries", outcome="stored" if delivery.state == Delivery.State.NEW else "unusable"
    )
    return delivery


def _read(body: bytes, fault: str) -> Delivery:
    """The delivery of that ``body``, as it may be stored."""
    text = storable_text(body.decode("utf-8", "replace"))
    delivery = Delivery()
    try:
        if fault:
            raise webhooks.UnusableDelivery(fault)
        payload = webhooks.load(body)
        text = json.dumps(storable(payload), ensure_ascii=False)
        hint = webhooks.read(payload)
        if without_secrets(hint.invoice_id) != hint.invoice_id:
            raise webhooks.UnusableDelivery("The invoice's id that the body names is a secret.")
    except webhooks.UnusableDelivery as unusable:
        delivery.state = Delivery.State.UNUSABLE
        delivery.reason = _told(str(unusable))
    else:
        delivery.remote_id = hint.invoice_id
        delivery.reference = _told(hint.reference)[:255]
        delivery.event_id = _told(hint.event_id)[:128]
    # Cut first, for a large body takes its time, and again, for what was removed may have been shorter.
    cleaned = without_tokens(without_secrets(text[:MAX_KEPT_CHARACTERS]))
    delivery.body = cleaned[:MAX_KEPT_CHARACTERS]
    return delivery


def _told(text: str) -> str:
    """Somebody else's words, as they may be stored."""
    return without_secrets(storable_text(text))


def count_refused() -> None:
    """Count a webhook call without the right secret; nothing else is kept of it."""
    numbers.count("deliveries", outcome="refused")
    now = timezone.now()
    today = RefusedDeliveries.objects.filter(day=now.date())
    if not today.update(count=F("count") + 1, last_at=now):
        try:
            with transaction.atomic(using=database_of(RefusedDeliveries)):
                RefusedDeliveries.objects.create(day=now.date(), count=1, last_at=now)
        except IntegrityError:
            today.update(count=F("count") + 1, last_at=now)


def old_deliveries() -> QuerySet[Delivery]:
    """What came longer ago than ``KEEP_DELIVERIES`` says and is through. What waits is kept, however old
    it is (P7)."""
    old = Delivery.objects.filter(received_at__lt=_kept_since())
    return old.exclude(state=Delivery.State.NEW)


def old_refusals() -> QuerySet[RefusedDeliveries]:
    """The days as long ago, in UTC, on which deliveries were refused."""
    return RefusedDeliveries.objects.filter(day__lt=_kept_since().date())


def _kept_since() -> datetime:
    return timezone.now() - conf.current().keep_deliveries


def forget_old() -> int:
    """What one run of reconcile does of ``forgetting``; returns how many deliveries it has deleted."""
    forgotten = 0
    for deleted in forgetting():
        forgotten += deleted
        if forgotten >= MOST_FORGOTTEN:
            break
    return forgotten


def forgetting() -> Iterator[int]:
    """Delete old deliveries, and the counts of what was refused then, step by step; tells of each step how
    many deliveries it has deleted. Broken off anywhere, it goes on where it was when it is called again.
    Raises ``ImproperlyConfigured`` where the settings are not sound.

    A body holds the payer's address, and is a hint that has been followed: what came of it stands in the
    payment's history, which stays. Longer than an argument about a payment lasts nobody reads it. The
    whole row goes, for without its body it says nothing that the history does not.
    """
    old_refusals().delete()
    # In the order of an index, and each step from where the last one ended: an index still holds what was
    # deleted a moment ago, and a step that begins at its start walks through all of it again.
    old = old_deliveries().order_by("received_at")
    left = old
    while some := list(left.values_list("pk", "received_at")[:FORGOTTEN_AT_ONCE]):
        yield delete_deliveries([pk for pk, _ in some])
        left = old.filter(received_at__gte=some[-1][1])


def delete_deliveries(pks: Sequence[int]) -> int:
    """Delete those of these that are through; how many they were."""
    through = Delivery.objects.filter(pk__in=pks).exclude(state=Delivery.State.NEW)
    # Whoever listens to all models (haystack does) is told of each row: without "only" Django would read
    # them whole for that, bodies and all.
    return through.only("pk").delete()[0] if pks else 0


def work_on_soon(remote_id: str) -> None:
    """Have the stored deliveries about the invoice ``remote_id`` worked on, while nobody waits for it."""
    _WORK.soon(remote_id)


def work_on(remote_id: str) -> None:
    """Verify and settle what the deliveries hint at that wait about the invoice ``remote_id``, all at once, and
    have the mail sent that comes of it. Where somebody else has that invoice in hand, he does these too. Many
    about different invoices are answered by pages.

    What cannot be done now stays new, with the reason, and reconcile tries it again.
    """
    if not (is_being_answered() and answer_by_pages(work_on_soon)):
        in_turn(turn_of(remote_id), TURN_SECONDS, lambda: _work_on(remote_id))


_WORK = Work(REHIVE, "work_on_deliveries", work_on)


def turn_of(remote_id: str) -> str:
    """What whoever works on the deliveries about that invoice has claimed in the cache."""
    # As a digest, for not every cache takes any id for a key.
    return f"oscar_rehive:deliveries:{sha256(remote_id.encode()).hexdigest()}"


def _work_on(remote_id: str) -> None:
    waiting = Delivery.objects.filter(state=Delivery.State.NEW).defer("body").order_by("-pk")
    newest = list(waiting[:ENOUGH])
    # Known before it is taken in hand, lest others leave word about nothing.
    if are_many(newest) and is_one() and answer_by_pages(work_on_soon):
        return
    among = newest if len(newest) < ENOUGH else waiting.filter(remote_id=remote_id)
    by_reference: dict[str, list[Delivery]] = {}
    for one in among:
        if one.remote_id == remote_id:
            by_reference.setdefault(one.reference, []).append(one)
    for alike in by_reference.values():
        payment = None
        # What fails stays new; those of another reference are asked about all the same.
        with (
            contextlib.suppress(RehiveError, ImproperlyConfigured),
            within(WORK_SECONDS),
            unhurried(PATIENCE),
        ):
            payment = _settle(alike)
        if payment is not None:
            send_confirmation_soon(payment)


def newest_waiting() -> int:
    """The key of the delivery that came last, of those that wait; 0 where none does."""
    waiting = Delivery.objects.filter(state=Delivery.State.NEW)
    return waiting.aggregate(newest=Max("pk"))["newest"] or 0


def work_on_waiting(
    remote_id: str, reference: str, *, newest: int, since: datetime
) -> list[Delivery]:
    """The same with every delivery that waits with this hint, of which there can be hundreds after
    an outage: one question to Rehive answers them all, or none where it was asked ``since`` (UTC), and they
    had come by then: their keys are not above ``newest``. Another machine has stamped them, by a clock of its
    own. Returns those that wait still, for a fault of the shop's own; mails are left to the caller.

    Raises ``RehiveError`` or ``ImproperlyConfigured`` when Rehive cannot be asked.
    """
    # Read before Rehive is asked: one that comes meanwhile may tell something newer.
    hint = {"remote_id": remote_id, "reference": reference}
    found = Delivery.objects.filter(state=Delivery.State.NEW, **hint).defer("body")
    waiting = list(found.order_by("pk"))
    known = Invoice.objects.filter(seen_since(since), remote_id=remote_id)
    if waiting and waiting[-1].pk <= newest and known.exists():
        # A page has shown it since they came.
        _finish(waiting, Delivery.State.DONE, "")
    elif waiting:
        _settle(waiting)
    return [delivery for delivery in waiting if delivery.state == Delivery.State.NEW]


def _settle(alike: list[Delivery]) -> OrderPayment | None:
    """Settle what all of ``alike`` hint at; the payment of the order, if there is one to settle."""
    try:
        with about(delivery_id=alike[0].pk, invoice_id=alike[0].remote_id):
            payment = _settle_hint(alike[0])
    except (RehiveError, ImproperlyConfigured) as error:
        # Not counted as a try: after 50 runs into an outage, what it was about was lost for good.
        since, reason = timezone.now() - KEPT_FOR, _told(str(error))
        _finish([one for one in alike if one.received_at < since], Delivery.State.UNUSABLE, reason)
        _write([one for one in alike if one.received_at >= since], reason=reason)
        raise
    except Exception as error:
        # Nobody knows what a shop's own code raises; counted as a try, so that it is no crash loop
        # (P7).
        logger.exception("Delivery %s failed", alike[0].pk)
        again = [one for one in alike if one.tries + 1 < MAX_TRIES]
        _finish([one for one in alike if one not in again], Delivery.State.UNUSABLE, str(error))
        _finish(again, Delivery.State.NEW, str(error))
        return None
    if payment is not None:
        _finish(alike, Delivery.State.DONE, "")
    elif is_trial(alike[0].reference):
        _finish(alike, Delivery.State.DONE, "A trial of rehive_setup, which belongs to no order.")
    else:
        _finish(alike, Delivery.State.UNUSABLE, "This shop has no such invoice.")
    return payment


def _settle_hint(delivery: Delivery) -> OrderPayment | None:
    """The payment that was settled, as it is now, or None when the invoice is not one of ours."""
    invoice = Invoice.objects.select_related("payment").filter(remote_id=delivery.remote_id).first()
    if invoice is not None:
        # A refund made in Rehive's own app is told as a change of the invoice.
        refresh(invoice, Entry.Source.WEBHOOK, timeouts=QUICK, with_refunds=True, just_read=True)
        return invoice.payment
    told: dict[str, RemoteInvoice | None] = {}
    for lost in lost_attempts(delivery.reference):
        # Once for all attempts at one business: a stranger's invoice may carry the order's number.
        if lost.business_id not in told:
            told[lost.business_id] = _ask_about(delivery.remote_id, business_of(lost))
        remote = told[lost.business_id]
        if remote is not None and matching(remote) == lost.key.hex:
            with contextlib.suppress(NotOpened):  # attention has been raised
                adopt(lost, remote, Entry.Source.WEBHOOK)
            return OrderPayment.objects.get(pk=lost.payment_id)
    return None


def _ask_about(remote_id: str, business: conf.BusinessConfig) -> RemoteInvoice | None:
    with contextlib.suppress(NotFound):
        return client_for(business).invoice(remote_id, timeouts=QUICK)
    return None


def lost_attempts(reference: str) -> QuerySet[Invoice]:
    """The attempts of order ``reference`` whose making was never answered: news of one of them tell
    the id that we lack."""
    return Invoice.objects.select_related("payment").filter(
        payment__reference=reference, remote_id=None, may_exist=True
    )


def _finish(alike: Sequence[Delivery], state: Delivery.State, reason: str) -> None:
    now, reason = timezone.now(), _told(reason)
    done_at = None if state is Delivery.State.NEW else now
    _write(alike, state=state, reason=reason, tries=F("tries") + 1, done_at=done_at)
    for one in alike:
        one.state, one.reason = state, reason
        age = (now - one.received_at).total_seconds()
        numbers.took("delivery_seconds", age, outcome=state.value)


def _write(alike: Sequence[Delivery], **values: Any) -> None:
    """One statement for all of them, or a few: after an outage there are hundreds."""
    for pks in in_parts([one.pk for one in alike], AT_ONCE):
        Delivery.objects.filter(pk__in=pks).update(**values)

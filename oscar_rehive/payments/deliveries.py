"""The inbox of webhook calls: stored first, worked on after, never dropped (P7)."""

from __future__ import annotations

import contextlib
import json
import logging

from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from oscar_rehive import conf
from oscar_rehive.models import Delivery, Entry, Invoice, RefusedDeliveries
from oscar_rehive.payments.cleaning import REDACTED, storable, storable_text
from oscar_rehive.payments.gateway import business_of, client_for
from oscar_rehive.payments.mails import send_confirmation_if_due
from oscar_rehive.payments.opening import NotOpened, adopt, matching
from oscar_rehive.payments.refunding import follow
from oscar_rehive.payments.settling import refresh
from oscar_rehive.rehive import webhooks
from oscar_rehive.rehive.client import Timeouts
from oscar_rehive.rehive.exceptions import NotFound, RehiveError, Throttled

logger = logging.getLogger(__name__)

MAX_KEPT_CHARACTERS = 65_536
MAX_TRIES = 50
QUICK = Timeouts(connect=1.0, read=2.0)
"""Seconds, where the sender of a webhook may be waiting: it hangs up after 5."""


def store(body: bytes, *, fault: str = "") -> Delivery:
    """Store an authenticated delivery as it came, less what could be a secret.

    A delivery with a ``fault``, or whose body cannot be understood, is kept as unusable with the
    reason.
    """
    delivery = Delivery(body=storable_text(body.decode("utf-8", "replace")))
    try:
        if fault:
            raise webhooks.UnusableDelivery(fault)
        payload = webhooks.load(body)
        delivery.body = json.dumps(storable(payload), ensure_ascii=False)
        hint = webhooks.read(payload)
    except webhooks.UnusableDelivery as unusable:
        delivery.state = Delivery.State.UNUSABLE
        delivery.reason = storable_text(str(unusable))
    else:
        delivery.remote_id = hint.invoice_id
        delivery.reference = storable_text(hint.reference)[:255]
        delivery.event_id = storable_text(hint.event_id)[:128]
    delivery.body = _without_our_secrets(delivery.body)[:MAX_KEPT_CHARACTERS]
    delivery.save()
    return delivery


def count_refused() -> None:
    """Count a webhook call without the right secret; nothing else is kept of it."""
    now = timezone.now()
    today = RefusedDeliveries.objects.filter(day=now.date())
    if not today.update(count=F("count") + 1, last_at=now):
        try:
            with transaction.atomic():
                RefusedDeliveries.objects.create(day=now.date(), count=1, last_at=now)
        except IntegrityError:
            today.update(count=F("count") + 1, last_at=now)


def work_on(delivery: Delivery) -> None:
    """Verify and settle what ``delivery`` hints at. What cannot be done now stays new, with the
    reason, and reconcile tries it again. Raises ``Throttled`` only."""
    try:
        number = _settle_hint(delivery)
    except Throttled as error:
        # Not counted: nothing was tried, and it is the same for every delivery that waits.
        delivery.reason = str(error)
        delivery.save(update_fields=["reason"])
        raise
    except Exception as error:
        if not isinstance(error, (RehiveError, ImproperlyConfigured)):
            # Nobody knows what a shop's own code raises; counted as a try, so that it is no crash
            # loop (P7).
            logger.exception("Delivery %s failed", delivery.pk)
        final = isinstance(error, NotFound) or delivery.tries + 1 >= MAX_TRIES
        _finish(delivery, Delivery.State.UNUSABLE if final else Delivery.State.NEW, str(error))
        return
    if number is None:
        _finish(delivery, Delivery.State.UNUSABLE, "This shop has no such invoice.")
        return
    _finish(delivery, Delivery.State.DONE, "")
    send_confirmation_if_due(number)


def _settle_hint(delivery: Delivery) -> str | None:
    """The number of the order that was settled, or None when the invoice is not one of ours."""
    invoices = Invoice.objects.select_related("payment")
    invoice = invoices.filter(remote_id=delivery.remote_id).first()
    if invoice is not None:
        refresh(invoice, Entry.Source.WEBHOOK, timeouts=QUICK)
        if invoice.received:
            # A refund made in Rehive's own app is told as a change of the invoice.
            follow(invoice, Entry.Source.WEBHOOK, timeouts=QUICK)
        return invoice.order_number
    # News of an invoice whose making was never answered: the delivery tells the id we lack.
    lost = invoices.filter(payment__order_number=delivery.reference, remote_id=None, may_exist=True)
    for invoice in lost:
        remote = client_for(business_of(invoice)).invoice(delivery.remote_id, timeouts=QUICK)
        if matching(remote) == invoice.key.hex:
            with contextlib.suppress(NotOpened):  # attention has been raised
                adopt(invoice, remote, Entry.Source.WEBHOOK)
            return invoice.order_number
    return None


def _finish(delivery: Delivery, state: Delivery.State, reason: str) -> None:
    delivery.state = state
    delivery.reason = storable_text(reason)
    delivery.tries += 1
    delivery.done_at = None if state is Delivery.State.NEW else timezone.now()
    delivery.save(update_fields=["state", "reason", "tries", "done_at"])


def _without_our_secrets(text: str) -> str:
    """Wherever they stand: under a harmless name, or in a body that is not even JSON."""
    for secret in conf.secrets():
        # As it is, and as JSON writes it.
        for written in (secret, json.dumps(secret)[1:-1]):
            text = text.replace(written, REDACTED)
    return text

"""The round trip, tried: an invoice of the smallest amount is made at Rehive and ended at once, and what Rehive
tells of it must come in at the webhook.

It belongs to no order. Its ending is the change that Rehive tells of, so that nobody can pay it meanwhile.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Sum
from django.utils import timezone

from oscar_rehive.models import Delivery, RefusedDeliveries
from oscar_rehive.rehive.client import Client
from oscar_rehive.rehive.exceptions import RehiveError

REFERENCE = "rehive-setup-"
ENDS_AFTER = timedelta(minutes=15)
"""When the invoice ends by itself, should it not be possible to end it."""

LOOKS_EVERY = 0.25
"""Seconds between two looks whether the delivery is there."""


def is_trial(reference: str) -> bool:
    """Whether a delivery with this reference is about such an invoice, and not about an order."""
    return reference.startswith(REFERENCE)


@dataclass
class Trial:
    """One round trip. ``invoice_id`` is empty until Rehive has made the invoice; until ``is_ended`` that may be
    payable."""

    reference: str
    refused_before: int
    invoice_id: str = ""
    is_ended: bool = False

    def has_arrived(self) -> bool:
        """Whether the webhook has been told of it."""
        return Delivery.objects.filter(remote_id=self.invoice_id).exists()

    def was_refused(self) -> bool:
        """Whether webhook calls have been turned away meanwhile."""
        return _refused() > self.refused_before


def begin() -> Trial:
    """A trial of which nothing has been done yet."""
    return Trial(reference=f"{REFERENCE}{uuid.uuid4().hex[:12]}", refused_before=_refused())


def carry_out(trial: Trial, client: Client) -> None:
    """Make the invoice and end it, whatever interrupts this. Raises ``RehiveError``; ``is_ended`` then tells
    whether nothing was left behind."""
    ends = timezone.now() + ENDS_AFTER
    fields = {
        "request_reference": trial.reference,
        "request_amount": 1,
        "description": "A trial of the connection between shop and Rehive. Not to be paid.",
        "status": "initiated",
        "expiration_date": int(ends.timestamp()) * 1000,
    }
    try:
        made = client.create_invoice(fields, idempotency_key=uuid.uuid4().hex)
    except RehiveError as error:
        trial.is_ended = not error.may_have_happened
        raise
    trial.invoice_id = made.id
    changed = {"status": "cancelled"}
    try:
        client.update_invoice(made.id, changed, idempotency_key=uuid.uuid4().hex)
    except KeyboardInterrupt:
        client.update_invoice(made.id, changed, idempotency_key=uuid.uuid4().hex)
        trial.is_ended = True
        raise
    trial.is_ended = True


def wait_for(trial: Trial, seconds: float, wait: Callable[[float], None]) -> bool:
    """Whether its delivery arrives within ``seconds``."""
    for _ in range(max(1, round(seconds / LOOKS_EVERY))):
        if trial.has_arrived():
            return True
        wait(LOOKS_EVERY)
    return trial.has_arrived()


def _refused() -> int:
    return RefusedDeliveries.objects.aggregate(total=Sum("count"))["total"] or 0

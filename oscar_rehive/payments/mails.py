"""The order confirmation: once, after payment; a crash delays it and never loses it (P3)."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.utils import timezone

from oscar_rehive.payments.locking import locked
from oscar_rehive.shop import Standing, get_shop

logger = logging.getLogger(__name__)

CLAIM = timedelta(minutes=10)
"""How long one process has for sending before another one takes it to be dead."""


def send_confirmation_if_due(number: str) -> bool:
    """Send the confirmation of order ``number`` if it is due and nobody else is sending it.

    Claimed under the lock, sent outside of it: a mail server is a network call. Never raises for a
    mail that cannot be sent; it stays due.
    """
    with locked(number) as held:
        payment, now = held.payment, timezone.now()
        claimed = payment.mail_claimed_at is not None and payment.mail_claimed_at > now - CLAIM
        if payment.mail_due_at is None or payment.mail_sent_at is not None or claimed:
            return False
        if held.order is None or held.order.standing is Standing.CANCELLED:
            # Deleted or cancelled meanwhile: there is nothing left to confirm, at any later run.
            payment.mail_due_at = None
            payment.save(update_fields=["mail_due_at"])
            return False
        payment.mail_claimed_at = now
        payment.save(update_fields=["mail_claimed_at"])
    try:
        get_shop().send_confirmation(number, language=payment.language)
    except Exception:
        # Whatever a shop's mail backend raises: the order is paid, and that must not be in danger.
        logger.exception("The confirmation of order #%s could not be sent; it stays due.", number)
        _note(number, claimed=False)
        return False
    _note(number, claimed=True)
    return True


def _note(number: str, *, claimed: bool) -> None:
    with locked(number) as held:
        if claimed:
            held.payment.mail_sent_at = timezone.now()
        else:
            held.payment.mail_claimed_at = None
        held.payment.save(update_fields=["mail_sent_at", "mail_claimed_at"])

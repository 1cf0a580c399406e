"""The order confirmation: once, after payment; a crash delays it and never loses it (P3)."""

from __future__ import annotations

import contextlib
import logging
from datetime import timedelta

from django.utils import timezone

from oscar_rehive.payments.locking import locked
from oscar_rehive.shop import Standing, get_shop

logger = logging.getLogger(__name__)

CLAIM = timedelta(minutes=10)
"""How long one process has for sending before another one takes it to be dead."""


class NotSent(Exception):
    """The confirmation could not be sent; it stays due."""


def send_confirmation_if_due(number: str) -> bool:
    """The same as ``send_confirmation``, for those whose work is done whether or not the mail server
    takes the mail."""
    with contextlib.suppress(NotSent):
        return send_confirmation(number)
    return False


def send_confirmation(number: str) -> bool:
    """Send the confirmation of order ``number`` if it is due and nobody else is sending it; True when
    it was sent. Raises ``NotSent``.

    Claimed under the lock, sent outside of it: a mail server is a network call.
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
    except Exception as error:
        # Whatever a shop's mail backend raises: the order is paid, and that must not be in danger.
        logger.exception("The confirmation of order #%s could not be sent; it stays due.", number)
        _note(number, sent=False)
        raise NotSent(f"The mail could not be sent ({type(error).__name__}: {error}).") from error
    _note(number, sent=True)
    return True


def _note(number: str, *, sent: bool) -> None:
    with locked(number) as held:
        if sent:
            held.payment.mail_sent_at = timezone.now()
        else:
            # Free for the next at once, and it still shows when it was tried: reconcile takes it
            # after the others, or one address that no server accepts would be in their way.
            held.payment.mail_claimed_at = timezone.now() - CLAIM
        held.payment.save(update_fields=["mail_sent_at", "mail_claimed_at"])

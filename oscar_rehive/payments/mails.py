"""The order confirmation: once, after payment; a crash delays it and never loses it (P3)."""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta
from smtplib import SMTPRecipientsRefused, SMTPResponseException

from django.utils import timezone

from oscar_rehive import numbers
from oscar_rehive.background import MAILS, Work
from oscar_rehive.logs import Log
from oscar_rehive.models import OrderPayment
from oscar_rehive.payments.clocks import is_over
from oscar_rehive.payments.watching import about_order
from oscar_rehive.shop import Standing, get_shop

logger = Log(__name__)

CLAIM = timedelta(minutes=10)
"""How long one process has for sending before another one takes it to be dead."""


class NotSent(Exception):
    """The confirmation could not be sent; it stays due. ``is_silence`` tells that nobody has answered, so
    that the next one would wait as long for nothing."""

    def __init__(self, error: Exception) -> None:
        super().__init__(f"The mail could not be sent ({type(error).__name__}: {error}).")
        said_no = isinstance(error, (SMTPResponseException, SMTPRecipientsRefused))
        self.is_silence = isinstance(error, OSError) and not said_no


def send_confirmation_soon(payment: OrderPayment) -> None:
    """Send the confirmation of ``payment``, if it is due, while nobody waits for it."""
    if payment.mail_due_at is not None and payment.mail_sent_at is None:
        _WORK.soon(payment.order_number)


def send_confirmation_if_due(number: str) -> bool:
    """The same as ``send_confirmation``, for those whose work is done whether or not the mail server
    takes the mail."""
    with contextlib.suppress(NotSent):
        return send_confirmation(number)
    return False


_WORK = Work(MAILS, "send_confirmation", send_confirmation_if_due)


@about_order
def send_confirmation(number: str) -> bool:
    """Send the confirmation of order ``number`` if it is due and nobody else is sending it; True when
    it was sent. Raises ``NotSent``.

    Claimed by one statement, which only one of several can carry out, and sent outside of any lock: a
    mail server is a network call.
    """
    if not _claim(number):
        return False
    shop, payment = get_shop(), OrderPayment.objects.get(order_number=number)
    order = shop.find(number)
    if order is None or not payment.is_for(order.key) or order.standing is Standing.CANCELLED:
        # Deleted or cancelled meanwhile: there is nothing left to confirm, at any later run.
        _note(number, mail_due_at=None, mail_claimed_at=None)
        return False
    try:
        shop.send_confirmation(number, language=payment.language)
    except Exception as error:
        # Whatever a shop's mail backend raises: the order is paid, and that must not be in danger.
        logger.exception("The confirmation of order #%s could not be sent; it stays due.", number)
        _note(number, mail_claimed_at=None)  # free for the next at once
        numbers.count("confirmations", outcome="failed")
        raise NotSent(error) from error
    _note(number, mail_sent_at=timezone.now())
    numbers.count("confirmations", outcome="sent")
    return True


def _claim(number: str) -> bool:
    now = timezone.now()
    due = OrderPayment.objects.filter(
        is_over("mail_claimed_at", CLAIM),
        order_number=number,
        mail_due_at__isnull=False,
        mail_sent_at=None,
    )
    return bool(due.update(mail_claimed_at=now))


def _note(number: str, **changes: datetime | None) -> None:
    OrderPayment.objects.filter(order_number=number).update(**changes)

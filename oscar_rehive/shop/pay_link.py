"""A mail with the way to pay, as a kind of message of Oscar's own: a shop changes its words in the
dashboard, or by templates of the same names."""

from __future__ import annotations

from django.utils import translation
from oscar.core.loading import get_class, get_model

from oscar_rehive.databases import where_written
from oscar_rehive.logs import Log
from oscar_rehive.shop.confirmation import connection_in_time

logger = Log(__name__)

CODE = "REHIVE_PAY_LINK"

OscarOrder = get_model("order", "Order")
CommunicationEventType = get_model("communication", "CommunicationEventType")


class NobodyToMail(Exception):
    """The order's customer was deleted, or has no address."""


def send(number: str, *, url: str, language: str) -> None:
    """Mail ``url`` to the customer of order ``number``. Network: never under a lock. Raises
    ``NobodyToMail``, and what the shop's mail backend raises."""
    order = where_written(OscarOrder).select_related("user", "site").get(number=number)
    if not order.email:
        raise NobodyToMail("The order's customer has no mail address (any more).")
    dispatcher = get_class("communication.utils", "Dispatcher")(
        logger=logger, mail_connection=connection_in_time()
    )
    with translation.override(language or None):
        messages = CommunicationEventType.objects.get_and_render(
            CODE, {"order": order, "pay_url": url, "user": order.user}
        )
        dispatcher.dispatch_direct_messages(order.email, messages)

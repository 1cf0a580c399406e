"""A mail to those who run the shop, as a kind of message of Oscar's own: a shop changes its words in the
dashboard, or by templates of the same names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.contrib.sites.models import Site
from django.utils import translation
from oscar.core.loading import get_class, get_model

from oscar_rehive.logs import Log
from oscar_rehive.shop.confirmation import connection_in_time

logger = Log(__name__)

CODE = "REHIVE_OWNERS"

CommunicationEventType = get_model("communication", "CommunicationEventType")


def send(addresses: Sequence[str], *, base_url: str, told: Mapping[str, Any]) -> None:
    """Mail what is ``told`` to all ``addresses``. Network: never under a lock. Raises what the shop's mail backend
    raises, where none of them could be mailed: the others must not be mailed again for one that is refused."""
    dispatcher = get_class("communication.utils", "Dispatcher")(
        logger=logger, mail_connection=connection_in_time()
    )
    site = Site.objects.order_by("pk").first()
    base = base_url or (f"https://{site.domain}" if site else "")
    with translation.override(settings.LANGUAGE_CODE):
        messages = CommunicationEventType.objects.get_and_render(
            CODE, {**told, "shop_url": base.rstrip("/")}
        )
        failed: list[Exception] = []
        for address in addresses:
            try:
                dispatcher.dispatch_direct_messages(address, messages)
            except Exception as error:
                logger.warning("%s could not be mailed: %s", address, error)
                failed.append(error)
    if failed and len(failed) == len(addresses):
        raise failed[0]

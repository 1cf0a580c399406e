"""Oscar's order confirmation, sent without a request: it goes out when the money is known, often with no
shopper in sight."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.contrib.sites.models import Site
from django.core.mail import get_connection
from django.db.models import Prefetch
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import translation
from oscar.core.loading import get_class, get_model

from oscar_rehive.databases import where_written
from oscar_rehive.logs import Log

logger = Log(__name__)

MOST_SECONDS = 10
"""For one word of the mail server."""

OscarOrder = get_model("order", "Order")
OrderLine = get_model("order", "Line")
Surcharge = get_model("order", "Surcharge")


def send(number: str, *, language: str) -> None:
    """Send the confirmation of order ``number``; nothing where there is nobody to mail."""
    order = _order(number)
    if order.user is None and not order.guest_email:
        logger.warning("Order #%s: its customer was deleted; there is nobody to mail", number)
        return
    dispatcher = get_class("order.utils", "OrderDispatcher")(
        logger=logger, mail_connection=connection_in_time()
    )
    with translation.override(language or None):
        dispatcher.send_order_placed_email_for_user(order, _context(order))


def connection_in_time() -> Any:
    """The shop's way to its mail server, which gives up in time: Django's own default is to wait for
    ever for a server that accepts and says nothing."""
    seconds = min(settings.EMAIL_TIMEOUT or MOST_SECONDS, MOST_SECONDS)
    try:
        return get_connection(timeout=seconds)
    except TypeError:  # a backend of the shop's own that takes no such word
        return get_connection()


def _order(number: str) -> Any:
    """With all that Oscar's template shows: it asks for the lines and the surcharges once for the text
    and once more for the HTML, and would ask a replica that may not have them yet."""
    orders = where_written(OscarOrder).select_related("site", "user", "shipping_address__country")
    return orders.prefetch_related(
        Prefetch("lines", queryset=where_written(OrderLine)),
        Prefetch("surcharges", queryset=where_written(Surcharge)),
    ).get(number=number)


def _context(order: Any) -> dict[str, Any]:
    """What Oscar's OrderPlacementMixin.get_message_context gives to the mail."""
    site = order.site or Site.objects.order_by("pk").first()
    context: dict[str, Any] = {
        "user": order.user or AnonymousUser(),
        "order": order,
        "lines": order.lines.all(),
        "request": _RequestTo(site.domain if site else "localhost"),
    }
    try:
        context["status_path"] = (
            reverse("customer:order", kwargs={"order_number": order.number})
            if order.user
            else reverse(
                "customer:anon-order",
                kwargs={"order_number": order.number, "hash": order.verification_hash()},
            )
        )
        context["status_url"] = f"https://{site.domain if site else ''}{context['status_path']}"
    except NoReverseMatch:  # order numbers with characters that Oscar's address does not take
        pass
    return context


class _RequestTo(HttpRequest):
    """Oscar's dispatcher finds the site by SITE_ID or, with several sites, by the request's host."""

    def __init__(self, domain: str) -> None:
        super().__init__()
        self._domain = domain
        self.META.update(SERVER_NAME=domain.partition(":")[0], SERVER_PORT="443")

    def get_host(self) -> str:
        # ALLOWED_HOSTS guards against forged headers; this one comes from the database.
        return self._domain

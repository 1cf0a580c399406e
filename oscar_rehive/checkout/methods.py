"""Payment methods at the checkout, listed by dotted path in ``OSCAR_REHIVE["PAYMENT_METHODS"]``."""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.module_loading import import_string

from oscar_rehive import conf

logger = logging.getLogger(__name__)


class PaymentMethod:
    """One way to pay. A shop's own methods derive from this class.

    ``code`` is the value of the radio button and is kept in the checkout's session; ``title`` and
    ``description`` are shown beside it.
    """

    code: str
    title: str | Promise
    description: str | Promise = ""

    def is_available(self, request: HttpRequest, total: Any) -> bool:
        """Whether to offer this method for ``total``, an ``oscar.core.prices.Price``."""
        return True

    def handle_payment(self, view: Any, order_number: str, total: Any) -> None:
        """Take the payment, if this method takes one before the order is placed.

        Called by the view's own ``handle_payment``, so that the exceptions of
        ``oscar.apps.payment.exceptions`` and ``view.add_payment_source`` work as usual.
        """


class Rehive(PaymentMethod):
    """Rehive, offered only when it can work: sound settings, a business for the currency, and a
    total above zero and inside the limits."""

    code = "rehive"

    @property
    def title(self) -> str | Promise:  # type: ignore[override]  # read from the settings, where translations are lazy
        """As the shop set it."""
        return conf.current().title

    @property
    def description(self) -> str | Promise:  # type: ignore[override]  # as above
        """As the shop set it."""
        return conf.current().description

    def is_available(self, request: HttpRequest, total: Any) -> bool:
        try:
            business = conf.business_for(total.currency)
            reverse("oscar_rehive:webhook")
        except (ImproperlyConfigured, NoReverseMatch) as error:
            logger.error("Rehive is not offered at the checkout: %s", error)
            return False
        return business is not None and _inside(business, total.incl_tax)


def _inside(business: conf.BusinessConfig, amount: Decimal) -> bool:
    at_least = max(business.minimum or Decimal(0), Decimal(0))
    at_most = business.maximum
    return amount > 0 and amount >= at_least and (at_most is None or amount <= at_most)


def all_methods() -> list[PaymentMethod]:
    """The shop's payment methods, in the order of the setting.

    With settings that are not sound there is none of ours, and the checkout goes on without.
    """
    try:
        paths = conf.current().payment_methods
    except ImproperlyConfigured as error:
        logger.error("No payment methods: %s", error)
        return []
    return [import_string(path)() for path in paths]


def available_methods(request: HttpRequest, total: Any) -> list[PaymentMethod]:
    """The methods that can be chosen for ``total``."""
    return [method for method in all_methods() if method.is_available(request, total)]

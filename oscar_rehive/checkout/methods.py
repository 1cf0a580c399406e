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

    One that cannot be had is left out: the system checks name it, and a checkout with the others is
    better than none.
    """
    methods = []
    for path in conf.payment_methods():
        try:
            methods.append(load_method(path))
        except (ImportError, TypeError) as error:
            logger.error("The payment method %r is not offered: %s", path, error)
    return methods


def load_method(path: str) -> PaymentMethod:
    """The payment method at the dotted path; ``ImportError`` or ``TypeError`` if there is none."""
    method = import_string(path)()
    if not isinstance(method, PaymentMethod):
        raise TypeError("it is not a PaymentMethod")
    if not getattr(method, "code", ""):
        raise TypeError("it has no code")
    # Of the class: our own title is read from settings that may be unsound.
    if not hasattr(type(method), "title"):
        raise TypeError("it has no title")
    return method


def available_methods(request: HttpRequest, total: Any) -> list[PaymentMethod]:
    """The methods that can be chosen for ``total``."""
    return [method for method in all_methods() if method.is_available(request, total)]

"""Payment methods at the checkout, listed by dotted path in ``OSCAR_REHIVE["PAYMENT_METHODS"]``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _
from oscar.templatetags.currency_filters import currency as currency_filter

from oscar_rehive import conf
from oscar_rehive.logs import Log
from oscar_rehive.payments.breaker import seconds_down
from oscar_rehive.payments.currencies import known_divisibility
from oscar_rehive.rehive.money import InexactAmount, to_units
from oscar_rehive.shop import get_shop

logger = Log(__name__)


@dataclass(frozen=True)
class ToPay:
    """What is to be paid of an order's total, in its currency: ``amount``, or at least that where the
    tax is not known yet (``is_exact`` is False), for tax only adds."""

    amount: Decimal
    is_exact: bool


def to_pay(total: Any) -> ToPay | None:
    """What is to be paid of ``total``, an ``oscar.core.prices.Price`` or None, as far as it is known;
    None where nothing is to be paid. Some shops know the tax only at the preview."""
    if total is None:
        return None
    is_exact = total.incl_tax is not None
    amount = total.incl_tax if is_exact else total.excl_tax
    # Nothing has no tax either: Oscar's payment step is skipped for it, and to send the shopper back
    # there from the preview would go on for ever.
    return ToPay(amount, is_exact) if amount > 0 else None


class PaymentMethod:
    """One way to pay. A shop's own methods derive from this class.

    ``code`` is the value of the radio button and is kept in the checkout's session; ``title`` and
    ``description`` are shown beside it.
    """

    code: str
    title: str | Promise
    description: str | Promise = ""

    def is_available(self, request: HttpRequest, total: Any) -> bool:
        """Whether to offer this method for ``total``, an ``oscar.core.prices.Price`` whose
        ``incl_tax`` is None where the tax is not known yet. Called at every step from the choice to
        the placing: no network here."""
        return True

    def why_not(self, total: Any) -> str:
        """What a shopper for whom no method is available may want to know of this one; nothing, if it cannot
        be helped."""
        return ""

    def handle_payment(self, view: Any, order_number: str, total: Any) -> None:
        """Take the payment, if this method takes one before the order is placed.

        Called by the view's own ``handle_payment``, so that the exceptions of
        ``oscar.apps.payment.exceptions`` and ``view.add_payment_source`` work as usual.
        """


class Rehive(PaymentMethod):
    """Rehive, offered only when it can work: sound settings, a business for the currency, no outage that
    lasts, and a total above zero, inside the limits, and with no more decimals than the currency has."""

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
            obstacle = self.obstacle(total)
        except (ImproperlyConfigured, NoReverseMatch) as error:
            logger.error("Rehive is not offered at the checkout: %s", error)
            return False
        if obstacle:
            logger.info("Rehive is not offered at the checkout: %s.", obstacle)
        return not obstacle

    def obstacle(self, total: Any) -> str:
        """Why Rehive cannot take ``total``, in words for the owner; nothing if it can. Raises
        ``ImproperlyConfigured`` or ``NoReverseMatch`` where the shop is not set up."""
        business = conf.business_for(total.currency)
        reverse("oscar_rehive:webhook")
        if business is None:
            return f"no business invoices in {total.currency}"
        return _outage(business) or _obstacle(business, to_pay(total))

    def why_not(self, total: Any) -> str:
        """The limits, and the currency: what another basket would get by with."""
        try:
            business, title = conf.business_for(total.currency), str(self.title)
        except ImproperlyConfigured:
            return ""
        if business is None:
            return _("%(title)s takes no payments in %(currency)s.") % {
                "title": title,
                "currency": total.currency,
            }
        due = to_pay(total)
        if due is None:
            return ""
        if business.maximum is not None and due.amount > business.maximum:
            text, limit = _("%(title)s takes payments of up to %(limit)s."), business.maximum
        elif business.minimum is not None and due.is_exact and due.amount < business.minimum:
            text, limit = _("%(title)s takes payments of %(limit)s or more."), business.minimum
        else:
            return ""
        return text % {"title": title, "limit": currency_filter(limit, total.currency)}


def _outage(business: conf.BusinessConfig) -> str:
    """Whether Rehive has been down for so long that it is not offered any more; nothing if not."""
    longest = conf.current().offered_during_outage
    down = timedelta(seconds=int(seconds_down(business.api_url)))
    return f"it has not answered for {down}" if longest is not None and down > longest else ""


def _obstacle(business: conf.BusinessConfig, due: ToPay | None) -> str:
    """Why ``business`` cannot take what is due; nothing if it can, as far as is known."""
    if due is None:
        return "nothing is to be paid"
    if business.maximum is not None and due.amount > business.maximum:
        return f"{due.amount} {business.currency} are above MAXIMUM"
    if not due.is_exact:
        return ""
    if business.minimum is not None and due.amount < business.minimum:
        return f"{due.amount} {business.currency} are below MINIMUM"
    return _inexpressible(business, due.amount)


def _inexpressible(business: conf.BusinessConfig, amount: Decimal) -> str:
    """Why no invoice can be made over ``amount``. Found out only after the order was placed, it held
    its stock and voucher, and its pay page failed for ever."""
    # As the order will keep it: what a shop's tax leaves behind the cents is no obstacle.
    kept = amount.quantize(Decimal(1).scaleb(-get_shop().ledger_places), ROUND_HALF_UP)
    divisibility = known_divisibility(business)
    if divisibility is None:
        return ""
    try:
        to_units(kept, divisibility)
    except InexactAmount as error:
        return f"{business.currency}: {str(error).rstrip('.')}"
    return ""


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

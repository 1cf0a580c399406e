"""The one setting of the plugin, ``OSCAR_REHIVE``, read, checked and typed.

``current()`` is what the code uses; ``problems()`` is what the system checks show. Both come from
one reading, so that what is checked is what is used.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.signals import setting_changed
from django.core.validators import validate_email
from django.dispatch import receiver
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from oscar_rehive.configuration import (
    BUSINESS_KEYS,
    CALLS_PER_MINUTE,
    FEWEST_CALLS,
    LIVE_API_URL,
    LIVE_PAYMENT_REQUESTS_URL,
    LONGEST_KEEPING,
    MAX_WINDOW,
    OFFERED,
    OFFERED_DURING_OUTAGE,
    SHOP_KEYS,
    SHORTEST_HEALTH_TOKEN,
    SHORTEST_KEEPING,
    BusinessConfig,
    Config,
    OrderStatuses,
)
from oscar_rehive.reading import Problem, Reader, hidden, without_none
from oscar_rehive.rehive.hiding import Secret

__all__ = [
    "BUSINESS_KEYS",
    "CALLS_PER_MINUTE",
    "LIVE_API_URL",
    "LIVE_PAYMENT_REQUESTS_URL",
    "SETTING",
    "SHOP_KEYS",
    "BusinessConfig",
    "Config",
    "OrderStatuses",
    "as_it_is",
    "business_for",
    "current",
    "order_statuses",
    "payment_methods",
    "problems",
    "secrets",
]

SETTING = "OSCAR_REHIVE"


def current() -> Config:
    """The configuration; raises ``ImproperlyConfigured`` with what to mend when it is not sound."""
    config, found = _read()
    fatal = [problem for problem in found if problem.fatal]
    if fatal:
        raise ImproperlyConfigured(f"{fatal[0].message} {fatal[0].hint}")
    return config


def as_it_is() -> Config:
    """The configuration, also where it is not sound, with the defaults in the place of what is wrong:
    what staff do to an order must reach its payment all the same."""
    return _read()[0]


def order_statuses() -> OrderStatuses:
    """The shop's order statuses, also where the rest of the settings is not sound: the pages that
    tell a shopper how things are must work all the same."""
    return _read()[0].order_status


def problems() -> tuple[Problem, ...]:
    """Everything that is wrong with the setting."""
    return _read()[1]


def payment_methods() -> tuple[str, ...]:
    """The dotted paths of the shop's payment methods, sound or not: the others go on without ours."""
    return _read()[0].payment_methods


def secrets() -> list[str]:
    """All that must be neither stored nor logged, the longest first: one may be part of another."""
    config = _read()[0]
    found = {config.health_token, *config.webhook_secrets}
    found.update(one.token for one in config.businesses.values())
    return sorted(filter(None, found), key=len, reverse=True)


def business_for(currency: str) -> BusinessConfig | None:
    """The business that invoices in ``currency``, or None."""
    return current().businesses.get(currency)


@receiver(setting_changed)
def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting in (SETTING, "OSCAR_DEFAULT_CURRENCY", "MANAGERS"):
        _read.cache_clear()


@lru_cache(maxsize=1)
def _read() -> tuple[Config, tuple[Problem, ...]]:
    raw = hidden(getattr(settings, SETTING, None))
    reader = _SettingReader(raw if isinstance(raw, Mapping) else {})
    if not isinstance(raw, Mapping):
        reader.wrong(
            f"{SETTING} is missing or not a dict.",
            f'Add {SETTING} = {{"TOKEN": …, "BUSINESS_ID": …}}: manage.py rehive_setup prints it whole.',
        )
    return reader.config(), tuple(reader.problems)


class _SettingReader(Reader):
    """Reads ``OSCAR_REHIVE``."""

    def config(self) -> Config:
        self.refuse_unknown(self.given, (*BUSINESS_KEYS, *SHOP_KEYS), SETTING)
        late = self.text(self.raw, "LATE_PAYMENTS", "accept", SETTING)
        if late not in ("accept", "hold"):
            self.wrong(
                f'{SETTING}["LATE_PAYMENTS"] is {late!r}.',
                'Set it to "accept" (a late payment pays the order) or "hold" (a person decides).',
            )
        return Config(
            businesses=self._businesses(),
            order_status=self._order_status(),
            payment_window=self._span("PAYMENT_WINDOW", timedelta(hours=24)),
            accept_late=late == "accept",
            tolerance_amount=self.decimal(self.raw, "TOLERANCE_AMOUNT", SETTING) or Decimal(0),
            tolerance_percent=self._tolerance_percent(),
            title=self._shown_text("TITLE", _("Rehive")),
            description=self._shown_text(
                "DESCRIPTION", _("You pay on Rehive's secure page and then come back here.")
            ),
            payment_methods=self._payment_methods(),
            base_url=self.address(self.raw, "BASE_URL", "", SETTING),
            keep_deliveries=self._span(
                "KEEP_DELIVERIES", timedelta(days=90), SHORTEST_KEEPING, LONGEST_KEEPING
            ),
            # None means "for ever" here, and not "as if it were not given".
            offered_during_outage=None
            if self.given.get(OFFERED, ...) is None
            else self._span(OFFERED, OFFERED_DURING_OUTAGE),
            tell=self._tell(),
            health_token=self._health_token(),
        )

    def _businesses(self) -> dict[str, BusinessConfig]:
        several = self.raw.get("BUSINESSES")
        if several is None:
            currency = getattr(settings, "OSCAR_DEFAULT_CURRENCY", "")
            return {currency: self._business(currency, self.raw, SETTING)}
        if not isinstance(several, Mapping) or not several:
            self.wrong(
                f'{SETTING}["BUSINESSES"] is not a dict of businesses.',
                'Write {"USD": {"TOKEN": …, "BUSINESS_ID": …}, "EUR": {…}}.',
            )
            return {}
        shared = {key: self.raw[key] for key in BUSINESS_KEYS if key in self.raw}
        businesses = {}
        for currency, entry in several.items():
            where = f'{SETTING}["BUSINESSES"]["{currency}"]'
            if not isinstance(currency, str) or not currency.strip():
                self.wrong(
                    f'{SETTING}["BUSINESSES"] has the key {currency!r}, which is not a currency.',
                    'Name each business under the currency it invoices in, such as "USD".',
                )
                continue
            if not isinstance(entry, Mapping):
                self.wrong(f"{where} is not a dict.", "Give it at least TOKEN and BUSINESS_ID.")
                continue
            self.refuse_unknown(entry, BUSINESS_KEYS, where)
            businesses[currency] = self._business(
                currency, without_none({**shared, **entry}), where
            )
        self._warn_of_unsold(businesses)
        self._refuse_shared_ids(businesses)
        return businesses

    def _warn_of_unsold(self, businesses: Mapping[str, BusinessConfig]) -> None:
        currency = getattr(settings, "OSCAR_DEFAULT_CURRENCY", "")
        if currency not in businesses:
            self.wrong(
                f'The shop sells in {currency} (OSCAR_DEFAULT_CURRENCY), and {SETTING}["BUSINESSES"]'
                " has no business for that: its orders cannot be paid through Rehive.",
                f"Add a business that invoices in {currency}, or sell in the currency of one that is"
                " there.",
                fatal=False,
            )

    def _refuse_shared_ids(self, businesses: Mapping[str, BusinessConfig]) -> None:
        by_id: dict[str, str] = {}
        for currency, business in businesses.items():
            other = by_id.setdefault(business.business_id, currency)
            if business.business_id and other != currency:
                self.wrong(
                    f'{SETTING}["BUSINESSES"] has the same BUSINESS_ID for {other} and {currency}.',
                    "A business at Rehive invoices in one currency: give each its own.",
                )

    def _business(self, currency: str, raw: Mapping[str, Any], where: str) -> BusinessConfig:
        return BusinessConfig(
            currency=currency,
            token=Secret(self._needed(raw, "TOKEN", where)),
            business_id=self._needed(raw, "BUSINESS_ID", where),
            webhook_secrets=self._secrets(raw, where),
            api_url=self.address(raw, "API_URL", LIVE_API_URL, where),
            payment_requests_url=self.address(
                raw, "PAYMENT_REQUESTS_URL", LIVE_PAYMENT_REQUESTS_URL, where
            ),
            **self._limits(raw, where),
            calls_per_minute=self.whole_number(
                raw, "CALLS_PER_MINUTE", CALLS_PER_MINUTE, FEWEST_CALLS, where
            ),
        )

    def _needed(self, raw: Mapping[str, Any], key: str, where: str) -> str:
        if not str(raw.get(key, "")).strip():
            self.wrong(
                f'{where}["{key}"] is missing or empty.',
                "Rehive's app shows the business's id; make a permanent API token there for"
                " a manager or service user.",
            )
            return ""
        return self.text(raw, key, "", where)

    def _limits(self, raw: Mapping[str, Any], where: str) -> dict[str, Decimal | None]:
        minimum = self.decimal(raw, "MINIMUM", where)
        maximum = self.decimal(raw, "MAXIMUM", where)
        if minimum is not None and maximum is not None and minimum > maximum:
            self.wrong(
                f'{where}["MINIMUM"] is above MAXIMUM: no order could be paid.',
                "Exchange the two, or leave one out.",
            )
        return {"minimum": minimum, "maximum": maximum}

    def _secrets(self, raw: Mapping[str, Any], where: str) -> tuple[str, ...]:
        given = raw.get("WEBHOOK_SECRET")
        hint = (
            "Set WEBHOOK_SECRET to a long random text (or to a list of them while you rotate) and"
            " register the webhook with it: manage.py rehive_setup does both."
        )
        if given is None:
            self.wrong(
                f'{where}["WEBHOOK_SECRET"] is missing: the webhook is closed and orders become'
                " paid only by the shopper's return and by rehive_reconcile.",
                hint,
                fatal=False,
            )
            return ()
        secrets = [given] if isinstance(given, str) else given
        if not isinstance(secrets, (list, tuple)) or not all(
            isinstance(secret, str) for secret in secrets
        ):
            self.wrong(f'{where}["WEBHOOK_SECRET"] is neither a text nor a list of texts.', hint)
            return ()
        # A line's end from a secrets file is no part of the secret, and no header could carry it.
        usable = tuple(Secret(secret.strip()) for secret in secrets if secret.strip())
        if not usable or len(usable) < len(secrets):
            # Elsewhere an empty secret has meant "accept everything" (peer bug 24).
            self.wrong(
                f'{where}["WEBHOOK_SECRET"] is empty; an empty secret never matches anything.',
                hint,
                fatal=False,
            )
        return usable

    def _order_status(self) -> OrderStatuses:
        words = {"pending": "Pending", "paid": "Being processed", "cancelled": "Cancelled"}
        given = self.raw.get("ORDER_STATUS", {})
        if (
            not isinstance(given, Mapping)
            or set(given) - set(words)
            or not all(isinstance(word, str) and word.strip() for word in given.values())
        ):
            self.wrong(
                f'{SETTING}["ORDER_STATUS"] must be a dict with the keys'
                ' "pending", "paid" and "cancelled", and order statuses as values.',
                f"For instance {words}.",
            )
            given = {}
        statuses = OrderStatuses(**{**words, **given})
        if statuses.cancelled in (statuses.pending, statuses.paid):
            self.wrong(
                f'{SETTING}["ORDER_STATUS"] has {statuses.cancelled!r} for cancelled orders and for'
                " others.",
                "Give cancelled orders a status of their own.",
            )
        return statuses

    def _span(
        self,
        key: str,
        default: timedelta,
        least: timedelta = timedelta(0),
        most: timedelta = MAX_WINDOW,
    ) -> timedelta:
        return self.span(self.raw, key, default, SETTING, least=least, most=most)

    def _payment_methods(self) -> tuple[str, ...]:
        methods = self.raw.get("PAYMENT_METHODS", ["oscar_rehive.checkout.methods.Rehive"])
        if (
            not isinstance(methods, (list, tuple))
            or not methods
            or not all(isinstance(path, str) for path in methods)
        ):
            self.wrong(
                f'{SETTING}["PAYMENT_METHODS"] is not a list of dotted paths.',
                'For instance ["oscar_rehive.checkout.methods.Rehive", "shop.methods.Invoice"].',
            )
            return ()
        return tuple(methods)

    def _tell(self) -> tuple[str, ...]:
        given = self.raw.get("TELL")
        if given is None:
            return self._managers()
        addresses = [given] if isinstance(given, str) else given
        try:
            for address in addresses:
                validate_email(address)
        except (TypeError, ValidationError):
            self.wrong(
                f'{SETTING}["TELL"] is not a list of mail addresses: nobody is told of what goes wrong.',
                'For instance ["owner@example.com"]; an empty list where nobody is to be told.',
                fatal=False,
            )
            return ()
        return tuple(addresses)

    def _managers(self) -> tuple[str, ...]:
        # Django's own: names with addresses, or from Django 6 on addresses. It looks at them when it mails them.
        managers = getattr(settings, "MANAGERS", None) or ()
        with contextlib.suppress(TypeError, LookupError):
            found = tuple(one if isinstance(one, str) else one[1] for one in managers)
            if isinstance(managers, (list, tuple)) and all(isinstance(one, str) for one in found):
                return found
        self.wrong(
            "MANAGERS is not a list of names with mail addresses: nobody is told of what goes wrong.",
            f'For instance [("Kim", "kim@example.com")]; or name them in {SETTING}["TELL"].',
            fatal=False,
        )
        return ()

    def _health_token(self) -> str:
        token = self.raw.get("HEALTH_TOKEN")
        if token is None:
            return ""
        usable = token.strip() if isinstance(token, str) else ""
        if len(usable) < SHORTEST_HEALTH_TOKEN or not usable.isascii() or len(usable.split()) > 1:
            self.wrong(
                f'{SETTING}["HEALTH_TOKEN"] is no text of at least {SHORTEST_HEALTH_TOKEN} letters and digits:'
                " what a monitor asks stays closed.",
                'Make one: python -c "import secrets; print(secrets.token_urlsafe(32))".',
                fatal=False,
            )
            return ""
        return Secret(usable)

    def _shown_text(self, key: str, default: str | Promise) -> str | Promise:
        # Lazy translations are left lazy: the shopper's language is known at rendering only.
        text = self.raw.get(key) or default
        if not isinstance(text, (str, Promise)):
            self.wrong(f'{SETTING}["{key}"] is not a text.', "Put it in quotation marks.")
            return default
        return text

    def _tolerance_percent(self) -> Decimal:
        percent = self.decimal(self.raw, "TOLERANCE_PERCENT", SETTING) or Decimal(0)
        if percent >= 100:
            self.wrong(
                f'{SETTING}["TOLERANCE_PERCENT"] is {percent}: any payment would do.',
                "It is the part of an order's total that may be missing, below 100.",
            )
            return Decimal(0)
        return percent

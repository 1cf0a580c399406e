"""What the setting ``OSCAR_REHIVE`` may hold, typed, with its defaults and limits; read by ``conf.py``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from django.utils.functional import Promise

LIVE_API_URL = "https://business.services.rehive.com/api/"
LIVE_PAYMENT_REQUESTS_URL = "https://payment-requests.services.rehive.com/api/"

BUSINESS_KEYS = (
    "TOKEN",
    "BUSINESS_ID",
    "WEBHOOK_SECRET",
    "API_URL",
    "PAYMENT_REQUESTS_URL",
    "MINIMUM",
    "MAXIMUM",
    "CALLS_PER_MINUTE",
)
SHOP_KEYS = (
    "BUSINESSES",
    "ORDER_STATUS",
    "PAYMENT_WINDOW",
    "LATE_PAYMENTS",
    "TOLERANCE_AMOUNT",
    "TOLERANCE_PERCENT",
    "TITLE",
    "DESCRIPTION",
    "PAYMENT_METHODS",
    "BASE_URL",
    "KEEP_DELIVERIES",
    "OFFERED_DURING_OUTAGE",
    "TELL",
    "HEALTH_TOKEN",
)

CALLS_PER_MINUTE = 150
FEWEST_CALLS = 10
"""The lowest rate that Rehive documents for a token (rehive-api.md, "Conventions"); and one of which a tenth
is still a call."""

OFFERED, OFFERED_DURING_OUTAGE = "OFFERED_DURING_OUTAGE", timedelta(minutes=10)

MAX_WINDOW = timedelta(days=366)
SHORTEST_KEEPING, LONGEST_KEEPING = timedelta(days=1), timedelta(days=3660)
"""A slip of the unit would hold stock for ever (milliseconds for seconds), or delete at once what was to
be kept for months (seconds for days)."""

SHORTEST_HEALTH_TOKEN = 16


@dataclass(frozen=True)
class BusinessConfig:
    """One Rehive business: everything sold in ``currency`` is invoiced there.

    ``minimum`` and ``maximum`` bound the order total in that currency, both included."""

    currency: str
    token: str = field(repr=False)
    business_id: str
    webhook_secrets: tuple[str, ...] = field(repr=False)
    api_url: str
    payment_requests_url: str
    minimum: Decimal | None
    maximum: Decimal | None
    calls_per_minute: int


@dataclass(frozen=True)
class OrderStatuses:
    """The shop's own words for the three order statuses that the plugin sets or looks for."""

    pending: str
    paid: str
    cancelled: str


@dataclass(frozen=True)
class Config:
    """The plugin's configuration. ``tolerance_amount`` is in the order's currency; ``keep_deliveries`` is
    how long after its arrival a delivery that is through is kept; ``offered_during_outage`` None: for ever;
    ``tell`` are the mail addresses of those who are told of what goes wrong."""

    businesses: Mapping[str, BusinessConfig]
    order_status: OrderStatuses
    payment_window: timedelta
    accept_late: bool
    tolerance_amount: Decimal
    tolerance_percent: Decimal
    title: str | Promise
    description: str | Promise
    payment_methods: tuple[str, ...]
    base_url: str
    keep_deliveries: timedelta
    offered_during_outage: timedelta | None = OFFERED_DURING_OUTAGE
    tell: tuple[str, ...] = ()
    health_token: str = field(default="", repr=False)

    @property
    def by_id(self) -> dict[str, BusinessConfig]:
        """The businesses by their ids at Rehive."""
        return {business.business_id: business for business in self.businesses.values()}

    @property
    def webhook_secrets(self) -> list[str]:
        """Those of all businesses: the webhook's one address lets each of them in."""
        return [secret for one in self.businesses.values() for secret in one.webhook_secrets]

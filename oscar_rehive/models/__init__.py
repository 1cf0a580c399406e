"""What the plugin remembers. Orders are referred to by their number, never by a foreign key, so
that a deleted order leaves its money's trace and a shop that is not Oscar can stand here one day.
"""

from __future__ import annotations

from oscar_rehive.models.base import UnitsField
from oscar_rehive.models.deliveries import Delivery, RefusedDeliveries
from oscar_rehive.models.health import Run, Told
from oscar_rehive.models.history import Attention, Entry, Note
from oscar_rehive.models.payment import Invoice, OrderPayment, Refund
from oscar_rehive.models.retries import Claim, Reading, Retry

__all__ = [
    "Attention",
    "Claim",
    "Delivery",
    "Entry",
    "Invoice",
    "Note",
    "OrderPayment",
    "Reading",
    "Refund",
    "RefusedDeliveries",
    "Retry",
    "Run",
    "Told",
    "UnitsField",
]

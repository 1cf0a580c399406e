"""Vouchers and offers to shop with: five off whatever is bought."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone
from oscar.core.loading import get_model
from oscar.test.factories import create_offer

Benefit = get_model("offer", "Benefit")
Condition = get_model("offer", "Condition")
Range = get_model("offer", "Range")
Voucher = get_model("voucher", "Voucher")


def offer(**limits: Any) -> Any:
    """An offer of five off; ``limits`` are the fields that bound its use."""
    everything, _ = Range.objects.get_or_create(name="all", includes_all_products=True)
    found = create_offer(
        name=f"Five off {limits.get('offer_type', 'Site')}",
        offer_type=limits.pop("offer_type", "Site"),
        condition=Condition.objects.create(range=everything, type=Condition.COUNT, value=1),
        benefit=Benefit.objects.create(range=everything, type=Benefit.FIXED, value=Decimal(5)),
        max_basket_applications=1,
    )
    for name, value in limits.items():
        setattr(found, name, value)
    found.save()
    return found


def voucher(*, usage: str) -> Any:
    """A voucher for the same."""
    now = timezone.now()
    found = Voucher.objects.create(
        name="Five off",
        code="FIVE",
        usage=usage,
        start_datetime=now - timedelta(days=1),
        end_datetime=now + timedelta(days=1),
    )
    found.offers.add(offer(offer_type="Voucher"))
    return found

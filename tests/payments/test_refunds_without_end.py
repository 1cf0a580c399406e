"""A refund that never comes to an end at Rehive waits for people, and not for runs (P7)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import F

from oscar_rehive.models import Invoice, Refund, Retry
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.payments.refunding import refund
from tests.steps import opened, settled

pytestmark = pytest.mark.django_db(transaction=True)

HALF_AN_HOUR = timedelta(minutes=30)


@pytest.fixture
def endless(rehive: Any, place_order: Any) -> Refund:
    """Asked for long ago, and pending since."""
    invoice = opened(place_order(total="10.00"))
    rehive.outcome(invoice.remote_id, "pay")
    asked = refund(settled(invoice), Decimal(1), reason="", by="ann")
    Refund.objects.update(created_at=F("created_at") - timedelta(days=10))
    return asked


def half_an_hour_goes_by() -> None:
    Invoice.objects.update(asked_at=F("asked_at") - HALF_AN_HOUR)
    Retry.objects.update(
        tried_at=F("tried_at") - HALF_AN_HOUR, again_at=F("again_at") - HALF_AN_HOUR
    )


def runs_for_days(days: int) -> None:
    for _ in range(days * 48):
        half_an_hour_goes_by()
        reconcile()


def test_it_is_asked_about_ever_more_rarely(endless: Refund, calls: Any) -> None:
    calls()

    runs_for_days(2)

    assert calls()["refunds"] <= 15


def test_another_one_of_the_same_invoice_is_not(rehive: Any, endless: Refund) -> None:
    runs_for_days(1)
    invoice = Invoice.objects.get()
    other = refund(invoice, Decimal(2), reason="", by="ann")
    rehive.refund(other.remote_id, "complete")
    half_an_hour_goes_by()

    reconcile()

    other.refresh_from_db()
    assert other.status == Refund.Status.COMPLETE


def test_and_it_is_seen_when_it_ends_after_all(rehive: Any, endless: Refund) -> None:
    runs_for_days(1)
    rehive.refund(endless.remote_id, "complete")

    runs_for_days(1)

    endless.refresh_from_db()
    assert endless.status == Refund.Status.COMPLETE

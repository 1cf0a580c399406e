"""An excess that Rehive tells only in foreign money."""

from __future__ import annotations

from typing import Any

import pytest

from oscar_rehive.models import Attention
from tests.steps import opened, settled

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_second_payment_in_another_currency_is_told_to_a_person(
    rehive: Any, place_order: Any
) -> None:
    """Found by tests/model: that quote itself was overpaid, and so all of it was taken for dust."""
    invoice = settled(opened(place_order(total="10.00")))
    rehive.outcome(invoice.remote_id, "pay")
    settled(invoice)
    rehive.outcome(invoice.remote_id, "start", currency="BTC", force=True)
    rehive.outcome(invoice.remote_id, "pay_more", currency="BTC", force=True)

    settled(invoice)

    assert invoice.remote_status == "overpaid"
    assert Attention.objects.filter(kind=Attention.Kind.EXCESS).exists()

"""Reconciling: what is due comes first, whatever else there is to ask (P7)."""

from __future__ import annotations

from typing import Any

import pytest

from oscar_rehive.models import Invoice, OrderPayment
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.rehive.client import Client
from oscar_rehive.rehive.exceptions import RehiveError, Throttled
from tests.steps import opened, window_over

pytestmark = pytest.mark.django_db(transaction=True)


class TestDueWorkIsDoneUnderAnyLimit:
    @pytest.fixture
    def budget(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """How many requests Rehive still takes from us."""
        left, real = [10**6], Client._send

        def send(*args: Any, **kwargs: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise Throttled(10)
            return real(*args, **kwargs)

        monkeypatch.setattr(Client, "_send", send)
        return left

    def test_many_open_invoices_do_not_keep_an_order_from_ending(
        self, rehive: Any, place_order: Any, budget: list[int]
    ) -> None:
        late = place_order()
        opened(late)
        window_over(late)
        for _ in range(5):
            opened(place_order())

        budget[0] = 5
        reconcile()

        late.refresh_from_db()
        assert late.status == "Cancelled"

    def test_the_search_for_one_lost_invoice_does_not_keep_another_from_being_paid(
        self, rehive: Any, place_order: Any, budget: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for _ in range(8):
            opened(place_order())
        paid = Invoice.objects.earliest("pk")
        rehive.outcome(paid.remote_id, "pay")
        rehive.faults(error_status={"value": 500, "methods": ["POST"]})
        with pytest.raises(RehiveError):
            opened(place_order())
        rehive.clear_faults()
        monkeypatch.setattr("oscar_rehive.rehive.client.PAGE_SIZE", 1)

        for _ in range(3):
            budget[0] = 6
            reconcile()

        assert OrderPayment.objects.get(order_number=paid.order_number).paid_at is not None

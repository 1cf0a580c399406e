"""Deliveries hold payers' addresses: they are kept for a while and not for ever (P7: what waits is kept)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from oscar_rehive.models import Attention, Delivery, Entry, Invoice, OrderPayment, RefusedDeliveries
from oscar_rehive.payments import deliveries
from oscar_rehive.payments.deliveries import FORGOTTEN_AFTER, forget_old

pytestmark = pytest.mark.django_db


def delivery(age: timedelta, state: str = "done") -> Delivery:
    return Delivery.objects.create(body="{}", state=state, received_at=timezone.now() - age)


@pytest.mark.parametrize("state", ["done", "unusable"])
def test_what_is_through_is_forgotten_when_it_is_old(state: str) -> None:
    young = delivery(FORGOTTEN_AFTER - timedelta(minutes=1), state)
    delivery(FORGOTTEN_AFTER + timedelta(minutes=1), state)

    assert forget_old() == 1
    assert list(Delivery.objects.all()) == [young]
    assert forget_old() == 0


def test_p7_what_waits_is_kept_however_old_it_is() -> None:
    waits = delivery(10 * FORGOTTEN_AFTER, "new")

    assert forget_old() == 0
    assert Delivery.objects.get() == waits


def test_so_are_the_counts_of_what_was_refused() -> None:
    now = timezone.now()
    for days in (1, 89, 91, 400):
        then = now - timedelta(days=days)
        RefusedDeliveries.objects.create(day=then.date(), count=5, last_at=then)

    forget_old()

    assert RefusedDeliveries.objects.count() == 2


def test_the_history_of_money_stays(held: Invoice) -> None:
    before = [list(model.objects.values()) for model in (OrderPayment, Invoice, Entry, Attention)]
    delivery(FORGOTTEN_AFTER * 2)

    assert forget_old() == 1
    assert before == [
        list(model.objects.values()) for model in (OrderPayment, Invoice, Entry, Attention)
    ]


def test_a_great_many_go_in_small_steps_and_not_all_in_one_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deliveries, "FORGOTTEN_AT_ONCE", 10)
    monkeypatch.setattr(deliveries, "MOST_FORGOTTEN", 30)
    then = timezone.now() - FORGOTTEN_AFTER * 2
    Delivery.objects.bulk_create(
        Delivery(body=str(number), state="done", received_at=then + timedelta(seconds=number))
        for number in range(45)
    )

    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert forget_old() == 30
    deleted = [one["sql"] for one in asked if "oscar_rehive_delivery" in one["sql"]]
    assert sum(sql.startswith("DELETE") for sql in deleted) == 3
    assert sorted(Delivery.objects.values_list("body", flat=True)) == [
        str(number) for number in range(30, 45)
    ]
    assert forget_old() == 15


def test_a_shop_with_nothing_old_is_asked_little(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(2):
        forget_old()

"""Deliveries hold payers' addresses: they are kept for a while and not for ever (P7: what waits is kept)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from oscar_rehive.models import Attention, Delivery, Entry, Invoice, OrderPayment, RefusedDeliveries
from oscar_rehive.payments import deliveries
from oscar_rehive.payments.deliveries import forget_old, forgetting, old_deliveries
from oscar_rehive.payments.reconciling import reconcile

pytestmark = pytest.mark.django_db

KEPT = timedelta(days=90)


def delivery(age: timedelta, state: str = "done") -> Delivery:
    return Delivery.objects.create(body="{}", state=state, received_at=timezone.now() - age)


@pytest.mark.parametrize("state", ["done", "unusable"])
def test_what_is_through_is_forgotten_when_it_is_old(state: str) -> None:
    young = delivery(KEPT - timedelta(minutes=1), state)
    delivery(KEPT + timedelta(minutes=1), state)

    assert forget_old() == 1
    assert list(Delivery.objects.all()) == [young]
    assert forget_old() == 0


def test_each_run_of_reconcile_forgets(rehive: Any) -> None:
    delivery(KEPT + timedelta(minutes=1))

    reconcile()

    assert not Delivery.objects.exists()


@pytest.mark.parametrize("span", [timedelta(days=7), 7 * 86_400, timedelta(days=400)])
def test_the_setting_says_when_that_is(settings: Any, span: Any) -> None:
    settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "KEEP_DELIVERIES": span}
    kept_for = span if isinstance(span, timedelta) else timedelta(seconds=span)
    young = delivery(kept_for - timedelta(minutes=1))
    delivery(kept_for + timedelta(minutes=1))

    assert forget_old() == 1
    assert Delivery.objects.get() == young


def test_a_setting_that_is_none_deletes_nothing(settings: Any) -> None:
    """With the default in its place, what was to be kept for a year would be gone."""
    settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "KEEP_DELIVERIES": "a year"}
    delivery(KEPT * 2)

    with pytest.raises(ImproperlyConfigured, match="KEEP_DELIVERIES"):
        forget_old()

    assert Delivery.objects.exists()


def test_p7_what_waits_is_kept_however_old_it_is() -> None:
    waits = delivery(10 * KEPT, "new")

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
    delivery(KEPT * 2)

    assert forget_old() == 1
    assert before == [
        list(model.objects.values()) for model in (OrderPayment, Invoice, Entry, Attention)
    ]


def test_a_great_many_go_in_small_steps_and_not_all_in_one_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deliveries, "FORGOTTEN_AT_ONCE", 10)
    monkeypatch.setattr(deliveries, "MOST_FORGOTTEN", 30)
    then = timezone.now() - KEPT * 2
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


def test_each_step_takes_as_many_statements_as_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "FORGOTTEN_AT_ONCE", 10)
    then = timezone.now() - KEPT * 2
    # Some at the very same moment, across the end of a step.
    Delivery.objects.bulk_create(
        Delivery(body="{}", state="done", received_at=then + timedelta(seconds=number // 7))
        for number in range(35)
    )
    steps = forgetting()
    taken: list[list[str]] = []

    for expected in (10, 10, 10, 5):
        with CaptureQueriesContext(connection) as asked:
            assert next(steps) == expected
        taken.append([one["sql"] for one in asked if "oscar_rehive_delivery" in one["sql"]])

    assert list(steps) == []
    assert [len(sql) for sql in taken] == [3, 3, 3, 3]
    assert not any('"body"' in sql for step in taken for sql in step)
    assert not Delivery.objects.exists()


def test_what_was_broken_off_goes_on_when_it_is_called_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deliveries, "FORGOTTEN_AT_ONCE", 10)
    for _ in range(25):
        delivery(KEPT * 2)
    next(forgetting())

    assert list(forgetting()) == [10, 5]


def test_the_old_ones_are_found_by_an_index_and_not_sorted() -> None:
    """So that a step takes as long among ten million deliveries as among ten."""
    step = old_deliveries().filter(received_at__gte=timezone.now() - KEPT * 2)

    plan = step.order_by("received_at").values_list("pk", "received_at")[:500].explain()

    assert "USING INDEX oscar_rehive_delivery_received_at" in plan
    assert "TEMP B-TREE" not in plan


@pytest.mark.django_db(transaction=True)
def test_two_who_forget_the_same_at_once_both_come_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command and a run of reconcile, say: the database fails one of them, who does it once more."""
    delivery(KEPT * 2)
    real, lost = QuerySet.delete, []

    def delete(rows: QuerySet[Any]) -> Any:
        if rows.model is Delivery and not lost:
            lost.append(True)
            raise OperationalError(1213, "Deadlock found when trying to get lock")
        return real(rows)

    monkeypatch.setattr(QuerySet, "delete", delete)

    assert forget_old() == 1
    assert lost

"""Which deliveries are about a customer who wants to be forgotten, and what becomes of those that wait."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from oscar_rehive.models import Delivery, Invoice, OrderPayment
from oscar_rehive.payments import deliveries, personal
from oscar_rehive.payments.personal import NothingKept, kept, remove, who_has, who_placed
from tests.payments.forgettable import GUEST, PAYER, everything, left, told_about
from tests.steps import opened

pytestmark = pytest.mark.django_db


def test_p7_one_that_waits_is_emptied_and_still_worked_on(refunded: Invoice) -> None:
    waits = told_about(refunded, "new", event_id=PAYER, reason=f"no answer for {PAYER}")

    assert remove(who_placed(refunded.order_number)).emptied == 1

    assert left() == []
    deliveries.work_on(waits.remote_id)
    waits.refresh_from_db()
    assert waits.state == Delivery.State.DONE


def test_a_dry_run_counts_it_and_leaves_it_as_it_is(refunded: Invoice) -> None:
    told_about(refunded, "new")
    before = everything()

    counted = remove(who_placed(refunded.order_number), dry_run=True)

    assert (counted.deleted, counted.emptied) == (1, 1)
    assert everything() == before


@pytest.mark.parametrize(
    "body",
    [
        '{{"data": {{"id": "{id}", "cut off',
        "not JSON at all: {mail}",
        '{{"note": "Hi,\\n{mail}"}}',
    ],
)
def test_one_that_nobody_understood_and_that_names_invoice_or_address(
    refunded: Invoice, body: str
) -> None:
    text = body.format(id=refunded.remote_id, mail=GUEST)
    told_about(None, "unusable", body=text)

    remove(who_placed(refunded.order_number))

    assert not Delivery.objects.exists()


def test_one_about_a_second_invoice_of_the_order_that_the_shop_does_not_know(
    refunded: Invoice,
) -> None:
    told_about(refunded, remote_id="a-twin")

    remove(who_placed(refunded.order_number))

    assert not Delivery.objects.exists()


def test_but_none_about_another_order_that_had_the_number_before(
    refunded: Invoice, place_order: Any, rehive: Any
) -> None:
    earlier = opened(place_order())
    OrderPayment.objects.filter(pk=earlier.payment_id).update(reference=refunded.order_number)
    other = told_about(earlier, reference=refunded.order_number)

    remove(who_placed(refunded.order_number))

    assert Delivery.objects.get() == other


def test_by_address_also_those_about_invoices_of_others_that_name_it() -> None:
    """Of another system in the same business, say, or paid for somebody else."""
    told_about(None, "unusable", remote_id="elsewhere", reference="4711")
    told_about(None, "new", remote_id="soon", reference=f"for {PAYER}")

    shown = [one["remote_id"] for one in kept(who_has(PAYER.upper()))]
    removed = remove(who_has(PAYER.upper()))

    assert shown == ["elsewhere", "soon"]
    assert (removed.deleted, removed.emptied) == (1, 1)
    assert PAYER not in everything()


def test_an_address_of_which_nothing_is_kept() -> None:
    told_about(None, "unusable")

    with pytest.raises(NothingKept, match=r"nobody@example\.com"):
        remove(who_has("nobody@example.com"))
    with pytest.raises(NothingKept, match=r"nobody@example\.com"):
        list(kept(who_has("nobody@example.com")))


def test_each_step_of_looking_through_them_takes_two_statements(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(personal, "AT_ONCE", 10)
    Delivery.objects.bulk_create(
        Delivery(body=PAYER if number % 9 == 0 else "{}", state="done") for number in range(35)
    )
    taken: list[int] = []

    def watched(steps: Iterator[list[int]]) -> Iterator[list[int]]:
        while True:
            with CaptureQueriesContext(connection) as asked:
                step = next(steps, None)
            taken.append(len(asked))
            if step is None:
                return
            yield step

    assert remove(who_has(PAYER), watch=watched).deleted == 4
    assert taken == [2, 2, 2, 2, 1]


def test_those_of_an_order_are_found_by_indexes(refunded: Invoice) -> None:
    with CaptureQueriesContext(connection) as asked:
        list(personal._about(refunded.payment, {GUEST}))
    found = [one["sql"] for one in asked if 'FROM "oscar_rehive_delivery"' in one["sql"]]

    assert len(found) == 3
    for sql in found:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql.replace('%', '%%')}")
            plan = str(cursor.fetchall())
        assert "SCAN" not in plan.replace("SCALAR", ""), plan

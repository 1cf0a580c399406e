"""How many statements the desk's pages take: as many for much as for little."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from oscar_rehive.models import Attention, Entry, Note
from oscar_rehive.payments.refunding import refund
from tests.dashboard.conftest import Desk, desk_page, invoice_of, payment_of

pytestmark = pytest.mark.django_db


def statements(desk: Desk, url: str) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        answer = desk.get(url)
        assert answer.status_code == 200
        if answer.streaming:
            b"".join(answer.streaming_content)
    return [one["sql"] for one in captured]


def shown(before: list[str], after: list[str]) -> str:
    return "\n".join([f"{len(before)} -> {len(after)}", *(one[:200] for one in after)])


def more_of_everything(order: Any, times: int) -> None:
    """History, facts, notes and refunds of one order."""
    payment, invoice = payment_of(order), invoice_of(order)
    for _time in range(times):
        Entry.objects.create(payment=payment, invoice=invoice, source="staff", reason="so")
        fact = Attention.objects.create(
            payment=payment, invoice=invoice, kind="excess", subject=str(uuid4()), reason="so"
        )
        for _ in range(2):
            Note.objects.create(attention=fact, by="kim", text="so")
        refund(invoice, Decimal("0.10"), reason="so", by="kim")


@pytest.mark.parametrize("page", ["order", "payment"])
def test_a_payments_page(desk: Desk, paid: Any, page: str) -> None:
    order = paid(more=250)
    more_of_everything(order, 1)
    url = (
        reverse("dashboard:order-detail", args=[order.number])
        if page == "order"
        else desk_page("payment", payment_of(order).pk)
    )
    desk.get(url)
    before = statements(desk, url)

    more_of_everything(order, 7)

    after = statements(desk, url)
    assert len(after) == len(before), shown(before, after)


@pytest.mark.parametrize(
    ("page", "query"),
    [
        *(("attention", query) for query in ("", "?by=money", "?show=all")),
        *(
            ("payments", query)
            for query in ("", "?standing=paid&currency=USD&attention=waits", "?format=csv")
        ),
    ],
)
def test_the_lists(desk: Desk, paid: Any, page: str, query: str) -> None:
    more_of_everything(paid(more=250), 1)
    url = desk_page(page) + query
    desk.get(url)
    before = statements(desk, url)

    for _ in range(4):
        more_of_everything(paid(more=250), 2)

    after = statements(desk, url)
    assert len(after) == len(before), shown(before, after)
    assert len(after) <= 20, shown(before, after)


@pytest.mark.parametrize("name", ["refund", "attention-decide"])
def test_the_pages_that_ask(desk: Desk, paid: Any, name: str) -> None:
    order = paid(more=250)
    more_of_everything(order, 1)
    args = (
        (invoice_of(order).pk,) if name == "refund" else (Attention.objects.first().pk, "resolve")
    )
    url = desk_page(name, *args)
    desk.get(url)
    before = statements(desk, url)

    more_of_everything(order, 5)

    after = statements(desk, url)
    assert len(after) == len(before), shown(before, after)

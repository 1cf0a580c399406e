"""Rehive does not answer, and it was noted, or may even have been done: whoever pressed the button must know, or
he does it once more. Found by review."""

from __future__ import annotations

from typing import Any

import pytest

from oscar_rehive.models import Attention, Refund
from tests.dashboard.conftest import Desk, desk_page, invoice_of, messages, payment_of
from tests.steps import opened

pytestmark = pytest.mark.django_db

LOST = {"value": 1, "methods": ["POST"]}
ON_ITS_WAY = "The refund may be on its way all the same"


def asked_for(desk: Desk, order: Any) -> str:
    """What came of a refund of 10.00."""
    url = desk_page("refund", invoice_of(order).pk)
    form = desk.page(url).select_one("form[method=post]:has([name=of])")
    sure = desk.send(form, url, of="part", amount="10.00").select_one("form:has([name=sure])")
    return messages(desk.send(sure, url))


def test_a_refund_may_have_been_made(desk: Desk, rehive: Any, paid: Any) -> None:
    """It was told like any failure, and another 10.00 of the 14.90 that are left went back, too."""
    order = paid()
    rehive.faults(lose_answer=LOST)

    assert ON_ITS_WAY in asked_for(desk, order)
    assert Refund.objects.get().status == Refund.Status.REQUESTED


def test_so_may_that_of_an_excess(desk: Desk, rehive: Any, paid: Any) -> None:
    paid(more=250)
    rehive.faults(lose_answer=LOST)

    page = desk.sure(desk_page("attention-decide", Attention.objects.get().pk, "refund"))

    assert ON_ITS_WAY in messages(page)


def test_not_where_it_was_never_sent(desk: Desk, rehive: Any, paid: Any) -> None:
    order = paid()
    rehive.faults(lose_answer=True)

    assert ON_ITS_WAY not in asked_for(desk, order)
    assert not Refund.objects.exists()


def test_an_order_will_be_cancelled(desk: Desk, rehive: Any, place_order: Any) -> None:
    order = place_order()
    opened(order)
    rehive.faults(error_status=500)

    told = messages(desk.sure(desk_page("cancel", payment_of(order).pk)))

    assert "trouble of its own" in told
    assert "It is noted: the order will be cancelled by itself" in told


def test_an_invoice_will_be_closed(desk: Desk, rehive: Any, place_order: Any) -> None:
    invoice = opened(place_order())
    rehive.faults(error_status=500)

    told = messages(desk.sure(desk_page("close", invoice.pk)))

    assert "It is noted: Rehive is asked again by itself" in told

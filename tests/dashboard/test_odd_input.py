"""Whatever a browser, a shop's locale or a stranger's link sends gets an answer, and no error page: after one,
nobody knows whether money has moved. Found by review."""

from __future__ import annotations

from typing import Any

import pytest

from oscar_rehive.models import Attention, Entry, Refund
from tests.dashboard.conftest import Desk, desk_page, invoice_of, messages, payment_of, said

pytestmark = pytest.mark.django_db

SURE = "form:has([name=sure])"


def test_a_word_that_is_no_address_leads_back_to_the_payment(desk: Desk, place_order: Any) -> None:
    """Django takes it for the name of a page: it was done, and an error page came."""
    payment = payment_of(place_order())
    url = desk_page("ask", payment.pk)
    form = desk.page(url).select_one(SURE)

    page = desk.send(form, url, next="attention")

    assert said(page, "h1") == f"Payment of order {payment.order_number}"
    assert Entry.objects.filter(reason__startswith="sam asked Rehive").count() == 1


@pytest.mark.parametrize("agreed", ["sNaN", "NaN", "Infinity", "1e9999999", "-2.5", "2,5"])
def test_what_is_no_amount_was_not_agreed_to(desk: Desk, paid: Any, agreed: str) -> None:
    paid(more=250)
    url = desk_page("attention-decide", Attention.objects.get().pk, "refund")

    page = desk.send(desk.page(url).select_one(SURE), url, agreed=agreed)

    assert "look at it again" in messages(page).lower()
    assert not Refund.objects.exists()


@pytest.mark.parametrize("fact", ["9" * 25, "9" * 5000, "-1", "1e3", "x", ""])
def test_what_is_no_fact_is_not_chosen(desk: Desk, paid: Any, fact: str) -> None:
    paid(more=250)
    form = desk.page(desk_page("attention")).select_one("#rehive-dealt-with")

    page = desk.send(form, "", fact=fact)

    assert "Choose facts that wait" in messages(page)


@pytest.mark.parametrize(
    ("zone", "query"),
    [
        ("Europe/Berlin", "date_from=0001-01-01"),
        ("America/New_York", "date_to=9999-12-31"),
        ("Europe/Berlin", "format=csv&date_from=0001-01-01"),
    ],
)
def test_a_day_that_is_none_elsewhere_narrows_nothing(
    desk: Desk, paid: Any, settings: Any, zone: str, query: str
) -> None:
    """In UTC it is in a year that Python does not know."""
    settings.TIME_ZONE = zone
    number = paid().number

    answer = desk.get(f"{desk_page('payments')}?{query}")

    assert number in b"".join(answer).decode()


def test_numbers_are_sent_as_they_are_where_they_are_shown_with_commas(
    desk: Desk, paid: Any, settings: Any
) -> None:
    settings.USE_THOUSAND_SEPARATOR = True
    order = paid(more=123456)
    Attention.objects.update(id=1234567)
    page, url = desk.page(desk_page("attention")), desk_page("attention-dealt-with")
    form, fact = page.select_one("#rehive-dealt-with"), page.select_one("[name=fact]")["value"]

    asked = desk.send(form, "", fact=fact)
    desk.send(asked.select_one(SURE), url)

    assert Attention.objects.get().resolved_by == "sam"
    url = desk_page("refund", invoice_of(order).pk)
    form = desk.page(url).select_one("form[method=post]:has([name=of])")
    desk.send(desk.send(form, url, of="all").select_one(SURE), url)
    assert Refund.objects.get().amount == 2490 + 123456

"""Paying again from the order's own page, a customer's and a guest's: the same order, one payable
invoice (P5)."""

from __future__ import annotations

from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client
from django.urls import reverse
from oscar.test.factories import UserFactory

from oscar_rehive.models import Invoice, OrderPayment
from tests.steps import not_migrated, opened, payable_at, settled, window_over

pytestmark = pytest.mark.django_db


class OrderPage:
    """An order and the page on which its buyer finds it."""

    def __init__(self, order: Any, client: Client, address: str) -> None:
        self.order, self.client, self.address = order, client, address

    def box(self) -> Any:
        """What the plugin adds to the page, or None."""
        answer = self.client.get(self.address)
        assert answer.status_code == 200
        return BeautifulSoup(answer.content, "html.parser").select_one("[data-stage]")

    def press(self, button: str) -> Any:
        """The answer to the box's one button."""
        form = self.box().select_one("form")
        assert form.button.get_text(strip=True) == button
        fields = {field["name"]: field["value"] for field in form.select("input")}
        return self.client.post(form["action"], fields)


@pytest.fixture(params=["customer", "guest"])
def page(request: Any, place_order: Any) -> OrderPage:
    client = Client(enforce_csrf_checks=True)
    if request.param == "customer":
        customer = UserFactory()
        client.force_login(customer)
        order = place_order(total="10.00", user=customer)
        return OrderPage(order, client, reverse("customer:order", args=[order.number]))
    order = place_order(total="10.00", guest_email="guest@example.com")
    path = reverse("customer:anon-order", args=[order.number, order.verification_hash()])
    # Where Oscar asks guests for their address first (4.1 and later), the answer is kept there.
    session = client.session
    session["anon_order_email"] = "guest@example.com"
    session.save()
    client.cookies["sessionid"] = session.session_key
    return OrderPage(order, client, path)


def test_an_order_whose_shopper_went_away_can_be_paid(rehive: Any, page: OrderPage) -> None:
    answer = page.press("Pay now")

    assert answer.headers["Location"] == Invoice.objects.get().redirect_url
    assert page.press("Pay now").headers["Location"] == answer.headers["Location"]


@pytest.mark.parametrize("outcome", ["expire", "fail"])
def test_what_failed_is_paid_again_by_a_new_attempt(
    rehive: Any, page: OrderPage, outcome: str
) -> None:
    first = opened(page.order)
    rehive.outcome(first.remote_id, outcome)
    settled(first)

    page.press("Pay again")

    (second,) = payable_at(rehive, page.order)
    assert second != first.remote_id
    rehive.outcome(second, "pay")
    settled(Invoice.objects.get(remote_id=second))
    page.order.refresh_from_db()
    assert page.order.status == "Being processed"
    assert page.box() is None


def test_part_paid_says_how_much_is_missing_and_leads_to_the_same_invoice(
    rehive: Any, page: OrderPage
) -> None:
    invoice = opened(page.order)
    rehive.outcome(invoice.remote_id, "pay_less", amount=400)
    settled(invoice)

    assert "$6.00 of this order is still to be paid." in page.box().get_text()
    assert page.press("Pay the rest").headers["Location"] == invoice.redirect_url


def test_when_the_time_is_over_there_is_nothing_to_press(rehive: Any, page: OrderPage) -> None:
    window_over(page.order)

    assert page.box().select("form") == []
    assert "The time to pay is over." in page.box().get_text()


def test_nor_when_part_was_paid(rehive: Any, page: OrderPage) -> None:
    invoice = opened(page.order)
    rehive.outcome(invoice.remote_id, "pay_less", amount=400)
    settled(invoice)
    window_over(page.order)

    assert page.box().select("form") == []
    assert "the shop will be in touch with you" in page.box().get_text()


def test_an_order_that_staff_moved_on_shows_nothing(rehive: Any, page: OrderPage) -> None:
    type(page.order).objects.filter(pk=page.order.pk).update(status="Complete")

    assert page.box() is None


class TestPagesOfOrdersGoOn:
    def test_where_the_addresses_are_not_included(self, page: OrderPage, settings: Any) -> None:
        settings.ROOT_URLCONF = "tests.checkout.urls_without_rehive"

        assert page.box() is None

    def test_for_orders_that_are_paid_otherwise(self, page: OrderPage, settings: Any) -> None:
        OrderPayment.objects.update(order_number="another")
        settings.ROOT_URLCONF = "tests.checkout.urls_without_rehive"

        assert page.box() is None

    def test_where_the_database_is_not_migrated(self, page: OrderPage) -> None:
        with not_migrated(OrderPayment):
            assert page.box() is None

"""A shop deletes an order and gives its number to another: the addresses of the first one's payment lead
to it, and never to the new order."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.signing import Signer
from django.test import Client
from django.urls import reverse

from oscar_rehive.models import Invoice
from tests.steps import payment_page

pytestmark = pytest.mark.django_db

PAGES = ["pay", "return", "status", "cancel"]


@pytest.fixture
def again(rehive: Any, place_order: Any) -> tuple[dict[str, str], Any]:
    """The addresses of a payment whose order was deleted, and the order that has its number now."""
    first = place_order()
    old = {name: payment_page(name, first) for name in PAGES}
    number = first.number
    first.delete()
    return old, place_order(number=number)


@pytest.mark.parametrize("name", PAGES)
def test_an_old_address_neither_opens_nor_cancels_the_new_order(
    rehive: Any, again: Any, client: Client, name: str
) -> None:
    old, order = again

    for answer in (client.get(old[name]), client.post(old[name])):
        text = " ".join(answer.content.decode().split())
        assert answer.status_code == 404
        assert "This order is no longer in the shop." in text
        assert f"contact us with order number {order.number};" in text
        assert "deleted" not in text
    order.refresh_from_db()
    assert order.status == "Pending"
    assert not Invoice.objects.exists()
    assert rehive.requests() == []


def test_the_new_order_s_own_addresses_open_it(again: Any, client: Client) -> None:
    _, order = again

    assert client.get(payment_page("return", order)).status_code == 200
    assert client.post(payment_page("cancel", order)).status_code == 302
    order.refresh_from_db()
    assert order.status == "Cancelled"


@pytest.mark.parametrize("name", PAGES)
def test_an_address_that_tells_the_number_alone_opens_nothing_then(
    again: Any, client: Client, name: str
) -> None:
    """As they were made earlier: nobody can say which of the two is meant."""
    _, order = again
    token = Signer(salt="oscar_rehive.payment").sign_object(order.number)
    path = reverse(f"oscar_rehive:{name}", args=[token])

    for answer in (client.get(path), client.post(path)):
        assert answer.status_code == 404
        assert "This payment address is not valid." in answer.content.decode()
    order.refresh_from_db()
    assert order.status == "Pending"

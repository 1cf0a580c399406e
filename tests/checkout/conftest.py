"""A shopper who goes through the checkout with Django's test client."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from oscar.test.factories import CountryFactory, create_product

from oscar_rehive.models import Invoice
from tests.checkout.pages import stage_of
from tests.steps import payment_page

COUNTRY = "GB"


class Shopper:
    """One browser in front of the shop; ``client`` is what it is made of."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def add(self, product: Any, quantity: int = 1) -> None:
        answer = self.client.post(f"/basket/add/{product.pk}/", {"quantity": quantity})
        assert answer.status_code == 302, answer.content.decode()

    def go_to_payment(self, *, guest: str | None = "guest@example.com") -> Any:
        """From the basket to the payment step; the answer of that step, not followed."""
        if guest is not None:
            self.client.post("/checkout/", {"username": guest, "options": "anonymous"})
        self.client.post(
            "/checkout/shipping-address/",
            {
                "first_name": "Barbara",
                "last_name": "Liskov",
                "line1": "1 Type Street",
                "line4": "London",
                "postcode": "N1 9RT",
                "country": COUNTRY,
            },
        )
        answer = self.client.get("/checkout/shipping-method/")
        assert answer.headers["Location"] == "/checkout/payment-method/"
        return self.client.get("/checkout/payment-method/")

    def choose(self, method: str) -> Any:
        return self.client.post("/checkout/payment-method/", {"method": method})

    def preview(self) -> Any:
        return self.client.get("/checkout/preview/")

    def place(self) -> Any:
        """The answer to "place order", not followed."""
        return self.client.post("/checkout/preview/", {"action": "place_order"})


@pytest.fixture
def product(db: None) -> Any:
    """Something to buy for 12.34; ten are in stock."""
    return create_product(price=Decimal("12.34"), num_in_stock=10)


@pytest.fixture
def visitor(client: Client, db: None) -> Shopper:
    """Somebody with an empty basket."""
    CountryFactory(iso_3166_1_a2=COUNTRY, is_shipping_country=True)
    return Shopper(client)


@pytest.fixture
def shopper(visitor: Shopper, product: Any) -> Shopper:
    """Somebody with the product in the basket."""
    visitor.add(product)
    return visitor


@pytest.fixture
def only_rehive(settings: Any) -> None:
    """A shop with one way to pay."""
    settings.OSCAR_REHIVE = {
        **settings.OSCAR_REHIVE,
        "PAYMENT_METHODS": ["oscar_rehive.checkout.methods.Rehive"],
    }


@pytest.fixture
def ending(rehive: Any, place_order: Any, client: Client) -> Any:
    """An order that is being cancelled, and of whose invoice nobody knows whether it was made."""
    order = place_order()
    rehive.faults(html={"value": 502, "methods": ["POST"]})
    client.get(payment_page("pay", order))
    rehive.faults(error_status=True)
    assert stage_of(client.post(payment_page("cancel", order), follow=True)) == "ending"
    assert Invoice.objects.get().state == Invoice.State.OPENING
    rehive.clear_faults()
    return order

"""Orders with what a test wants to see in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from oscar.core.loading import get_class, get_model
from oscar.test.factories import create_basket, create_order, create_product

from oscar_rehive.payments.placing import expect_payment
from tests.shop.replica import Replica, made_replica

Applicator = get_class("offer.applicator", "Applicator")


@pytest.fixture
def buy(db: None) -> Callable[..., Any]:
    """Places an order of ``quantity`` of one product for 10.00 (or of ``products``), with the offers
    and the voucher that apply, and returns it as reloaded."""

    def buy(
        *products: Any,
        quantity: int = 1,
        voucher: Any = None,
        user: Any = None,
        language: str = "en",
        **kwargs: Any,
    ) -> Any:
        basket = create_basket(empty=True)
        basket.owner = user
        for product in products or [create_product(price=Decimal(10), num_in_stock=10)]:
            basket.add_product(product, quantity)
        if voucher is not None:
            basket.vouchers.add(voucher)
        Applicator().apply(basket, user or AnonymousUser())
        if user is None:
            kwargs.setdefault("guest_email", "guest@example.com")
        order = create_order(
            basket=basket, user=user or AnonymousUser(), status="Pending", **kwargs
        )
        expect_payment(str(order.number), language=language)
        return get_model("order", "Order").objects.get(pk=order.pk)

    return buy


@pytest.fixture
def replica(db: None, settings: Any) -> Iterator[Replica]:
    """The shop has a replica to read from."""
    with made_replica(settings) as made:
        yield made

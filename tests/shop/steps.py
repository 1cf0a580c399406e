"""Steps of the stories about the shop."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from django.db import transaction
from oscar.test.factories import create_product

from oscar_rehive.shop import get_shop


def give_up(order: Any) -> Any:
    """Release what the order holds; the note as it comes out of a JSON column."""
    with transaction.atomic():
        shop = get_shop()
        assert shop.lock(order.number)
        return json.loads(json.dumps(shop.release(order.number)))


def take_back(order: Any, released: Any) -> list[str]:
    with transaction.atomic():
        shop = get_shop()
        assert shop.lock(order.number)
        return shop.hold(order.number, released)


def product(title: str = "Mug", in_stock: int = 10) -> Any:
    """What a test sells, for 10.00."""
    return create_product(title=title, price=Decimal(10), num_in_stock=in_stock)

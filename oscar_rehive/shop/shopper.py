"""What Oscar offers the shopper around an order: its page, and its basket given back."""

from __future__ import annotations

from typing import Any

from django.urls import NoReverseMatch, reverse
from oscar.core.loading import get_model

Order = get_model("order", "Order")


def order_path(number: str, user_id: int | None) -> str:
    """The path of the order's page for the visitor ``user_id`` (None: a guest), or nothing where
    this visitor has no such page."""
    order = Order._default_manager.filter(number=number).first()
    if order is None:
        return ""
    try:
        if order.user_id is None:
            return reverse(
                "customer:anon-order",
                kwargs={"order_number": order.number, "hash": order.verification_hash()},
            )
        if order.user_id == user_id:
            return reverse("customer:order", kwargs={"order_number": order.number})
    except NoReverseMatch:  # order numbers with characters that Oscar's address does not take
        pass
    return ""


def refill_basket(number: str, basket: Any) -> None:
    """Put what order ``number`` consists of into ``basket``, and its vouchers.

    The order's own basket stays submitted: Oscar makes the order number from the basket's id, and
    reopening it ends in "there is already an order with number …" (peer bug 20). What is no longer
    for sale is left out.
    """
    order = Order._default_manager.get(number=number)
    for line in order.lines.select_related("product", "stockrecord"):
        if line.product is None or line.stockrecord is None:
            continue
        info = basket.get_stock_info(line.product, None)
        permitted, _ = info.availability.is_purchase_permitted(line.quantity)
        if permitted:
            options = [
                {"option": attribute.option, "value": attribute.value}
                for attribute in line.attributes.select_related("option")
                if attribute.option is not None
            ]
            basket.add_product(line.product, line.quantity, options)
    if basket.pk and order.basket is not None:
        basket.vouchers.add(*order.basket.vouchers.all())

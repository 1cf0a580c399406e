"""What Oscar offers the shopper around an order: its page, and its basket given back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.core.signing import BadSignature, Signer
from django.db.models import Q
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from oscar.core.loading import get_model

from oscar_rehive.shop.base import Refilled

Basket = get_model("basket", "Basket")
Order = get_model("order", "Order")

A_MOMENT = timedelta(minutes=10)


def basket_just_ordered(*, user_id: int | None, cookie: str) -> int | None:
    """The id of the visitor's basket whose order is being placed or was a moment ago, or None.

    Found by its owner, and for a guest (``user_id`` None) by the signed ``cookie`` that Oscar's
    BasketMiddleware sets. Not by the order: while it is being placed there is none to be seen.
    """
    baskets = Basket._default_manager.filter(
        Q(status=Basket.FROZEN)
        | Q(status=Basket.SUBMITTED, date_submitted__gt=timezone.now() - A_MOMENT)
    )
    if user_id is not None:
        baskets = baskets.filter(owner_id=user_id)
    else:
        try:
            baskets = baskets.filter(owner=None, pk=int(Signer().unsign(cookie)))
        except (BadSignature, ValueError):
            return None
    found: int | None = baskets.order_by("-pk").values_list("pk", flat=True).first()
    return found


def order_of_basket(basket_id: int) -> tuple[int, str] | None:
    """The primary key and the number of the order that the basket became, or None."""
    order = Order._default_manager.filter(basket_id=basket_id).first()
    return (order.pk, str(order.number)) if order else None


def number_of_order(order_id: int | None) -> str | None:
    """The number of the order with that primary key, or None."""
    found = Order._default_manager.filter(pk=order_id).values_list("number", flat=True).first()
    return str(found) if found else None


def is_being_ordered(basket_id: int) -> bool:
    """Whether an order of this basket is still to be expected: a failed placing thaws it."""
    busy = (Basket.FROZEN, Basket.SUBMITTED)
    return bool(Basket._default_manager.filter(pk=basket_id, status__in=busy).exists())


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


def refill_basket(number: str, basket: Any) -> Refilled:
    """Put what order ``number`` consists of into ``basket``, and its vouchers.

    The order's own basket stays submitted: Oscar makes the order number from the basket's id, and
    reopening it ends in "there is already an order with number …" (peer bug 20). What is no longer
    for sale is left out.
    """
    order = Order._default_manager.get(number=number)
    refilled = Refilled([], [])
    for line in order.lines.select_related("product", "stockrecord"):
        fate = refilled.put_back if _put_back(line, basket) else refilled.left_out
        fate.append(line.title)
    if basket.pk and order.basket is not None:
        basket.vouchers.add(*_usable_vouchers(order, basket))
    return refilled


def _put_back(line: Any, basket: Any) -> bool:
    if line.product is None or line.stockrecord is None:
        return False
    info = basket.get_stock_info(line.product, None)
    permitted, _ = info.availability.is_purchase_permitted(line.quantity)
    if not permitted:
        return False
    options = [
        {"option": attribute.option, "value": attribute.value}
        for attribute in line.attributes.select_related("option")
        if attribute.option is not None
    ]
    try:
        basket.add_product(line.product, line.quantity, options)
    except ValueError:  # a basket that has another currency already takes no such line
        return False
    return True


def _usable_vouchers(order: Any, basket: Any) -> list[Any]:
    """Those of the order's basket that ``basket`` can use: with one that another order has used up
    meanwhile, and that no page of the basket shows, Oscar places no order any more."""
    user = basket.owner or AnonymousUser()
    return [
        voucher
        for voucher in order.basket.vouchers.all()
        if voucher.is_active() and voucher.is_available_to_user(user)[0]
    ]

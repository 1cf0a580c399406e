"""What Oscar offers the shopper around an order: its page, and its basket given back.

Read where it is written: on a replica the order that was placed a moment ago does not exist yet, and the
pay page was 404 right after placing.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.core.signing import BadSignature, Signer
from django.db.models import Prefetch, Q
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from oscar.core.loading import get_model

from oscar_rehive.databases import database_of, where_written
from oscar_rehive.shop.base import Refilled
from oscar_rehive.shop.giving_up import may_use

Basket = get_model("basket", "Basket")
Order = get_model("order", "Order")
OrderLine = get_model("order", "Line")
LineAttribute = get_model("order", "LineAttribute")
StockRecord = get_model("partner", "StockRecord")
Voucher = get_model("voucher", "Voucher")

A_MOMENT = timedelta(minutes=10)


def basket_just_ordered(*, user_id: int | None, cookie: str) -> int | None:
    """The id of the visitor's basket whose order is being placed or was a moment ago, or None.

    Found by its owner, and for a guest (``user_id`` None) by the signed ``cookie`` that Oscar's
    BasketMiddleware sets. Not by the order: while it is being placed there is none to be seen.
    """
    baskets = where_written(Basket).filter(
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
    order = where_written(Order).filter(basket_id=basket_id).first()
    return (order.pk, str(order.number)) if order else None


def number_of_order(order_id: int | None) -> str | None:
    """The number of the order with that primary key, or None."""
    found = where_written(Order).filter(pk=order_id).values_list("number", flat=True).first()
    return str(found) if found else None


def is_being_ordered(basket_id: int) -> bool:
    """Whether an order of this basket is still to be expected: a failed placing thaws it."""
    busy = (Basket.FROZEN, Basket.SUBMITTED)
    return bool(where_written(Basket).filter(pk=basket_id, status__in=busy).exists())


def order_path(number: str, user_id: int | None) -> str:
    """The path of the order's page for the visitor ``user_id`` (None: a guest), or nothing where
    this visitor has no such page."""
    order = where_written(Order).filter(number=number).first()
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
    order = where_written(Order).select_related("basket").get(number=number)
    refilled = Refilled([], [])
    for line in _lines(order):
        fate = refilled.put_back if _put_back(line, basket) else refilled.left_out
        fate.append(line.title)
    if basket.pk and order.basket is not None:
        basket.vouchers.add(*_usable_vouchers(order, basket))
    return refilled


def _lines(order: Any) -> Any:
    """With the stock from which the basket says what is for sale: it was given back only just now."""
    lines = where_written(OrderLine).filter(order=order)
    return lines.select_related(
        "stockrecord", "product__product_class", "product__parent__product_class"
    ).prefetch_related(Prefetch("product__stockrecords", queryset=where_written(StockRecord)))


def _put_back(line: Any, basket: Any) -> bool:
    if line.product is None or line.stockrecord is None:
        return False
    info = basket.get_stock_info(line.product, None)
    permitted, _ = info.availability.is_purchase_permitted(line.quantity)
    if not permitted:
        return False
    options = [
        {"option": attribute.option, "value": attribute.value}
        for attribute in where_written(LineAttribute).filter(line=line).select_related("option")
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
    user = where_written(get_user_model()).filter(pk=basket.owner_id).first()
    vouchers = order.basket.vouchers.using(database_of(Voucher))
    return [voucher for voucher in vouchers if voucher.is_active() and may_use(voucher, user)]

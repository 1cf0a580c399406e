"""What the shop has for sale, and for how much, as far as payments must know."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db.models import Count, Q, QuerySet
from oscar.core.loading import get_model

from oscar_rehive.databases import database_of, where_written

StockRecord = get_model("partner", "StockRecord")


def database_of_goods() -> str:
    """The alias of the database in which they are."""
    return database_of(StockRecord)


def currencies_on_sale() -> dict[str, int]:
    """The currencies that goods are priced in, each with how many are, the most usual first."""
    counted = _on_sale().values_list("price_currency").annotate(Count("pk")).order_by("-pk__count")
    return {str(currency): count for currency, count in counted}


def how_many_outside(currency: str, least: Decimal | None, most: Decimal | None) -> tuple[int, int]:
    """Of the goods priced in ``currency`` how many cost less than ``least`` but something, and how many more
    than ``most``, before tax."""
    priced = _on_sale().filter(price_currency=currency)
    counted = priced.aggregate(
        below=Count("pk", Q(price__gt=0, price__lt=least or 0)),
        above=Count("pk", Q() if most is None else Q(price__gt=most)),
    )
    return counted["below"], counted["above"] if most is not None else 0


def _on_sale() -> QuerySet[Any]:
    return where_written(StockRecord).filter(price__isnull=False, product__is_public=True)

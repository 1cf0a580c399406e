"""The shop as the payment service sees it; Oscar is the one kind of shop there is so far."""

from __future__ import annotations

from oscar_rehive.shop.base import Order, Refilled, Shop, Standing, StatusRefused

__all__ = ["Order", "Refilled", "Shop", "Standing", "StatusRefused", "get_shop"]


def get_shop() -> Shop:
    """The shop that this plugin is installed in."""
    # Oscar's models can be imported only once Django's app registry is ready.
    from oscar_rehive.shop.oscar import OscarShop

    return OscarShop()

"""Django system checks of what is for sale: can it be paid? They ask the database, so they run with
``migrate``, ``check --database`` and ``rehive_check`` only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import DatabaseError

from oscar_rehive import conf


@register(Tags.database)
def check_currencies(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """oscar_rehive.W013: goods in a currency that no business invoices in. Who buys one is told that there is
    no way to pay, and the owner nothing."""
    from oscar_rehive.shop import goods

    if not _may_ask(goods.database_of_goods(), databases):
        return []
    businesses = conf.current().businesses
    try:
        priced = goods.currencies_on_sale()
    except DatabaseError:
        return []  # not migrated yet, say; told by whoever needs it
    return [
        Warning(
            f"{count} of the products for sale {'is' if count == 1 else 'are'} priced in {currency}, in"
            f" which no business invoices: nobody can pay for {'it' if count == 1 else 'them'} through"
            " Rehive.",
            hint=f"Price them in {' or '.join(businesses)}, or add a business that invoices in {currency}"
            f' to {conf.SETTING}["BUSINESSES"].',
            id="oscar_rehive.W013",
        )
        for currency, count in priced.items()
        if currency not in businesses
    ]


@register(Tags.database)
def check_limits(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """oscar_rehive.W014: goods whose price is outside the limits, where there is no other way to pay."""
    from oscar_rehive.shop import goods

    if not _may_ask(goods.database_of_goods(), databases) or len(conf.payment_methods()) != 1:
        return []
    messages: list[CheckMessage] = []
    for currency, business in conf.current().businesses.items():
        if business.minimum is None and business.maximum is None:
            continue
        try:
            below, above = goods.how_many_outside(currency, business.minimum, business.maximum)
        except DatabaseError:
            continue
        for count, what, limit, way in (
            (below, "less than MINIMUM", business.minimum, "Lower"),
            (above, "more than MAXIMUM", business.maximum, "Raise"),
        ):
            if count:
                messages.append(
                    Warning(
                        f"{count} of the products for sale cost{'s' if count == 1 else ''} {what}"
                        f" ({limit} {currency}): who buys one alone finds no way to pay.",
                        hint=f"{way} it, or add another payment method to"
                        f' {conf.SETTING}["PAYMENT_METHODS"].',
                        id="oscar_rehive.W014",
                    )
                )
    return messages


def _may_ask(alias: str, databases: Sequence[str] | None) -> bool:
    return alias in (databases or ()) and not any(one.fatal for one in conf.problems())

"""What Oscar knows of the orders that the desk shows: their customers, and how to find them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Q
from django.urls import NoReverseMatch, reverse
from oscar.core.loading import get_model

from oscar_rehive.databases import where_written
from oscar_rehive.models import OrderPayment

Order = get_model("order", "Order")

PEOPLE = ("user", "billing_address", "shipping_address")

MOST_FOUND = 500
"""Orders of a customer, or of customers of one name, that a search looks at."""


@dataclass(frozen=True)
class Customer:
    """Who placed an order, as the desk shows it, where the order's page is (nothing: Oscar has none for
    such a number), and what the order costs, in its currency."""

    name: str
    email: str
    url: str
    total: Decimal
    currency: str

    def __str__(self) -> str:
        return " ".join(part for part in (self.name, self.email) if part)


def customers_of(payments: Collection[OrderPayment]) -> dict[int, Customer]:
    """The customers of the orders of ``payments``, by the payment's primary key; of orders that are gone
    there is none. One statement."""
    numbers = [payment.order_number for payment in payments]
    orders = where_written(Order).filter(number__in=numbers)
    by_number = {str(order.number): order for order in orders.select_related(*PEOPLE)}
    found = {}
    for payment in payments:
        order = by_number.get(payment.order_number)
        if order is not None and payment.is_for(str(order.pk)):
            found[payment.pk] = _customer(order)
    return found


def _customer(order: Any) -> Customer:
    name = getattr(order.user, "get_full_name", str)() if order.user else ""
    for address in (order.billing_address, order.shipping_address):
        name = name or getattr(address, "name", "")  # a guest has no other
    try:
        url = reverse("dashboard:order-detail", args=[order.number])
    except NoReverseMatch:  # order numbers with characters that Oscar's address does not take
        url = ""
    return Customer(name, order.email or "", url, order.total_incl_tax, order.currency)


def address_of(payment: OrderPayment) -> str:
    """The mail address of who placed the order, or nothing."""
    customer = customers_of([payment]).get(payment.pk)
    return customer.email if customer else ""


def numbers_found(text: str) -> list[str]:
    """The numbers of orders whose customer has that mail address, or a name that begins so; a guest's name is that
    of the addresses. The newest ``MOST_FOUND`` at most.

    Each kind by itself, for one statement over all of them reads every order.
    """
    numbers = (
        str(number)
        for query in (_by_mail(text) if "@" in text else _by_name(text))
        for number in query.order_by("-pk").values_list("number", flat=True)[:MOST_FOUND]
    )
    return list(islice(dict.fromkeys(numbers), MOST_FOUND))


def _by_mail(text: str) -> Iterator[Any]:
    orders = where_written(Order)
    yield orders.filter(guest_email__in={text, text.lower()})
    yield orders.filter(user__in=_keys(get_user_model(), Q(email__iexact=text)))


def _by_name(text: str) -> Iterator[Any]:
    first, *others = text.split()
    if others:
        named = Q(first_name__istartswith=first, last_name__istartswith=" ".join(others))
    else:
        named = Q(first_name__istartswith=first) | Q(last_name__istartswith=first)
    for column, model in (
        ("user", get_user_model()),
        ("billing_address", get_model("order", "BillingAddress")),
        ("shipping_address", get_model("order", "ShippingAddress")),
    ):
        # A shop's own users may have other names, or none.
        if {"first_name", "last_name"} <= {one.name for one in model._meta.get_fields()}:
            yield where_written(Order).filter(**{f"{column}__in": _keys(model, named)})


def _keys(model: Any, condition: Q) -> list[Any]:
    found = where_written(model).filter(condition).order_by()
    return list(found.values_list("pk", flat=True)[:MOST_FOUND])

"""What Oscar knows of the orders that the desk shows: their customers, and how to find them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Q
from django.urls import NoReverseMatch, reverse
from oscar.core.loading import get_model

from oscar_rehive.dashboard.words import booked
from oscar_rehive.databases import where_written
from oscar_rehive.models import OrderPayment

Order = get_model("order", "Order")

MOST_FOUND = 500
"""Orders of a customer, or of customers of one name, that a search looks at."""


@dataclass(frozen=True)
class Customer:
    """Who placed an order, as the desk shows it, where the order's page is (nothing: Oscar has none for
    such a number), and what the order costs, as a text with the currency."""

    name: str
    email: str
    url: str
    total: str

    def __str__(self) -> str:
        return " ".join(part for part in (self.name, self.email) if part)


def customers_of(payments: Collection[OrderPayment]) -> dict[int, Customer]:
    """The customers of the orders of ``payments``, by the payment's primary key; of orders that are gone
    there is none. One statement."""
    numbers = [payment.order_number for payment in payments]
    orders = where_written(Order).filter(number__in=numbers)
    by_number = {str(order.number): order for order in orders.select_related("user")}
    found = {}
    for payment in payments:
        order = by_number.get(payment.order_number)
        if order is not None and payment.is_for(str(order.pk)):
            found[payment.pk] = _customer(order)
    return found


def _customer(order: Any) -> Customer:
    name = getattr(order.user, "get_full_name", str)() if order.user else ""
    try:
        url = reverse("dashboard:order-detail", args=[order.number])
    except NoReverseMatch:  # order numbers with characters that Oscar's address does not take
        url = ""
    return Customer(name, order.email or "", url, booked(order.total_incl_tax, order.currency))


def address_of(payment: OrderPayment) -> str:
    """The mail address of who placed the order, or nothing."""
    customer = customers_of([payment]).get(payment.pk)
    return customer.email if customer else ""


def numbers_found(text: str) -> list[str]:
    """The numbers of orders whose customer has that mail address, or a name that begins so; the newest
    ``MOST_FOUND`` at most.

    Each kind by itself, for one statement over all of them reads every order.
    """
    orders = where_written(Order)
    if "@" in text:
        guests = orders.filter(guest_email__in={text, text.lower()})
        users = where_written(get_user_model()).filter(email__iexact=text)
        theirs = orders.filter(user__in=list(users.values_list("pk", flat=True)[:MOST_FOUND]))
        queries = [guests, theirs]
    else:
        first, *others = text.split()
        users = where_written(get_user_model())
        if not {"first_name", "last_name"} <= {one.name for one in users.model._meta.get_fields()}:
            return []  # a shop's own users, who have other names or none
        if others:
            named = Q(first_name__istartswith=first, last_name__istartswith=" ".join(others))
        else:
            named = Q(first_name__istartswith=first) | Q(last_name__istartswith=first)
        found = list(users.filter(named).values_list("pk", flat=True)[:MOST_FOUND])
        queries = [orders.filter(user__in=found)]
    numbers = (
        str(number)
        for query in queries
        for number in query.order_by("-pk").values_list("number", flat=True)[:MOST_FOUND]
    )
    return list(islice(numbers, MOST_FOUND))

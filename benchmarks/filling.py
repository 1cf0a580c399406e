"""Many orders at once, in the shop and at Rehive, as they are after their invoices were opened.

At Rehive by the simulator's own rules, without HTTP; in the shop by ``bulk_create``. Made one by one over
HTTP, as a shopper does, 100,000 of them take an hour.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from oscar_rehive.simulator.core import Business
from oscar_rehive.simulator.demo import DEMO_BUSINESS
from oscar_rehive.simulator.money import currency
from oscar_rehive.simulator.rules import Rehive
from oscar_rehive.simulator.state import State

PRICE = Decimal("12.34")
UNITS = 1234
FIRST_NUMBER = 100_001
WINDOW = timedelta(days=30)
RETURN_URL = f"https://shop.example.com/rehive/return/{'t' * 60}/"
AT_A_TIME = 2000
FEW = 100
"""The simulator's rules look at all invoices whenever somebody pays: few at a time are made together."""


@dataclass(frozen=True)
class Wanted:
    """An order that was placed, and its invoice opened, at ``placed_at`` (UTC). ``settled``: it was paid
    then, and the shop has settled that. ``paid_since``: it is paid, and the shop does not know yet."""

    placed_at: datetime
    settled: bool = False
    paid_since: bool = False


def fill(count: int, wanted: Callable[[int], Wanted]) -> State:
    """Make ``count`` orders in the shop, from the oldest to the newest; returns the Rehive that belongs to
    them."""
    from django.db import connection

    from oscar_rehive.shop.oscar import make_types

    make_types()
    line = _kind_of_line(count)
    state = State()
    for start in range(0, count, AT_A_TIME):
        some = [wanted(nth) for nth in range(start, min(start + AT_A_TIME, count))]
        numbers = [str(FIRST_NUMBER + start + nth) for nth in range(len(some))]
        _save(list(zip(numbers, some, strict=True)), list(_opened(state, numbers, some)), line)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # as the database does by itself after a while
    return state


@dataclass(frozen=True)
class _Made:
    """An invoice as Rehive tells of it: when the shop last looked (``known``)."""

    key: uuid.UUID
    known: dict[str, Any]


@dataclass
class _Clock:
    """Of Rehive while the invoices are made: milliseconds since 1970."""

    now: int = 0

    def __call__(self) -> int:
        return self.now


def _opened(state: State, numbers: list[str], wanted: list[Wanted]) -> Iterator[_Made]:
    for start in range(0, len(numbers), FEW):
        clock = _Clock()
        part = State(last_number=state.last_number)
        rehive = Rehive([Business(DEMO_BUSINESS, currency("USD"))], state=part, clock=clock)
        for number, one in zip(
            numbers[start : start + FEW], wanted[start : start + FEW], strict=True
        ):
            clock.now = int(one.placed_at.timestamp() * 1000)
            key = uuid.uuid4()
            made = rehive.create_invoice(DEMO_BUSINESS, _body(number, key, one.placed_at + WINDOW))
            if one.settled or one.paid_since:
                clock.now += 60_000
                paid = rehive.outcome(made["id"], "pay")
            yield _Made(key, paid if one.settled else made)
        state.records.update(part.records)
        state.last_number = part.last_number


def _body(number: str, key: uuid.UUID, ends: datetime) -> dict[str, Any]:
    """What payments/opening.py sends."""
    milliseconds = int(ends.timestamp()) * 1000
    return {
        "request_reference": number,
        "request_amount": UNITS,
        "status": "initiated",
        "description": f"Order {number}",
        "return_url": RETURN_URL,
        "due_date": milliseconds,
        "expiration_date": milliseconds,
        "metadata": {"oscar_rehive_key": key.hex, "oscar_rehive_attempt": 1},
    }


def _kind_of_line(count: int) -> dict[str, Any]:
    """What all lines have in common: a product of which there is enough."""
    from oscar.core.loading import get_model
    from oscar.test.factories import create_product

    product = create_product(price=PRICE, num_in_stock=10 * count)
    (stock,) = product.stockrecords.all()
    type(stock).objects.filter(pk=stock.pk).update(num_allocated=count)
    prices = [f"{what}_{tax}" for what in ("line_price", "unit_price") for tax in _TAXES]
    prices += [f"line_price_before_discounts_{tax}" for tax in _TAXES]
    fields = {field.name for field in get_model("order", "Line")._meta.fields}
    return {
        **{price: PRICE for price in prices if price in fields},
        "product": product,
        "stockrecord": stock,
        "partner": stock.partner,
        "title": product.title,
        "quantity": 1,
        "num_allocated": 1,
        "status": "Pending",
    }


_TAXES = ("incl_tax", "excl_tax")


def _save(wanted: list[tuple[str, Wanted]], made: list[_Made], line: dict[str, Any]) -> None:
    from oscar.core.loading import get_model

    from oscar_rehive import conf
    from oscar_rehive.models import Entry, Invoice, OrderPayment

    words = conf.order_statuses()
    order_model, line_model = get_model("order", "Order"), get_model("order", "Line")
    orders = order_model.objects.bulk_create(
        order_model(
            number=number,
            currency="USD",
            total_incl_tax=PRICE,
            total_excl_tax=PRICE,
            status=words.paid if one.settled else words.pending,
            guest_email="guest@example.com",
            date_placed=one.placed_at,
        )
        for number, one in wanted
    )
    line_model.objects.bulk_create(line_model(order=order, **line) for order in orders)
    payments = OrderPayment.objects.bulk_create(
        OrderPayment(
            order_number=order.number,
            reference=order.number,
            order_key=str(order.pk),
            seen_status=order.status,
            language="en",
            created_at=one.placed_at,
            window_ends_at=one.placed_at + WINDOW,
            **_paid_at(one),
        )
        for order, (_, one) in zip(orders, wanted, strict=True)
    )
    invoices = Invoice.objects.bulk_create(
        _invoice(payment, one, invoice)
        for payment, (_, one), invoice in zip(payments, wanted, made, strict=True)
    )
    said = ("The order was placed, to be paid through Rehive.", "The invoice is open at Rehive.")
    Entry.objects.bulk_create(
        Entry(
            payment=invoice.payment,
            invoice=invoice,
            at=invoice.created_at,
            source=Entry.Source.CHECKOUT,
            reason=reason,
        )
        for invoice in invoices
        for reason in said
    )


def _paid_at(one: Wanted) -> dict[str, datetime]:
    when = one.placed_at + timedelta(minutes=1)
    names = ("paid_at", "mail_due_at", "mail_sent_at")
    return dict.fromkeys(names, when) if one.settled else {}


def _invoice(payment: Any, one: Wanted, made: _Made) -> Any:
    """What payments/adopting.py leaves, or payments/rules.py where it is paid."""
    from oscar_rehive.models import Invoice
    from oscar_rehive.payments.meanings import money_of
    from oscar_rehive.payments.weighing import digest
    from oscar_rehive.rehive.wire import read_invoice

    remote = read_invoice(made.known)
    invoice = Invoice(
        payment=payment,
        attempt=1,
        state=Invoice.State.PAID if one.settled else Invoice.State.OPEN,
        key=made.key,
        business_id=DEMO_BUSINESS,
        currency="USD",
        divisibility=2,
        total=PRICE,
        amount=UNITS,
        remote_id=remote.id,
        remote_status=remote.status,
        remote_updated=remote.updated,
        redirect_url=remote.redirect_url,
        quotes=[money_of(quote.raw) for quote in remote.quotes],
        told=digest(remote),
        created_at=one.placed_at,
        asked_at=one.placed_at + timedelta(minutes=2),
        sent_at=one.placed_at,
        posts=1,
    )
    if one.settled:
        invoice.received = invoice.pays = UNITS
        invoice.recorded, invoice.version = PRICE, 1
    invoice.note_use()
    return invoice

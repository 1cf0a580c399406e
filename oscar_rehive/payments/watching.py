"""What is seen from outside of the work on an order: fields of log records, a span, a time."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from oscar_rehive import numbers
from oscar_rehive.logs import about
from oscar_rehive.models import Invoice
from oscar_rehive.tracing import span

P = ParamSpec("P")
T = TypeVar("T")


def fields_of(invoice: Invoice) -> dict[str, object]:
    """The fields that log records about ``invoice`` carry."""
    return {
        "order_number": invoice.order_number,
        "invoice_id": invoice.remote_id,
        "attempt": invoice.attempt,
    }


def about_order(work: Callable[Concatenate[str, P], T]) -> Callable[Concatenate[str, P], T]:
    """Log records within ``work`` carry the order's number, which is its first argument."""

    @wraps(work)
    def known(number: str, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with about(order_number=number):
            return work(number, *args, **kwargs)

    return known


def watched(
    settle: Callable[Concatenate[Invoice, str, P], T],
) -> Callable[Concatenate[Invoice, str, P], T]:
    """``settle`` begins with the invoice that is settled and who wants it to be: its log records carry the
    invoice, it is a span, and it is timed."""

    @wraps(settle)
    def seen(invoice: Invoice, source: str, /, *args: P.args, **kwargs: P.kwargs) -> T:
        fields = fields_of(invoice)
        told = {f"rehive.{name}": value for name, value in fields.items()}
        with (
            about(**fields),
            span("rehive.settle", told),
            numbers.timing("settle_seconds", source=source),
        ):
            return settle(invoice, source, *args, **kwargs)

    return seen

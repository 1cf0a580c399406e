"""Order by order: what it costs, what came through Rehive, what went back, and whether that fits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import cached_property
from typing import Any, ClassVar

from django.db.models import QuerySet, Sum
from django.utils.translation import gettext_lazy
from oscar.core.loading import get_model

from oscar_rehive.dashboard import words
from oscar_rehive.dashboard.listing import in_cents
from oscar_rehive.dashboard.panel import desk_url
from oscar_rehive.dashboard.reports.days import Days
from oscar_rehive.dashboard.reports.report import (
    FileFormatter,
    Found,
    Report,
    ReportHTMLFormatter,
)
from oscar_rehive.dashboard.reports.takings import NOTHING
from oscar_rehive.databases import where_written
from oscar_rehive.models import Invoice, OrderPayment
from oscar_rehive.rehive.money import floor_to_places, from_units
from oscar_rehive.shop import Order, Standing, get_shop
from oscar_rehive.shop.oscar import SOURCE_TYPE_CODE

COLUMNS = (
    "order_number",
    "order_key",
    "created_at",
    "paid_at",
    "closed_at",
    "released_at",
    "cancel_reason",
)

AT_ONCE = 500
"""Rows of a file that are read at a time."""


class Verdict(Enum):
    """What the difference of an order means."""

    FITS = "fits"
    GIVEN_BACK = "given back"
    LESS = "less"
    MORE = "more"
    WAITS = "waits"
    LEDGER = "ledger"


MEANINGS = {
    Verdict.FITS: gettext_lazy("fits"),
    Verdict.GIVEN_BACK: gettext_lazy("given back since"),
    Verdict.LESS: gettext_lazy("less than was due"),
    Verdict.MORE: gettext_lazy("more than was due"),
    Verdict.WAITS: gettext_lazy("is here and pays nothing"),
    Verdict.LEDGER: gettext_lazy("Oscar's ledger differs"),
}
COLOURS = {Verdict.GIVEN_BACK: "secondary", Verdict.LEDGER: "danger"}
"""Bootstrap's; of the rest "warning"."""


@dataclass(frozen=True)
class Row:
    """A payment in one currency. ``total`` is what its order costs (None: the order is gone, or is in another
    currency), ``elsewhere`` what other sources hold of it, ``came`` and ``back`` what Rehive has verified,
    ``bookable`` what a ledger can hold of that, and ``ledger`` what Oscar's sources of Rehive hold. ``stands``: the order is paid and was not given up."""

    number: str
    key: int
    placed: datetime
    standing: str
    stands: bool
    currency: str
    total: Decimal | None
    elsewhere: Decimal
    came: Decimal
    back: Decimal
    bookable: Decimal
    ledger: Decimal

    @property
    def url(self) -> str:
        """Where all about the payment stands."""
        return desk_url("payment", self.key)

    @property
    def due(self) -> Decimal:
        """What should be here through Rehive: what other sources leave of an order that stands as paid, and
        nothing of any other."""
        return max((self.total or NOTHING) - self.elsewhere, NOTHING) if self.stands else NOTHING

    @property
    def difference(self) -> Decimal:
        """What is here less what should be."""
        return self.came - self.back - self.due

    @property
    def verdict(self) -> Verdict:
        """What that means."""
        if self.ledger != self.bookable:
            return Verdict.LEDGER
        if not self.difference:
            return Verdict.FITS
        if self.difference > 0:
            return Verdict.MORE if self.stands else Verdict.WAITS
        return Verdict.GIVEN_BACK if self.came >= self.due else Verdict.LESS

    @property
    def meaning(self) -> Any:
        """The verdict in words."""
        return MEANINGS[self.verdict]

    @property
    def colour(self) -> str:
        """Bootstrap's word for it."""
        return COLOURS.get(self.verdict, "warning")


@dataclass(frozen=True)
class Money:
    """What came and went back through some attempts of one currency. ``bookable`` is what of that should stand in
    the ledger, which has two decimals for each attempt whatever the currency has, and gives back no more than came."""

    came: Decimal = NOTHING
    back: Decimal = NOTHING
    bookable: Decimal = NOTHING


def money_of(invoices: Collection[Invoice]) -> dict[str, Money]:
    """What came and went through all ``invoices``, by currency."""
    money: dict[str, Money] = defaultdict(Money)
    for one in invoices:
        so_far = money[one.currency]
        came = from_units(int(one.received), one.divisibility)
        back = from_units(int(one.refunded), one.divisibility)
        held = max(floor_to_places(came, 2) - floor_to_places(back, 2), NOTHING)
        money[one.currency] = Money(so_far.came + came, so_far.back + back, so_far.bookable + held)
    return money


def rows_for(
    payment: OrderPayment,
    order: Order | None,
    invoices: Collection[Invoice],
    ledger: Mapping[str, Decimal],
) -> list[Row]:
    """The row of ``payment`` in its order's currency, and one for each other in which money came. ``order`` is
    None where it is gone; ``ledger`` is what Oscar's sources hold of it, by currency. Pure."""
    money = money_of(invoices)
    is_cancelled = order is None or order.standing is Standing.CANCELLED
    own = order.currency if order else next(iter(money), "")
    others = sorted(
        currency for currency, some in money.items() if currency != own and (some.came or some.back)
    )
    return [
        Row(
            number=payment.order_number,
            key=payment.pk,
            placed=payment.created_at,
            standing=words.standing(payment),
            stands=bool(payment.paid_at and not payment.released_at and not is_cancelled),
            currency=currency,
            total=order.total if order and currency == own else None,
            elsewhere=order.covered if order and currency == own else NOTHING,
            came=money.get(currency, Money()).came,
            back=money.get(currency, Money()).back,
            bookable=money.get(currency, Money()).bookable,
            ledger=ledger.get(currency, NOTHING),
        )
        for currency in [own, *others]
    ]


def rows_of(payments: Sequence[OrderPayment]) -> list[Row]:
    """The rows of ``payments``, in as many statements for many as for one."""
    attempts: dict[int, list[Invoice]] = defaultdict(list)
    found = Invoice.objects.filter(payment__in=payments).order_by("attempt")
    for invoice in found.only("payment", "currency", "divisibility", "received", "refunded"):
        attempts[invoice.payment_id].append(invoice)
    numbers = [one.order_number for one in payments]
    orders = get_shop().find_many(numbers)
    ledgers = _ledgers(numbers)
    rows = []
    for payment in payments:
        order = orders.get(payment.order_number)
        if order is not None and not payment.is_for(order.key):
            order = None
        ledger = ledgers[order.key] if order is not None else {}
        rows += rows_for(payment, order, attempts[payment.pk], ledger)
    return rows


def _ledgers(numbers: Sequence[str]) -> dict[str, dict[str, Decimal]]:
    """What Oscar's sources of Rehive hold of these orders, by the order's key and the currency."""
    sources = where_written(get_model("payment", "Source")).order_by()
    sums = sources.filter(order__number__in=numbers, source_type__code=SOURCE_TYPE_CODE).values(
        "order", "currency"
    )
    ledgers: dict[str, dict[str, Decimal]] = defaultdict(dict)
    for one in sums.annotate(came=Sum("amount_debited"), back=Sum("amount_refunded")):
        held = in_cents(one["came"]) - in_cents(one["back"])
        ledgers[str(one["order"])][one["currency"]] = held
    return ledgers


class Orders(Found):
    """The orders placed on these days, the newest first."""

    headings: ClassVar[Sequence[str]] = (
        "order",
        "placed",
        "standing",
        "currency",
        "total",
        "other sources",
        "came in",
        "went back",
        "difference",
        "in Oscar's ledger",
        "verdict",
    )

    def __init__(self, days: Days) -> None:
        self.days = days

    @property
    def payments(self) -> QuerySet[OrderPayment]:
        found = OrderPayment.objects.filter(self.days.hold("created_at"))
        return found.order_by("-created_at", "-pk").only(*COLUMNS)

    def count(self) -> int:
        return self.payments.order_by().count()

    def __getitem__(self, part: slice) -> Sequence[Row]:
        return rows_of(list(self.payments[part]))

    def lines(self) -> Iterator[Sequence[object]]:
        part: list[OrderPayment] = []
        for payment in self.payments.iterator(chunk_size=AT_ONCE):
            part.append(payment)
            if len(part) == AT_ONCE:
                yield from map(_line, rows_of(part))
                part = []
        yield from map(_line, rows_of(part) if part else ())

    @cached_property
    def sums(self) -> list[dict[str, str]]:
        """What came, went back and is here of all these orders, by currency, as the ledger has it."""
        invoices = Invoice.objects.filter(self.days.hold("payment__created_at")).order_by()
        sums = invoices.values("currency").annotate(
            came=Sum("recorded"), back=Sum("refund_recorded")
        )
        told = []
        for one in sums.order_by("currency"):
            came, back, currency = in_cents(one["came"]), in_cents(one["back"]), one["currency"]
            amounts = {"came": came, "back": back, "kept": came - back}
            told.append({name: words.booked(some, currency) for name, some in amounts.items()})
        return told


def _line(row: Row) -> Sequence[object]:
    return (
        row.number,
        row.placed,
        row.standing,
        row.currency,
        "" if row.total is None else in_cents(row.total),
        in_cents(row.elsewhere),
        row.came,
        row.back,
        row.difference,
        row.ledger,
        row.verdict.value,
    )


class OrdersPage(ReportHTMLFormatter):
    """The report as a page."""

    filename_template = "oscar_rehive/dashboard/reports/reconciliation.html"


class ReconciliationReport(Report):
    """Order by order, for an accountant to tick off."""

    code = "rehive_reconciliation"
    description = gettext_lazy("Rehive: reconciliation by order")
    formatters: ClassVar[dict[str, Any]] = {
        "CSV_formatter": FileFormatter,
        "HTML_formatter": OrdersPage,
    }

    def found(self) -> Orders:
        return Orders(self.days)

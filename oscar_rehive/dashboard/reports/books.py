"""The shop's books beside Rehive's: month by month, and order → invoice → transaction → payout.

Rehive is asked once, when somebody wants this report, within the time of a page. What cannot be had leaves the shop's
half as it is, and is said.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any, ClassVar

from django.db.models import Max, QuerySet
from django.utils.translation import gettext_lazy

from oscar_rehive.dashboard.listing import in_cents
from oscar_rehive.dashboard.panel import desk_url
from oscar_rehive.dashboard.reports.asking import Booked, PaidOut, Told, ask_for_books
from oscar_rehive.dashboard.reports.days import Days
from oscar_rehive.dashboard.reports.report import (
    FileFormatter,
    Found,
    Report,
    ReportHTMLFormatter,
)
from oscar_rehive.dashboard.reports.takings import NOTHING, Taking, takings_in
from oscar_rehive.models import Entry, Invoice
from oscar_rehive.rehive.money import floor_to_places

AT_ONCE = 500

MOST_SHOWN = 50
"""Of what is at Rehive and belongs to no invoice of the shop's, and of payouts."""


@dataclass
class Month:
    """A month in one currency: what ``came`` and went ``back`` by the shop's ledger; by Rehive's what was
    ``paid`` for invoices, what of that a ledger can hold (``bookable``), the ``fees`` of it, and what was
    ``paid_out``."""

    begins: date
    currency: str
    came: Decimal = NOTHING
    back: Decimal = NOTHING
    paid: Decimal = NOTHING
    bookable: Decimal = NOTHING
    fees: Decimal = NOTHING
    fees_untold: int = 0
    paid_out: Decimal = NOTHING

    @property
    def difference(self) -> Decimal:
        """What Rehive's books have beyond the shop's, of what was paid."""
        return self.bookable - self.came


def _bookable(paid: Decimal) -> Decimal:
    """What a ledger of two decimals can hold of what was ``paid`` for an invoice."""
    return floor_to_places(paid, 2)


def months_of(takings: Iterable[Taking], told: Told, days: Days) -> list[Month]:
    """The months of ``days`` in which anything moved, by month and currency. Only what is in ``days`` counts,
    by the day on which each of the two has noted it. Pure."""
    months: dict[tuple[date, str], Month] = {}
    by_invoice: dict[tuple[date, str, str], Decimal] = defaultdict(lambda: NOTHING)

    def month(day: date, currency: str) -> Month:
        key = day.replace(day=1), currency
        return months.setdefault(key, Month(*key))

    for one in takings:
        month(one.day, one.currency).came += one.came
        month(one.day, one.currency).back += one.back
    for booked in told.booked:
        if booked.pays and _is_in(booked, days):
            its = month(days.day_of(booked.at), booked.currency)  # type: ignore[arg-type]  # see _is_in
            its.paid += booked.amount
            by_invoice[its.begins, its.currency, booked.invoice_id] += booked.amount
            its.fees += booked.fee or 0
            its.fees_untold += booked.fee is None
    for (begins, currency, _invoice), paid in by_invoice.items():
        months[begins, currency].bookable += _bookable(paid)
    for payout in told.paid_out:
        if payout.is_done and _is_in(payout, days):
            month(days.day_of(payout.at), payout.currency).paid_out += payout.amount  # type: ignore[arg-type]  # as above
    return [months[key] for key in sorted(months)]


def _is_in(one: Booked | PaidOut, days: Days) -> bool:
    return one.at is not None and days.start <= one.at < days.end


@dataclass(frozen=True)
class Chain:
    """An invoice through which money moved, and the transactions at Rehive that carry its id. ``came`` and
    ``back`` are of all times, by the ledger. ``all_read``: what is not among the transactions is missing."""

    number: str
    url: str
    invoice_id: str
    invoice_url: str
    currency: str
    came: Decimal
    back: Decimal
    all_read: bool
    booked: Sequence[Booked] = field(default=())

    @property
    def paid(self) -> Decimal:
        """What these transactions have brought, in the invoice's currency."""
        own = (one.amount for one in self.booked if one.pays and one.currency == self.currency)
        return sum(own, NOTHING)

    @property
    def fees(self) -> Decimal:
        """What Rehive has told of their fees."""
        own = (one.fee or NOTHING for one in self.booked if one.currency == self.currency)
        return sum(own, NOTHING)

    @property
    def difference(self) -> Decimal | None:
        """What Rehive's books have of it beyond the shop's; None: nobody knows."""
        return _bookable(self.paid) - self.came if self.booked or self.all_read else None

    @property
    def verdict(self) -> str:
        """Whether it was found: "linked", "differs", "missing", or "unknown" where not all was read."""
        if not self.booked:
            return "missing" if self.all_read else "unknown"
        return "differs" if self.difference else "linked"


def chains_of(invoices: Iterable[Invoice], told: Told) -> list[Chain]:
    """Each of ``invoices``, with its payment read, and what Rehive has booked for it. Pure."""
    by_invoice: dict[str, list[Booked]] = defaultdict(list)
    for one in told.booked:
        by_invoice[one.invoice_id].append(one)
    return [
        Chain(
            number=invoice.order_number,
            url=desk_url("payment", invoice.payment_id),
            invoice_id=invoice.remote_id or "",
            invoice_url=desk_url("invoice", invoice.pk),
            currency=invoice.currency,
            came=in_cents(invoice.recorded),
            back=in_cents(invoice.refund_recorded),
            all_read=told.has_all_booked,
            booked=by_invoice.get(invoice.remote_id or "-", ()),
        )
        for invoice in invoices
    ]


class Books(Found):
    """The invoices through which money moved on these days, the last first."""

    headings: ClassVar[Sequence[str]] = (
        "order",
        "invoice",
        "currency",
        "came in",
        "went back",
        "transactions at Rehive",
        "paid at Rehive",
        "fees at Rehive",
        "difference",
        "verdict",
        "payout",
    )

    def __init__(self, days: Days) -> None:
        self.days = days

    @cached_property
    def told(self) -> Told:
        """What Rehive says, asked once."""
        return ask_for_books()

    @property
    def keys(self) -> QuerySet[Any, Any]:
        """The primary keys of these invoices."""
        money = Entry.objects.filter(self.days.hold("at"), amount__isnull=False)
        money = money.filter(invoice__isnull=False).order_by()
        return (
            money.values("invoice")
            .annotate(last=Max("at"))
            .order_by("-last", "-invoice")
            .values_list("invoice", flat=True)
        )

    def count(self) -> int:
        return self.keys.count()

    def __getitem__(self, part: slice) -> Sequence[Chain]:
        return self._chains(list(self.keys[part]))

    def _chains(self, keys: Sequence[int]) -> list[Chain]:
        found = Invoice.objects.select_related("payment").in_bulk(keys)
        return chains_of((found[key] for key in keys if key in found), self.told)

    def lines(self) -> Iterator[Sequence[object]]:
        part: list[int] = []
        for key in self.keys.iterator(chunk_size=AT_ONCE):
            part.append(key)
            if len(part) == AT_ONCE:
                yield from map(_line, self._chains(part))
                part = []
        yield from map(_line, self._chains(part))

    @cached_property
    def months(self) -> list[Month]:
        """Month by month, both halves."""
        return months_of(takings_in(self.days), self.told, self.days)

    @cached_property
    def strangers(self) -> list[Booked]:
        """What is in Rehive's books of these days and is not in the shop's as a payment, the last first: refunds
        and payouts too, for nothing documented says which movement is what."""
        here = [one for one in self.told.booked if _is_in(one, self.days)]
        ids = {one.invoice_id for one in here if one.pays}
        noted = Invoice.objects.filter(remote_id__in=ids, recorded__gt=0)
        ours = set(noted.values_list("remote_id", flat=True))
        strange = (one for one in here if not (one.pays and one.invoice_id in ours))
        return sorted(strange, key=lambda one: str(one.at), reverse=True)

    @property
    def some_strangers(self) -> list[Booked]:
        """As many of them as a page has room for."""
        return self.strangers[:MOST_SHOWN]

    @property
    def some_payouts(self) -> list[PaidOut]:
        """The payouts of these days, as many as a page has room for, the last first."""
        here = (one for one in self.told.paid_out if _is_in(one, self.days))
        return sorted(here, key=lambda one: str(one.at), reverse=True)[:MOST_SHOWN]


def _line(chain: Chain) -> Sequence[object]:
    return (
        chain.number,
        chain.invoice_id,
        chain.currency,
        chain.came,
        chain.back,
        " ".join(one.id for one in chain.booked),
        chain.paid,
        chain.fees,
        "" if chain.difference is None else chain.difference,
        chain.verdict,
        "not told by Rehive",
    )


class BooksPage(ReportHTMLFormatter):
    """The report as a page."""

    filename_template = "oscar_rehive/dashboard/reports/books.html"


class BooksReport(Report):
    """The shop's books beside Rehive's."""

    code = "rehive_books"
    description = gettext_lazy("Rehive: reconciliation by month")
    formatters: ClassVar[dict[str, Any]] = {
        "CSV_formatter": FileFormatter,
        "HTML_formatter": BooksPage,
    }

    def found(self) -> Books:
        return Books(self.days)

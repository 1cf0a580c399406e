"""What Rehive tells of its own books, within the time of a page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from decimal import Decimal
from itertools import islice
from typing import TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext as _

from oscar_rehive import conf
from oscar_rehive.cleaning import storable_text
from oscar_rehive.databases import in_a_transaction
from oscar_rehive.payments.gateway import PAGE_SECONDS, client_for
from oscar_rehive.rehive.client import Client
from oscar_rehive.rehive.deadlines import within
from oscar_rehive.rehive.exceptions import RehiveError
from oscar_rehive.rehive.money import from_units
from oscar_rehive.rehive.wire import Movement, Payout

R = TypeVar("R", Movement, Payout)
T = TypeVar("T")

MOST_ROWS = 5000
"""Of each list: 20 calls. Neither has a filter or a documented order, so that all of it must be read to know
what is not in it."""

SETTLED = ("complete", "settled")
"""The words for money that is there (rehive-api.md, "Transactions")."""

DEBIT = "debit"
"""What leaves the account is no payment, whatever it carries."""


@dataclass(frozen=True)
class Booked:
    """A transaction on the account of the business. ``fee`` is None where it is not told; ``at`` is UTC."""

    id: str
    kind: str
    status: str
    currency: str
    amount: Decimal
    fee: Decimal | None
    invoice_id: str
    at: datetime | None

    @property
    def pays(self) -> bool:
        """Whether it is money that has come for an invoice."""
        is_here = self.status.lower() in SETTLED and self.kind.lower() != DEBIT
        return bool(self.invoice_id) and is_here


@dataclass(frozen=True)
class PaidOut:
    """What left the account for the bank, or is to."""

    id: str
    reference: str
    status: str
    currency: str
    amount: Decimal
    at: datetime | None

    @property
    def is_done(self) -> bool:
        """Whether it has left."""
        return self.status.lower() == "complete"


@dataclass
class Told:
    """What was read. ``troubles`` say why that is not all; ``has_all_booked``: nothing is missing of the
    transactions, and what is not among them is not in Rehive's books."""

    booked: list[Booked] = field(default_factory=list)
    paid_out: list[PaidOut] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    has_all_booked: bool = True
    has_all_paid_out: bool = True


def ask_for_books() -> Told:
    """Ask each business of the settings for its transactions and payouts. Never raises for what Rehive does:
    what could not be had is among ``troubles``."""
    told = Told()
    if in_a_transaction():
        _not_all(told, _("Rehive is not asked inside a database transaction."))
        return told
    try:
        businesses = list(conf.current().businesses.values())
    except ImproperlyConfigured as error:
        _not_all(told, str(error))
        return told
    with within(PAGE_SECONDS):
        for business in businesses:
            _ask(told, client_for(business), business.currency)
    return told


def _not_all(told: Told, why: str) -> None:
    told.troubles.append(why)
    told.has_all_booked = told.has_all_paid_out = False


def _ask(told: Told, client: Client, currency: str) -> None:
    booked, trouble = _read(client.movements, _booked)
    told.booked += booked
    if trouble:
        told.has_all_booked = False
        told.troubles.append(_("Transactions, %s: ") % currency + trouble)
    paid_out, trouble = _read(client.payouts, _paid_out)
    told.paid_out += paid_out
    if trouble:
        told.has_all_paid_out = False
        told.troubles.append(_("Payouts, %s: ") % currency + trouble)


def _read(rows: Callable[[], Iterator[R]], note: Callable[[R], T]) -> tuple[list[T], str]:
    """What ``note`` makes of ``rows`` up to ``MOST_ROWS``, and why these are not all; nothing where they are."""
    read, noted = 0, dict[object, T]()
    trouble = ""
    try:
        for row in islice(rows(), MOST_ROWS + 1):
            if read == MOST_ROWS:
                trouble = _("only the first %d were read; there are more.") % MOST_ROWS
                break
            # Rows shift while a list is paged, and their statuses change: the same one may come twice. With another
            # amount it is another one, to which an id was given again.
            noted[replace(row, status="") if row.id else read] = note(row)
            read += 1
    except (RehiveError, _Unmeasured) as error:
        trouble = _("%(read)d were read, and then: %(why)s") % {"read": read, "why": error}
    return list(noted.values()), trouble


class _Unmeasured(Exception):
    """Nobody can tell what a unit of an amount is."""


def _money(units: int, row: Movement | Payout) -> Decimal:
    places = row.currency.divisibility
    if places is None:
        raise _Unmeasured(_("Rehive does not tell the decimals of %s.") % _text(row.currency.code))
    return from_units(units, places)


def _booked(row: Movement) -> Booked:
    return Booked(
        id=_text(row.id),
        kind=_text(row.kind),
        status=_text(row.status),
        currency=_text(row.currency.code),
        amount=_money(row.amount, row),
        fee=None if row.fee is None else _money(row.fee, row),
        invoice_id=_text(row.invoice_id),
        at=_moment(row.created),
    )


def _paid_out(row: Payout) -> PaidOut:
    return PaidOut(
        id=_text(row.id),
        reference=_text(row.reference),
        status=_text(row.status),
        currency=_text(row.currency.code),
        amount=_money(row.amount, row),
        at=_moment(row.created),
    )


def _text(told: str) -> str:
    return storable_text(told)[:64]


def _moment(milliseconds: int | None) -> datetime | None:
    # After the year 9999 nobody's calendar has a day for it.
    if milliseconds is None or milliseconds >= 253_402_300_800_000:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, tz=timezone.utc)

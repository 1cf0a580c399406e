"""What an order's payment amounts to: the sums that staff see. Pure, of what was read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from oscar_rehive.models import Invoice, Refund
from oscar_rehive.payments.plans import Plan
from oscar_rehive.rehive.money import from_units

_NOTHING = Decimal("0.00")
_ON_ITS_WAY = (Refund.Status.REQUESTED, Refund.Status.PENDING, Refund.Status.PROCESSING)


@dataclass(frozen=True)
class Account:
    """Sums over all attempts in the order's currency, all of them Decimals in that currency. ``total`` is
    what the order costs, ``elsewhere`` what other sources hold of it, ``received`` what ever came through
    Rehive, ``refunded`` what went back of that for good and ``being_refunded`` what is on its way back;
    ``missing`` is what nobody holds yet, and ``excess`` what is here beyond what pays the order."""

    currency: str
    total: Decimal
    elsewhere: Decimal
    received: Decimal
    refunded: Decimal
    being_refunded: Decimal
    missing: Decimal
    excess: Decimal


def account_of(plan: Plan) -> Account:
    """The sums of the order that ``plan`` is about; of an order that is gone, in the currency in which it
    was asked for."""
    order = plan.order
    newest = plan.invoices[-1] if plan.invoices else None
    currency = order.currency if order else newest.currency if newest else ""
    invoices = [one for one in plan.invoices if one.currency == currency]
    under_way = sum(
        (
            from_units(refund.amount, one.divisibility)
            for one in invoices
            for refund in plan.refunds_of(one)
            if refund.status in _ON_ITS_WAY
        ),
        _NOTHING,
    )
    total = order.total if order else newest.total if newest else _NOTHING
    elsewhere = order.covered if order else _NOTHING
    received = _sum((one.received, one) for one in invoices)
    refunded = _sum((one.refunded, one) for one in invoices)
    missing = total - elsewhere - (received - refunded)
    return Account(
        currency=currency,
        total=total,
        elsewhere=elsewhere,
        received=received,
        refunded=refunded,
        being_refunded=under_way,
        missing=_NOTHING if plan.payment.is_settled else max(missing, _NOTHING),
        excess=_sum((excess_of(plan, one), one) for one in invoices),
    )


def excess_of(plan: Plan, invoice: Invoice) -> int:
    """What of ``invoice`` can go back and pays nothing, in smallest units; nothing as long as the order
    is not paid, for until then nobody knows what pays it."""
    if plan.payment.paid_at is None:
        return 0
    return max(plan.left(invoice) - int(invoice.pays or 0), 0)


def _sum(units: Iterable[tuple[int, Invoice]]) -> Decimal:
    return sum((from_units(int(some), one.divisibility) for some, one in units), _NOTHING)

"""What a list of payments shows of each: on the page, and as a file."""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import django_tables2
from django.db.models import Count
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from oscar.core.loading import get_class

from oscar_rehive.dashboard import words
from oscar_rehive.dashboard.orders import Customer, customers_of
from oscar_rehive.dashboard.panel import desk_url
from oscar_rehive.models import Attention, Invoice, OrderPayment

DashboardTable: Any = get_class("dashboard.tables", "DashboardTable")

RIGHT = {"td": {"class": "text-right text-nowrap"}, "th": {"class": "text-right"}}


@dataclass(frozen=True)
class PaymentRow:
    """A payment in the list. Amounts are texts with their currency: what was asked for in all (one for each
    currency that the attempts had), came and went back."""

    number: str
    url: str
    created_at: datetime
    standing: str
    customer: Customer | None
    status: str
    asked: str
    received: str
    refunded: str
    invoice_id: str
    business: str
    attention: int


def rows_of(payments: Sequence[OrderPayment], *, for_staff: bool) -> list[PaymentRow]:
    """What is shown of ``payments``, in as many statements for many as for one. How many facts wait is for
    the staff alone."""
    keys = [payment.pk for payment in payments]
    customers = customers_of(payments)
    attempts: dict[int, list[Invoice]] = defaultdict(list)
    for invoice in Invoice.objects.filter(payment__in=keys).order_by("attempt"):
        attempts[invoice.payment_id].append(invoice)
    facts = Attention.objects.filter(payment__in=keys, resolved_at=None).order_by()
    waiting = dict(facts.values_list("payment").annotate(all=Count("pk"))) if for_staff else {}
    return [
        _row(one, attempts[one.pk], customers.get(one.pk), waiting.get(one.pk, 0))
        for one in payments
    ]


def _row(
    payment: OrderPayment, attempts: list[Invoice], customer: Customer | None, waiting: int
) -> PaymentRow:
    newest = attempts[-1] if attempts else None
    return PaymentRow(
        number=payment.order_number,
        url=desk_url("payment", payment.pk),
        created_at=payment.created_at,
        standing=words.standing(payment),
        customer=customer,
        status=newest.remote_status if newest else "",
        asked=_asked(newest, customer),
        received=_sums((one.recorded, one.currency) for one in attempts),
        refunded=_sums((one.refund_recorded, one.currency) for one in attempts),
        invoice_id=(newest.remote_id or "") if newest else "",
        business=newest.business_id if newest else "",
        attention=waiting,
    )


def _asked(newest: Invoice | None, customer: Customer | None) -> str:
    if newest is not None:
        return words.booked(newest.total, newest.currency)
    return customer.total if customer else ""


def _sums(amounts: Iterable[tuple[Decimal, str]]) -> str:
    """The sum of each currency that has any."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for amount, currency in amounts:
        sums[currency] += amount
    return ", ".join(words.booked(some, currency) for currency, some in sums.items() if some)


class PaymentsTable(DashboardTable):
    """The list as a table, in the looks of Oscar's own."""

    number = django_tables2.Column(verbose_name=gettext_lazy("Order"))
    standing = django_tables2.Column(verbose_name=gettext_lazy("Standing"))
    asked = django_tables2.Column(verbose_name=gettext_lazy("Asked"), attrs=RIGHT)
    received = django_tables2.Column(verbose_name=gettext_lazy("Received"), attrs=RIGHT)
    refunded = django_tables2.Column(verbose_name=gettext_lazy("Refunded"), attrs=RIGHT)
    status = django_tables2.Column(verbose_name=gettext_lazy("At Rehive"))
    customer = django_tables2.Column(verbose_name=gettext_lazy("Customer"))
    created_at = django_tables2.DateTimeColumn(verbose_name=gettext_lazy("Placed"))

    icon = "fas fa-coins"

    class Meta(DashboardTable.Meta):
        # The view pages: it knows how to count, and which rows to read at once.
        template_name = "oscar_rehive/dashboard/table.html"
        orderable = False

    def get_caption_display(self) -> str:
        """The page tells how many there are."""
        return _("Payments")

    def render_number(self, record: PaymentRow) -> str:
        """With the way to all about it."""
        return format_html('<a href="{}">{}</a>', record.url, record.number)

    def render_customer(self, value: Customer) -> str:
        """The name above the address."""
        lines = [part for part in (value.name, value.email) if part]
        return format_html_join(mark_safe("<br>"), "{}", ([line] for line in lines))

    def render_standing(self, record: PaymentRow, value: str) -> str:
        """With what waits for a person."""
        if not record.attention:
            return value
        waits = _("attention")
        return format_html('{} <span class="badge badge-danger">{}</span>', value, waits)


HEADINGS = (
    "order",
    "placed",
    "standing",
    "customer",
    "mail address",
    "status at Rehive",
    "asked",
    "received",
    "refunded",
    "invoice",
    "business",
    "open attention",
)
"""Of the file: for machines, and so in one language."""


def as_csv(row: PaymentRow | None) -> str:
    """``row`` as a line of the file; None is its first line, with the names."""
    return csv_line(HEADINGS if row is None else _values(row))


def _values(row: PaymentRow) -> Sequence[object]:
    customer = row.customer or Customer("", "", "", "")
    return (
        row.number,
        row.created_at.isoformat(),
        row.standing,
        customer.name,
        customer.email,
        row.status,
        row.asked,
        row.received,
        row.refunded,
        row.invoice_id,
        row.business,
        row.attention,
    )


def csv_line(values: Sequence[object]) -> str:
    """``values`` as a line of a file. Numbers are left as they are, also those below zero."""
    line = io.StringIO()
    csv.writer(line).writerow(map(_cell, values))
    return line.getvalue()


def _cell(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value) if isinstance(value, int) else _harmless(str(value))


_FORMULA = re.compile(r"(^|[;\t\r\n])(?=\s*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20])")
"""Where spreadsheets take what follows for a formula. Some begin a new cell at a semicolon or a tab, whatever
stands between commas; some take the wide letters for the narrow ones."""


def _harmless(text: str) -> str:
    """Customers choose their names."""
    return _FORMULA.sub(r"\1'", text)

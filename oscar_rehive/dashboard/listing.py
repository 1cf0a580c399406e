"""What a list of payments shows of each: on the page, and as a file."""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import chain
from typing import Any

import django_tables2
from django.conf import settings
from django.db.models import Count
from django.http import StreamingHttpResponse
from django.utils import timezone
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
class Amounts:
    """What was asked for last (None: nothing), came and went back in one currency."""

    currency: str
    asked: Decimal | None
    received: Decimal
    refunded: Decimal


@dataclass(frozen=True)
class PaymentRow:
    """A payment in the list, with its ``amounts`` in each currency that its attempts had."""

    number: str
    url: str
    created_at: datetime
    standing: str
    customer: Customer | None
    status: str
    amounts: Sequence[Amounts]
    invoice_id: str
    business: str
    attention: int

    @property
    def asked(self) -> str:
        """As a text, as the two below it."""
        return _told((one.asked, one.currency) for one in self.amounts)

    @property
    def received(self) -> str:
        """What came of it."""
        return _told((one.received, one.currency) for one in self.amounts if one.received)

    @property
    def refunded(self) -> str:
        """What of that went back."""
        return _told((one.refunded, one.currency) for one in self.amounts if one.refunded)


def _told(amounts: Iterable[tuple[Decimal | None, str]]) -> str:
    return ", ".join(words.booked(some, currency) for some, currency in amounts if some is not None)


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
        amounts=_amounts(attempts, customer),
        invoice_id=(newest.remote_id or "") if newest else "",
        business=newest.business_id if newest else "",
        attention=waiting,
    )


def _amounts(attempts: Sequence[Invoice], customer: Customer | None) -> list[Amounts]:
    asked: dict[str, Decimal] = {}
    if attempts:
        asked[attempts[-1].currency] = attempts[-1].total
    elif customer:
        asked[customer.currency] = customer.total
    came: dict[str, Decimal] = defaultdict(Decimal)
    back: dict[str, Decimal] = defaultdict(Decimal)
    for one in attempts:
        came[one.currency] += one.recorded
        back[one.currency] += one.refund_recorded
    moved = (currency for currency in came if came[currency] or back[currency])
    return [
        Amounts(currency, asked.get(currency), came[currency], back[currency])
        for currency in dict.fromkeys((*asked, *moved))
    ]


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
    "currency",
    "asked",
    "received",
    "refunded",
    "invoice",
    "business",
    "open attention",
)
"""Of the file: for machines, and so in one language."""


def lines_of(row: PaymentRow) -> Iterator[Sequence[object]]:
    """``row`` in the file: a line for each currency, whose amounts can be summed up."""
    customer = row.customer
    for one in row.amounts or (Amounts("", None, Decimal(0), Decimal(0)),):
        yield (
            row.number,
            row.created_at,
            row.standing,
            customer.name if customer else "",
            customer.email if customer else "",
            row.status,
            one.currency,
            "" if one.asked is None else in_cents(one.asked),
            in_cents(one.received),
            in_cents(one.refunded),
            row.invoice_id,
            row.business,
            row.attention,
        )


def in_cents(amount: Decimal | None) -> Decimal:
    """``amount`` with the two decimals of the ledger, which some databases hand out as they like."""
    return (amount or Decimal(0)).quantize(Decimal("0.01"))


def csv_file(name: str, lines: Iterable[Sequence[object]]) -> StreamingHttpResponse:
    """``lines`` as a file of that name, sent while they are read; begins as Oscar's own files do."""
    mark = ["\ufeff"] if getattr(settings, "OSCAR_CSV_INCLUDE_BOM", False) else []
    answer = StreamingHttpResponse(chain(mark, map(csv_line, lines)), content_type="text/csv")
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def csv_line(values: Sequence[object]) -> str:
    """``values`` as a line of a file. Numbers are left as they are, also those below zero; times are those of the
    shop's ``TIME_ZONE``, as spreadsheets read them."""
    line = io.StringIO()
    csv.writer(line).writerow(map(_cell, values))
    return line.getvalue()


def _cell(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return f"{value.astimezone(timezone.get_default_timezone()):%Y-%m-%d %H:%M:%S}"
    return str(value) if isinstance(value, int) else _harmless(str(value))


_FORMULA = re.compile(r"(^|[;\t\r\n])(?=\s*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20])")
"""Where spreadsheets take what follows for a formula. Some begin a new cell at a semicolon or a tab, whatever
stands between commas; some take the wide letters for the narrow ones."""


def _harmless(text: str) -> str:
    """Customers choose their names."""
    return _FORMULA.sub(r"\1'", text)

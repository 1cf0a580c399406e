"""The list of payments, and the pages that tell support all about one of them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from datetime import datetime, time
from decimal import Decimal
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.generic import ListView

from oscar_rehive.addresses import without_tokens
from oscar_rehive.cleaning import storable_text, without_secrets
from oscar_rehive.dashboard import rights, words
from oscar_rehive.dashboard.forms import SearchForm
from oscar_rehive.dashboard.listing import (
    HEADINGS,
    PaymentsTable,
    csv_file,
    lines_of,
    rows_of,
)
from oscar_rehive.dashboard.orders import customers_of, numbers_found
from oscar_rehive.dashboard.pages import REFUSALS, DeskPage, Pages, payment_or_404
from oscar_rehive.dashboard.panel import desk_url, panel_of
from oscar_rehive.dashboard.told import told_now
from oscar_rehive.models import Attention, Delivery, Invoice, OrderPayment
from oscar_rehive.models.payment import HAS_ENDED, IS_WAITING, PAID_AND_CANCELLED

PER_PAGE = 20

MOST = 5_000
"""So many payments are paged through and summed up; whoever wants to see older ones narrows the search."""

AT_ONCE = 500
"""Rows of a file that are read at a time."""

MOST_DELIVERIES = 20


class PaymentsView(DeskPage, ListView):  # type: ignore[type-arg]  # generic for mypy only
    """The payments, newest first, with a search, filters, sums and a file.

    What is found is looked for once, as primary keys and no more of them than ``MOST``: pages and sums are
    taken from these, for to count or to sum up a million rows takes longer than to show a page.
    """

    template_name = "oscar_rehive/dashboard/payments.html"
    paginate_by = PER_PAGE
    paginator_class = Pages
    context_object_name = "keys"

    def is_let_in(self, user: Any) -> bool:
        return rights.may_enter(user)

    def for_staff(self) -> bool:
        """Or for a user of a partner."""
        return rights.may(self.request.user, rights.VIEW)

    def found(self) -> QuerySet[OrderPayment]:
        """What the search form finds for this user."""
        self.form = SearchForm(self.request.GET, for_staff=self.for_staff())
        self.form.is_valid()  # what is nonsense is told beside its field, and narrows nothing
        return found_by(self.form.cleaned_data, rights.visible_to(self.request.user))

    def get_queryset(self) -> Any:
        return list(self.found().values_list("pk", flat=True)[: MOST + 1])

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if request.GET.get("format") != "csv":
            return super().get(request, *args, **kwargs)
        return csv_file("payments.csv", _lines(self.found(), for_staff=self.for_staff()))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        keys: list[int] = self.object_list  # type: ignore[assignment]  # of get_queryset
        are_all = len(keys) <= MOST
        context = super().get_context_data(object_list=keys[:MOST], **kwargs)
        query = self.request.GET.copy()
        query.pop("page", None)
        query["format"] = "csv"
        context.update(
            form=self.form,
            table=PaymentsTable(
                rows_of(_in_this_order(context["keys"]), for_staff=self.for_staff())
            ),
            sums=sums_of(keys) if are_all else [],
            count=len(keys),
            most=MOST,
            are_all=are_all,
            csv_url=f"?{query.urlencode()}",
            is_filtered=any(self.request.GET.get(name) for name in self.form.fields),
        )
        return context


def _in_this_order(keys: Sequence[int]) -> list[OrderPayment]:
    found = OrderPayment.objects.in_bulk(keys)
    return [found[key] for key in keys if key in found]


STANDINGS = {
    "waiting": IS_WAITING,
    "ended": HAS_ENDED,
    "cancelled": PAID_AND_CANCELLED,
}


def found_by(data: dict[str, Any], payments: QuerySet[OrderPayment]) -> QuerySet[OrderPayment]:
    """Those of ``payments`` that fit what the search form was told, newest first."""
    if data.get("q"):
        payments = _sought(data["q"], payments)
    if data.get("standing") == "paid":
        payments = payments.filter(paid_at__isnull=False, released_at=None)
    elif data.get("standing"):
        payments = payments.filter(STANDINGS[data["standing"]])
    if data.get("date_from"):
        payments = payments.filter(created_at__gte=_moment(data["date_from"], time.min))
    if data.get("date_to"):
        payments = payments.filter(created_at__lte=_moment(data["date_to"], time.max))
    if data.get("attention"):
        facts = Attention.objects.filter(payment=OuterRef("pk")).order_by()
        waits = data["attention"] == "waits"
        payments = payments.filter(Exists(facts.filter(resolved_at=None) if waits else facts))
    of_invoice = {
        column: data[name]
        for name, column in (
            ("status", "remote_status"),
            ("currency", "currency"),
            ("business", "business_id"),
        )
        if data.get(name)
    }
    if of_invoice:
        invoices = Invoice.objects.filter(payment=OuterRef("pk"), **of_invoice).order_by()
        payments = payments.filter(Exists(invoices))
    by_day = data.get("date_from") or data.get("date_to")
    return payments.order_by("-created_at", "-pk") if by_day else payments.order_by("-pk")


def _sought(text: str, payments: QuerySet[OrderPayment]) -> QuerySet[OrderPayment]:
    """By the order's number, Rehive's id of an invoice, or who placed the order: the first of these that
    finds anything, each by an index."""
    text = text.strip()
    number = text.lstrip("#")
    for exact in ({"order_number": number}, {"reference": number}, {"invoices__remote_id": text}):
        keys = list(payments.filter(**exact).order_by().values_list("pk", flat=True)[:PER_PAGE])
        if keys:
            return payments.filter(pk__in=keys)
    return payments.filter(order_number__in=numbers_found(text))


def _moment(day: Any, at: time) -> datetime:
    return timezone.make_aware(datetime.combine(day, at))


def sums_of(keys: Sequence[int]) -> list[dict[str, str]]:
    """What came, what went back and what is here of the payments with these primary keys, for each
    currency. One statement."""
    invoices = Invoice.objects.filter(payment__in=keys).order_by()
    sums = invoices.values("currency").annotate(came=Sum("recorded"), back=Sum("refund_recorded"))
    told = []
    for one in sums.order_by("currency"):
        came, back = one["came"] or Decimal(0), one["back"] or Decimal(0)
        amounts = {"received": came, "refunded": back, "kept": came - back}
        currency = one["currency"]
        told.append({name: words.booked(some, currency) for name, some in amounts.items()})
    return told


def _lines(payments: QuerySet[OrderPayment], *, for_staff: bool) -> Iterator[Sequence[object]]:
    """All of ``payments`` as a file, some at a time: a shop's year is no reason to run out of memory."""
    yield HEADINGS
    payments = payments.order_by("-pk")
    last: int | None = None
    while True:
        part: Sequence[OrderPayment] = list(
            (payments if last is None else payments.filter(pk__lt=last))[:AT_ONCE]
        )
        if not part:
            return
        for row in rows_of(part, for_staff=for_staff):
            yield from lines_of(row)
        last = part[-1].pk


class PaymentView(DeskPage):
    """All about one payment: what the order's page shows of it, and the deliveries as they came."""

    def is_let_in(self, user: Any) -> bool:
        return rights.may_enter(user)

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        payment = payment_or_404(request, pk)
        panel = panel_of(payment, request)
        context = {
            "payment": payment,
            "panel": panel,
            "customer": customers_of([payment]).get(payment.pk),
            "standing": words.standing(payment),
            "deliveries": _deliveries(payment, panel.attempts) if panel.for_staff else [],
        }
        return render(request, "oscar_rehive/dashboard/payment.html", context)


def _deliveries(payment: OrderPayment, attempts: Sequence[Any]) -> list[tuple[Delivery, str]]:
    """The newest deliveries about ``payment``, each with its body as people read it. By the ids of the
    invoices: a reference may be another shop's, too."""
    ids = [one.invoice.remote_id for one in attempts if one.invoice.remote_id]
    found = Delivery.objects.filter(remote_id__in=ids).order_by("-pk")[:MOST_DELIVERIES]
    return [(one, readable(one.body)) for one in found]


def readable(text: str) -> str:
    """JSON as people read it; what is none, or is nested too deeply, as it came. Without secrets and addresses
    of payments, which it is stored without; those of older versions were not."""
    with contextlib.suppress(ValueError, RecursionError):
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return without_tokens(without_secrets(storable_text(text)))


class InvoiceView(DeskPage):
    """What Rehive says of one invoice at this moment: how it was paid, and all the rest. It is shown and
    not kept."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        invoice = get_object_or_404(Invoice.objects.select_related("payment"), pk=pk)
        context: dict[str, Any] = {
            "invoice": invoice,
            "payment": invoice.payment,
            "back": desk_url("payment", invoice.payment_id),
            "trouble": "",
        }
        try:
            context["told"] = told_now(invoice)
        except REFUSALS as error:
            context["trouble"] = str(error)
        return render(request, "oscar_rehive/dashboard/invoice.html", context)

"""Oscar: what paying, cancelling and releasing mean for its orders.

Oscar's own ``Order.set_status`` and ``Source.debit`` neither lock nor re-read: everything here reads
the row anew while the order's lock is held.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.contrib.sites.models import Site
from django.db import OperationalError, transaction
from django.db.models import F, Sum
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import translation
from oscar.core.loading import get_class, get_model

from oscar_rehive import conf
from oscar_rehive.shop.base import Order, Standing, StatusRefused

logger = logging.getLogger(__name__)

SOURCE_TYPE_CODE = "rehive"
SOURCE_TYPE_NAME = "Rehive"
PAID_EVENT = "Paid"
REFUNDED_EVENT = "Refunded"

OscarOrder = get_model("order", "Order")
OrderLine = get_model("order", "Line")
OrderDiscount = get_model("order", "OrderDiscount")
PaymentEventType = get_model("order", "PaymentEventType")
Source = get_model("payment", "Source")
SourceType = get_model("payment", "SourceType")
Voucher = get_model("voucher", "Voucher")
VoucherApplication = get_model("voucher", "VoucherApplication")
ConditionalOffer = get_model("offer", "ConditionalOffer")


class OscarShop:
    """See ``oscar_rehive.shop.base.Shop``."""

    # oscar.apps.payment.abstract_models: max_digits=12, decimal_places=2
    ledger_places = 2
    ledger_limit = Decimal("9999999999.99")

    def find(self, number: str) -> Order | None:
        order = OscarOrder._default_manager.filter(number=number).first()
        return _snapshot(order) if order else None

    def lock(self, number: str) -> Order | None:
        _lock_lines(number)
        # Oscar's managers may join nullable tables, which PostgreSQL cannot lock.
        orders = OscarOrder._default_manager.select_for_update().select_related(None)
        order = orders.filter(number=number).first()
        return _snapshot(order) if order else None

    def record_payment(
        self, number: str, *, amount: Decimal, currency: str, invoice_id: str, reference: str
    ) -> None:
        order = _read(number)
        source_type, _ = SourceType.objects.get_or_create(
            code=SOURCE_TYPE_CODE, defaults={"name": SOURCE_TYPE_NAME}
        )
        source, _ = Source.objects.get_or_create(
            order=order,
            source_type=source_type,
            reference=invoice_id,
            defaults={"currency": currency, "label": SOURCE_TYPE_NAME},
        )
        # Allocated and debited together, so that the source's balance says nothing is left to take.
        # Oscar's dashboard does not show a transaction's type; the status tells the two apart.
        source.allocate(amount, reference=reference, status="authorised")
        source.debit(amount, reference=reference, status="debited")

    def record_refund(
        self, number: str, *, amount: Decimal, invoice_id: str, reference: str
    ) -> None:
        order = _read(number)
        source = Source.objects.get(
            order=order, source_type__code=SOURCE_TYPE_CODE, reference=invoice_id
        )
        source.refund(amount, reference=reference, status="refunded")
        event_type, _ = PaymentEventType.objects.get_or_create(name=REFUNDED_EVENT)
        _event_handler().create_payment_event(order, event_type, amount, reference=reference)

    def set_paid(self, number: str, *, amount: Decimal, reference: str) -> None:
        order, status = _read(number), conf.order_statuses().paid
        with _refusable(order, status):
            _change_status(order, status)
            event_type, _ = PaymentEventType.objects.get_or_create(name=PAID_EVENT)
            lines = list(order.lines.all())
            _event_handler().create_payment_event(
                order,
                event_type,
                amount,
                lines=lines,
                line_quantities=[line.quantity for line in lines],
                reference=reference,
            )

    def set_cancelled(self, number: str, *, reason: str) -> None:
        order, status = _read(number), conf.order_statuses().cancelled
        with _refusable(order, status):
            _change_status(order, status, note=reason)

    def release(self, number: str) -> None:
        order = _read(number)
        _release_stock(order)
        _release_vouchers_and_offers(order)

    def hold(self, number: str) -> None:
        given_back = _read(number).lines.filter(allocation_cancelled=True)
        for line in given_back.select_related("stockrecord").order_by("stockrecord_id"):
            if line.stockrecord:
                line.stockrecord.allocate(line.quantity)
                OrderLine._default_manager.filter(pk=line.pk).update(
                    num_allocated=line.quantity, allocation_cancelled=False
                )

    def send_confirmation(self, number: str, *, language: str) -> None:
        order = _read(number)
        if order.user is None and not order.guest_email:
            logger.warning("Order #%s: its customer was deleted; there is nobody to mail", number)
            return
        dispatcher = get_class("order.utils", "OrderDispatcher")(logger=logger)
        with translation.override(language or None):
            dispatcher.send_order_placed_email_for_user(order, _mail_context(order))


def _lock_lines(number: str) -> None:
    """Before their order, as ``Order.set_status`` writes them where a status cascades: staff in a
    transaction and a settling would else wait for each other (a deadlock, seen in tests/race)."""
    lines = OrderLine._default_manager.select_for_update().select_related(None).order_by("pk")
    # A subquery, because a join would lock the order as well, in whatever order.
    order = OscarOrder._default_manager.filter(number=number).values("pk")
    list(lines.filter(order__in=order).values_list("pk"))


def _read(number: str) -> Any:
    return OscarOrder._default_manager.get(number=number)


def _snapshot(order: Any) -> Order:
    words = conf.order_statuses()
    standing = {words.cancelled: Standing.CANCELLED, words.pending: Standing.PENDING}
    return Order(
        # Right after placing, Oscar's number is an int in memory and a text in the database.
        number=str(order.number),
        total=order.total_incl_tax,
        currency=order.currency,
        status=order.status,
        standing=standing.get(order.status, Standing.MOVED_ON),
        paid_elsewhere=_paid_elsewhere(order),
    )


def _paid_elsewhere(order: Any) -> bool:
    sums = order.sources.exclude(source_type__code=SOURCE_TYPE_CODE).aggregate(
        allocated=Sum("amount_allocated"), debited=Sum("amount_debited")
    )
    covered = max(sums["allocated"] or Decimal(0), sums["debited"] or Decimal(0))
    return covered > 0 and covered >= order.total_incl_tax


def _event_handler() -> Any:
    return get_class("order.processing", "EventHandler")()


def _change_status(order: Any, status: str, *, note: str | None = None) -> None:
    if order.status != status:
        _event_handler().handle_order_status_change(order, status, note_msg=note)


@contextmanager
def _refusable(order: Any, status: str) -> Iterator[None]:
    """What the shop's own code raises in here is ``StatusRefused``, and nothing in here was done."""
    try:
        # A savepoint, because a receiver that raises would leave the new status without history.
        with transaction.atomic():
            yield
    except OperationalError:
        raise  # a deadlock, say, is no refusal: the whole transaction is to be done again
    except Exception as error:
        # Not only InvalidOrderStatus: a shop's handlers raise what they like, and none of that may
        # undo the record of money that this transaction also carries.
        logger.warning("Order #%s cannot become %r: %s", order.number, status, error)
        raise StatusRefused(str(error)) from error


def _release_stock(order: Any) -> None:
    # In the order in which Oscar allocates: two cancellations must not wait for each other's rows.
    for line in order.lines.select_related("stockrecord", "product").order_by("stockrecord_id"):
        # Asking for the line's own remaining allocation also covers partly shipped lines, for which
        # cancel_stock_allocations() silently does nothing; a deleted stock record has nothing to give.
        if line.stockrecord and line.num_allocated and not line.allocation_cancelled:
            line.cancel_allocation(line.num_allocated)


def _release_vouchers_and_offers(order: Any) -> None:
    for application in VoucherApplication.objects.filter(order=order):
        Voucher.objects.filter(pk=application.voucher_id, num_orders__gt=0).update(
            num_orders=F("num_orders") - 1
        )
        application.delete()
    for discount in OrderDiscount.objects.filter(order=order, frequency__gt=0):
        if discount.voucher_id:
            Voucher.objects.filter(
                pk=discount.voucher_id, total_discount__gte=discount.amount
            ).update(total_discount=F("total_discount") - discount.amount)
        ConditionalOffer.objects.filter(
            pk=discount.offer_id,
            num_orders__gt=0,
            num_applications__gte=discount.frequency,
            total_discount__gte=discount.amount,
        ).update(
            num_orders=F("num_orders") - 1,
            num_applications=F("num_applications") - discount.frequency,
            total_discount=F("total_discount") - discount.amount,
        )
        # Oscar counts a customer's uses by the frequencies of all orders, cancelled ones too. Zero
        # also tells that this one has been given back.
        OrderDiscount.objects.filter(pk=discount.pk).update(frequency=0)
        _reopen(discount.offer_id)


def _reopen(offer_id: int) -> None:
    """Open an offer that was used up: Oscar looks at that only when the offer is saved."""
    consumed = ConditionalOffer.objects.filter(pk=offer_id, status=ConditionalOffer.CONSUMED)
    if any(offer.get_max_applications() > 0 for offer in consumed):
        consumed.update(status=ConditionalOffer.OPEN)


def _mail_context(order: Any) -> dict[str, Any]:
    """What Oscar's OrderPlacementMixin.get_message_context gives to the mail, without a request:
    the confirmation goes out when the money is known, often with no shopper in sight."""
    site = order.site or Site.objects.order_by("pk").first()
    context: dict[str, Any] = {
        "user": order.user or AnonymousUser(),
        "order": order,
        "lines": order.lines.all(),
        "request": _RequestTo(site.domain if site else "localhost"),
    }
    try:
        context["status_path"] = (
            reverse("customer:order", kwargs={"order_number": order.number})
            if order.user
            else reverse(
                "customer:anon-order",
                kwargs={"order_number": order.number, "hash": order.verification_hash()},
            )
        )
        context["status_url"] = f"https://{site.domain if site else ''}{context['status_path']}"
    except NoReverseMatch:  # order numbers with characters that Oscar's address does not take
        pass
    return context


class _RequestTo(HttpRequest):
    """Oscar's dispatcher finds the site by SITE_ID or, with several sites, by the request's host."""

    def __init__(self, domain: str) -> None:
        super().__init__()
        self._domain = domain
        self.META.update(SERVER_NAME=domain.partition(":")[0], SERVER_PORT="443")

    def get_host(self) -> str:
        # ALLOWED_HOSTS guards against forged headers; this one comes from the database.
        return self._domain

"""Oscar: what paying, cancelling and releasing mean for its orders.

Oscar's own ``Order.set_status`` and ``Source.debit`` neither lock nor re-read: everything here works on
rows that were read while the order's lock is held, where they are written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import OperationalError, connections, transaction
from django.db.models import Q, QuerySet
from django.db.models.signals import post_save, pre_save
from oscar.core.loading import get_class, get_model

from oscar_rehive import conf
from oscar_rehive.databases import database_of, where_written
from oscar_rehive.logs import Log
from oscar_rehive.shop import confirmation, giving_up, owners, pay_link
from oscar_rehive.shop.base import Order, Standing, StatusRefused

logger = Log(__name__)

SOURCE_TYPE_CODE = "rehive"
SOURCE_TYPE_NAME = "Rehive"
PAID_EVENT = "Paid"
REFUNDED_EVENT = "Refunded"

OscarOrder = get_model("order", "Order")
OrderLine = get_model("order", "Line")
PaymentEvent = get_model("order", "PaymentEvent")
PaymentEventType = get_model("order", "PaymentEventType")
Source = get_model("payment", "Source")
SourceType = get_model("payment", "SourceType")
Transaction = get_model("payment", "Transaction")


class OscarShop:
    """See ``oscar_rehive.shop.base.Shop``."""

    # oscar.apps.payment.abstract_models: max_digits=12, decimal_places=2
    ledger_places = 2
    ledger_limit = Decimal("9999999999.99")

    def __init__(self) -> None:
        self._locked: Any | None = None
        self._with_source: set[str] = set()

    def find(self, number: str) -> Order | None:
        return self.find_many([number]).get(str(number))

    def find_many(self, numbers: Collection[str]) -> dict[str, Order]:
        orders = list(where_written(OscarOrder).filter(number__in=numbers))
        covered = _covered(orders, _sources(orders)) if orders else {}
        return {str(order.number): _snapshot(order, covered) for order in orders}

    def standing_as(self, standing: Standing, among: QuerySet[Any]) -> list[str]:
        orders = where_written(OscarOrder).filter(number__in=among)
        words = [status for status, meaning in _meanings().items() if meaning is standing]
        orders = orders.filter(status__in=words).order_by("pk")
        return [str(number) for number in orders.values_list("number", flat=True)]

    def changed_from(self, status: str, among: QuerySet[Any]) -> list[str]:
        orders = where_written(OscarOrder).filter(number__in=among).exclude(status=status)
        return [str(number) for number in orders.order_by("pk").values_list("number", flat=True)]

    def unpaid(self, among: QuerySet[Any]) -> list[str]:
        orders = where_written(OscarOrder).filter(number__in=among)
        pending = list(orders.filter(status=conf.order_statuses().pending).order_by("pk"))
        covered = _covered(pending, _sources(pending))
        return [
            str(order.number)
            for order in pending
            if covered[order.pk] <= 0 or covered[order.pk] < order.total_incl_tax
        ]

    def ordered_by(self, address: str) -> dict[str, str]:
        theirs = Q(guest_email__iexact=address) | Q(user__email__iexact=address)
        orders = where_written(OscarOrder).filter(theirs).order_by("pk")
        return {str(number): str(pk) for pk, number in orders.values_list("pk", "number")}

    def words_of_customer(self, number: str) -> list[str]:
        orders = where_written(OscarOrder).filter(number=number)
        order = orders.select_related("user", "billing_address", "shipping_address").first()
        words = _words_of_customer(order) if order is not None else ()
        return sorted({word.strip() for word in words} - {""})

    def lock(self, number: str) -> Order | None:
        lines = _lock_lines(number)
        # Oscar's managers may join nullable tables, which PostgreSQL cannot lock.
        orders = where_written(OscarOrder).select_for_update().select_related(None)
        self._locked = orders.filter(number=number).first()
        if self._locked is None:
            return None
        _know_lines(self._locked, lines)
        sources = _sources([self._locked])
        self._with_source = {one.reference for one in sources if one.is_ours}
        return _snapshot(self._locked, _covered([self._locked], sources))

    def record_payment(
        self, number: str, *, amount: Decimal, currency: str, invoice_id: str, reference: str
    ) -> None:
        order = self._order(number)
        # Allocated and debited together, so that the source's balance says nothing is left to take.
        # Oscar's dashboard does not show a transaction's type; the status tells the two apart.
        is_first = self._locked is not None and invoice_id not in self._with_source
        source = None if is_first else _sources_of(order, invoice_id).first()
        if source is not None:
            source.allocate(amount, reference=reference, status="authorised")
            source.debit(amount, reference=reference, status="debited")
        else:
            # Nobody else makes the same one: the order is locked. Its type all orders share.
            source_type = _source_type()
            source = Source(
                order=order,
                source_type=source_type,
                reference=invoice_id,
                currency=currency,
                label=SOURCE_TYPE_NAME,
                amount_allocated=amount,
                amount_debited=amount,
            )
            new = source.create_deferred_transaction
            new(Transaction.AUTHORISE, amount, reference=reference, status="authorised")
            new(Transaction.DEBIT, amount, reference=reference, status="debited")
            source.save()  # and never again: it would write both once more
            self._with_source.add(invoice_id)
        self._forget_if_the_shop_listens()

    def record_refund(
        self, number: str, *, amount: Decimal, invoice_id: str, reference: str
    ) -> None:
        order = self._order(number)
        source = _sources_of(order, invoice_id).get()
        source.refund(amount, reference=reference, status="refunded")
        event_type = _event_type(REFUNDED_EVENT)
        _event_handler().create_payment_event(order, event_type, amount, reference=reference)
        self._forget_if_the_shop_listens()

    def set_paid(self, number: str, *, amount: Decimal, reference: str) -> None:
        order, status = self._handed_over(number), conf.order_statuses().paid
        with _refusable(order, status):
            _change_status(order, status)
            lines = list(order.lines.all())
            _event_handler().create_payment_event(
                order,
                _event_type(PAID_EVENT),
                amount,
                lines=lines,
                line_quantities=[line.quantity for line in lines],
                reference=reference,
            )

    def set_cancelled(self, number: str, *, reason: str) -> None:
        order, status = self._handed_over(number), conf.order_statuses().cancelled
        with _refusable(order, status):
            _change_status(order, status, note=reason)

    def release(self, number: str) -> dict[str, Any]:
        return giving_up.release(self._order(number))

    def hold(self, number: str, released: Mapping[str, Any] | None) -> list[str]:
        return giving_up.hold(self._order(number), released)

    def send_confirmation(self, number: str, *, language: str) -> None:
        confirmation.send(number, language=language)

    def send_pay_link(self, number: str, *, url: str, language: str) -> None:
        pay_link.send(number, url=url, language=language)

    def tell_owners(
        self, addresses: Sequence[str], *, base_url: str, told: Mapping[str, Any]
    ) -> None:
        owners.send(addresses, base_url=base_url, told=told)

    def _order(self, number: str) -> Any:
        if self._locked is not None and str(self._locked.number) == str(number):
            return self._locked
        order = where_written(OscarOrder).get(number=number)
        _know_lines(order, None)
        return order

    def _handed_over(self, number: str) -> Any:
        """The order for the shop's own code to change, and not to be used again: that code may have
        written more than it says, and a refused status stands in the object all the same."""
        order, self._locked = self._order(number), None
        return order

    def _forget_if_the_shop_listens(self) -> None:
        """A change of status saves the whole row: what a receiver of the shop has noted on the order
        when a payment was written would be lost."""
        if any(_has_receivers_of_its_own(model) for model in (Source, Transaction, PaymentEvent)):
            self._locked = None


def _has_receivers_of_its_own(model: Any) -> bool:
    # Not Signal.has_listeners: Oscar's search index listens to all models, and is no matter here.
    receivers = (*pre_save.receivers, *post_save.receivers)
    return any(sender == id(model) for (_, sender), *_ in receivers)


def _lock_lines(number: str) -> list[Any]:
    """Before their order, as ``Order.set_status`` writes them where a status cascades: staff in a
    transaction and a settling would else wait for each other (a deadlock, seen in tests/race)."""
    lines = where_written(OrderLine).select_for_update().select_related(None).order_by("pk")
    # A subquery, because a join would lock the order as well, in whatever order.
    return list(
        lines.filter(order__in=where_written(OscarOrder).filter(number=number).values("pk"))
    )


def _know_lines(order: Any, lines: list[Any] | None) -> None:
    """Let ``order.lines.all()`` give ``lines`` (None: as they are where they are written). Oscar's
    cascade saves these rows whole, and would read them wherever a router reads.

    What Django's prefetching does, without its query. Not the query that locked them: what the
    shop's code derives from it would lock too, which PostgreSQL refuses for a join.
    """
    known = where_written(OrderLine).filter(order=order)
    known._result_cache = lines
    order._prefetched_objects_cache = {"lines": known}
    for line in lines or ():
        line.order = order


def _snapshot(order: Any, covered: Mapping[int, Decimal]) -> Order:
    return Order(
        # Right after placing, Oscar's number is an int in memory and a text in the database.
        number=str(order.number),
        total=order.total_incl_tax,
        currency=order.currency,
        status=order.status,
        standing=_meanings().get(order.status, Standing.MOVED_ON),
        covered=covered[order.pk],
        key=str(order.pk),
        is_final=not order.available_statuses(),
    )


def _words_of_customer(order: Any) -> Iterator[str]:
    addresses = [one for one in (order.billing_address, order.shipping_address) if one is not None]
    yield order.guest_email or ""
    names = [address.name for address in addresses]
    if order.user is not None:
        yield order.user.email or ""
        names.append(getattr(order.user, "get_full_name", str)())
    # One name alone may be any word.
    yield from (name for name in names if " " in name.strip())
    for address in addresses:
        phone = getattr(address, "phone_number", None)
        # As it was entered, and as telephone networks write it.
        yield from (getattr(phone, way, None) or "" for way in ("raw_input", "as_e164"))


def _meanings() -> dict[str, Standing]:
    words = conf.order_statuses()
    return {words.cancelled: Standing.CANCELLED, words.pending: Standing.PENDING}


class _Held(NamedTuple):
    """What a payment source holds of an order, in its own currency."""

    order: int
    type_code: str
    reference: str
    currency: str
    allocated: Decimal
    debited: Decimal
    refunded: Decimal

    @property
    def is_ours(self) -> bool:
        return self.type_code == SOURCE_TYPE_CODE


def _sources(orders: Sequence[Any]) -> list[_Held]:
    sources = where_written(Source).filter(order__in=[order.pk for order in orders])
    amounts = ("amount_allocated", "amount_debited", "amount_refunded")
    rows = sources.values_list("order_id", "source_type__code", "reference", "currency", *amounts)
    return [_Held(*row) for row in rows]


def _covered(orders: Sequence[Any], sources: Sequence[_Held]) -> dict[int, Decimal]:
    """What other sources than Rehive hold of each of ``orders``, by primary key, in its currency."""
    currencies = {order.pk: order.currency for order in orders}
    covered = dict.fromkeys(currencies, Decimal(0))
    for one in sources:
        if not one.is_ours and one.currency == currencies[one.order]:
            # Each by itself: a refund of more than one source held is not another one's.
            held = max(one.allocated, one.debited) - one.refunded
            covered[one.order] += max(held, Decimal(0))
    return covered


def _sources_of(order: Any, invoice_id: str) -> QuerySet[Any]:
    """The invoice's source, if it has been written."""
    return where_written(Source).filter(
        order=order, source_type__code=SOURCE_TYPE_CODE, reference=invoice_id
    )


def make_types() -> None:
    """Make the types that all orders share, where their tables are there already."""
    tables = connections[database_of(SourceType)].introspection.table_names()
    if {SourceType._meta.db_table, PaymentEventType._meta.db_table} <= set(tables):
        _source_type()
        for name in (PAID_EVENT, REFUNDED_EVENT):
            _event_type(name)


def _source_type() -> Any:
    return where_written(SourceType).get_or_create(
        code=SOURCE_TYPE_CODE, defaults={"name": SOURCE_TYPE_NAME}
    )[0]


def _event_type(name: str) -> Any:
    return where_written(PaymentEventType).get_or_create(name=name)[0]


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
        with transaction.atomic(using=database_of(OscarOrder)):
            yield
    except OperationalError:
        raise  # a deadlock, say, is no refusal: the whole transaction is to be done again
    except Exception as error:
        # Not only InvalidOrderStatus: a shop's handlers raise what they like, and none of that may
        # undo the record of money that this transaction also carries.
        logger.warning("Order #%s cannot become %r: %s", order.number, status, error)
        raise StatusRefused(str(error)) from error

"""What a cancelled order gives up, and takes again when it is taken back: its use of vouchers and
offers, and its stock.

Both go through the rows in the order in which Oscar's ``OrderCreator.place_order`` does: vouchers, offers,
stock records. Else a cancellation and a placing would wait for each other (a deadlock).

Everything is read where it is written: a replica does not know yet that somebody has bought the last
piece a moment ago. Rows are changed by ``update``, never saved whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.db.models import F, Prefetch, QuerySet, Sum
from oscar.core.loading import get_model

from oscar_rehive.databases import where_written

OrderLine = get_model("order", "Line")
OrderDiscount = get_model("order", "OrderDiscount")
Product = get_model("catalogue", "Product")
StockRecord = get_model("partner", "StockRecord")
Voucher = get_model("voucher", "Voucher")
VoucherApplication = get_model("voucher", "VoucherApplication")
ConditionalOffer = get_model("offer", "ConditionalOffer")

Note = Mapping[str, Any]

NOBODY_NOTED = (
    "What the order held before it was cancelled is not known, so nothing of it is held again. Look"
    " at its stock, vouchers and offers by hand."
)


def release(order: Any) -> dict[str, Any]:
    """Give back what Oscar's ``order`` holds; what that was, in JSON's types, for ``hold``. What has
    been given back already is not given back twice."""
    vouchers = list(_release_vouchers(order))
    offers = list(_release_offers(order))
    return {"vouchers": vouchers, "offers": offers, "stock": list(_release_stock(order))}


def hold(order: Any, released: Note | None) -> list[str]:
    """Take again what ``release`` noted (None: there is no note). What cannot be had any more is not
    taken; each is a sentence for a person."""
    if released is None:
        return [NOBODY_NOTED]
    refused = list(_hold_vouchers(order, released["vouchers"]))
    refused += _hold_offers(order, released["offers"])
    return refused + list(_hold_stock(order, released["stock"]))


def may_use(voucher: Any, user: Any) -> bool:
    """Whether ``user`` (None: a guest) may use the voucher in one more order: Oscar's own question,
    with the uses read where they are written. A replica would let two orders use it."""
    uses = where_written(VoucherApplication).filter(voucher=voucher)
    voucher._prefetched_objects_cache = {"applications": uses}
    available: bool = voucher.is_available_to_user(user or AnonymousUser())[0]
    return available


def _locked(model: Any) -> QuerySet[Any]:
    # Oscar's managers may join nullable tables, which PostgreSQL cannot lock.
    return where_written(model).select_for_update().select_related(None)


# Vouchers. The use of one stands in a row of its own: where there is none, nothing is given back.


def _vouchers(pks: list[int]) -> QuerySet[Any]:
    """Locked in the model's own order and not by key, for so does Oscar's placing."""
    return _locked(Voucher).filter(pk__in=pks)


def _release_vouchers(order: Any) -> Iterator[dict[str, Any]]:
    uses = where_written(VoucherApplication).filter(order=order)
    users = dict(uses.values_list("voucher_id", "user_id"))
    for voucher in _vouchers(list(users)):
        discounts = where_written(OrderDiscount).filter(order=order, voucher_id=voucher.pk)
        total = sum(discounts.values_list("amount", flat=True), Decimal(0))
        user = users[voucher.pk]
        note = {
            "voucher": voucher.pk,
            "code": voucher.code,
            "user": None if user is None else str(user),
            # Staff may have set the counters back: they do not become negative.
            "orders": min(1, voucher.num_orders),
            "discount": str(min(total, voucher.total_discount)),
        }
        uses.filter(voucher=voucher).delete()
        _count_voucher(note, -1)
        yield note


def _hold_vouchers(order: Any, notes: list[Note]) -> Iterator[str]:
    noted = {note["voucher"]: note for note in notes}
    uses = where_written(VoucherApplication)
    for voucher in _vouchers(list(noted)):
        note = noted[voucher.pk]
        user = where_written(get_user_model()).filter(pk=note["user"]).first()
        if uses.filter(order=order, voucher=voucher).exists():
            continue
        if voucher.usage == Voucher.ONCE_PER_CUSTOMER and user is None:
            continue  # the customer was deleted: nobody is left who could use it twice
        if may_use(voucher, user):
            uses.create(voucher=voucher, order=order, user=user)
            _count_voucher(note, 1)
        else:
            yield (
                f"Voucher {note['code']} was used by another order meanwhile; this order keeps its"
                " discount."
            )


def _count_voucher(note: Note, sign: int) -> None:
    where_written(Voucher).filter(pk=note["voucher"]).update(
        num_orders=F("num_orders") + sign * note["orders"],
        total_discount=F("total_discount") + sign * Decimal(note["discount"]),
    )


# Offers. How often an order uses one stands in its discount; Oscar counts a customer's uses by the
# sum of these, of cancelled orders too. Zero says that it has been given back.


def _release_offers(order: Any) -> Iterator[dict[str, Any]]:
    # By key they are in the order in which the placing has written to the offers.
    for discount in (
        where_written(OrderDiscount).filter(order=order, frequency__gt=0).order_by("pk")
    ):
        offer = _locked(ConditionalOffer).filter(pk=discount.offer_id).first()
        if offer is None:
            continue
        note = {
            "discount": discount.pk,
            "offer": offer.pk,
            "frequency": discount.frequency,
            "orders": min(1, offer.num_orders),
            "applications": min(discount.frequency, offer.num_applications),
            "amount": str(min(discount.amount, offer.total_discount)),
        }
        where_written(OrderDiscount).filter(pk=discount.pk).update(frequency=0)
        _count_offer(note, -1)
        yield note


def _hold_offers(order: Any, notes: list[Note]) -> Iterator[str]:
    for note in notes:
        offer = _locked(ConditionalOffer).filter(pk=note["offer"]).first()
        given_back = where_written(OrderDiscount).filter(
            pk=note["discount"], order=order, frequency=0
        )
        if offer is None or not given_back.exists():
            continue  # an offer that was deleted limits nobody
        if _allows(offer, note["frequency"], order.user_id):
            given_back.update(frequency=note["frequency"])
            _count_offer(note, 1)
        else:
            yield (
                f"Offer “{offer.name}” was used up by other orders meanwhile; this order keeps its"
                " discount."
            )


def _allows(offer: Any, frequency: int, user_id: Any) -> bool:
    # What one basket may have has not changed by waiting. Only in memory: an offer is not saved here.
    offer.max_basket_applications = None
    if frequency > offer.get_max_applications():
        return False
    if user_id is None or not offer.max_user_applications:
        return True
    # Oscar's get_max_applications(user) would read this from a replica.
    of_customer = where_written(OrderDiscount).filter(offer_id=offer.pk, order__user=user_id)
    used = of_customer.aggregate(used=Sum("frequency"))["used"] or 0
    return bool(used + frequency <= offer.max_user_applications)


def _count_offer(note: Note, sign: int) -> None:
    same = where_written(ConditionalOffer).filter(pk=note["offer"])
    same.update(
        num_orders=F("num_orders") + sign * note["orders"],
        num_applications=F("num_applications") + sign * note["applications"],
        total_discount=F("total_discount") + sign * Decimal(note["amount"]),
    )
    # Oscar looks at whether an offer is used up only when the offer is saved.
    for offer in same.exclude(status=ConditionalOffer.SUSPENDED):
        used_up = offer.get_max_applications() == 0
        same.update(status=ConditionalOffer.CONSUMED if used_up else ConditionalOffer.OPEN)


# Stock. Oscar's Line.cancel_allocation is not used: it ends in reading the line from the replica,
# and raises where a line that was ordered a moment ago is not there yet.


def _release_stock(order: Any) -> Iterator[dict[str, Any]]:
    lines = where_written(OrderLine).filter(order=order, stockrecord__isnull=False)
    for line in lines.select_related(
        "stockrecord__product__product_class", "stockrecord__product__parent__product_class"
    ).order_by("stockrecord_id", "pk"):
        # What the line still holds: less than was ordered if a part is shipped, for which Oscar's
        # cancel_stock_allocations() silently does nothing.
        pieces = 0 if line.allocation_cancelled else line.num_allocated
        if pieces and line.stockrecord.can_track_allocations:
            where_written(OrderLine).filter(pk=line.pk).update(
                num_allocated=0, allocation_cancelled=True
            )
            line.stockrecord.cancel_allocation(pieces)
            yield {"line": line.pk, "title": line.title, "pieces": pieces}


def _hold_stock(order: Any, notes: list[Note]) -> Iterator[str]:
    lines = {line.pk: line for line in where_written(OrderLine).filter(order=order)}
    records = _tracking_records({line.stockrecord_id for line in lines.values()})
    # Not asked of the record again after an allocation: Oscar reads that from the replica.
    left = {record.pk: max(record.net_stock_level, 0) for record in records.values()}
    for note in notes:
        line, pieces, title = lines.pop(note["line"], None), note["pieces"], note["title"]
        if line is None:
            yield f"{title} ({pieces}): its line was deleted, so nothing of it is held again."
        elif line.stockrecord_id is None:
            yield f"{title} ({pieces}): its stock record was deleted, so nothing is held again."
        elif line.allocation_cancelled and line.stockrecord_id in records:
            taken = min(pieces, left[line.stockrecord_id])
            if taken:
                left[line.stockrecord_id] -= taken
                records[line.stockrecord_id].allocate(taken)
                where_written(OrderLine).filter(pk=line.pk).update(
                    num_allocated=F("num_allocated") + taken, allocation_cancelled=False
                )
            if taken < pieces:
                yield f"{title}: {taken} of {pieces} are held again; no more are in stock."
    for line in lines.values():
        if line.allocation_cancelled and line.stockrecord_id in records:
            # The shop's own code did it at the status change, say.
            yield f"{line.title}: somebody else gave its stock back, so it is not held again."


def _tracking_records(pks: set[Any]) -> dict[int, Any]:
    """Those of the stock records whose stock is tracked, locked in the order of their keys: two
    orders that are taken back must not both get the last piece."""
    # Their products are read beside it, because a join would be locked as well.
    products = where_written(Product).select_related("product_class", "parent__product_class")
    records = _locked(StockRecord).filter(pk__in=pks - {None}).order_by("pk")
    found = records.prefetch_related(Prefetch("product", queryset=products))
    return {record.pk: record for record in found if record.can_track_allocations}

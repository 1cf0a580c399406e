"""What is kept about a customer: shown on demand, and removed on demand.

What happened stays: orders' numbers, amounts, statuses, times, who decided. What goes is what it was told
with: deliveries, the words in which staff have given reasons for refunds, and in all other texts what the
shop calls the customer by. What Rehive and the shop keep themselves is theirs to remove.

Everything is done in steps that can be broken off and done again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db.models import Exists, Model, OuterRef, Q, QuerySet

from oscar_rehive.cleaning import REDACTED
from oscar_rehive.databases import in_parts
from oscar_rehive.logs import Log
from oscar_rehive.models import Attention, Delivery, Entry, Invoice, Note, OrderPayment, Refund
from oscar_rehive.payments.deliveries import delete_deliveries
from oscar_rehive.payments.locking import Locked, under_lock
from oscar_rehive.payments.meanings import money_of
from oscar_rehive.payments.refunding import without_reason
from oscar_rehive.shop import get_shop

logger = Log(__name__)

AT_ONCE = 500

Steps = Iterator[Sequence[int]]


class NothingKept(Exception):
    """Nothing is kept about whoever was named."""


class StillNeeded(Exception):
    """An order still waits for its payment; the message says which."""


@dataclass(frozen=True)
class Customer:
    """Who is meant: who placed the orders of ``payments``, and who is called by the mail ``address``, which
    is empty where an order was named."""

    payments: tuple[OrderPayment, ...]
    address: str = ""


@dataclass
class Removed:
    """How much was removed: ``rows`` are those of payments, invoices, refunds, history and attention of
    which something was removed."""

    deleted: int = 0
    emptied: int = 0
    rows: int = 0

    def __str__(self) -> str:
        emptied = f", {self.emptied} that still wait emptied" if self.emptied else ""
        return f"deliveries: {self.deleted} deleted{emptied}; rows with words removed: {self.rows}"


def who_placed(number: str) -> Customer:
    """The customer of the order ``number``, as the admin shows it. Raises ``NothingKept``."""
    # Copied with its "#", as pages and our own messages write it.
    for written in (number, number.removeprefix("#")):
        if payments := tuple(OrderPayment.objects.filter(order_number=written)):
            return Customer(payments)
    raise NothingKept(f"There is no order {number!r} that was to be paid through Rehive.")


def who_has(address: str) -> Customer:
    """The customer with that mail address. Who has placed no order may still have paid one."""
    keys = get_shop().ordered_by(address)
    payments = [
        payment
        for some in in_parts(list(keys), AT_ONCE)
        for payment in OrderPayment.objects.filter(order_number__in=some).order_by("pk")
        if payment.is_for(keys[payment.order_number])
    ]
    return Customer(tuple(payments), address)


def refuse_if_needed(customer: Customer) -> None:
    """Raise ``StillNeeded`` if one of the orders still waits for its payment."""
    waiting = [payment for payment in customer.payments if not payment.is_settled]
    if waiting:
        raise StillNeeded(
            f"Still waiting for the payment: {', '.join(map(str, waiting))}. What is kept about it is"
            " needed until it is paid or has ended: wait, or cancel the order, and try again."
        )


def remove(
    customer: Customer,
    *,
    watch: Callable[[Steps], Iterable[Sequence[int]]] = iter,
    dry_run: bool = False,
) -> Removed:
    """Remove what is kept about ``customer``, or with ``dry_run`` only count it; ``watch`` may show the
    steps. Raises ``StillNeeded`` before anything of that order is removed, and ``NothingKept``."""
    refuse_if_needed(customer)
    removed = Removed()
    for payment in customer.payments:
        words = _words(payment, customer.address)
        if dry_run:
            removed.rows += len(_wiped(payment, words))
        else:
            work = partial(_wipe, words=words)
            removed.rows += under_lock(payment.order_number, work)
    for step in watch(_deliveries(customer)):
        waiting = Delivery.objects.filter(pk__in=step, state=Delivery.State.NEW)
        emptied = waiting.count() if dry_run or not step else _empty(waiting, customer.address)
        removed.emptied += emptied
        removed.deleted += len(step) - emptied if dry_run else delete_deliveries(step)
    if not customer.payments and not (removed.deleted or removed.emptied):
        raise NothingKept(_nobody(customer.address))
    return removed


def kept(customer: Customer) -> Iterator[dict[str, Any]]:
    """All that is kept about ``customer``: orders, each with its invoices, refunds, history and attention,
    and deliveries; each as its kind and its columns. Raises ``NothingKept``."""
    for payment in customer.payments:
        yield {"kind": "order", **_whole(payment)}
    nothing = not customer.payments
    for step in _deliveries(customer):
        for columns in Delivery.objects.filter(pk__in=step).order_by("pk").values():
            nothing = False
            yield {"kind": "delivery", **columns}
    if nothing:
        raise NothingKept(_nobody(customer.address))


def _nobody(address: str) -> str:
    return f"Nothing is kept about {address}: it placed no order, and no delivery names it."


def _whole(payment: OrderPayment) -> dict[str, Any]:
    own = OrderPayment.objects.filter(pk=payment.pk).values().get()
    return own | {
        "invoices": list(Invoice.objects.filter(payment=payment).order_by("pk").values()),
        "refunds": list(Refund.objects.filter(invoice__payment=payment).order_by("pk").values()),
        "history": list(Entry.objects.filter(payment=payment).order_by("pk").values()),
        "attention": list(Attention.objects.filter(payment=payment).order_by("pk").values()),
        "notes": list(Note.objects.filter(attention__payment=payment).order_by("pk").values()),
    }


# Texts


def _words(payment: OrderPayment, address: str) -> frozenset[str]:
    """What the shop calls the customer of ``payment`` by."""
    shop = get_shop()
    order = shop.find(payment.order_number)
    # Another order may have got the number: its customer is not meant.
    is_its_order = order is not None and payment.is_for(order.key)
    words = shop.words_of_customer(payment.order_number) if is_its_order else []
    return frozenset({address, *words} - {""})


def _wipe(held: Locked, *, words: Collection[str]) -> int:
    """Remove ``words`` from all rows of a payment; how many rows that were."""
    refuse_if_needed(Customer((held.payment,)))
    wiped = _wiped(held.payment, words)
    for model, columns in _columns(words).items():
        rows = [row for row in wiped if type(row) is model]
        # Not by save(), which refuses to change the history: its facts stay.
        model._default_manager.bulk_update(rows, list(columns), batch_size=100)
    if wiped:
        logger.info("Order #%s: personal data was removed", held.payment.order_number)
    return len(wiped)


def _wiped(payment: OrderPayment, words: Collection[str]) -> list[Model]:
    """The rows of ``payment`` that have something to be removed, without it."""
    of_payment: dict[type[Model], QuerySet[Any]] = {
        OrderPayment: OrderPayment.objects.filter(pk=payment.pk),
        Invoice: Invoice.objects.filter(payment=payment),
        Refund: Refund.objects.filter(invoice__payment=payment),
        Entry: Entry.objects.filter(payment=payment),
        Attention: Attention.objects.filter(payment=payment),
        Note: Note.objects.filter(attention__payment=payment),
    }
    wiped: list[Model] = []
    for model, columns in _columns(words).items():
        for row in of_payment[model]:
            changed = {name: wipe(getattr(row, name)) for name, wipe in columns.items()}
            if any(getattr(row, name) != value for name, value in changed.items()):
                for name, value in changed.items():
                    setattr(row, name, _fitting(row, name, value))
                wiped.append(row)
    return wiped


def _columns(words: Collection[str]) -> Mapping[type[Model], Mapping[str, Callable[[Any], Any]]]:
    """Every column that can hold something about a customer, and what becomes of it. Of the orders' numbers,
    of Rehive's ids and words, and of who decided, nothing is removed."""
    hidden = partial(_hidden, words=words)
    return {
        OrderPayment: {"cancel_reason": hidden},
        Invoice: {
            "redirect_url": hidden,
            # Those noted before the update that keeps no more than this.
            "quotes": lambda quotes: [money_of(quote) for quote in quotes],
        },
        Refund: {"reason": lambda reason: reason and REDACTED},
        Entry: {"reason": lambda reason: hidden(without_reason(reason))},
        Attention: {"reason": hidden, "ways_out": hidden, "subject": hidden},
        Note: {"text": lambda text: text and REDACTED},
    }


def _hidden(text: str, words: Collection[str]) -> str:
    return _named(words).sub(REDACTED, text) if words else text


def _fitting(row: Model, name: str, value: Any) -> Any:
    """``value`` as the column takes it: some are short, and subjects are told apart."""
    if name == "subject" and value != getattr(row, name):
        return f"{value[:100]} ({row.pk})"
    longest = getattr(row._meta.get_field(name), "max_length", None)
    return value[:longest] if longest else value


def _named(words: Collection[str]) -> re.Pattern[str]:
    """Where one of ``words`` stands by itself, and not within another address or name; in JSON, a line's
    end may stand before it as two letters."""
    longest_first = sorted(words, key=len, reverse=True)
    ways = "|".join(re.escape(word) for word in longest_first)
    return re.compile(
        rf"(?:(?<![\w.+-])|(?<=\\[nrtbf]))(?:{ways})(?!\w|[.-]\w)", flags=re.IGNORECASE
    )


# Deliveries


def _deliveries(customer: Customer) -> Steps:
    """The primary keys of the deliveries about ``customer``, each once. With an address all deliveries are
    looked through, in short steps of which many find none."""
    found: set[int] = set()
    for payment in customer.payments:
        new = sorted(_about(payment, _words(payment, customer.address)) - found)
        found.update(new)
        yield from in_parts(new, AT_ONCE)
    if customer.address:
        for step in _naming(customer.address):
            yield [pk for pk in step if pk not in found]


def _about(payment: OrderPayment, words: Collection[str]) -> set[int]:
    """Deliveries about the invoices of ``payment``; about invoices with its reference that nobody knows; and
    those that nobody understood, and that name one of the invoices or the customer's address."""
    ids = {one.remote_id for one in Invoice.objects.filter(payment=payment) if one.remote_id}
    of_others = Exists(Invoice.objects.filter(remote_id=OuterRef("remote_id")))
    every = Delivery.objects.order_by()
    found = set(every.filter(remote_id__in=ids).values_list("pk", flat=True))
    unknown = every.filter(~of_others, reference=payment.reference)
    found.update(unknown.values_list("pk", flat=True))
    addresses = {word for word in words if "@" in word}
    if said := {f'"{one}"' for one in ids} | _written(addresses):
        not_understood = every.filter(_says(said), remote_id="").values_list("pk", "body")
        pattern = _named(_written(addresses) | ids)
        found.update(pk for pk, body in not_understood if pattern.search(body))
    return found


def _naming(address: str) -> Steps:
    """Deliveries of which the body names ``address``, in steps along the primary key."""
    written = _written({address})
    pattern, last = _named(written), 0
    every = Delivery.objects.order_by("pk")
    while step := list(every.filter(pk__gt=last).values_list("pk", flat=True)[:AT_ONCE]):
        some = every.filter(_says(written), pk__gt=last, pk__lte=step[-1])
        yield [pk for pk, body in some.values_list("pk", "body") if pattern.search(body)]
        last = step[-1]


def _written(words: Collection[str]) -> set[str]:
    """``words``, also as JSON writes them."""
    in_json = {
        json.dumps(word, ensure_ascii=plain)[1:-1] for word in words for plain in (True, False)
    }
    return {*words, *in_json}


def _says(words: Collection[str]) -> Q:
    said = Q()
    for word in sorted(words):
        said |= Q(body__icontains=word)
    return said


def _empty(waiting: QuerySet[Delivery], address: str) -> int:
    """Take what they were told with from deliveries that wait; which invoice is to be asked about stays. How
    many they were."""
    if address:
        waiting.filter(reference__icontains=address).update(reference="")
    return waiting.update(body="", event_id="", reason="")

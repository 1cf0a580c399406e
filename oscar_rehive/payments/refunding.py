"""Refunds: asked for once, followed to their end, in the ledger once, whoever tells first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

from django.db.models import QuerySet
from django.utils import timezone

from oscar_rehive.models import Attention, Entry, Invoice, Refund
from oscar_rehive.payments.cleaning import storable_text
from oscar_rehive.payments.gateway import business_of, client_for
from oscar_rehive.payments.history import raise_attention, write_entry
from oscar_rehive.payments.locking import Locked, locked
from oscar_rehive.rehive.client import Timeouts
from oscar_rehive.rehive.exceptions import RehiveError
from oscar_rehive.rehive.money import InexactAmount, floor_to_places, from_units, to_units
from oscar_rehive.rehive.wire import RemoteRefund
from oscar_rehive.shop import get_shop

IN_FLIGHT = (Refund.Status.REQUESTED, Refund.Status.PENDING, Refund.Status.PROCESSING)

DOCUMENTED = frozenset(Refund.Status.values) - {Refund.Status.REQUESTED}
"""The statuses that Rehive documents (rehive-api.md, "Refunds"); "requested" is ours alone."""

REQUEST_OVER_AFTER = timedelta(minutes=2)


class NotRefundable(Exception):
    """More was asked for than is left of what was received; the message says how much is left."""


def refundable(invoice: Invoice) -> Decimal:
    """What can still be given back of ``invoice``, in its currency."""
    return from_units(units_left(invoice), invoice.divisibility)


def units_left(invoice: Invoice) -> int:
    """What can still be given back of ``invoice``, in smallest units."""
    return max(int(invoice.received) - invoice.given_back(), 0)


def refund(
    invoice: Invoice, amount: Decimal, *, reason: str, by: str, key: UUID | None = None
) -> Refund:
    """Ask Rehive to refund ``amount``, in the invoice's currency; ``by`` is who wants it.

    ``key`` is the refund's own, given by the form that asks for it, so that a double click on that
    form is one refund. Raises what ``refund_decided`` raises, ``NotRefundable`` also for an amount
    with more decimals than the currency has.
    """

    def how_much(current: Invoice) -> int:
        try:
            return to_units(amount, current.divisibility)
        except InexactAmount:
            raise NotRefundable(
                f"{current.currency} has {current.divisibility} decimals; {amount} has more."
            ) from None

    return refund_decided(invoice, how_much, reason=reason, by=by, key=key)


def refund_decided(
    invoice: Invoice,
    how_much: Callable[[Invoice], int],
    *,
    reason: str,
    by: str,
    key: UUID | None = None,
) -> Refund:
    """Ask Rehive to refund as many smallest units as ``how_much`` makes of the invoice, read under
    the lock under which the refund is also noted; it may raise instead.

    Rehive is asked first what was refunded already: a colleague may have given the same excess back
    in its own app a minute ago, and while that answer was on its way another may have decided
    otherwise. Raises ``NotRefundable`` before anything is sent. After a ``RehiveError`` with
    ``may_have_happened`` the refund stays noted, counts as given, and reconcile finds out; it is
    never simply sent again.
    """
    follow(invoice, Entry.Source.STAFF)
    with locked(invoice.order_number) as held:
        current = held.payment.invoices.get(pk=invoice.pk)
        if key is not None and Refund.objects.filter(key=key).exists():
            raise NotRefundable("This refund was asked for already, by the first of two clicks.")
        asked = _note(held, current, how_much(current), reason, by, key or uuid4())
    _send(asked)
    return asked


def _note(held: Locked, invoice: Invoice, units: int, reason: str, by: str, key: UUID) -> Refund:
    if not 0 < units <= units_left(invoice):
        raise NotRefundable(
            f"At most {refundable(invoice)} {invoice.currency} of invoice {invoice} can be refunded."
        )
    asked = Refund.objects.create(
        invoice=invoice, amount=units, reason=reason[:255], requested_by=by[:150], key=key
    )
    amount = from_units(units, invoice.divisibility)
    write_entry(
        held.payment,
        Entry.Source.STAFF,
        f"{by} asked for a refund of {amount} {invoice.currency}: {reason}",
        invoice=invoice,
    )
    return asked


def follow(invoice: Invoice, source: str, *, timeouts: Timeouts = Timeouts()) -> None:
    """Bring the refunds of ``invoice`` in line with Rehive's list of them, its own app's included.

    Raises ``RehiveError`` when Rehive cannot be asked.
    """
    if invoice.remote_id is None:
        return
    # Read before Rehive is asked: a refund that is asked for meanwhile is not "missing" there.
    waiting = set(_unanswered(invoice).values_list("pk", flat=True))
    client = client_for(business_of(invoice))
    remotes = list(client.refunds(invoice.remote_id, timeouts=timeouts))
    with locked(invoice.order_number) as held:
        current = held.payment.invoices.get(pk=invoice.pk)
        for remote in remotes:
            _take(held, current, remote, source)
        for lost in _unanswered(current).filter(pk__in=waiting):
            _end_lost(held, current, lost, source)
        _record(held, current, source)
        current.save()


def _unanswered(invoice: Invoice) -> QuerySet[Refund]:
    return invoice.refunds.filter(remote_id=None, status=Refund.Status.REQUESTED)


def _send(asked: Refund) -> None:
    invoice = asked.invoice
    client = client_for(business_of(invoice))
    try:
        remote = client.create_refund(
            invoice.remote_id or "",
            amount=asked.amount,
            currency=invoice.currency,
            reason=_reason_with_key(asked),
            idempotency_key=str(asked.key),
        )
    except RehiveError as error:
        _note_failed_request(asked, error)
        raise
    with locked(invoice.order_number) as held:
        current = held.payment.invoices.get(pk=invoice.pk)
        _recognise(asked, remote)
        _take(held, current, remote, Entry.Source.STAFF)
        _record(held, current, Entry.Source.STAFF)
        current.save()
    asked.refresh_from_db()


def _recognise(asked: Refund, remote: RemoteRefund) -> None:
    """The answer to our own request is about ``asked`` whatever reason it carries: by a shortened
    one it would be taken for a refund of Rehive's own app, and ours for one that never arrived."""
    asked.refresh_from_db()
    discovered = asked.invoice.refunds.filter(remote_id=remote.id).exclude(pk=asked.pk).first()
    if discovered is not None:
        if discovered.requested_by:
            return  # the answer names another of our own: nobody knows what became of this one
        # Found in Rehive's list while the answer was on its way.
        asked.status = discovered.status
        discovered.delete()
    asked.remote_id = remote.id
    asked.save()


def _reason_with_key(asked: Refund) -> str:
    """Rehive's refunds have no metadata; the reason is where ours can be recognised again."""
    return f"{asked.reason} [{asked.key.hex}]"


def _note_failed_request(asked: Refund, error: RehiveError) -> None:
    with locked(asked.invoice.order_number) as held:
        current = Refund.objects.get(pk=asked.pk)
        if current.remote_id is None and not error.may_have_happened:
            current.status = Refund.Status.FAILED
            current.save()
        write_entry(
            held.payment,
            Entry.Source.STAFF,
            f"The refund could not be asked for: {error}",
            invoice=asked.invoice,
        )
    asked.refresh_from_db()


def _take(held: Locked, invoice: Invoice, remote: RemoteRefund, source: str) -> None:
    """Note what Rehive says of one refund."""
    ours = _ours(invoice, remote)
    if ours.amount != remote.amount:
        _take_amount(held, invoice, ours, remote, source)
    status = remote.status
    if status not in DOCUMENTED:
        _note_unknown_status(held, invoice, remote)
        status = Refund.Status.PENDING  # counts as given until somebody knows better
    if ours.status == Refund.Status.COMPLETE:
        status = Refund.Status.COMPLETE
    elif status != ours.status:
        write_entry(
            held.payment,
            source,
            f"A refund of {from_units(ours.amount, invoice.divisibility)} {invoice.currency} is"
            f" {Refund.Status(status).label}.",
            invoice=invoice,
        )
        if status == Refund.Status.FAILED:
            raise_attention(
                held.payment,
                Attention.Kind.REFUND_FAILED,
                f"A refund of {from_units(ours.amount, invoice.divisibility)} {invoice.currency}"
                f" through invoice {invoice} failed.",
                invoice=invoice,
                subject=f"refund {remote.id}",
                ways_out="Look at it in Rehive's app, then refund again.",
            )
    ours.remote_id, ours.status = remote.id, status
    ours.save()


def _take_amount(
    held: Locked, invoice: Invoice, ours: Refund, remote: RemoteRefund, source: str
) -> None:
    """The ledger holds what Rehive gave back, whatever was asked for (P2)."""
    write_entry(
        held.payment,
        source,
        f"A refund of {from_units(ours.amount, invoice.divisibility)} {invoice.currency} was asked"
        f" for; Rehive made it {from_units(remote.amount, invoice.divisibility)}.",
        invoice=invoice,
    )
    ours.amount = remote.amount


def _note_unknown_status(held: Locked, invoice: Invoice, remote: RemoteRefund) -> None:
    status = storable_text(remote.status)[:64]
    raise_attention(
        held.payment,
        Attention.Kind.UNKNOWN_STATUS,
        f"Rehive gives a refund of {from_units(remote.amount, invoice.divisibility)}"
        f" {invoice.currency} through invoice {invoice} the status {status!r}, which it does not"
        " document.",
        invoice=invoice,
        subject=f"refund {remote.id}: {status}",
        ways_out="Look at the refund in Rehive's app. Until Rehive says that it failed, it counts as"
        " given back.",
    )


def _ours(invoice: Invoice, remote: RemoteRefund) -> Refund:
    """Our note of ``remote``: by its id; or one that was never answered, by its key or, where
    Rehive tells no reason, by its amount (peer bug 12: counted twice when its webhook came first);
    else a new one, for a refund made in Rehive's own app."""
    known = Refund.objects.filter(invoice=invoice, remote_id=remote.id).first()
    if known is not None:
        return known
    told = remote.raw.get("reason")
    for one in invoice.refunds.filter(remote_id=None).order_by("pk"):
        by_key = isinstance(told, str) and one.key.hex in told
        by_amount = (
            not isinstance(told, str)
            and one.status == Refund.Status.REQUESTED
            and one.amount == remote.amount
        )
        if by_key or by_amount:
            return one
    reason = storable_text(told)[:255] if isinstance(told, str) else ""
    return Refund(invoice=invoice, amount=remote.amount, reason=reason)


def _end_lost(held: Locked, invoice: Invoice, lost: Refund, source: str) -> None:
    """Rehive does not list a refund whose request was never answered: it was not made.

    Not before its request can be over, or a slow one would be ended while it is under way.
    """
    if timezone.now() - lost.created_at < REQUEST_OVER_AFTER:
        return
    lost.status = Refund.Status.FAILED
    lost.save()
    write_entry(
        held.payment, source, "Rehive does not know the refund; it was not made.", invoice=invoice
    )
    raise_attention(
        held.payment,
        Attention.Kind.REFUND_FAILED,
        f"A refund of {from_units(lost.amount, invoice.divisibility)} {invoice.currency} through"
        f" invoice {invoice} never reached Rehive.",
        invoice=invoice,
        subject=f"refund {lost.key.hex}",
        ways_out="Compare with the refunds in Rehive's app. If it is not there, refund again.",
    )


def _record(held: Locked, invoice: Invoice, source: str) -> None:
    """Bring the ledger up to what was paid out: the difference to what stands there, once (P2)."""
    done = invoice.refunds.filter(status=Refund.Status.COMPLETE).order_by("pk")
    invoice.refunded = sum(one.amount for one in done)
    if held.order is None:
        return
    shop = get_shop()
    total = floor_to_places(from_units(invoice.refunded, invoice.divisibility), shop.ledger_places)
    gained = total - invoice.refund_recorded
    if gained <= 0 or invoice.recorded <= 0:
        return
    newest = done.last()
    shop.record_refund(
        held.order.number,
        amount=gained,
        invoice_id=invoice.remote_id or "",
        reference=(newest.remote_id or "" if newest else "")[:128],
    )
    invoice.refund_recorded = total
    write_entry(held.payment, source, "A refund was paid out.", invoice=invoice, amount=-gained)

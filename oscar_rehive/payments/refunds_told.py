"""What Rehive says of refunds, and what the ledger makes of it: once, whoever tells first, and never more
than came. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import timedelta
from uuid import uuid4

from oscar_rehive.cleaning import storable_text
from oscar_rehive.models import Attention, Invoice, Refund
from oscar_rehive.payments.plans import Movement, Plan
from oscar_rehive.rehive.money import floor_to_places, from_units
from oscar_rehive.rehive.wire import Currency, RemoteRefund

IN_FLIGHT = (Refund.Status.REQUESTED, Refund.Status.PENDING, Refund.Status.PROCESSING)

DOCUMENTED = frozenset(Refund.Status.values) - {Refund.Status.REQUESTED}
"""The statuses that Rehive documents (rehive-api.md, "Refunds"); "requested" is ours alone."""

_FURTHER = {"pending": 0, "processing": 1, "failed": 2, "complete": 3}

REQUEST_OVER_AFTER = timedelta(minutes=2)


def take_refunds(
    plan: Plan,
    invoice: Invoice,
    remotes: Iterable[RemoteRefund],
    unanswered: Collection[int],
    elsewhere: Collection[str] = (),
) -> None:
    """Bring the refunds of ``invoice`` in line with Rehive's list of them, its own app's included.

    Of ``unanswered`` Rehive had been told before it was asked: one that it does not list was not made.
    ``elsewhere`` are the ids among them under which refunds of other orders are noted.
    """
    for remote in _one_for_each_id(plan, invoice, remotes):
        take_refund(plan, invoice, remote, elsewhere=elsewhere)
    for refund in plan.refunds_of(invoice):
        if refund.pk in unanswered and refund.remote_id is None:
            _end_lost(plan, refund)
    # At once: whether money is here is asked before the ledger has its refunds.
    invoice.refunded = sum(refund.amount for refund in _paid_out(plan, invoice))


def take_refund(
    plan: Plan,
    invoice: Invoice,
    remote: RemoteRefund,
    *,
    asked: Refund | None = None,
    elsewhere: Collection[str] = (),
) -> None:
    """Note what Rehive says of one refund; ``asked`` is ours where this is the answer to it, and
    ``elsewhere`` are ids under which refunds of other orders are noted."""
    if _is_used_again(plan, invoice, remote, asked, elsewhere):
        _note_used_again(plan, invoice, remote, asked)
        return
    if asked is not None:
        _recognise(plan, asked, remote)
    if not _same_money(invoice, remote.currency):
        _note_foreign(plan, invoice, remote)
        return
    ours = _ours(plan, invoice, remote)
    if ours.amount != remote.amount:
        # The ledger holds what Rehive gave back, whatever was asked for (P2).
        plan.write(
            f"A refund of {_money(invoice, ours.amount)} was asked for; Rehive made it"
            f" {from_units(remote.amount, invoice.divisibility)}.",
            invoice=invoice,
        )
        ours.amount = remote.amount
    status = remote.status
    if status not in DOCUMENTED:
        _note_unknown_status(plan, invoice, remote)
        status = Refund.Status.PENDING  # counts as given until somebody knows better
    if ours.status == Refund.Status.COMPLETE:
        if status == Refund.Status.FAILED:
            _note_undone(plan, invoice, remote)
        status = Refund.Status.COMPLETE
    elif status != ours.status:
        plan.write(
            f"A refund of {_money(invoice, ours.amount)} is {Refund.Status(status).label}.",
            invoice=invoice,
        )
        if status == Refund.Status.FAILED:
            plan.attend(
                Attention.Kind.REFUND_FAILED,
                f"A refund of {_money(invoice, ours.amount)} through invoice {invoice} failed.",
                invoice=invoice,
                subject=f"refund {remote.id}",
                ways_out="Look at it in Rehive's app, then refund again.",
            )
    ours.remote_id, ours.status = remote.id, status


def book_refunds(plan: Plan, invoice: Invoice) -> None:
    """Bring the ledger up to what was paid out: the difference to what stands there, once (P2), and
    never more than came. Where the order is gone the history alone tells of it."""
    done = _paid_out(plan, invoice)
    invoice.refunded = sum(refund.amount for refund in done)
    if invoice.refunded > invoice.received:
        plan.attend(
            Attention.Kind.ODD_REFUND,
            f"Rehive says that {_money(invoice, invoice.refunded)} were refunded through invoice"
            f" {invoice}, but only {_money(invoice, invoice.received)} came.",
            invoice=invoice,
            subject=f"{invoice.attempt}: {invoice.refunded} of {invoice.received}",
            ways_out="Compare the refunds in Rehive's app with the order. The shop's ledger holds no"
            " more than what came.",
        )
    told = from_units(invoice.refunded, invoice.divisibility)
    total = min(floor_to_places(told, plan.case.ledger_places), invoice.recorded)
    gained = total - invoice.refund_recorded
    if gained <= 0:
        return
    if plan.order is not None:
        newest = done[-1].remote_id or ""
        plan.movements.append(Movement(invoice, gained, newest[:128], is_refund=True))
    invoice.refund_recorded = total
    plan.write("A refund was paid out.", invoice=invoice, amount=-gained)


def _same_money(invoice: Invoice, currency: Currency | None) -> bool:
    return currency is None or (
        currency.code == invoice.currency and currency.divisibility in (None, invoice.divisibility)
    )


def _paid_out(plan: Plan, invoice: Invoice) -> list[Refund]:
    return [
        refund for refund in plan.refunds_of(invoice) if refund.status == Refund.Status.COMPLETE
    ]


def _money(invoice: Invoice, units: int) -> str:
    return f"{from_units(units, invoice.divisibility)} {invoice.currency}"


def _recognise(plan: Plan, asked: Refund, remote: RemoteRefund) -> None:
    """The answer to our own request is about ``asked`` whatever reason it carries: by a shortened
    one it would be taken for a refund of Rehive's own app, and ours for one that never arrived."""
    discovered = _noted(plan, asked.invoice, remote)
    if discovered is not None and discovered is not asked:
        # Found in Rehive's list while the answer was on its way.
        asked.status = discovered.status
        plan.refunds.remove(discovered)
        plan.lost.append(discovered)
    asked.remote_id = remote.id


def _noted(plan: Plan, invoice: Invoice, remote: RemoteRefund) -> Refund | None:
    """The refund of ``invoice`` that is noted under the id of ``remote``."""
    return next((one for one in plan.refunds_of(invoice) if one.remote_id == remote.id), None)


def _named(plan: Plan, invoice: Invoice, remote: RemoteRefund) -> Refund | None:
    """The refund of ours whose key stands in the reason that Rehive tells."""
    told = remote.raw.get("reason")
    if not isinstance(told, str):
        return None
    return next((one for one in plan.refunds_of(invoice) if one.key.hex in told), None)


def _one_for_each_id(
    plan: Plan, invoice: Invoice, remotes: Iterable[RemoteRefund]
) -> Iterator[RemoteRefund]:
    """What of a list is to be taken. The same refund may stand in it twice, where the pages moved while
    they were read; two different ones under one id cannot both be noted, and are told to a person."""
    by_id: dict[str, list[RemoteRefund]] = {}
    for remote in remotes:
        by_id.setdefault(remote.id, []).append(remote)
    for alike in by_id.values():
        noted = _noted(plan, invoice, alike[0])
        # The one that was taken before is taken again, or each run would believe another of them.
        first = next((one for one in alike if noted and one.amount == noted.amount), alike[0])
        same = [one for one in alike if _outline(one) == _outline(first)]
        yield max(same, key=lambda one: _FURTHER.get(one.status, -1))
        for other in {_outline(one): one for one in alike if one not in same}.values():
            _note_used_again(plan, invoice, other, None)


def _outline(remote: RemoteRefund) -> tuple[int, str, str]:
    """What does not change about one refund while a list is read."""
    code = remote.currency.code if remote.currency else ""
    return remote.amount, code, str(remote.raw.get("reason"))


def _is_used_again(
    plan: Plan,
    invoice: Invoice,
    remote: RemoteRefund,
    asked: Refund | None,
    elsewhere: Collection[str],
) -> bool:
    """Whether the id of ``remote`` is that of another refund already, of whichever invoice."""
    if remote.id in elsewhere or any(
        one.remote_id == remote.id and one.invoice is not invoice for one in plan.refunds
    ):
        return True
    noted, about = _noted(plan, invoice, remote), asked or _named(plan, invoice, remote)
    if noted is None or about is None or noted is about:
        return False
    # Else it was found in Rehive's list while the answer was on its way, and is the same one.
    return bool(noted.requested_by) or noted.pk < about.pk


def _note_used_again(
    plan: Plan, invoice: Invoice, remote: RemoteRefund, asked: Refund | None
) -> None:
    """Nothing is booked, for nobody knows whether the money went once or twice (P2). What we asked for
    counts as given back, for it was answered; it must not be asked for again."""
    about = asked or _named(plan, invoice, remote)
    if about is not None and about.remote_id is None:
        failed = remote.status == Refund.Status.FAILED
        about.status = Refund.Status.FAILED if failed else Refund.Status.PENDING
    plan.attend(
        Attention.Kind.ODD_REFUND,
        f"Rehive tells of a refund of {remote.amount} smallest units through invoice {invoice} under the"
        f" id {remote.id}, which it had given to another refund.",
        invoice=invoice,
        subject=f"{remote.id} again: {about.key.hex if about else remote.amount}",
        ways_out="Compare the refunds in Rehive's app with the order, and book by hand what the shop's"
        " ledger lacks: it holds only the first of them. Do not simply refund again.",
    )


def _ours(plan: Plan, invoice: Invoice, remote: RemoteRefund) -> Refund:
    """Our note of ``remote``: by its id; or one that was never answered, by its key or, where
    Rehive tells no reason, by its amount (peer bug 12: counted twice when its webhook came first);
    else a new one, for a refund made in Rehive's own app."""
    if (noted := _noted(plan, invoice, remote)) is not None:
        return noted
    told = remote.raw.get("reason")
    for refund in plan.refunds_of(invoice):
        if refund.remote_id is not None:
            continue
        by_key = isinstance(told, str) and refund.key.hex in told
        by_amount = (
            not isinstance(told, str)
            and refund.status == Refund.Status.REQUESTED
            and refund.amount == remote.amount
        )
        if by_key or by_amount:
            return refund
    found = Refund(
        invoice=invoice,
        amount=remote.amount,
        reason=storable_text(told)[:255] if isinstance(told, str) else "",
        key=uuid4(),
        created_at=plan.now,
    )
    plan.refunds.append(found)
    return found


def _note_undone(plan: Plan, invoice: Invoice, remote: RemoteRefund) -> None:
    plan.attend(
        Attention.Kind.REFUND_FAILED,
        f"Rehive had said that a refund of {_money(invoice, remote.amount)} through invoice {invoice}"
        " was paid out, and now says that it failed. The shop's ledger still has it.",
        invoice=invoice,
        subject=f"refund {remote.id} after all",
        ways_out="Look in Rehive's app whether the money has left.",
    )


def _note_foreign(plan: Plan, invoice: Invoice, remote: RemoteRefund) -> None:
    if remote.status == Refund.Status.FAILED:
        return
    plan.attend(
        Attention.Kind.ODD_REFUND,
        f"Rehive tells of a refund of {remote.amount} smallest units of {_described(remote.currency)}"
        f" through invoice {invoice}, which is in {invoice.currency} with"
        f" {invoice.divisibility} decimals.",
        invoice=invoice,
        subject=f"refund {remote.id}",
        ways_out="Look at the refund in Rehive's app, and book by hand what it is worth. The shop's"
        " ledger holds nothing of it.",
    )


def _described(currency: Currency | None) -> str:
    if currency is None:
        return "its currency"
    decimals = "" if currency.divisibility is None else f" with {currency.divisibility} decimals"
    return f"{storable_text(currency.code)[:12]}{decimals}"


def _note_unknown_status(plan: Plan, invoice: Invoice, remote: RemoteRefund) -> None:
    status = storable_text(remote.status)[:64]
    plan.attend(
        Attention.Kind.UNKNOWN_STATUS,
        f"Rehive gives a refund of {_money(invoice, remote.amount)} through invoice {invoice} the"
        f" status {status!r}, which it does not document.",
        invoice=invoice,
        subject=f"refund {remote.id}: {status}",
        ways_out="Look at the refund in Rehive's app. Until Rehive says that it failed, it counts as"
        " given back.",
    )


def _end_lost(plan: Plan, lost: Refund) -> None:
    """Rehive does not list a refund whose request was never answered: it was not made.

    Not before its request can be over, or a slow one would be ended while it is under way.
    """
    if plan.now - lost.created_at < REQUEST_OVER_AFTER or lost.status != Refund.Status.REQUESTED:
        return
    lost.status = Refund.Status.FAILED
    invoice = lost.invoice
    plan.write("Rehive does not know the refund; it was not made.", invoice=invoice)
    plan.attend(
        Attention.Kind.REFUND_FAILED,
        f"A refund of {_money(invoice, lost.amount)} through invoice {invoice} never reached Rehive.",
        invoice=invoice,
        subject=f"refund {lost.key.hex}",
        ways_out="Compare with the refunds in Rehive's app. If it is not there, refund again.",
    )

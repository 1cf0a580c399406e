"""Settling: asking Rehive about an invoice, and bringing its order in line with the answer.

What the answer does is decided in rules.py. It can be repeated at will: what was settled once is not
settled again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Q
from django.utils import timezone

from oscar_rehive import conf, numbers
from oscar_rehive.models import Attention, Invoice, Refund
from oscar_rehive.payments.carrying_out import change
from oscar_rehive.payments.clocks import SKEW
from oscar_rehive.payments.gateway import business_of, client_for
from oscar_rehive.payments.meanings import MEANINGS
from oscar_rehive.payments.plans import Plan
from oscar_rehive.payments.refunds_told import book_refunds, take_refunds
from oscar_rehive.payments.rules import News, settle_news
from oscar_rehive.payments.watching import watched
from oscar_rehive.payments.weighing import Weight, digest
from oscar_rehive.rehive.client import Client, Timeouts
from oscar_rehive.rehive.exceptions import NotFound, RehiveError, Unintelligible
from oscar_rehive.rehive.statuses import Status
from oscar_rehive.rehive.wire import RemoteInvoice, RemoteRefund

_ROUNDS = 4


@dataclass(frozen=True)
class Listed:
    """What a list that was asked for at ``asked_at`` (UTC) tells of an invoice, and of its refunds if it
    tells of those."""

    remote: RemoteInvoice
    asked_at: datetime
    refunds: tuple[RemoteRefund, ...] | None = None

    def version_of(self, invoice: Invoice) -> int:
        """The version that ``invoice`` had at that moment; one that it never has where somebody may have
        settled it since: then only what is newer by its stamp is believed, or Rehive is asked again."""
        overtaken = invoice.asked_at is not None and invoice.asked_at > self.asked_at - SKEW
        return -1 if overtaken else int(invoice.version)


def seen_since(moment: datetime) -> Q:
    """The invoices of which Rehive was asked at ``moment`` (UTC) or after it. A time that is still to come is
    that of a clock that was wrong, and says nothing: else nobody would ask until then."""
    return Q(asked_at__gte=moment, asked_at__lte=timezone.now())


MOST_FAILURES = 2
"""After so many answers in a row that make no sense a person is called."""


@watched
def refresh(
    invoice: Invoice,
    source: str,
    *,
    timeouts: Timeouts = Timeouts(),
    with_refunds: bool = False,
    just_read: bool = False,
    listed: Listed | None = None,
) -> None:
    """Ask Rehive about ``invoice`` and settle what it says; ``invoice`` is as in the database after.

    ``with_refunds``: also ask for the refunds of money that came. ``just_read``: ``invoice`` comes
    from the database this moment, and where Rehive says what was settled before, that is the end of
    it, without a lock; whatever else has changed about the order is reconcile's to see. ``listed``: what
    a list has just told of it, which spares the question; nothing happens where somebody settled since.

    Raises ``RehiveError`` or ``ImproperlyConfigured`` when Rehive cannot be asked; nothing has changed
    then, but that a person is told of what will not mend by itself.
    """
    client = client_of(invoice, source)
    for round_ in range(_ROUNDS):
        is_first = not round_
        if not (is_first and just_read):
            invoice.refresh_from_db()
        if invoice.remote_id is None:
            return
        known = listed if is_first else None
        unanswered: frozenset[int] = frozenset()
        # Not where a list has told of them: one may have been asked for since, which is not missing there.
        if with_refunds and invoice.received and (known is None or known.refunds is None):
            unanswered = unanswered_refunds(invoice)
        version = known.version_of(invoice) if known else invoice.version
        remote = known.remote if known else _ask(client, invoice, source, timeouts)
        refunds, trouble = known.refunds if known else None, None
        try:
            if refunds is None and asks_for_refunds(invoice, remote, with_refunds):
                refunds = tuple(client.refunds(invoice.remote_id, timeouts=timeouts))
            if just_read and is_first and not unanswered and _is_known(invoice, remote, refunds):
                return
            if refunds is not None and invoice.state != Invoice.State.PAID:
                _follow_parts(invoice, source, timeouts)
        except RehiveError as error:
            if remote.refunded:
                raise
            trouble = error  # a list that cannot be had must not keep an order unpaid
        elsewhere = noted_elsewhere(invoice, refunds or ())
        news = News(invoice.pk, remote, version, refunds, unanswered, elsewhere)
        if _settle(invoice, news, source) is not Weight.OVERTAKEN or known:
            if trouble is not None and with_refunds:
                raise trouble
            return


def _ask(client: Client, invoice: Invoice, source: str, timeouts: Timeouts) -> RemoteInvoice:
    """What Rehive says of ``invoice`` now; a person is told where that cannot be had for good."""
    try:
        return client.invoice(invoice.remote_id or "", timeouts=timeouts)
    except NotFound:
        _note_vanished(invoice, source)
        raise
    except Unintelligible as error:
        _note_unreadable(invoice, source, error)
        raise


@watched
def follow(invoice: Invoice, source: str, *, timeouts: Timeouts = Timeouts()) -> None:
    """Bring the refunds of ``invoice`` in line with Rehive's list of them, its own app's included.

    Raises ``RehiveError`` when Rehive cannot be asked.
    """
    if invoice.remote_id is None:
        return
    unanswered = unanswered_refunds(invoice)
    client = client_of(invoice, source)
    remotes = list(client.refunds(invoice.remote_id, timeouts=timeouts))

    def decide(plan: Plan) -> None:
        current = plan.invoice(invoice.pk)
        take_refunds(plan, current, remotes, unanswered, noted_elsewhere(invoice, remotes))
        book_refunds(plan, current)

    change(invoice.order_number, source, decide)


def _follow_parts(invoice: Invoice, source: str, timeouts: Timeouts) -> None:
    """What earlier attempts have brought is about to pay the order too: not what went back since, in
    Rehive's own app."""
    ended = Invoice.objects.filter(payment=invoice.payment_id, state=Invoice.State.CLOSED)
    for part in ended.exclude(received=0).exclude(pk=invoice.pk).select_related("payment"):
        if part.business_id in conf.current().by_id:
            follow(part, source, timeouts=timeouts)


def settle(invoice: Invoice, remote: RemoteInvoice, *, source: str) -> bool:
    """Settle ``remote``, which Rehive told after ``invoice`` was last read from the database.

    Returns False when somebody else settled meanwhile and nothing tells that this answer is the newer
    one: ask again then.
    """
    news = News(invoice.pk, remote, invoice.version)
    return _settle(invoice, news, source) is not Weight.OVERTAKEN


def _settle(invoice: Invoice, news: News, source: str) -> Weight:
    """Settle ``news``; where they were not overtaken, ``invoice`` is as in the database after."""

    def decide(plan: Plan) -> tuple[Weight, Invoice]:
        return settle_news(plan, news), plan.invoice(invoice.pk)

    weight, settled = change(invoice.order_number, source, decide)
    numbers.count("answers", worth=weight.name.lower())
    if weight is not Weight.OVERTAKEN:
        for field in Invoice._meta.concrete_fields:
            setattr(invoice, field.attname, getattr(settled, field.attname))
        invoice.payment = settled.payment
    return weight


def client_of(invoice: Invoice, source: str) -> Client:
    """The client of the business that made ``invoice``. Raises ``ImproperlyConfigured`` where the settings
    no longer name it, and then tells a person: no later run can do better."""
    try:
        return client_for(business_of(invoice))
    except ImproperlyConfigured:
        _note_out_of_reach(invoice, source)
        raise


def unanswered_refunds(invoice: Invoice) -> frozenset[int]:
    """The refunds of ours, by primary key, of which Rehive has been told and has not answered. Read
    before Rehive is asked: one that is asked for meanwhile is not "missing" there."""
    asked = invoice.refunds.filter(remote_id=None, status=Refund.Status.REQUESTED)
    return frozenset(asked.values_list("pk", flat=True))


def noted_elsewhere(invoice: Invoice, told: Sequence[RemoteRefund]) -> frozenset[str]:
    """The ids of ``told`` under which refunds of other orders are noted: Rehive has used them again."""
    if not told:
        return frozenset()
    others = Refund.objects.exclude(invoice__payment=invoice.payment_id)
    found = others.filter(remote_id__in=[one.id for one in told]).order_by()
    return frozenset(one for one in found.values_list("remote_id", flat=True) if one)


def asks_for_refunds(invoice: Invoice, remote: RemoteInvoice, wanted: bool) -> bool:
    """Whether the refunds of ``invoice`` must be known before ``remote`` is settled, or are ``wanted``."""
    status = Status.known(remote.status)
    says_paid = status is not None and MEANINGS[status].attempt is Invoice.State.PAID
    if invoice.state != Invoice.State.PAID and (remote.refunded or says_paid):
        # Paid, and given back in Rehive's own app, perhaps in part, before anybody here has looked:
        # that money must not pay the order.
        return True
    return wanted and bool(invoice.received)


def _is_known(
    invoice: Invoice, remote: RemoteInvoice, refunds: tuple[RemoteRefund, ...] | None
) -> bool:
    """Whether this is what was settled last, to the letter."""
    if digest(remote) != invoice.told or invoice.doubted_since is not None:
        return False
    if not refunds:
        return refunds is None or not invoice.refunded
    told = {(one.id, one.amount, one.status) for one in refunds}
    return told == {(one.remote_id, one.amount, one.status) for one in invoice.refunds.all()}


def _note_vanished(invoice: Invoice, source: str) -> None:
    def decide(plan: Plan) -> None:
        plan.attend(
            Attention.Kind.VANISHED,
            f"Rehive no longer knows invoice {invoice} ({invoice.remote_id}).",
            invoice=plan.invoice(invoice.pk),
            # Laid to rest when it is read again, and then worth another word if it is lost again.
            subject=f"{invoice.attempt}: {invoice.version}",
            ways_out="Check API_URL, BUSINESS_ID and the token's business. If it was deleted at"
            " Rehive, take it for gone: then nothing waits for it any more.",
        )

    change(invoice.order_number, source, decide)


def _note_out_of_reach(invoice: Invoice, source: str) -> None:
    def decide(plan: Plan) -> None:
        current = plan.invoice(invoice.pk)
        if current.state == Invoice.State.CLOSED and not current.close_due:
            return  # nobody need ask about it any more
        plan.attend(
            Attention.Kind.OUT_OF_REACH,
            f"Invoice {invoice} was made by the business {invoice.business_id}, which the settings no"
            " longer name: nobody can ask whether it was paid, nor close it.",
            invoice=current,
            subject=f"{invoice.attempt}: {invoice.business_id} {invoice.version}",
            ways_out="Put that business back into OSCAR_REHIVE until its invoices are settled. If it"
            " is gone for good, take the invoice for gone: then nothing waits for it any more.",
        )

    change(invoice.order_number, source, decide)


def _note_unreadable(invoice: Invoice, source: str, error: Unintelligible) -> None:
    if not error.is_rehives:
        return  # a proxy's page says nothing of the invoice

    def decide(plan: Plan) -> None:
        current = plan.invoice(invoice.pk)
        current.failures = min(current.failures + 1, 1000)
        if current.failures >= MOST_FAILURES:
            plan.attend(
                Attention.Kind.UNREADABLE,
                f"What Rehive says of invoice {invoice} makes no sense: {error}",
                invoice=current,
                subject=f"{invoice.attempt}: {invoice.version}",
                ways_out="Look at the invoice in Rehive's app, and ask Rehive's support. If it was"
                " not paid and cannot be, take it for gone: then nothing waits for it any more.",
            )

    change(invoice.order_number, source, decide)

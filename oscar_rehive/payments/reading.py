"""Reading a business's list of invoices by pages: whatever has changed is found at one call for 250 of them.

The list has no documented order. How it is ordered is learned by reading it to its end, and only used to
stop earlier: where it proves to be newest first, nothing of interest lies behind what is too old. Invoices
that are made meanwhile move the others on: some are met twice, and none is missed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NoReturn

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Exists, Min, OuterRef, Q, QuerySet
from django.utils import timezone

from oscar_rehive import conf
from oscar_rehive.logs import Log
from oscar_rehive.models import Attention, Delivery, Entry, Invoice, Reading
from oscar_rehive.payments import strays
from oscar_rehive.payments.carrying_out import cases_of, changes_nothing
from oscar_rehive.payments.clocks import SKEW, is_to_come
from oscar_rehive.payments.doors import is_open, shut
from oscar_rehive.payments.gateway import client_for
from oscar_rehive.payments.listing import (
    Outlook,
    pages_in_all,
    reads_on,
    share_of_pass,
    spares_questions,
)
from oscar_rehive.payments.plans import Plan
from oscar_rehive.payments.rules import ANSWERED, News, settle_news
from oscar_rehive.payments.settling import Listed, asks_for_refunds, refresh, seen_since
from oscar_rehive.payments.summary import Summary
from oscar_rehive.payments.weighing import digest, with_possible_time
from oscar_rehive.rehive.client import MAX_PAGES, PAGE_SIZE, Timeouts
from oscar_rehive.rehive.exceptions import NotFound, Refused, RehiveError, Unintelligible
from oscar_rehive.rehive.paging import Page, most_rows
from oscar_rehive.rehive.statuses import PAID
from oscar_rehive.rehive.wire import RemoteInvoice, RemoteRefund, read_refunds_inside

logger = Log(__name__)

YOUNG = timedelta(hours=2)
OPEN_EVERY = timedelta(minutes=20)
"""Open invoices are asked about at every run while they are young, and this seldom after that."""

INTEREST = timedelta(days=121)
"""What is older changes no more: a refund in Rehive's own app, say. And no host's clock is a day wrong."""

A_DAY = timedelta(days=1)

AT_ONCE = 250
WORTH_A_LIST = 3
"""Of so many, up to the first of the two, the refunds are asked for at once, where Rehive's second list
shows them."""

SOURCE = Entry.Source.RECONCILE


def due(now: datetime) -> Q:
    """The invoices that are to be asked about at ``now`` (UTC)."""
    in_turn = Q(created_at__gt=now - YOUNG) | ~seen_since(now - OPEN_EVERY)
    return Q(in_turn, state=Invoice.State.OPEN) | Q(doubted_since__isnull=False)


def _told_of() -> Q:
    """The invoices that a delivery tells of on which nobody has worked yet."""
    news = Delivery.objects.filter(state=Delivery.State.NEW, remote_id=OuterRef("remote_id"))
    return Q(Exists(news))


def is_of_interest(business: conf.BusinessConfig) -> bool:
    """Whether Rehive may say something new of an invoice of ours at ``business``."""
    young = Q(created_at__gt=timezone.now() - INTEREST) & ~Q(remote_id=None)
    lasting = Q(state=Invoice.State.OPEN) | Q(doubted_since__isnull=False)
    ours = Invoice.objects.filter(business_id=business.business_id)
    return ours.filter(young | lasting).exists() or strays.lost_of(business).exists()


def read(business: conf.BusinessConfig, summary: Summary) -> None:
    """Read as much of the list of ``business`` as pays, and settle what has changed; ``summary`` tells what
    came of it. Raises ``RehiveError``; what was read until then is settled."""
    _Look(business, summary).look()


class _Look:
    def __init__(self, business: conf.BusinessConfig, summary: Summary) -> None:
        self.business, self.client = business, client_for(business)
        self.ours = Invoice.objects.filter(business_id=business.business_id)
        self.begun = timezone.now()
        self.reading, _ = Reading.objects.get_or_create(business_id=business.business_id)
        self.summary = summary
        self.began_pass = self.pass_ended = False
        self.went_on = 0
        self.known_paid: set[int] = set()
        self.paid: dict[int, tuple[Invoice, Listed]] = {}
        """Found to be paid; what was refunded of them is asked for at once."""

    def look(self) -> None:
        strays.find_by_reference(self.business)
        last_read = self.reading.read_at
        is_sought = strays.sought_at(self.business).exists()
        due_now = self.ours.filter(due(self.begun) | _told_of())
        # By another run, which may have been broken off.
        due_now = due_now.exclude(seen_since(self.summary.begun))
        outlook = self._outlook(due_now, is_sought)
        read = 0
        try:
            while reads_on(outlook, read):
                read += 1
                is_last = self._read(read)
                outlook = self._outlook(due_now.exclude(seen_since(self.begun)), is_sought)
                if is_last:
                    break
            since = self.begun - last_read if last_read else None
            share = share_of_pass(self._pages_left(outlook), since, is_sought=is_sought)
            while self.went_on < share and not self.pass_ended:
                self._read(self.reading.page)
        finally:
            self._settle_paid()

    def _outlook(self, due_now: QuerySet[Invoice], is_sought: bool) -> Outlook:
        reading = self.reading
        how_many = due_now.count()
        newer = made = 0
        if reading.newest_first and (how_many or is_sought):
            oldest = due_now.aggregate(oldest=Min("created_at"))["oldest"]
            sought = strays.lost_of(self.business).aggregate(oldest=Min("sent_at"))["oldest"]
            first = min(one for one in (oldest, sought and sought - A_DAY, self.begun) if one)
            made = self.ours.count()
            newer = self.ours.filter(created_at__gte=first).count()
        return Outlook(reading.count, reading.newest_first, how_many, newer, made, is_sought)

    def _pages_left(self, outlook: Outlook) -> int:
        """Of the pass, if it goes to the list's end."""
        pages = pages_in_all(outlook)
        return MAX_PAGES if pages is None else max(pages, self.reading.page)

    def _read(self, number: int) -> bool:
        """Read a page and settle what it says; whether it is the last."""
        self.summary.still_here()
        asked_at = timezone.now()
        reading = self.reading
        try:
            page = self.client.invoice_page(number)
        except NotFound:
            if number == 1:
                raise
            # What stood there may be on a page by now that was read before.
            self._begin_anew(f"Rehive's list of invoices has no page {number} any more.")
        reading.count, reading.read_at = page.count, asked_at
        if page.is_last and page.count is None:
            reading.count = (number - 1) * PAGE_SIZE + len(page.invoices) + len(page.unreadable)
        self._take(page, asked_at)
        if number == reading.page:
            self._go_on(page, asked_at)
        reading.save()
        return page.is_last

    def _take(self, page: Page, asked_at: datetime) -> None:
        remotes = {remote.id: with_possible_time(remote, asked_at) for remote in page.invoices}
        found = self.ours.filter(remote_id__in=remotes).select_related("payment")
        ours = {str(invoice.remote_id): invoice for invoice in found}
        self.summary.asked += len(ours)
        strays.keep(self.business, [one for pk, one in remotes.items() if pk not in ours])
        changed = _with_news(ours, remotes)
        news = {invoice.pk for invoice in changed}
        hinted = Delivery.objects.filter(state=Delivery.State.NEW, remote_id__in=ours)
        waited_for = {
            *hinted.values_list("remote_id", flat=True),
            *(remote_id for remote_id, invoice in ours.items() if not invoice.payment.is_settled),
            *(remote_id for remote_id, one in ours.items() if one.state == Invoice.State.OPEN),
        }
        answered = {ours[remote_id].pk for remote_id in waited_for} - news
        Invoice.objects.filter(pk__in=answered).update(asked_at=asked_at)
        for invoice in changed:
            self._settle(invoice, Listed(remotes[str(invoice.remote_id)], asked_at))

    def _settle(self, invoice: Invoice, listed: Listed) -> None:
        if asks_for_refunds(invoice, listed.remote, bool(invoice.received)):
            self.paid[invoice.pk] = (invoice, listed)
            if len(self.paid) >= AT_ONCE:
                self._settle_paid()
        else:
            self._refresh(invoice, listed)

    def _refresh(self, invoice: Invoice, listed: Listed) -> None:
        was_paid = invoice.pk in self.known_paid or invoice.state == Invoice.State.PAID
        try:
            refresh(invoice, SOURCE, with_refunds=bool(invoice.received), listed=listed)
        except (Refused, NotFound, Unintelligible) as error:
            # One whose refunds cannot be had must not hide the others.
            self.summary.fails(f"invoice #{invoice}: {error}")
            Invoice.objects.filter(pk=invoice.pk).update(asked_at=listed.asked_at)
        except (RehiveError, ImproperlyConfigured):
            raise
        except Exception as error:
            # Nobody knows what a shop's own code raises; the orders behind this one must not wait (P7).
            logger.exception("Invoice #%s failed", invoice)
            self.summary.fails(f"invoice #{invoice}: {error}")
        if invoice.state == Invoice.State.PAID:
            self.known_paid.add(invoice.pk)
            self.summary.paid += not was_paid

    def _settle_paid(self) -> None:
        some, self.paid = list(self.paid.values()), {}
        told = self._refunds_of(some) if len(some) >= WORTH_A_LIST else {}
        for invoice, listed in some:
            refunds = told.get(listed.remote.id)
            self._refresh(invoice, Listed(listed.remote, listed.asked_at, refunds))

    def _refunds_of(
        self, some: list[tuple[Invoice, Listed]]
    ) -> dict[str, tuple[RemoteRefund, ...]]:
        """What Rehive's second list tells of their refunds, where it can be trusted and as long as it costs
        less than a question for each."""
        wanted = {listed.remote.id for _, listed in some}
        stamps = [listed.remote.created for _, listed in some if listed.remote.created]
        told: dict[str, tuple[RemoteRefund, ...]] = {}
        if not stamps or not is_open(self.business, timeouts=Timeouts()):
            return told
        words = ",".join(sorted(status.value for status in PAID))
        read, count = 0, None
        try:
            # Others' invoices may be among them: the first page tells how many there are.
            while not read or spares_questions(count, read, len(wanted) - len(told)):
                read += 1
                page = self.client.payment_request_page(
                    read, status__in=words, created__gte=str(min(stamps))
                )
                count = page.count if read == 1 else count
                for remote in page.invoices:
                    refunds = read_refunds_inside(remote)
                    if remote.id in wanted and refunds is not None:
                        told[remote.id] = refunds
                if page.is_last:
                    break
        except RehiveError:
            shut(self.business)
        return told

    # The pass

    def _go_on(self, page: Page, asked_at: datetime) -> None:
        """Note that the page on which the pass was to go on has been read."""
        reading = self.reading
        if reading.page == 1:
            reading.begun_at, reading.oldest = asked_at, None
            reading.in_order, reading.unread = True, []
            self.began_pass = True
        for remote in page.invoices:
            self._note_order(remote)
        if page.unreadable:
            for invoice in strays.lost_of(self.business):
                if page.may_hold(invoice.key.hex, invoice.payment.reference):
                    reading.unread.append(invoice.key.hex)
        reading.newest_first = reading.newest_first and reading.in_order
        if page.ends_early:
            self._begin_anew(
                f"Rehive's list of {page.count} invoices ends with page {reading.page}."
            )
        if page.is_last:
            reading.newest_first = reading.in_order
        if page.is_last or (reading.newest_first and self._is_too_old(asked_at)):
            self._end_pass()
            return
        reading.page += 1
        self.went_on += 1
        most = MAX_PAGES * PAGE_SIZE if reading.count is None else most_rows(reading.count)
        if (reading.page - 1) * PAGE_SIZE > most:
            reading.newest_first = False
            self._begin_anew(f"Rehive's list of invoices does not end after {most} rows.")

    def _begin_anew(self, why: str) -> NoReturn:
        """The pass proves nothing: a list that contradicts itself must not end what it does not show."""
        self.reading.page = 1
        self.reading.save()
        raise Unintelligible(why)

    def _note_order(self, remote: RemoteInvoice) -> None:
        reading = self.reading
        made = remote.created
        if made is None or (reading.oldest is not None and made > reading.oldest):
            reading.in_order = False
        if made is not None:
            reading.oldest = made if reading.oldest is None else min(made, reading.oldest)

    def _is_too_old(self, now: datetime) -> bool:
        """Whether nothing of interest lies behind what has been read of a list that is newest first."""
        lasting = Q(state=Invoice.State.OPEN) | Q(doubted_since__isnull=False)
        lost = strays.lost_of(self.business).aggregate(oldest=Min("sent_at"))["oldest"]
        oldest = self.ours.filter(lasting).aggregate(oldest=Min("created_at"))["oldest"]
        horizon = min(one for one in (now - INTEREST, lost, oldest) if one) - A_DAY
        read_back_to = self.reading.oldest
        return read_back_to is not None and read_back_to < horizon.timestamp() * 1000

    def _end_pass(self) -> None:
        reading = self.reading
        if reading.begun_at is not None and not is_to_come(reading.begun_at, timezone.now()):
            # An earlier run may have been another machine's, and others have noted when they sent.
            before = reading.begun_at - (timedelta(0) if self.began_pass else SKEW)
            strays.end_lost(self.business, before=before, unread=reading.unread)
        reading.page, reading.begun_at = 1, None
        self.pass_ended = True


def _differs(invoice: Invoice, remote: RemoteInvoice) -> bool:
    """Whether ``remote`` may say something new. A part of the money that was refunded in Rehive's own app
    shows in the time of change alone."""
    if invoice.doubted_since is not None or digest(remote) != invoice.told:
        return True
    return bool(invoice.received) and remote.updated != invoice.remote_updated


def _with_news(ours: dict[str, Invoice], remotes: dict[str, RemoteInvoice]) -> list[Invoice]:
    """Those of ``ours`` (by Rehive's ids, as ``remotes``) about which there is something to settle, the
    oldest first.

    Also where Rehive says nothing new: another source may have paid a part meanwhile. So it is decided as
    always, for all of them in a few statements, and nothing of that carried out.
    """
    out_of_reach = Attention.objects.filter(
        invoice__in=[one.pk for one in ours.values()], kind__in=ANSWERED, resolved_at=None
    )
    is_back = set(out_of_reach.values_list("invoice_id", flat=True))
    cases = cases_of([invoice.payment for invoice in ours.values()]) if ours else {}
    changed = []
    for remote_id, invoice in sorted(ours.items(), key=lambda one: one[1].pk):
        remote = remotes[remote_id]
        plan = Plan(cases[invoice.payment_id], SOURCE)
        news = News(invoice.pk, remote, plan.invoice(invoice.pk).version)
        if not _differs(invoice, remote) and invoice.pk not in is_back:
            settle_news(plan, news)
            if changes_nothing(plan):
                continue
        changed.append(invoice)
    return changed

"""Attempts whose answer never came, or not every one: looked for in Rehive's lists (P5)."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from oscar_rehive import conf
from oscar_rehive.logs import Log
from oscar_rehive.models import Attention, Entry, Invoice
from oscar_rehive.payments.adopting import NotOpened, adopt, adopt_twin
from oscar_rehive.payments.carrying_out import change
from oscar_rehive.payments.clocks import SKEW
from oscar_rehive.payments.opening import LEASE, give_up, matching, shown_for
from oscar_rehive.payments.plans import Plan
from oscar_rehive.rehive.client import Timeouts
from oscar_rehive.rehive.exceptions import NotFound, Refused, RehiveError, Unintelligible
from oscar_rehive.rehive.wire import RemoteInvoice

logger = Log(__name__)

STRAYS_FOR = timedelta(hours=48)
STRAYS_EVERY = timedelta(minutes=30)
"""How long, and how often, an attempt that Rehive did not know is still looked for: a create that was
abandoned can land after its retry."""

MOST_BY_REFERENCE = 20
"""In one run; the others are found in the list."""

SOURCE = Entry.Source.RECONCILE


def lost_of(business: conf.BusinessConfig) -> QuerySet[Invoice]:
    """The attempts at ``business`` that are to be looked for now."""
    now = timezone.now()
    return Invoice.objects.filter(
        _free(),
        # Now and then only, for it takes the whole list; and a last time after STRAYS_FOR, however
        # long no run came before (found by tests/model).
        Q(looked_at=None)
        | Q(looked_at__gt=now + SKEW)  # by a clock that was wrong
        | Q(looked_at__lte=now - STRAYS_EVERY) & Q(looked_at__lt=F("sent_at") + STRAYS_FOR),
        business_id=business.business_id,
        may_exist=True,
    ).select_related("payment")


def sought_at(business: conf.BusinessConfig) -> QuerySet[Invoice]:
    """Those of them that are worth some calls more. Of one that nobody can read a person has heard, and it
    waits for that person; the list is read all the same, as fast as for all others."""
    told = Attention.objects.filter(
        invoice=OuterRef("pk"), kind=Attention.Kind.UNREADABLE, resolved_at=None
    )
    return lost_of(business).exclude(Exists(told))


def find_by_reference(business: conf.BusinessConfig) -> None:
    """Look for those that were never answered in Rehive's second list, where that can be trusted: one call
    for each, however long the other list is."""
    never_answered = sought_at(business).filter(remote_id=None, looked_at=None)
    for invoice in never_answered.order_by("pk")[:MOST_BY_REFERENCE]:
        # One that only this list shows must not keep all others from being read (P7).
        with contextlib.suppress(NotFound, Refused, Unintelligible):
            for remote in shown_for(invoice, business, timeouts=Timeouts()):
                _keep(invoice, remote)


def keep(business: conf.BusinessConfig, strange: Sequence[RemoteInvoice]) -> None:
    """Keep those of ``strange`` (invoices of the business under ids that we do not know) that were made for
    an attempt of ours."""
    keys = {key for key in map(matching, strange) if _is_key(key)}
    lost = Invoice.objects.filter(
        _free(), business_id=business.business_id, may_exist=True, key__in=keys
    )
    attempts = {one.key.hex: one for one in lost.select_related("payment")}
    for remote in strange:
        if matching(remote) in attempts:
            _keep(attempts[matching(remote)], remote)


def _free() -> Q:
    """Those that nobody is opening at this moment."""
    now = timezone.now()
    longest = now + LEASE + SKEW
    return ~Q(lease_ends_at__gt=now, lease_ends_at__lte=longest)


def _is_key(text: str) -> bool:
    return len(text) == 32 and all(letter in "0123456789abcdef" for letter in text)


def _keep(invoice: Invoice, remote: RemoteInvoice) -> None:
    """Take ``remote`` for the attempt's, or for a twin of it. It is asked about in its turn where that goes
    wrong behind it: the others on its page must not wait for it (P7)."""
    try:
        if invoice.remote_id is None:
            adopt(invoice, remote, SOURCE)
        elif not Invoice.objects.filter(remote_id=remote.id).exists():
            adopt_twin(invoice, remote, SOURCE)
    except NotOpened:
        pass  # attention has been raised
    except (NotFound, Refused, Unintelligible) as error:
        logger.warning("Invoice #%s: %s", invoice, error)
    except (RehiveError, ImproperlyConfigured):
        raise
    except Exception:
        # Nobody knows what a shop's own code raises.
        logger.exception("Invoice #%s failed", invoice)


def end_lost(business: conf.BusinessConfig, *, before: datetime, unread: Collection[str]) -> None:
    """The whole list has been read since ``before`` (UTC): what was sent by then and has not been met is not
    there. A person is told of those whose keys are among ``unread``: of them nobody can tell."""
    for invoice in lost_of(business).filter(sent_at__lt=before):
        if invoice.key.hex in unread:
            if invoice.remote_id is None:
                _note_unreadable(invoice)
                continue
        elif invoice.remote_id is None:
            give_up(invoice, SOURCE)
        Invoice.objects.filter(pk=invoice.pk).update(looked_at=timezone.now())


def _note_unreadable(invoice: Invoice) -> None:
    def decide(plan: Plan) -> None:
        plan.attend(
            Attention.Kind.UNREADABLE,
            f"Nobody can tell whether invoice {invoice} was made: a row of Rehive's list, which cannot be"
            " read, carries its key or its order's number.",
            invoice=plan.invoice(invoice.pk),
            subject=f"{invoice.attempt}: {invoice.version}",
            ways_out="Look for it in Rehive's app. If it is not there, or was not paid and cannot be,"
            " take it for gone: then nothing waits for it any more.",
        )

    change(invoice.order_number, SOURCE, decide)

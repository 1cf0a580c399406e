"""Attempts whose answer never came, or not every one: looked for in Rehive's whole list (P5)."""

from __future__ import annotations

import contextlib
from datetime import timedelta

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from oscar_rehive import conf
from oscar_rehive.models import Attention, Entry, Invoice
from oscar_rehive.payments.adopting import NotOpened, adopt, adopt_twin
from oscar_rehive.payments.carrying_out import change
from oscar_rehive.payments.gateway import client_for
from oscar_rehive.payments.opening import give_up, matching
from oscar_rehive.payments.plans import Plan
from oscar_rehive.rehive.exceptions import NotAllReadable
from oscar_rehive.rehive.wire import RemoteInvoice

STRAYS_FOR = timedelta(hours=48)
STRAYS_EVERY = timedelta(minutes=30)
"""How long, and how often, an attempt that Rehive did not know is still looked for: a create that was
abandoned can land after its retry."""


def lost_of(business: conf.BusinessConfig) -> QuerySet[Invoice]:
    """The attempts at ``business`` that are to be looked for now."""
    now = timezone.now()
    return Invoice.objects.filter(
        Q(lease_ends_at=None) | Q(lease_ends_at__lte=now),
        # Now and then only, for it takes the whole list; and a last time after STRAYS_FOR, however
        # long no run came before (found by tests/model).
        Q(looked_at=None)
        | Q(looked_at__lte=now - STRAYS_EVERY) & Q(looked_at__lt=F("sent_at") + STRAYS_FOR),
        business_id=business.business_id,
        may_exist=True,
    ).select_related("payment")


def find_all(business: conf.BusinessConfig) -> None:
    """Look for all of them in one go through the business's invoices. A person is told where the list
    cannot be read as far as that takes."""
    lost = {invoice.key.hex: invoice for invoice in lost_of(business)}
    sought = [*lost, *(invoice.payment.reference for invoice in lost.values())]
    try:
        for remote in client_for(business).invoices(sought=sought):
            invoice = lost.get(matching(remote))
            if invoice is not None and remote.id != invoice.remote_id:
                with contextlib.suppress(NotOpened):  # attention has been raised
                    _keep(invoice, remote)
    except NotAllReadable as error:
        for invoice in lost.values():
            if invoice.remote_id is None:
                _note_unreadable(invoice, error)
        raise
    for invoice in lost.values():
        if invoice.remote_id is None:
            give_up(invoice, Entry.Source.RECONCILE)
        Invoice.objects.filter(pk=invoice.pk).update(looked_at=timezone.now())


def _keep(invoice: Invoice, remote: RemoteInvoice) -> None:
    if invoice.remote_id is None:
        adopt(invoice, remote, Entry.Source.RECONCILE)
    elif not Invoice.objects.filter(remote_id=remote.id).exists():
        adopt_twin(invoice, remote, Entry.Source.RECONCILE)


def _note_unreadable(invoice: Invoice, error: NotAllReadable) -> None:
    def decide(plan: Plan) -> None:
        plan.attend(
            Attention.Kind.UNREADABLE,
            f"Nobody can tell whether invoice {invoice} was made: {error}",
            invoice=plan.invoice(invoice.pk),
            subject=f"{invoice.attempt}: {invoice.version}",
            ways_out="Look for it in Rehive's app. If it is not there, or was not paid and cannot be,"
            " take it for gone: then nothing waits for it any more.",
        )

    change(invoice.order_number, Entry.Source.RECONCILE, decide)

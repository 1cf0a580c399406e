"""Attempts whose answer never came, or not every one: looked for in Rehive's whole list (P5)."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from oscar_rehive import conf
from oscar_rehive.models import Entry, Invoice
from oscar_rehive.payments.adopting import adopt, adopt_twin
from oscar_rehive.payments.gateway import client_for
from oscar_rehive.payments.opening import give_up, matching

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
    """Look for all of them in one go through the business's invoices."""
    lost = {invoice.key.hex: invoice for invoice in lost_of(business)}
    sought = [*lost, *(invoice.payment.reference for invoice in lost.values())]
    for remote in client_for(business).invoices(sought=sought):
        invoice = lost.get(matching(remote))
        if invoice is None or Invoice.objects.filter(remote_id=remote.id).exists():
            continue
        if invoice.remote_id is None:
            adopt(invoice, remote, Entry.Source.RECONCILE)
        else:
            adopt_twin(invoice, remote, Entry.Source.RECONCILE)
    for invoice in lost.values():
        if invoice.remote_id is None:
            give_up(invoice, Entry.Source.RECONCILE)
        Invoice.objects.filter(pk=invoice.pk).update(looked_at=timezone.now())

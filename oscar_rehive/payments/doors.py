"""The short way to an invoice whose create was not answered: Rehive's second list, which has filters.

Whether a token sees its invoices there, and whether filters are obeyed, is not documented
(rehive-api.md, "Payment requests"). So the door is trusted only after a control with an invoice that
we know, and for a while; behind it presence proves, and absence proves nothing.
"""

from __future__ import annotations

import uuid
from hashlib import sha256
from itertools import islice

from oscar_rehive import conf
from oscar_rehive.models import Invoice
from oscar_rehive.payments.gateway import client_for
from oscar_rehive.rehive.client import Client, Timeouts
from oscar_rehive.rehive.exceptions import RehiveError
from oscar_rehive.rehive.wire import RemoteInvoice
from oscar_rehive.remembering import remember, remembered

OPEN_SECONDS = 3600
SHUT_SECONDS = 600

MOST = 250
"""One page, and more than any order has: a list that is not filtered (any more) must not be read to
its end while a shopper waits."""


def find_by_reference(
    business: conf.BusinessConfig, reference: str, *, timeouts: Timeouts
) -> list[RemoteInvoice] | None:
    """The invoices with that ``request_reference`` that the second door shows, or None where it cannot
    be trusted: then only the business's whole list tells.

    An empty list proves nothing: look in the whole list before anything is sent again or given up.
    What is found is not yet ours, for a staging shop may count through the same numbers: match it by
    the attempt's key. One call, and three more where the door was not tried within the hour; each
    takes as long as ``timeouts`` let it. Raises ``RuntimeError`` inside a transaction (P8), and no
    ``RehiveError``: the other way remains.
    """
    if not is_open(business, timeouts=timeouts):
        return None
    try:
        shown = list(_first(client_for(business), MOST, timeouts, request_reference=reference))
    except RehiveError:
        shut(business)
        return None
    found = [remote for remote in shown if remote.reference == reference]
    if len(found) == len(shown):
        return found
    # Not filtered any more. What is there is there; that nothing is there would mean nothing at all.
    shut(business)
    return found or None


def is_open(business: conf.BusinessConfig, *, timeouts: Timeouts) -> bool:
    """Whether the second door of ``business`` can be trusted: three calls where that was not tried within
    the hour. Raises ``RuntimeError`` inside a transaction (P8)."""
    client = client_for(business)
    key = _cache_key(business)
    known = remembered(key)
    if known is not None:
        return bool(known)
    invoice = _known_invoice(business)
    if invoice is None:
        return False
    try:
        passed = _passes_control(client, invoice, timeouts)
    except RehiveError:
        passed = False
    remember(key, passed, OPEN_SECONDS if passed else SHUT_SECONDS)
    return passed


def shut(business: conf.BusinessConfig) -> None:
    """Trust the second door no more, for a while."""
    remember(_cache_key(business), False, SHUT_SECONDS)


def _known_invoice(business: conf.BusinessConfig) -> Invoice | None:
    """The newest invoice that ``business`` has made for us."""
    made = Invoice.objects.filter(business_id=business.business_id).exclude(remote_id=None)
    return made.select_related("payment").order_by("-pk").first()


def _passes_control(client: Client, known: Invoice, timeouts: Timeouts) -> bool:
    """Whether each filter shows ``known`` where it must, and nothing where it must not."""
    reference = known.payment.reference
    nowhere = f"{reference}-{uuid.uuid4()}"
    by_id = [remote.id for remote in _first(client, 2, timeouts, id=known.remote_id or "")]
    if by_id != [known.remote_id]:
        return False
    same = list(_first(client, MOST, timeouts, request_reference=reference))
    return (
        known.remote_id in [remote.id for remote in same]
        and all(remote.reference == reference for remote in same)
        and not list(_first(client, 1, timeouts, request_reference=nowhere))
    )


def _first(client: Client, most: int, timeouts: Timeouts, **filters: str) -> islice[RemoteInvoice]:
    return islice(client.payment_requests(timeouts=timeouts, **filters), most)


def _cache_key(business: conf.BusinessConfig) -> str:
    """Of what is no secret; as a digest, for not every cache takes an address for a key."""
    where = f"{business.payment_requests_url} {business.api_url} {business.business_id}"
    return f"oscar_rehive:door:{sha256(where.encode()).hexdigest()}"

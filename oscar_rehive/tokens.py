"""Signed tokens for addresses that work in any browser: a wallet app returns the shopper in its own,
without the session of the one that placed the order (peer bug 16).

A token is safe in a path, so that the return address is free of ``?``, ``&`` and ``#``, which Rehive
pastes unencoded into its own address (rehive-api.md, "Invoices").
"""

from __future__ import annotations

from django.core import signing
from django.core.signing import BadSignature, Signer, TimestampSigner

_PAYMENT_SALT = "oscar_rehive.payment"
_PLACED_SALT = "oscar_rehive.placed"
_PROBE_SALT = "oscar_rehive.probe"

PLACING_SECONDS = 600
"""How long a page waits for an order that is being placed; after that it was not."""

PROBE_HEADER = "X-Oscar-Rehive-Probe"
PROBE_SECONDS = 60


def payment_token(number: str) -> str:
    """The token that opens the pages of order ``number``'s payment."""
    return Signer(salt=_PAYMENT_SALT).sign_object(number)


def read_payment_token(token: str) -> str | None:
    """The order number in a token of ``payment_token``, or None for anything else."""
    return _read(token, _PAYMENT_SALT)


def placed_token(basket_id: int) -> str:
    """The token with which the browser that is ordering the basket ``basket_id`` waits for its
    order, for ``PLACING_SECONDS``."""
    return signing.dumps(basket_id, salt=_PLACED_SALT)


def read_placed_token(token: str) -> int | None:
    """The basket's id in a token of ``placed_token``, or None for anything else or older."""
    try:
        basket_id = signing.loads(token, salt=_PLACED_SALT, max_age=PLACING_SECONDS)
    except (BadSignature, ValueError):
        return None
    return basket_id if isinstance(basket_id, int) else None


def probe_token() -> str:
    """The token with which ``rehive_check`` calls on the webhook without being counted among those
    that were refused."""
    return TimestampSigner(salt=_PROBE_SALT).sign("probe")


def is_probe(token: str) -> bool:
    """Whether ``token`` is one of ``probe_token``, made a moment ago."""
    try:
        TimestampSigner(salt=_PROBE_SALT).unsign(token, max_age=PROBE_SECONDS)
    except BadSignature:
        return False
    return True


def _read(token: str, salt: str) -> str | None:
    try:
        number = Signer(salt=salt).unsign_object(token)
    except (BadSignature, ValueError):
        return None
    return number if isinstance(number, str) else None

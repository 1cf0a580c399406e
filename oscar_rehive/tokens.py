"""Signed tokens for addresses that work in any browser: a wallet app returns the shopper in its own,
without the session of the one that placed the order (peer bug 16).

A token is safe in a path, so that the return address is free of ``?``, ``&`` and ``#``, which Rehive
pastes unencoded into its own address (rehive-api.md, "Invoices").
"""

from __future__ import annotations

from django.core.signing import BadSignature, Signer

_PAYMENT_SALT = "oscar_rehive.payment"
_PLACED_SALT = "oscar_rehive.placed"


def payment_token(number: str) -> str:
    """The token that opens the pages of order ``number``'s payment."""
    return Signer(salt=_PAYMENT_SALT).sign_object(number)


def read_payment_token(token: str) -> str | None:
    """The order number in a token of ``payment_token``, or None for anything else."""
    return _read(token, _PAYMENT_SALT)


def placed_token(number: str) -> str:
    """The token with which the browser that is placing order ``number`` waits for it."""
    return Signer(salt=_PLACED_SALT).sign_object(number)


def read_placed_token(token: str) -> str | None:
    """The order number in a token of ``placed_token``, or None for anything else."""
    return _read(token, _PLACED_SALT)


def _read(token: str, salt: str) -> str | None:
    try:
        number = Signer(salt=salt).unsign_object(token)
    except (BadSignature, ValueError):
        return None
    return number if isinstance(number, str) else None

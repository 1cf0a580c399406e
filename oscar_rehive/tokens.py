"""Signed tokens for addresses that work in any browser: a wallet app returns the shopper in its own,
without the session of the one that placed the order (peer bug 16).

A payment's token names the payment and not just the order's number: a shop can delete an order and give
its number to another, which the old address must neither show nor cancel.

A token is safe in a path, so that the return address is free of ``?``, ``&`` and ``#``, which Rehive
pastes unencoded into its own address (rehive-api.md, "Invoices").
"""

from __future__ import annotations

from django.core import signing
from django.core.signing import BadSignature, Signer, TimestampSigner
from django.views.decorators.debug import sensitive_variables

from oscar_rehive.models import OrderPayment
from oscar_rehive.rehive.hiding import Secret

_PAYMENT_SALT = "oscar_rehive.payment"
_PLACED_SALT = "oscar_rehive.placed"
_PROBE_SALT = "oscar_rehive.probe"
_PROOF_SALT = "oscar_rehive.proof"

PLACING_SECONDS = 600
"""How long a page waits for an order that is being placed; after that it was not."""

PROBE_HEADER = "X-Oscar-Rehive-Probe"
"""Of a request that only looks whether the webhook is there, and of the answer to it: the proof."""
ARRIVED_HEADER = "X-Oscar-Rehive-Authorization"
"""Whether a probe's Authorization header has come through: some proxies keep it for themselves."""

PROBE_SECONDS = 60


def payment_token(number: str) -> str:
    """The token that opens the pages of order ``number``'s payment. Raises ``LookupError`` where that
    order is not to be paid through Rehive."""
    payment = OrderPayment.objects.filter(order_number=number).first()
    if payment is None:
        raise LookupError(f"Order {number} is not to be paid through Rehive.")
    return token_of(payment)


def token_of(payment: OrderPayment) -> str:
    """The token that opens the pages of ``payment``, and of no other payment of the same number."""
    # The reference as well: after the database was made anew, the next payment gets the same key.
    return Signer(salt=_PAYMENT_SALT).sign_object([payment.pk, payment.reference])


def read_payment_token(token: str) -> str | None:
    """The order number that the token's payment has now, or None for anything else.

    Of a payment whose order was deleted, and whose number is another order's now, it is a number that
    no order has. One SELECT.
    """
    try:
        signed = Signer(salt=_PAYMENT_SALT).unsign_object(token)
    except (BadSignature, ValueError):
        return None
    if isinstance(signed, list) and len(signed) == 2:
        payments = OrderPayment.objects.filter(pk=signed[0], reference=signed[1])
    elif isinstance(signed, str):
        # Made before tokens named the payment: good as long as there is only one it can mean.
        payments = OrderPayment.objects.filter(reference=signed)
    else:
        return None
    numbers = payments.order_by().values_list("order_number", flat=True)[:2]
    return numbers[0] if len(numbers) == 1 else None


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


@sensitive_variables()
def probe_token() -> str:
    """The token with which ``rehive_check`` calls on the webhook without being counted among those
    that were refused."""
    return TimestampSigner(salt=_PROBE_SALT).sign("probe")


@sensitive_variables()
def is_probe(token: str) -> bool:
    """Whether ``token`` is one of ``probe_token``, made a moment ago."""
    token = Secret(token)
    try:
        TimestampSigner(salt=_PROBE_SALT).unsign(token, max_age=PROBE_SECONDS)
    except BadSignature:
        return False
    return True


@sensitive_variables()
def proof_of(token: str) -> str:
    """What only this shop can answer to the probe ``token``: before it is seen, the webhook's secret is not sent
    to whoever answers at the shop's address."""
    return Signer(salt=_PROOF_SALT).signature(Secret(token))

"""Authenticating and reading webhook deliveries (rehive-api.md, "Webhooks").

A delivery is a hint that something changed. Nothing in it proves anything: the body is not signed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from oscar_rehive.rehive.exceptions import clean
from oscar_rehive.rehive.hiding import Secret
from oscar_rehive.rehive.wire import PLAUSIBLE_ID

SCHEME = "secret "


class UnusableDelivery(ValueError):
    """A delivery that cannot be acted on; the message says why."""


@dataclass(frozen=True)
class Hint:
    """What a delivery points at. ``event_id`` and ``reference`` are empty where not sent."""

    invoice_id: str
    reference: str
    status: str
    event_id: str


def authenticate(header: str, secrets: Iterable[str]) -> bool:
    """Whether an ``Authorization`` header carries one of ``secrets``.

    An empty secret matches nothing: comparable plugins took it for "accept everything".
    """
    # Neither may be shown by whatever prints the variables of a frame (P9).
    header = Secret(header)
    if isinstance(secrets, str):
        secrets = Secret(secrets)
        raise TypeError("A single secret goes into a list, or each of its characters is one.")
    secrets = [Secret(secret) for secret in secrets]
    # WSGI hands headers over as latin-1; comparing bytes keeps other alphabets from raising. They
    # are stripped as bytes, for half of a letter such as "à" is a space in latin-1; the secrets
    # are stripped because no header ends in white space.
    given = _digest(header[len(SCHEME) :].encode("latin-1", "backslashreplace"))
    known = [_digest(one.encode("utf-8", "surrogatepass")) for one in secrets if one.strip()]
    matches = [hmac.compare_digest(given, one) for one in known]
    return header[: len(SCHEME)].lower() == SCHEME and any(matches)


def _digest(secret: bytes) -> bytes:
    return hashlib.sha256(secret.strip()).digest()


def load(body: bytes) -> Any:
    """Parse the body of a delivery; raise ``UnusableDelivery`` for whatever is not JSON."""
    payload, fault = _parse(body)
    if fault:  # raised here, where it does not lead to the parser's error, which holds the body
        raise UnusableDelivery(fault)
    return payload


def _parse(body: bytes) -> tuple[Any, str]:
    try:
        return json.loads(body), ""
    except RecursionError:
        return None, "The body is nested too deeply to be an invoice."
    except ValueError as error:
        return None, clean(f"The body is not JSON: {error}")


def read(payload: Any) -> Hint:
    """Find the invoice that a delivery's payload is about.

    Both the guide's ``{"data": {...}}`` and the platform's form with ``id`` and ``event`` are
    taken. Raises ``UnusableDelivery`` when no invoice is named.
    """
    if not isinstance(payload, Mapping):
        raise UnusableDelivery("The body is not a JSON object.")
    data = payload.get("data")
    if not isinstance(data, Mapping):
        raise UnusableDelivery('The body has no object under "data".')
    invoice_id = data.get("id")
    # Looking up an id of None once matched somebody else's invoice: insist on a plausible one.
    if not isinstance(invoice_id, str) or not PLAUSIBLE_ID.fullmatch(invoice_id):
        raise UnusableDelivery("The body does not name an invoice's id.")
    return Hint(
        invoice_id=invoice_id,
        reference=_text(data.get("request_reference")),
        status=_text(data.get("status")),
        event_id=_text(payload.get("id")),
    )


def _text(value: Any) -> str:
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""

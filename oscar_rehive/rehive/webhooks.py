"""Authenticating and reading webhook deliveries (rehive-api.md, "Webhooks").

A delivery is a hint that something changed. Nothing in it proves anything: the body is not signed.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from oscar_rehive.rehive.wire import PLAUSIBLE_ID


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
    if isinstance(secrets, str):
        raise TypeError("A single secret goes into a list, or each of its characters is one.")
    scheme, _, given = header.partition(" ")
    # WSGI hands headers over as latin-1; comparing bytes keeps other alphabets from raising. They
    # are stripped as bytes, for half of a letter such as "à" is a space in latin-1; the secrets
    # are stripped because no header ends in white space.
    candidate = given.encode("latin-1", "backslashreplace").strip()
    matches = [
        hmac.compare_digest(candidate, secret.encode("utf-8", "surrogatepass").strip())
        for secret in secrets
        if secret.strip()
    ]
    return scheme.lower() == "secret" and any(matches)


def load(body: bytes) -> Any:
    """Parse the body of a delivery; raise ``UnusableDelivery`` for whatever is not JSON."""
    try:
        return json.loads(body)
    except RecursionError:
        raise UnusableDelivery("The body is nested too deeply to be an invoice.") from None
    except ValueError as error:
        raise UnusableDelivery(f"The body is not JSON: {error}") from None


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

"""What may be written to the API: types, lengths, and the rules of metadata.

Each ``clean_…`` function takes the parsed body and returns the known fields, or raises a 400 with
a message for every wrong field. Unknown and read-only fields are passed over, as Rehive does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from .errors import RehiveError, invalid
from .money import MAX_DIGITS

Json = dict[str, Any]
Check = Callable[[Any], Any]

MAX_METADATA_BYTES = 104_857
MAX_PAGE_SIZE = 250
DEFAULT_PAGE_SIZE = 15

WEBHOOK_EVENTS = tuple(
    f"service_payment_requests.{name}"
    for name in (
        "request.create",
        "request.update",
        "quote.create",
        "otp.create",
        "payer_reminder",
        "payer_requested",
    )
)

_METADATA_KEY = re.compile(r"[A-Za-z0-9]+(_[A-Za-z0-9]+)*")
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f]")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_YEAR_9999 = 253_402_300_799_999


class WrongValueError(ValueError):
    """What is wrong with the value of one field."""


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise WrongValueError("Not a valid string.")
    if "\x00" in value or any("\ud800" <= char <= "\udfff" for char in value):
        raise WrongValueError("Null and surrogate characters are not allowed.")
    return value


def _text(longest: int) -> Check:
    def check(value: Any) -> str:
        text = _string(value)
        if len(text) > longest:
            raise WrongValueError(f"Ensure this field has no more than {longest} characters.")
        return text

    return check


def _integer(least: int, most: int) -> Check:
    def check(value: Any) -> int:
        # bool is an int to Python, and 10.0 equals 10: neither is an integer in JSON's sense here.
        if not isinstance(value, int) or isinstance(value, bool):
            raise WrongValueError("A valid integer is required.")
        if value < least:
            raise WrongValueError(f"Ensure this value is greater than or equal to {least}.")
        if value > most:
            raise WrongValueError(f"Ensure this value is less than or equal to {most}.")
        return value

    return check


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise WrongValueError("Must be a valid boolean.")
    return value


def _choice(*choices: str) -> Check:
    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            raise WrongValueError(f"{json.dumps(value)} is not a valid choice.")
        return value

    return check


def _email(value: Any) -> str:
    text = _string(value)
    if len(text) > 254 or not _EMAIL.fullmatch(text):
        raise WrongValueError("Enter a valid email address.")
    return text


def _url(value: Any) -> str:
    text = _string(value)
    if not is_web_address(text):
        raise WrongValueError("Enter a valid URL.")
    return text


def is_web_address(text: str) -> bool:
    """Whether this is an absolute http(s) address, with nothing in it that breaks a header."""
    if len(text) > 2048 or _UNPRINTABLE.search(text):
        return False
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises for a port that is none
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _nullable(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


def _metadata(nulls_allowed: bool) -> Check:
    def walk(value: Any) -> None:
        if isinstance(value, str):
            _string(value)
        elif isinstance(value, list):
            for item in value:
                walk(item)
        elif isinstance(value, dict):
            for key, item in value.items():
                if not _METADATA_KEY.fullmatch(key):
                    raise WrongValueError(
                        f"Key {json.dumps(key)}: use letters, digits and single underscores only."
                    )
                if item is None and not nulls_allowed:
                    raise WrongValueError(f"Key {json.dumps(key)}: the value may not be null.")
                walk(item)

    def check(value: Any) -> Json:
        if not isinstance(value, dict):
            raise WrongValueError("Must be a valid JSON object.")
        walk(value)
        check_metadata_size(value)
        return value

    return check


def check_metadata_size(metadata: Mapping[str, Any]) -> None:
    """Raise ``WrongValueError`` for metadata of more than ``MAX_METADATA_BYTES`` bytes of JSON."""
    size = len(json.dumps(metadata, separators=(",", ":"), ensure_ascii=False).encode())
    if size > MAX_METADATA_BYTES:
        raise WrongValueError(
            f"Ensure metadata is at most {MAX_METADATA_BYTES} bytes; it has {size}."
        )


_units = _integer(0, 10**MAX_DIGITS - 1)
_time = _nullable(_integer(0, _YEAR_9999))

_INVOICE: dict[str, Check] = {
    "request_reference": _nullable(_text(255)),
    "request_amount": _units,
    "description": _nullable(_text(255)),
    "return_url": _nullable(_url),
    "payer_email": _nullable(_email),
    "payer_mobile_number": _nullable(_text(255)),
    "expiration_date": _time,
    "due_date": _time,
    "send_request_on": _time,
    "send_reminders": _boolean,
}
_CREATE = _INVOICE | {
    "status": _choice("draft", "initiated"),
    "metadata": _nullable(_metadata(nulls_allowed=False)),
}
_UPDATE = _INVOICE | {
    "status": _choice("initiated", "cancelled"),
    "metadata": _nullable(_metadata(nulls_allowed=True)),
}
_REFUND: dict[str, Check] = {
    "amount": _integer(1, 10**MAX_DIGITS - 1),
    "currency": _text(30),
    "type": _choice("native"),
    "reason": _text(255),
}
_WEBHOOK: dict[str, Check] = {
    "url": _url,
    "secret": _nullable(_text(255)),
    "event": _choice(*WEBHOOK_EVENTS),
}


def _clean(body: Any, checks: Mapping[str, Check], required: Collection[str] = ()) -> Json:
    if not isinstance(body, dict):
        raise RehiveError(400, f"Invalid data. Expected an object, got {type(body).__name__}.")
    cleaned: Json = {}
    errors: dict[str, list[str]] = {}
    for name, check in checks.items():
        if name not in body:
            if name in required:
                errors[name] = ["This field is required."]
            continue
        try:
            cleaned[name] = check(body[name])
        except WrongValueError as error:
            errors[name] = [str(error)]
    if errors:
        raise invalid(errors)
    return cleaned


def clean_new_invoice(body: Any) -> Json:
    """The fields of a new invoice; ``request_amount`` and ``status`` are required."""
    return _clean(body, _CREATE, ("request_amount", "status"))


def clean_invoice_changes(body: Any) -> Json:
    """The fields of a ``PATCH`` of an invoice."""
    return _clean(body, _UPDATE)


def clean_refund(body: Any) -> Json:
    """The fields of a new refund."""
    return _clean(body, _REFUND, ("amount", "currency", "type"))


def clean_webhook(body: Any, *, partial: bool) -> Json:
    """The fields of a webhook; with ``partial`` none is required."""
    return _clean(body, _WEBHOOK, () if partial else ("url", "event"))


def merge(old: Json | None, changes: Json) -> Json:
    """JSON Merge Patch (RFC 7396): null takes a key away, objects merge, the rest replaces."""
    merged = dict(old or {})
    for key, value in changes.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            before = merged.get(key)
            merged[key] = merge(before if isinstance(before, dict) else None, value)
        else:
            merged[key] = value
    return merged


def page_numbers(page: str | None, page_size: str | None) -> tuple[int, int]:
    """Page and page size from their query parameters.

    A size that is too large becomes the largest, and one that is no number the default: that is
    how Django REST framework, which Rehive runs on, reads them. A bad page is a 404.
    """
    size = DEFAULT_PAGE_SIZE
    if page_size is not None and page_size.isdecimal() and 0 < len(page_size) < 10:
        size = min(int(page_size), MAX_PAGE_SIZE) or DEFAULT_PAGE_SIZE
    if page is None:
        return 1, size
    if not page.isdecimal() or len(page) > 9 or int(page) < 1:
        raise RehiveError(404, "Invalid page.")
    return int(page), size

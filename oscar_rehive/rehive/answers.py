"""What an answer means: its JSON, or the one error that it stands for (rehive-api.md, "Conventions")."""

from __future__ import annotations

import email.utils
import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from oscar_rehive.rehive.exceptions import (
    NotFound,
    Refused,
    RehiveError,
    Throttled,
    TooLarge,
    Unauthorised,
    Unintelligible,
    Unreachable,
)
from oscar_rehive.rehive.hiding import Secret

MAX_WAIT_SECONDS = 3600
DEFAULT_WAIT_SECONDS = 10

MAX_DEPTH = 64
"""Rehive's own answers are less than ten deep; whoever walks through one must not run out of stack."""

REMOVED = "[removed]"


@dataclass(frozen=True)
class Answer:
    """What came back, whoever sent it."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class NoAnswer:
    """``fault`` is a word for it. ``was_never_sent``: not a byte of the request has left. ``was_rushed``: it
    had less than the usual time."""

    fault: str
    was_never_sent: bool = False
    was_rushed: bool = False
    is_too_large: bool = False


def interpret(outcome: Answer | NoAnswer, secrets: Iterable[str]) -> Any:
    """The JSON of an answer without ``secrets``, or the ``RehiveError`` that it stands for.

    The error is returned and not raised, so that no frame of it leads to the answer: one may quote what
    was sent (P9).
    """
    if isinstance(outcome, NoAnswer):
        return _no_answer(outcome)
    payload = _read(outcome.body, [secret for secret in secrets if secret])
    status = outcome.status
    if status == 204 or (200 <= status < 300 and payload is not None and not _is_error(payload)):
        return payload
    return _error(status, payload, outcome.headers.get("Retry-After", ""))


def unwrap(payload: Any) -> Any:
    """Take off the envelope, where there is one: the merchant guide prints bare objects."""
    if isinstance(payload, Mapping) and payload.get("status") == "success" and "data" in payload:
        return payload["data"]
    return payload


def _no_answer(outcome: NoAnswer) -> RehiveError:
    if outcome.is_too_large:
        return TooLarge("Rehive sent an answer that is too large to be one of its own.")
    if outcome.was_never_sent:
        return Unreachable(
            f"Rehive cannot be reached ({outcome.fault}); check API_URL,"
            " PAYMENT_REQUESTS_URL and the shop's way out to the internet.",
            may_have_happened=False,
            was_rushed=outcome.was_rushed,
        )
    return Unreachable(
        f"Rehive did not answer in time or dropped the connection ({outcome.fault}).",
        was_rushed=outcome.was_rushed,
    )


def _error(status: int, payload: Any, retry_after: str) -> RehiveError:
    message, field_errors = _complaint(payload)
    if status == 429:
        return Throttled(_wait(retry_after, message))
    if status >= 500:
        return Unreachable(
            f"Rehive has trouble of its own (status {status}); try again later.",
            # Not a proxy's HTML page, behind which the request may still be under way.
            was_answered=payload is not None,
        )
    if payload is None:
        return Unintelligible(
            f"Something in front of Rehive answered (status {status}, not JSON); check API_URL"
            " and PAYMENT_REQUESTS_URL.",
            is_rehives=False,
        )
    if status == 401:
        return Unauthorised("Rehive does not accept the token (401); check TOKEN in OSCAR_REHIVE.")
    if status == 403:
        return Unauthorised(
            "The token has no permission for this business (403); check TOKEN and BUSINESS_ID.",
            is_forbidden=True,
        )
    if status == 404:
        return NotFound("Rehive does not know what was asked for (404).")
    if _is_error(payload) or 400 <= status < 500:
        return Refused(message or f"status {status}", field_errors)
    return Unintelligible(f"Rehive answered with the unexpected status {status}.", is_rehives=False)


def _read(body: bytes, secrets: list[str]) -> Any:
    """The JSON in ``body`` as far as it can be walked through, or None."""
    try:
        payload = json.loads(body) if body else None
    except (ValueError, RecursionError):
        return None
    _empty_what_is_deep(payload)
    if b"secret" in body or any(_may_carry(body, secret) for secret in secrets):
        return _hide(payload, secrets)
    return payload


def _empty_what_is_deep(payload: Any) -> None:
    """A stranger's metadata may be deep, and must not hide the other rows of a list."""
    level: list[Any] = [[payload]]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return
    for deep in level:
        deep.clear()


def _may_carry(body: bytes, secret: str) -> bool:
    # Other letters may be written in JSON in several ways.
    return not re.fullmatch(r"[A-Za-z0-9._-]+", secret) or secret.encode() in body


def _hide(value: Any, secrets: list[str]) -> Any:
    """``value`` without ``secrets``; what Rehive tells under that name does not show itself."""
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, REMOVED)
        return value
    if isinstance(value, list):
        return [_hide(item, secrets) for item in value]
    if isinstance(value, dict):
        return {
            _hide(name, secrets): Secret(item)
            if name == "secret" and isinstance(item, str)
            else _hide(item, secrets)
            for name, item in value.items()
        }
    return value


def _is_error(payload: Any) -> bool:
    return isinstance(payload, Mapping) and payload.get("status") == "error"


def _complaint(payload: Any) -> tuple[str, dict[str, list[str]]]:
    if not isinstance(payload, Mapping):
        return "", {}
    message = payload.get("message")
    data = payload.get("data")
    fields = data if isinstance(data, Mapping) else {}
    return (
        message if isinstance(message, str) else "",
        {
            name: [
                REMOVED if isinstance(text, Secret) else str(text)
                for text in (texts if isinstance(texts, list) else [texts])
            ]
            for name, texts in fields.items()
        },
    )


def _wait(retry_after: str, message: str) -> int:
    """Seconds to wait: ``Retry-After`` may be seconds, a date or nonsense, and may be missing."""
    seconds: float | None = None
    if re.fullmatch(r"\s*[0-9]+\s*", retry_after):
        seconds = int(retry_after.strip()[:9])
    elif retry_after:
        try:
            seconds = email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time()
        except (ValueError, TypeError, LookupError, OverflowError):
            seconds = None
    if seconds is None:
        told = re.search(r"available in (\d{1,6})", message)
        seconds = int(told.group(1)) if told else DEFAULT_WAIT_SECONDS
    return max(1, min(MAX_WAIT_SECONDS, int(seconds)))

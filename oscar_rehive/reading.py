"""Reading a dict of settings: every value of the right kind, or a problem with the way to mend it."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit

from oscar_rehive.rehive.hiding import Secret, SecretBytes
from oscar_rehive.rehive.wire import is_web_address


@dataclass(frozen=True)
class Problem:
    """Something wrong in the settings, with the way to mend it. ``fatal`` ones stop payments."""

    message: str
    hint: str
    fatal: bool = True


def without_none(raw: Mapping[str, Any]) -> dict[str, Any]:
    """``raw`` without its keys of None, which is as good as none: it is what ``os.environ.get`` gives
    for a variable that is not set."""
    return {key: value for key, value in raw.items() if value is not None}


def hidden(raw: Any) -> Any:
    """``raw`` with all that is secret in it hidden from whoever prints variables (P9)."""
    if not isinstance(raw, Mapping):
        return raw
    return {
        key: _secret(value)
        if key in ("TOKEN", "WEBHOOK_SECRET", "HEALTH_TOKEN")
        else {currency: hidden(one) for currency, one in value.items()}
        if key == "BUSINESSES" and isinstance(value, Mapping)
        else value
        for key, value in raw.items()
    }


def _secret(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_secret(one) for one in value]
    if isinstance(value, bytes):
        return SecretBytes(value)
    return Secret(value) if isinstance(value, str) else value


class Reader:
    """Reads a dict once and notes what is wrong instead of stopping at the first fault.

    ``given`` is the dict as it was given, and ``raw`` the same without None; ``where`` is a dict's
    own name in the messages.
    """

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.given, self.raw = given, without_none(given)
        self.problems: list[Problem] = []

    def wrong(self, message: str, hint: str, *, fatal: bool = True) -> None:
        self.problems.append(Problem(message, hint, fatal))

    def text(self, raw: Mapping[str, Any], key: str, default: str, where: str) -> str:
        value = raw.get(key, default)
        if not isinstance(value, (str, int)) or isinstance(value, bool):
            self.wrong(f'{where}["{key}"] is not a text.', "Put it in quotation marks.")
            return default
        return str(value).strip()

    def address(self, raw: Mapping[str, Any], key: str, default: str, where: str) -> str:
        address = self.text(raw, key, default, where)
        if (address or default) and not is_web_address(address):
            self.wrong(
                f'{where}["{key}"] is not an absolute http(s) address.',
                f"For instance {default or 'https://shop.example.com'}.",
            )
        elif "@" in urlsplit(address).netloc:
            # It would go out in place of the token, or stand in addresses that shoppers and Rehive see.
            self.wrong(
                f'{where}["{key}"] has a user\'s name or a password in it.',
                'Leave out everything between "//" and "@".',
            )
            return default
        elif {"?", "#"} & set(address):
            self.wrong(
                f'{where}["{key}"] has a query or a fragment ("?" or "#").',
                "Paths are put behind it: leave out everything from that character on.",
            )
        return address

    def decimal(self, raw: Mapping[str, Any], key: str, where: str) -> Decimal | None:
        value = raw.get(key)
        if value is None:
            return None
        # Neither a float, which is a bug near money, nor True, which Decimal takes for 1.
        if isinstance(value, (str, int, Decimal)) and not isinstance(value, bool):
            with contextlib.suppress(InvalidOperation):
                number = Decimal(value)
                if number.is_finite() and number >= 0:
                    return number
        self.wrong(
            f'{where}["{key}"] is not an amount.',
            'Use Decimal("9.99"), "9.99" or a whole number; not a float, and nothing below zero.',
        )
        return None

    def span(
        self,
        raw: Mapping[str, Any],
        key: str,
        default: timedelta,
        where: str,
        *,
        least: timedelta = timedelta(0),
        most: timedelta,
    ) -> timedelta:
        """A ``timedelta``, or a whole number of seconds, above zero and from ``least`` to ``most``."""
        span = raw.get(key, default)
        if isinstance(span, int) and not isinstance(span, bool):
            # Compared as seconds: a timedelta of any number would overflow.
            span = timedelta(seconds=max(0, min(span, 2 * most // timedelta(seconds=1))))
        if isinstance(span, timedelta) and span > timedelta(0) and least <= span <= most:
            return span
        lower = f"of at least {least.days} day" if least else "above zero"
        self.wrong(
            f'{where}["{key}"] is not a span of time {lower} and of at most {most.days} days.',
            "Use a timedelta, or a whole number of seconds.",
        )
        return default

    def whole_number(
        self, raw: Mapping[str, Any], key: str, default: int, least: int, where: str
    ) -> int:
        number = raw.get(key, default)
        if not isinstance(number, int) or isinstance(number, bool) or number < least:
            self.wrong(
                f'{where}["{key}"] is not a whole number of {least} or more.',
                f"For instance {default}, which is what counts without it.",
            )
            return default
        return number

    def refuse_unknown(self, raw: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
        for key in raw:
            if key not in known:
                close = difflib.get_close_matches(str(key).upper(), known, n=1)
                self.wrong(
                    f"{where} has the unknown key {key!r}.",
                    f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(known)}.",
                )

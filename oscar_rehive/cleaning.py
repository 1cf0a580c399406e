"""Making foreign text storable, and keeping secrets out of what is stored (promises P7, P9)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from oscar_rehive import conf

REDACTED = "[removed]"
_SECRET_KEY = re.compile(r"secret|token|password|authorization|api_?key", re.IGNORECASE)
_MAX_DEPTH = 32
_LONGEST_KNOWN = 64
_SAYS_NOTHING = 3
_LINE_ESCAPES = {"\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t"}
_CUT = re.compile(r"\\*(?:u[0-9a-fA-F]{0,3})?…?\Z")
"""How a text ends that was cut, maybe within what stands for one letter."""

_LONGEST_CUT = 5
"""Without backslashes."""


def storable_text(text: str) -> str:
    """``text`` without what PostgreSQL refuses: NUL, and halves of surrogate pairs."""
    if text.isascii():  # as almost all that comes
        return text.replace("\0", "")
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def _key(key: str) -> tuple[str, bool]:
    """``key`` as it is stored, and whether what stands under it is a secret. Rehive's bodies have the same few
    keys over and over; a long one is nobody's, and would fill the memory."""
    return _known_key(key) if len(key) <= _LONGEST_KNOWN else _known_key.__wrapped__(key)


@lru_cache(maxsize=1024)
def _known_key(key: str) -> tuple[str, bool]:
    return storable_text(key), bool(_SECRET_KEY.search(key))


def storable(value: Any, depth: int = 0) -> Any:
    """A JSON value that can be stored and shown: texts cleaned, secrets removed, depth limited."""
    if depth > _MAX_DEPTH:
        return REDACTED
    if isinstance(value, str):
        return storable_text(value)
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, (list, tuple)):
        return [storable(item, depth + 1) for item in value]
    if isinstance(value, float):
        # Python reads 1e999 from JSON, PostgreSQL does not store it
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):  # the last, for it takes ten times as long to find out
        cleaned: dict[str, Any] = {}
        for key, item in value.items():
            name, is_secret = _key(str(key))
            cleaned[name] = REDACTED if is_secret and item else storable(item, depth + 1)
        return cleaned
    return value


def without_secrets(text: str) -> str:
    """``text`` without this shop's tokens and webhook secrets, wherever they stand: under a harmless
    name, in a body that is no JSON, written with JSON's escapes (also those of JSON within JSON), or cut
    off by the end of the text."""
    for secret in conf.secrets():
        # Without a backslash it can only stand there as it is, and to look for that costs nothing.
        if "\\" in text or storable_text(secret) in text:
            text = _everywhere(secret).sub(REDACTED, text)
    for secret in conf.secrets():
        text = _without_its_beginning(text, secret)
    return text


@lru_cache(maxsize=128)
def _letters(secret: str) -> tuple[re.Pattern[str], ...]:
    """What matches each letter of ``secret``, however JSON writes it."""
    return tuple(re.compile(_written(letter)) for letter in storable_text(secret))


@lru_cache(maxsize=128)
def _everywhere(secret: str) -> re.Pattern[str]:
    return re.compile("".join(letter.pattern for letter in _letters(secret)))


@lru_cache(maxsize=128)
def _first(secret: str) -> re.Pattern[str]:
    """What matches where so many letters of ``secret`` begin that they say something. To walk from each
    character of a text cost more than all else that is done with a delivery."""
    letters = _letters(secret)[: _SAYS_NOTHING + 1]
    return re.compile(f"(?={''.join(letter.pattern for letter in letters)})")


def _written(letter: str) -> str:
    units = letter.encode("utf-16-be").hex()
    escape = r"\\{1,8}"
    by_number = "".join(
        f"{escape}u(?i:{units[start : start + 4]})" for start in range(0, len(units), 4)
    )
    ways = [rf"\\{{0,8}}{re.escape(letter)}", by_number]
    if letter in _LINE_ESCAPES:
        ways.append(escape + _LINE_ESCAPES[letter])
    return f"(?:{'|'.join(ways)})"


def _without_its_beginning(text: str, secret: str) -> str:
    """``text``, unless it ends within ``secret``: a column, or a limit, may have cut it there."""
    letters = _letters(secret)
    # Two numbers with eight backslashes each, and to spare; one letter where there are none.
    longest_letter = 32 if "\\" in text else 1
    window = max(0, len(text) - len(letters) * longest_letter - _LONGEST_CUT)
    for hit in _first(secret).finditer(text, window):
        start = end = hit.start()
        found = 0
        for letter in letters:
            if not (match := letter.match(text, end)):
                break
            end, found = match.end(), found + 1
        if _SAYS_NOTHING < found < len(letters) and _CUT.match(text, end):
            return text[:start] + REDACTED
    return text

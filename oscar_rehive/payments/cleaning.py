"""Making foreign text storable, and keeping secrets out of what is stored (promises P7, P9)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

REDACTED = "[removed]"
_SECRET_KEY = re.compile(r"secret|token|password|authorization|api_?key", re.IGNORECASE)
_MAX_DEPTH = 32


def storable_text(text: str) -> str:
    """``text`` without what PostgreSQL refuses: NUL, and halves of surrogate pairs."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def storable(value: Any, depth: int = 0) -> Any:
    """A JSON value that can be stored and shown: texts cleaned, secrets removed, depth limited."""
    if depth > _MAX_DEPTH:
        return REDACTED
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, Mapping):
        return {
            storable_text(str(key)): REDACTED
            if _SECRET_KEY.search(str(key)) and item
            else storable(item, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [storable(item, depth + 1) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # Python reads 1e999 from JSON, PostgreSQL does not store it
    return value

"""What the shop's cache remembers for a while. One that is down costs a question, and no page."""

from __future__ import annotations

from typing import Any

from django.core.cache import cache

from oscar_rehive.logs import Log

logger = Log(__name__)


def remembered(key: str) -> Any:
    """What was remembered under ``key``, or None."""
    try:
        return cache.get(key)
    except Exception:  # whatever a shop's cache raises when it is down
        logger.exception("The cache does not answer")
        return None


def remember(key: str, value: Any, seconds: int) -> None:
    """Remember ``value`` under ``key`` for ``seconds``, if the cache can."""
    try:
        cache.set(key, value, seconds)
    except Exception:
        logger.exception("The cache does not answer")

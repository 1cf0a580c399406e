"""What the shop's cache remembers for a while, where all processes see it. Where there is none, or while it
is down, each process remembers by itself, and no page fails for it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, TypeVar

from django.core.cache import DEFAULT_CACHE_ALIAS, caches
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache

from oscar_rehive.logs import Log

logger = Log(__name__)

T = TypeVar("T")

PROBE = "oscar_rehive:probe"

LEFT_ALONE_SECONDS = 5.0
"""A cache that does not answer is not asked again for this long: each question may take its time-out."""


class _Own:
    """What this process remembers by itself: of a cache of Django's as much as is needed here."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Any, float]] = {}
        self._lock = threading.RLock()

    def get(self, key: str) -> Any:
        value, ends_at = self._kept.get(key, (None, 0.0))
        return value if monotonic() < ends_at else None

    def get_many(self, keys: Sequence[str]) -> dict[str, Any]:
        return {key: self.get(key) for key in keys}

    def set(self, key: str, value: Any, seconds: float) -> None:
        now = monotonic()
        with self._lock:
            for old in [one for one, (_, ends_at) in self._kept.items() if ends_at <= now]:
                del self._kept[old]
            self._kept[key] = value, now + seconds

    def delete(self, key: str) -> None:
        with self._lock:
            self._kept.pop(key, None)

    def add(self, key: str, value: Any, seconds: float) -> bool:
        with self._lock:
            is_free = self.get(key) is None
            if is_free:
                self.set(key, value, seconds)
            return is_free

    def incr(self, key: str) -> None:
        with self._lock:
            value = self.get(key)
            if value is None:
                raise ValueError(key)
            self._kept[key] = value + 1, self._kept[key][1]


_own = _Own()
_asked_again_at = 0.0


def forget_all_of_our_own() -> None:
    """Forget what this process remembers by itself."""
    global _own, _asked_again_at
    _own, _asked_again_at = _Own(), 0.0


# A lock that a thread of the parent held would never be free in its child.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_all_of_our_own)


def remembered(key: str) -> Any:
    """What was remembered under ``key``, or None."""
    return _with_cache(lambda cache: cache.get(key))


def all_remembered(keys: Sequence[str]) -> dict[str, Any]:
    """What was remembered under each of ``keys``, by its key. Asks once."""
    return dict(_with_cache(lambda cache: cache.get_many(keys)))


def is_shared() -> bool:
    """Whether other processes see what is remembered, as far as the kind of cache tells."""
    return not isinstance(caches[DEFAULT_CACHE_ALIAS], (DummyCache, LocMemCache))


def remember(key: str, value: Any, seconds: float) -> None:
    """Remember ``value`` under ``key`` for ``seconds``."""
    _with_cache(lambda cache: cache.set(key, value, seconds))


def forget(key: str) -> None:
    """Remember nothing under ``key`` any more."""
    _with_cache(lambda cache: cache.delete(key))


def claim(key: str, seconds: float) -> bool:
    """Whether ``key`` was free, and is now the caller's alone for ``seconds``, or until it is forgotten."""

    def add(cache: Any) -> bool:
        if cache.add(key, True, seconds):
            return True
        if cache.get(key) is not None:
            return False
        # Whoever had it has left it just now; or the cache was told to hide its errors, and says no to everybody
        # while it is down. Who takes the one for the other forgets for seconds what other processes have asked.
        cache.set(PROBE, True, LEFT_ALONE_SECONDS)
        if cache.get(PROBE) is None:
            raise ConnectionError("The cache keeps nothing.")
        return bool(cache.add(key, True, seconds))

    return _with_cache(add)


def in_turn(key: str, seconds: float, work: Callable[[], object]) -> bool:
    """Do ``work`` and return True, unless somebody has ``key`` in hand: who does ``work`` once more then, when he is through.
    He has it for ``seconds`` at the most, and is taken for dead after that.

    What ``work`` is to find must be stored where all processes see it. What it raises ends the turn; those
    who came meanwhile are not heeded then.
    """
    comers = f"{key}:comers"
    while True:
        if not claim(key, seconds):
            remember(comers, True, seconds)
            # He may have left before he could see that.
            if not claim(key, seconds):
                return False
        forget(comers)
        try:
            work()
        finally:
            forget(key)
        if not remembered(comers):
            return True


def count(key: str, seconds: float) -> None:
    """Add one to what ``key`` has counted; what is new is remembered for ``seconds``."""

    def add_one(cache: Any) -> None:
        try:
            cache.incr(key)
        except ValueError:  # there is none yet, or somebody makes it at this moment
            cache.add(key, 0, seconds)
            cache.incr(key)

    _with_cache(add_one)


def _with_cache(do: Callable[[Any], T]) -> T:
    global _asked_again_at
    shops = caches[DEFAULT_CACHE_ALIAS]
    if not isinstance(shops, DummyCache) and monotonic() >= _asked_again_at:
        try:
            return do(shops)
        except Exception:  # whatever a shop's cache raises when it is down
            logger.exception("The cache does not answer; this process remembers by itself")
            _asked_again_at = monotonic() + LEFT_ALONE_SECONDS
    return do(_own)

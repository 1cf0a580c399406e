"""Whatever happens in the shop has somebody look now and then whether there is something to tell its owners: reconcile
cannot say that it does not run."""

from __future__ import annotations

from time import monotonic

from oscar_rehive import conf
from oscar_rehive.background import MAILS
from oscar_rehive.remembering import claim

LOOKS_AGAIN_SECONDS = 60.0
"""A process looks no more often; and of those that share a cache, one."""

_looks_at = 0.0


def notice_soon() -> None:
    """Have somebody look, beside this request, whether there is something to tell. Costs nothing: no statement and
    nothing of the cache."""
    global _looks_at
    now = monotonic()
    if now >= _looks_at and conf.as_it_is().tell:
        _looks_at = now + LOOKS_AGAIN_SECONDS
        MAILS.do(_notice)


def _notice() -> None:
    if claim("oscar_rehive:notice", LOOKS_AGAIN_SECONDS):
        # Here, for what looks is more than a shop's process should load before its first page.
        from oscar_rehive.checkup.being_told import tell

        tell()

"""One budget for Rehive's patience: how many calls a business makes, and who waits for whom.

Every call is counted, where all processes see it. Who has somebody waiting for him (a shopper, staff) is
never held back. Work that nobody waits for (reconcile, a stored delivery) is done ``unhurried``: it takes
two thirds of the rate together with all others, so that there is always room for shoppers; a tenth of it in
any case, so that the busiest shop is reconciled too; and where Rehive has said for how long it wants to be
left alone, it waits for that.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from hashlib import sha256
from threading import Event
from time import sleep, time
from typing import Any

from oscar_rehive import conf
from oscar_rehive.logs import Log
from oscar_rehive.rehive.deadlines import put_off
from oscar_rehive.rehive.exceptions import Throttled, Unreachable
from oscar_rehive.remembering import count, forget, remember, remembered

logger = Log(__name__)

SHARE = 2 / 3
SHARE_IN_ANY_CASE = 1 / 10
"""Of the calls a minute, for work that nobody waits for: as long as all calls together are below the first,
or its own are below the second."""

LONGEST_SILENCE = 60.0
"""Pages ask again after this many seconds, whatever Rehive says: a payment may have come."""

STEP_SECONDS = 15.0
"""Who waits gives a sign of life as often as that."""

MINUTE = 60


class Patience:
    """``left`` is how many seconds a piece of unhurried work may still wait in all; ``stop`` ends its
    waiting, and ``still_here`` is called before each call and now and then while it waits."""

    def __init__(
        self, seconds: float, stop: Event | None, still_here: Callable[[], object]
    ) -> None:
        self.left, self.stop, self.still_here = seconds, stop, still_here

    def take(self, seconds: float) -> bool:
        """Wait ``seconds``; False, and at once, where that is more than is left, or it is to stop."""
        if seconds > self.left:
            return False
        self.left -= seconds
        waits = seconds
        while waits > 0:
            step = min(waits, STEP_SECONDS)
            if self.stop is None:
                sleep(step)
            elif self.stop.wait(step):
                return False
            waits -= step
            self.still_here()
        put_off(seconds)
        return True


_patience: ContextVar[Patience | None] = ContextVar("oscar_rehive_patience", default=None)


@contextlib.contextmanager
def unhurried(
    seconds: float, stop: Event | None = None, still_here: Callable[[], object] = lambda: None
) -> Iterator[None]:
    """Nobody waits for what is done inside: its calls to Rehive wait for room and for the end of a limit,
    ``seconds`` in all and until ``stop``. What would take longer raises ``Throttled``, and nothing is
    sent. ``still_here`` is called before each, and now and then while it waits.

    The block belongs to its thread, and must not be left by a ``yield`` of a generator.
    """
    token = _patience.set(Patience(seconds, stop, still_here))
    try:
        yield
    finally:
        _patience.reset(token)


def patiently(business: conf.BusinessConfig, ask: Callable[[], Any]) -> Any:
    """The outcome of ``ask``, a call for ``business``: at once, and when it is time where it is unhurried.
    What was ``Throttled`` was not done and is asked again."""
    patience = _patience.get()
    if patience is None:
        return ask()
    while True:
        patience.still_here()
        wait = seconds_to_wait(business)
        if not wait:
            outcome = ask()
            if not isinstance(outcome, Throttled):
                return outcome
            wait = outcome.wait
            logger.info("Rehive limits our requests and asks us to wait %d seconds.", wait)
        if not patience.take(wait):
            return Throttled(math.ceil(wait))


def counted(business: conf.BusinessConfig, send: Callable[[], Any]) -> Any:
    """The outcome of ``send``, one call of ``business``; where Rehive limits our requests that is
    remembered, for pages until it answers somebody again."""
    is_unhurried = _patience.get() is not None
    window = int(time() // MINUTE)
    count(_key("calls", business.business_id, window), 3 * MINUTE)
    if is_unhurried:
        count(_key("unhurried", business.business_id, window), 3 * MINUTE)
    outcome = send()
    if isinstance(outcome, Throttled):
        _leave_alone("limit", business.business_id, outcome.wait)
        if not is_unhurried:
            # Of its own limit reconcile tells nobody: that shoppers must not wait for.
            _leave_alone("silence", business.business_id, min(outcome.wait, LONGEST_SILENCE))
    elif not isinstance(outcome, Unreachable) and _left("silence", business.business_id):
        # Who paid has found room, and is about to come back.
        forget(_key("silence", business.business_id))
    return outcome


def is_to_wait(business_id: str) -> bool:
    """Whether Rehive limits our requests at this moment: a page that can do without leaves what is left of
    them to who pays."""
    return bool(_left("silence", business_id))


def seconds_to_wait(business: conf.BusinessConfig) -> float:
    """How long unhurried work waits now before its next call for ``business``, 0.0 if it need not."""
    told = _left("limit", business.business_id)
    if told:
        return told
    rate, now = business.calls_per_minute, time()
    window, second = int(now // MINUTE), now % MINUTE

    def until_room(kind: str, share: float) -> float:
        before, current = (
            remembered(_key(kind, business.business_id, one)) or 0 for one in (window - 1, window)
        )
        return seconds_until_room(before, current, second, most=int(rate * share))

    alone = until_room("unhurried", SHARE_IN_ANY_CASE)
    return alone and min(alone, until_room("calls", SHARE))


def seconds_until_room(before: int, current: int, second: float, *, most: int) -> float:
    """How long it takes until one more call makes no more than ``most`` in a minute, 0.0 for now.

    ``before`` calls were made in the last whole minute of the clock and ``current`` in this one, of which
    ``second`` seconds are over; those of the last one count as if they had been spread evenly. ``most`` is
    at least 1.
    """
    room = most - 1
    if current > room:
        # Not in this minute of the clock. In the next one, these are the calls of the one before.
        return MINUTE - second + seconds_until_room(current, 0, 0.0, most=most)
    if before * (1 - second / MINUTE) + current <= room:
        return 0.0
    # Never nothing, however the fractions come out.
    return max(0.001, MINUTE * (1 - (room - current) / before) - second)


def _leave_alone(kind: str, business_id: str, seconds: float) -> None:
    remember(_key(kind, business_id), (time() + seconds, seconds), seconds)


def _left(kind: str, business_id: str) -> float:
    until, seconds = remembered(_key(kind, business_id)) or (0.0, 0.0)
    # No longer than it was, whatever clock has noted its end.
    return max(0.0, min(until - time(), seconds))


def _key(kind: str, business_id: str, window: int | str = "") -> str:
    """As a digest, for not every cache takes any id for a key."""
    return f"oscar_rehive:{kind}:{sha256(business_id.encode()).hexdigest()}:{window}"

"""Several runs at once share the work and do none of it twice: each claims its next few tasks first.

A claim is a row and no lock: Rehive is asked while it is held (P8). It ends after a while by itself, so
that the tasks of a run that was killed are done by the next; one that was killed on this machine is known
to be dead at once.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.utils import timezone

from oscar_rehive.models import Claim

LEASE = timedelta(minutes=2)
"""Much longer than a call may take, and not so long that anybody waits for a machine that died."""

RENEWED_AFTER = timedelta(seconds=30)

_living: set[str] = set()
"""The claimants of this process."""


class Claimant:
    """One run, as others see it. To be closed, whatever happens."""

    def __init__(self) -> None:
        self.name = f"{_host()} {os.getpid()} {uuid.uuid4().hex}"
        self.renewed_at = timezone.now()
        _living.add(self.name)

    def win(self, tasks: Sequence[str]) -> set[str]:
        """Those of ``tasks`` that are now ours, and nobody else's."""
        now = timezone.now()
        self.renewed_at = now
        Claim.objects.bulk_create(
            # In one order, whatever order the runs do them in: else two of them deadlock, and one ends.
            [Claim(task=task, owner=self.name, until=now + LEASE) for task in sorted(set(tasks))],
            ignore_conflicts=True,
        )
        won = set()
        for claim in Claim.objects.filter(task__in=tasks):
            if claim.owner == self.name or (_is_void(claim) and self._take_over(claim)):
                won.add(claim.task)
        return won

    def _take_over(self, claim: Claim) -> bool:
        before = Claim.objects.filter(pk=claim.pk, owner=claim.owner, until=claim.until)
        return bool(before.update(owner=self.name, until=timezone.now() + LEASE))

    def still_here(self) -> None:
        """Prolong what is ours, if need be."""
        now = timezone.now()
        if now - self.renewed_at > RENEWED_AFTER:
            self.renewed_at = now
            Claim.objects.filter(owner=self.name).update(until=now + LEASE)

    def leave(self, tasks: Sequence[str]) -> None:
        """These are done, or nobody's any more."""
        ours: Any = Claim.objects.filter(owner=self.name, task__in=tasks)
        ours.delete_unheard()

    def close(self) -> None:
        """Leave everything, and what others have left behind long ago."""
        Claim.objects.filter(owner=self.name).delete()
        Claim.objects.filter(until__lt=timezone.now() - LEASE).delete()
        _living.discard(self.name)


def _is_void(claim: Claim) -> bool:
    """Whether its claimant has let its time run out, or was killed on this machine. No honest one lasts for
    more than ``LEASE``, and a minute by which clocks may differ: a clock that was wrong must not hold
    anything for days."""
    now = timezone.now()
    if not now < claim.until <= now + 2 * LEASE:
        return True
    host, _, rest = claim.owner.partition(" ")
    pid = rest.partition(" ")[0]
    if host != _host() or not pid.isdecimal():
        return False
    # A container that is started anew has its name and its number again.
    return claim.owner not in _living if int(pid) == os.getpid() else not _is_alive(int(pid))


def _host() -> str:
    return socket.gethostname()[:60]


def _is_alive(pid: int) -> bool:
    if os.name == "nt":
        return True  # where os.kill ends a process, whatever the signal
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # somebody else's
    return True

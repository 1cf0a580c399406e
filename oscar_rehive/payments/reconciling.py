"""Reconciling: makes right, without any webhook, whatever is open, due or undecided.

Every step takes the next thing by itself, and one bad thing is never in the way of the others: what has
not been tried comes first, then what was tried in vain, with growing waits. A run that is killed is
continued by the next.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from threading import Event
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Count, Max, Q
from django.utils import timezone

from oscar_rehive import conf, numbers
from oscar_rehive.logs import Log
from oscar_rehive.models import Attention, Retry, Run
from oscar_rehive.payments.adopting import NotOpened
from oscar_rehive.payments.budget import unhurried
from oscar_rehive.payments.claiming import Claimant
from oscar_rehive.payments.clocks import is_to_come
from oscar_rehive.payments.deliveries import forget_old, newest_waiting
from oscar_rehive.payments.gateway import client_for
from oscar_rehive.payments.mails import NotSent
from oscar_rehive.payments.stages import ASKING, FIRST, LAST, Task
from oscar_rehive.payments.summary import Summary
from oscar_rehive.rehive.exceptions import RehiveError, Throttled, Unauthorised, Unreachable

logger = Log(__name__)

FREE_TRIES = 3
FIRST_WAIT = timedelta(minutes=2)
LONGEST_FAULT = timedelta(minutes=30)
LONGEST_STILL = timedelta(hours=24)
"""Between two tries of what was tried in vain: none at first, and then twice as long each time, up to
half an hour for what failed (an outage ends), and a day for what waits for a person."""

IN_A_ROW = 5
"""Of so many that do not answer one after the other, nobody asks the next."""

PATIENCE_SECONDS = 300.0
"""What a run waits in all: as long as it is from one to the next."""

AT_A_TIME = 500
CLAIMED_AT_ONCE = 20
KEPT_FOR = timedelta(days=7)
LIMIT_MET = "Rehive's limit was met; the next run begins with "
FACTS_TOLD = "facts that wait for a person, told up to "

Stage = Callable[[Summary], Iterator[Task]]


class _Stopped(Exception):
    """Whoever started the run wants it to end."""


@numbers.timing("reconcile_seconds")
def reconcile(
    watch: Callable[[Iterator[Task]], Iterable[Task]] = iter,
    *,
    patience: float = PATIENCE_SECONDS,
    stop: Event | None = None,
) -> Summary:
    """Do everything that there is to do; ``watch`` may show the tasks of a stage as they are done.

    What goes wrong is noted in the summary and left for the next run. Where our own budget or Rehive limits
    our requests the run waits, ``patience`` seconds in all. Whoever limits them for longer, or does not
    answer, is left alone for the rest of the run: asking on would prolong the wait of all. The next run
    begins where a limit was met. Several runs at the same time share the work. ``stop`` ends the run once
    the order in hand is done; the next one goes on.
    """
    run = _Run(stop)
    with (
        unhurried(patience, stop, run.claimant.still_here),
        contextlib.closing(run.claimant),
        contextlib.suppress(_Stopped),
    ):
        for stages in ((*FIRST, *_in_turn()), LAST):
            for stage in stages:
                for task in watch(run.won(run.untried(stage))):
                    run.do(task, stage.__name__)
            for task in watch(run.won(run.tried_in_vain())):
                run.do(task, run.stage_of[task.key])
    old = Retry.objects.filter(tried_at__lt=run.begun - KEPT_FOR)
    old.exclude(task__startswith=FACTS_TOLD).delete()
    _note(run)
    forget_old()
    _count_facts(run.summary)
    return run.summary


def _count_facts(summary: Summary) -> None:
    """Facts are new that no run before has told of: most are raised by a webhook or a page, between two runs."""
    every = Retry.objects.filter(task__startswith=FACTS_TOLD)
    told = list(every.values_list("task", flat=True))
    last = max((int(one.removeprefix(FACTS_TOLD)) for one in told), default=0)
    found = Attention.objects.filter(resolved_at=None).aggregate(
        all=Count("pk"), new=Count("pk", filter=Q(pk__gt=last)), newest=Max("pk")
    )
    summary.attention, summary.new_attention = found["all"], found["new"]
    if summary.new_attention:
        now, task = timezone.now(), f"{FACTS_TOLD}{found['newest']}"
        Retry.objects.get_or_create(task=task, defaults={"tried_at": now, "again_at": now})
        # Not what another run has told meanwhile.
        Retry.objects.filter(task__in=told).delete()


def _note(run: _Run) -> None:
    """That it has run, and how it went."""
    Run.objects.create(
        seconds=(timezone.now() - run.begun).total_seconds(),
        looked_at=run.summary.asked,
        failed=len(run.summary.failures),
        trouble=run.trouble,
    )
    old: Any = Run.objects.filter(ended_at__lt=run.begun - KEPT_FOR)
    old.delete_unheard()


def _in_turn() -> tuple[Stage, ...]:
    """The stages that ask, those first that the last limit kept from their turn: where there is more to
    ask than Rehive's limit lets through, the last of them would never be reached."""
    met = Retry.objects.filter(task__startswith=LIMIT_MET)
    last = met.order_by("tried_at").last()
    met.delete()
    names = [stage.__name__ for stage in ASKING]
    name = last.task.removeprefix(LIMIT_MET) if last else ""
    first = names.index(name) if name in names else 0
    return ASKING[first:] + ASKING[:first]


class _Run:
    def __init__(self, stop: Event | None) -> None:
        self.claimant, self.stop = Claimant(), stop
        newest = (
            newest_waiting()
        )  # before the clock is read: what is asked from then on is asked later
        self.summary = Summary(timezone.now(), newest, still_here=self.still_here)
        self.begun = self.summary.begun
        self.left_alone: set[str] = set()
        self.in_a_row: Counter[str] = Counter()
        self.trouble = ""
        self.had_turn: set[str] = set()
        self.again: list[tuple[datetime, Task]] = []
        self.stage_of: dict[str, str] = {}

    def still_here(self) -> None:
        """To be called between two orders."""
        if self.stop is not None and self.stop.is_set():
            raise _Stopped
        self.claimant.still_here()

    def untried(self, stage: Stage) -> Iterator[Task]:
        """What ``stage`` gives and nobody has tried in vain."""
        every = stage(self.summary)
        while some := list(islice(every, AT_A_TIME)):
            retries = {
                row.task: row for row in Retry.objects.filter(task__in=[one.key for one in some])
            }
            for task in some:
                retry = retries.get(task.key)
                if retry is None:
                    yield task
                elif self._is_due(retry):
                    self.stage_of[task.key] = stage.__name__
                    if task.spares:
                        yield task
                    else:
                        self.again.append((retry.tried_at, task))

    def _is_due(self, retry: Retry) -> bool:
        now = timezone.now()
        waited = retry.again_at <= now and retry.tried_at < self.begun
        return waited or is_to_come(retry.tried_at, now)

    def tried_in_vain(self) -> Iterator[Task]:
        """What the stages so far gave besides, and what is not to wait: that which was tried longest ago
        first. After all of them: under a limit, those of one stage would keep the next from its turn."""
        again, self.again = sorted(self.again, key=lambda one: one[0]), []
        yield from (task for _, task in again)

    def won(self, tasks: Iterator[Task]) -> Iterator[Task]:
        """Those of ``tasks`` that no other run has in hand."""
        while some := list(islice(tasks, CLAIMED_AT_ONCE)):
            claims = [task.claim for task in some]
            won = self.claimant.win(claims)
            for task in some:
                if task.claim in won:
                    yield task
                elif task.spares:
                    self.summary.spared.add(task.asks)
            self.claimant.leave(claims)

    def do(self, task: Task, stage: str) -> None:
        """Do ``task``, unless it asks somebody who is left alone."""
        self.still_here()
        if task.asks in self.left_alone:
            return
        try:
            came_through = task.do(self.summary)
        except _Stopped:
            raise
        except (RehiveError, NotOpened, NotSent, ImproperlyConfigured) as error:
            self.summary.fails(f"{task.name}: {error}")
            self._note_failure(task, error, stage)
            return
        except Exception as error:
            # Nobody knows what a shop's own code raises; the orders behind this one must not wait (P7).
            logger.exception("%s failed", task.name)
            self.summary.fails(f"{task.name}: {error}")
            _wait(task.key, LONGEST_FAULT)
            return
        self.in_a_row[task.asks] = 0
        self.had_turn.add(stage)
        if not came_through:
            _wait(task.key, LONGEST_STILL)
        elif task.key in self.stage_of:
            Retry.objects.filter(task=task.key).delete()

    def _note_failure(self, task: Task, error: Exception, stage: str) -> None:
        silent = isinstance(error, Unreachable) or (isinstance(error, NotSent) and error.is_silence)
        self.in_a_row[task.asks] = self.in_a_row[task.asks] + 1 if silent else 0
        if isinstance(error, Throttled):
            _wait(LIMIT_MET + self._next_turn(stage), timedelta(0))
        in_vain = _is_in_vain(task.asks, error)
        if not in_vain:
            # Else it is no fault of its own, and is as good as not tried: when an outage is over,
            # nothing has to wait.
            _wait(task.key, LONGEST_FAULT)
        if task.asks and (in_vain or self.in_a_row[task.asks] >= IN_A_ROW):
            self.left_alone.add(task.asks)
            self.trouble = self.trouble or getattr(error, "kind", "")

    def _next_turn(self, stage: str) -> str:
        """The stage that the next run is to begin with: the one where the limit was met, if it has not had
        its turn, or the one behind."""
        names = [one.__name__ for one in ASKING]
        if stage not in self.had_turn or stage not in names:
            return stage
        return names[(names.index(stage) + 1) % len(names)]


def _wait(key: str, longest: timedelta) -> None:
    """Note that the task was tried in vain."""
    now = timezone.now()
    retry, is_new = Retry.objects.get_or_create(
        task=key, defaults={"tried_at": now, "again_at": now}
    )
    if not is_new:
        retry.tries, retry.tried_at, retry.again_at = retry.tries + 1, now, now
        if retry.tries > FREE_TRIES:
            doublings = min(retry.tries - FREE_TRIES - 1, 20)
            retry.again_at += min(FIRST_WAIT * 2**doublings, longest)
        retry.save()


def _is_in_vain(asks: str, error: Exception) -> bool:
    """Whether ``error`` says that nobody there would answer another question either, or that the
    settings no longer name the business: said once, not for each of its invoices.

    A business that did not answer is asked for nothing but itself: one invoice on which Rehive
    stumbles every time must not keep the others waiting.
    """
    business = conf.current().by_id.get(asks)
    if isinstance(error, ImproperlyConfigured):
        return business is None
    if isinstance(error, Unreachable) and business is not None:
        try:
            client_for(business).business()
        except RehiveError:
            return True
    return isinstance(error, (Throttled, Unauthorised))

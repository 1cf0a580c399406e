"""Several runs at once: each task is one run's, and that of a run that died is soon another's."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone

from oscar_rehive.models import Claim, Invoice, Reading
from oscar_rehive.payments import budget, claiming, stages
from oscar_rehive.payments.claiming import LEASE, RENEWED_AFTER, Claimant
from oscar_rehive.payments.reading import read
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.payments.summary import Summary
from oscar_rehive.rehive.client import Client
from oscar_rehive.rehive.exceptions import Throttled
from oscar_rehive.rehive.paging import Page
from tests.payments.pages import business
from tests.steps import opened, window_over

pytestmark = pytest.mark.django_db(transaction=True)

HOST = socket.gethostname()[:60]


@pytest.fixture
def us() -> Any:
    claimant = Claimant()
    yield claimant
    claimant.close()


@pytest.fixture
def others() -> Any:
    claimant = Claimant()
    yield claimant
    claimant.close()


def claimed_by(owner: str, task: str = "b", *, ago: timedelta = timedelta(0)) -> Claim:
    """A claim that another process has made."""
    return Claim.objects.create(task=task, owner=owner, until=timezone.now() - ago + LEASE)


class Taking:
    """Another machine's run tries to take this task, each time it is called."""

    def __init__(self, task: str) -> None:
        self.task, self.won = task, list[bool]()

    def __call__(self) -> None:
        other = Claimant()
        claiming._living.discard(other.name)
        other.name = "elsewhere 1 x"
        self.won.append(bool(other.win([self.task])))


def a_dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_what_others_have_in_hand_is_theirs(us: Claimant, others: Claimant) -> None:
    assert others.win(["a", "b"]) == {"a", "b"}

    assert us.win(["b", "c"]) == {"c"}

    others.leave(["a", "b"])
    assert us.win(["b"]) == {"b"}


def test_who_wins_twice_has_won(us: Claimant) -> None:
    us.win(["a"])

    assert us.win(["a"]) == {"a"}


def test_at_the_end_nothing_is_left() -> None:
    claimant = Claimant()
    claimant.win(["a", "b"])

    claimant.close()

    assert not Claim.objects.exists()


@pytest.mark.parametrize(
    ("owner", "is_void"),
    [
        (lambda: f"{HOST} {a_dead_process()} x", True),  # killed here
        (lambda: f"{HOST} {os.getpid()} x", True),  # a container, started anew under its old number
        (lambda: f"{HOST} {os.getppid()} x", False),  # it lives
        (lambda: f"elsewhere {a_dead_process()} x", False),  # nobody here can tell
        (lambda: "what nobody wrote", False),
    ],
)
def test_a_claim_of_the_dead_is_void(us: Claimant, owner: Any, is_void: bool) -> None:
    claimed_by(owner())

    assert us.win(["a", "b"]) == ({"a", "b"} if is_void else {"a"})


def test_where_asking_would_kill_it_a_process_is_taken_for_alive(
    us: Claimant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Windows os.kill ends a process, whatever the signal."""
    windows = SimpleNamespace(name="nt", getpid=os.getpid, kill=None)
    claimed_by(f"{HOST} {a_dead_process()} x")
    monkeypatch.setattr(claiming, "os", windows)

    assert us.win(["a", "b"]) == {"a"}


def test_a_claim_of_another_machine_ends_by_itself(us: Claimant) -> None:
    claimed_by("elsewhere 1 x", ago=LEASE)

    assert us.win(["b"]) == {"b"}


def test_of_two_who_find_it_void_one_takes_it(us: Claimant, others: Claimant) -> None:
    void = claimed_by("elsewhere 1 x", ago=LEASE)

    assert us._take_over(void)
    assert not others._take_over(void)


def test_who_takes_long_prolongs_it(us: Claimant, monkeypatch: pytest.MonkeyPatch) -> None:
    us.win(["a"])
    first = Claim.objects.get().until
    us.still_here()
    assert Claim.objects.get().until == first, "not at every call"

    us.renewed_at -= 2 * RENEWED_AFTER
    us.still_here()

    assert Claim.objects.get().until > first


def test_what_somebody_left_behind_long_ago_is_swept_away(us: Claimant) -> None:
    claimed_by("elsewhere 1 x", ago=3 * LEASE)

    us.close()

    assert not Claim.objects.exists()


class TestTwoRuns:
    def test_the_second_leaves_alone_what_the_first_has_in_hand(
        self, rehive: Any, place_order: Any, others: Claimant
    ) -> None:
        first, second = place_order(), place_order()
        for order in (first, second):
            opened(order)
            window_over(order)
        others.win([f"order {first.number}"])

        assert reconcile().cancelled == 1
        others.close()
        assert reconcile().cancelled == 1

    def test_while_one_reads_the_list_the_other_does_not_ask_about_what_is_on_it(
        self, rehive: Any, place_order: Any, others: Claimant
    ) -> None:
        opened(place_order())
        others.win(["reading the invoices in USD"])
        before = len(rehive.requests())

        assert reconcile().asked == 0
        assert len(rehive.requests()) == before

    def test_what_one_has_just_read_the_other_does_not_read_again(
        self, rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        opened(place_order())
        summary = Summary()
        reconcile()
        before = len(rehive.requests())

        for task in (*stages._lists(summary), *stages._open(summary)):
            task.do(summary)

        assert Reading.objects.get().read_at > summary.begun
        assert len(rehive.requests()) == before

    @pytest.mark.usefixtures("small_pages")
    def test_where_one_was_broken_off_the_other_reads_on(
        self, invoices: Any, calls: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It asked about each of ten thousand invoices that were on the other pages."""
        invoices(16)
        summary, real = Summary(), Client.invoice_page

        def limited(self: Client, number: int) -> Page:
            if number == 2:
                raise Throttled(3600)
            return real(self, number)

        monkeypatch.setattr(Client, "invoice_page", limited)
        with pytest.raises(Throttled):
            read(business(), Summary())
        monkeypatch.setattr(Client, "invoice_page", real)
        calls()

        for stage in (stages._lists, stages._open):
            for task in stage(summary):
                task.do(summary)

        asked = calls()
        assert (asked["pages"], asked["single"]) == (4, 0)

    @pytest.mark.usefixtures("small_pages")
    def test_one_that_had_begun_before_the_run_was_not_broken_off(
        self, invoices: Any, calls: Any
    ) -> None:
        """In a flash sale each run read all pages once more, and shoppers were refused."""
        invoices(16)
        read(business(), Summary())
        summary = Summary(begun=timezone.now() - timedelta(seconds=1))
        Reading.objects.update(read_at=timezone.now())
        Invoice.objects.update(asked_at=summary.begun - timedelta(seconds=30))
        calls()

        for task in stages._lists(summary):
            task.do(summary)

        assert calls()["pages"] == 0

    def test_nor_ask_again(self, rehive: Any, place_order: Any) -> None:
        invoice = opened(place_order())
        summary = Summary()
        (task,) = stages._open(summary)
        Invoice.objects.update(asked_at=timezone.now())
        before = len(rehive.requests())

        assert task.do(summary)

        assert len(rehive.requests()) == before
        assert invoice.pk

    @pytest.fixture
    def clock(self, moments: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
        """That of claims goes on while a run waits."""
        real = timezone.now

        class Clock:
            @staticmethod
            def now() -> Any:
                return real() + timedelta(seconds=moments.ahead)

        monkeypatch.setattr(claiming, "timezone", Clock)
        return moments

    def test_who_waits_for_rehives_limit_keeps_what_he_has_in_hand(
        self, rehive: Any, place_order: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        orders = [place_order(), place_order()]
        for order in orders:
            opened(order)
            window_over(order)
        rehive.faults(throttle={"value": 170, "times": 1})
        takes, real = Taking("reading the invoices in USD"), clock.sleep

        def sleep(seconds: float) -> None:
            real(seconds)
            takes()

        monkeypatch.setattr(budget, "sleep", sleep)

        assert reconcile().cancelled == 2
        assert clock.waited == 170
        assert not any(takes.won)

    def test_nor_does_he_lose_it_over_many_refunds(
        self, rehive: Any, place_order: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rehive.requests_door("shut")
        for _ in range(4):
            rehive.outcome(opened(place_order()).remote_id, "pay")
        takes, real = Taking("reading the invoices in USD"), Client.refunds

        def refunds(*args: Any, **kwargs: Any) -> Any:
            clock.go_by(45)
            takes()
            return real(*args, **kwargs)

        monkeypatch.setattr(Client, "refunds", refunds)

        assert reconcile().paid == 4
        assert len(takes.won) == 4
        assert not any(takes.won)

    def test_a_run_that_fails_leaves_no_claim(
        self, rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        opened(place_order())

        def interrupted(*args: Any) -> bool:
            raise KeyboardInterrupt

        monkeypatch.setattr(stages, "_read", interrupted)
        with pytest.raises(KeyboardInterrupt):
            reconcile()

        assert not Claim.objects.exists()
        assert not claiming._living

"""Several runs at once: each task is one run's, and that of a run that died is soon another's."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from oscar_rehive.models import Claim, Invoice, Reading
from oscar_rehive.payments import claiming, stages
from oscar_rehive.payments.claiming import LEASE, RENEWED_AFTER, Claimant
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.payments.summary import Summary
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

    def test_nor_ask_again(self, rehive: Any, place_order: Any) -> None:
        invoice = opened(place_order())
        summary = Summary()
        (task,) = stages._open(summary)
        Invoice.objects.update(asked_at=timezone.now())
        before = len(rehive.requests())

        assert task.do(summary)

        assert len(rehive.requests()) == before
        assert invoice.pk

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

"""What must go on by itself, as the one list of checks tells it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from oscar_rehive import conf
from oscar_rehive.checkup import Finding
from oscar_rehive.checkup.of_running import span, what_runs
from oscar_rehive.models import Delivery, OrderPayment, Run
from oscar_rehive.payments.gateway import client_for
from oscar_rehive.rehive.exceptions import RehiveError

pytestmark = pytest.mark.django_db


def found(name: str) -> Finding:
    return next(one for one in what_runs() if one.name == name)


def ran(*, ago: timedelta = timedelta(0), **columns: Any) -> None:
    Run.objects.create(ended_at=timezone.now() - ago, **columns)


MINUTES = timedelta(minutes=1)


class TestReconcile:
    def test_that_runs(self) -> None:
        ran(ago=59 * MINUTES, looked_at=7, failed=2)

        told = found("reconcile")

        assert told.is_good
        assert told.sentence == "rehive_reconcile ran 59 minutes ago: 7 looked at, 2 failed."

    def test_that_has_not_run_for_an_hour(self) -> None:
        ran(ago=61 * MINUTES)

        told = found("reconcile")

        assert (told.severity.value, "rehive_reconcile" in told.mend) == ("error", True)

    def test_a_run_that_a_wrong_clock_has_noted_proves_nothing(self) -> None:
        """It would for a year, and reconcile could stand still."""
        ran(ago=61 * MINUTES)
        ran(ago=-timedelta(days=365))

        assert found("reconcile").sentence == "rehive_reconcile has not run for 61 minutes."

        ran()
        assert found("reconcile").is_good

    def test_that_is_still_to_begin_in_a_new_shop(self, place_order: Any) -> None:
        place_order()

        assert "has never run yet" in found("reconcile").sentence
        assert found("reconcile").is_good

    def test_that_nobody_has_ever_begun(self, place_order: Any) -> None:
        place_order()
        OrderPayment.objects.update(created_at=timezone.now() - 61 * MINUTES)

        assert found("reconcile").sentence == "rehive_reconcile has never run."
        assert not found("reconcile").is_good


class TestRehive:
    def test_that_answers(self) -> None:
        ran()

        assert found("rehive").is_good

    def test_that_is_down_for_a_moment(self) -> None:
        ran(ago=9 * MINUTES, trouble="unreachable")
        ran(trouble="unreachable")

        assert found("rehive").is_good
        assert "for 9 minutes by now. It is asked again" in found("rehive").sentence

    def test_that_is_down_for_a_while_as_only_reconcile_knows(self) -> None:
        """Where no cache is shared, each process has its own word for it."""
        ran(ago=40 * MINUTES)
        ran(ago=11 * MINUTES, trouble="unreachable")
        ran(trouble="unreachable")

        assert "did not answer rehive_reconcile, for 11 minutes" in found("rehive").sentence
        assert not found("rehive").is_good

    def test_that_is_down_for_a_while_as_pages_know(self, rehive: Any, moments: Any) -> None:
        rehive.faults(error_status=503)
        for _ in range(5):
            with pytest.raises(RehiveError):
                client_for(conf.current().businesses["USD"]).business()
        moments.go_by(599)
        assert found("rehive").is_good
        moments.go_by(2)

        assert not found("rehive").is_good
        assert found("rehive").sentence == "Rehive has not answered for 10 minutes."

    def test_that_is_back(self) -> None:
        ran(ago=11 * MINUTES, trouble="unreachable")
        ran()

        assert found("rehive").is_good

    def test_that_does_not_take_the_token(self) -> None:
        ran(trouble="unauthorised")

        assert "TOKEN" in found("rehive").mend


class TestWhatWaits:
    def test_a_delivery_that_waits_for_the_next_run(self) -> None:
        Delivery.objects.create(received_at=timezone.now() - 29 * MINUTES)

        assert found("deliveries").is_good
        assert "1 delivery waits" in found("deliveries").sentence

    def test_a_delivery_that_does_not_come_through(self) -> None:
        Delivery.objects.create(received_at=timezone.now() - 31 * MINUTES)

        assert found("deliveries").severity.value == "error"

    def test_a_confirmation_that_does_not_come_through(self, place_order: Any) -> None:
        place_order()
        OrderPayment.objects.update(mail_due_at=timezone.now() - 31 * MINUTES)

        assert found("confirmations").severity.value == "warning"
        assert "mail server" in found("confirmations").mend


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-5, "0 seconds"),
        (1, "1 second"),
        (119, "119 seconds"),
        (120, "2 minutes"),
        (7200, "2 hours"),
        (172_800, "2 days"),
    ],
)
def test_a_span_of_time_in_words(seconds: int, told: str) -> None:
    assert span(timedelta(seconds=seconds)) == told

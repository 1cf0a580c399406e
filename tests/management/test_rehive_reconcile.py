"""``manage.py rehive_reconcile`` as cron, a service manager and people see it."""

from __future__ import annotations

import os
import signal
import sys
from datetime import timedelta
from io import BytesIO, StringIO, TextIOWrapper
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.utils import timezone

from oscar_rehive.management.commands import rehive_reconcile
from oscar_rehive.models import Claim, Invoice, Retry
from oscar_rehive.payments import stages
from oscar_rehive.payments.summary import Summary
from tests.steps import not_migrated, opened, settled, window_over

pytestmark = pytest.mark.django_db


class Run:
    """What one run of the command printed and returned."""

    def __init__(self, *arguments: str, **options: Any) -> None:
        out, err, self.code = StringIO(), StringIO(), 0
        try:
            call_command(
                "rehive_reconcile",
                *arguments,
                stdout=out,
                stderr=err,
                **options,
            )
        except SystemExit as end:
            self.code = int(str(end.code))
        self.out, self.err = out.getvalue(), err.getvalue()


def summary(
    *,
    asked: int = 0,
    paid: int = 0,
    cancelled: int = 0,
    mails: int = 0,
    failed: int = 0,
    attention: int = 0,
    new: int = 0,
) -> str:
    return (
        f"rehive_reconcile looked_at={asked} paid={paid} cancelled={cancelled} mailed={mails}"
        f" failed={failed} attention={attention} new_attention={new}\n"
    )


class TestOnce:
    def test_nothing_to_do(self) -> None:
        run = Run()

        assert (run.code, run.out, run.err) == (0, summary(), "")

    def test_what_was_done_is_one_line(self, rehive: Any, place_order: Any) -> None:
        paid, waiting, overdue = place_order(), place_order(), place_order()
        rehive.outcome(opened(paid).remote_id, "pay")
        opened(waiting)
        window_over(overdue)

        run = Run()

        assert (run.code, run.err) == (0, "")
        assert run.out == summary(asked=2, paid=1, cancelled=1, mails=1)

    def test_nothing_else_reaches_a_cron_job_s_mail(
        self, rehive: Any, place_order: Any, settings: Any, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """Neither a progress bar nor the warnings of the shop's system checks."""
        settings.OSCAR_REHIVE = {
            key: value for key, value in settings.OSCAR_REHIVE.items() if key != "WEBHOOK_SECRET"
        }
        opened(place_order())

        call_command("rehive_reconcile")

        assert not rehive_reconcile.Command.requires_system_checks
        assert capfd.readouterr() == (summary(asked=1), "")

    def test_quiet(self, rehive: Any, place_order: Any) -> None:
        opened(place_order())

        run = Run("--verbosity", "0")

        assert (run.out, run.err) == ("", "")

    def test_what_must_be_tried_again_is_named_and_the_exit_code_is_1(
        self, rehive: Any, place_order: Any
    ) -> None:
        order = place_order()
        opened(order)
        rehive.faults(error_status=True)

        run = Run()

        assert run.code == 1
        assert "reading the invoices in USD: Rehive has trouble of its own" in run.err
        assert run.out == summary(failed=1)
        assert Run("--verbosity", "0").err == run.err

        rehive.clear_faults()
        assert Run().code == 0

    def test_one_that_fails_does_not_keep_the_others_waiting(
        self, rehive: Any, place_order: Any
    ) -> None:
        first, second = place_order(), place_order()
        opened(first)
        rehive.outcome(opened(second).remote_id, "pay")
        rehive.faults(error_status={"value": 500, "times": 1})

        run = Run()

        assert run.code == 1
        assert "paid=1" in run.out

    @pytest.mark.parametrize(
        ("setting", "says"), [(None, "missing or not a dict"), ({"TOKE": 1}, "'TOKEN'")]
    )
    @pytest.mark.parametrize("arguments", [[], ["--every", "60"]])
    def test_settings_that_are_not_sound(
        self, settings: Any, setting: Any, says: str, arguments: list[str]
    ) -> None:
        settings.OSCAR_REHIVE = setting

        with pytest.raises(CommandError) as error:
            Run(*arguments)

        assert says in str(error.value)
        assert "rehive_check" in str(error.value)
        assert error.value.returncode == 1

    def test_a_database_that_is_not_migrated(self) -> None:
        with (
            not_migrated(Invoice) as table,
            pytest.raises(CommandError, match=rf"{table}.*manage\.py migrate"),
        ):
            Run()

    def test_on_a_terminal_it_is_a_sentence(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Terminal(StringIO):
            def isatty(self) -> bool:
                return True

        terminal = Terminal()
        call_command("rehive_reconcile", stdout=terminal)

        assert "0 looked at, 0 paid" in terminal.getvalue()

    def test_a_new_fact_that_waits_for_a_person_has_an_exit_code_and_a_word_of_its_own(
        self, rehive: Any, place_order: Any
    ) -> None:
        order = place_order(total="10.00")
        rehive.outcome(opened(order).remote_id, "pay_more", amount=1200)

        run = Run("--verbosity", "0")

        assert (run.code, run.out) == (3, "")
        assert "1 new fact waits for a person" in run.err
        again = Run()
        assert (again.code, again.err) == (0, "")
        assert again.out == summary(asked=1, attention=1)

    def test_so_has_one_that_was_raised_between_two_runs(
        self, rehive: Any, place_order: Any
    ) -> None:
        """As most are, by a webhook: it was told by no run at all."""
        for order in (place_order(total="10.00"), place_order(total="10.00")):
            invoice = opened(order)
            rehive.outcome(invoice.remote_id, "pay_more", amount=1200)
            settled(invoice)

            run = Run("--verbosity", "0")

            assert run.code == 3
            assert "1 new fact waits for a person" in run.err
            assert (Run("--verbosity", "0").code, Retry.objects.count()) == (0, 1)

        Retry.objects.update(tried_at=timezone.now() - timedelta(days=8))
        assert Run("--verbosity", "0").code == 0, "a quiet week makes none of them new"


@pytest.mark.django_db
def test_broken_off_by_hand_it_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """And no traceback."""

    def reconcile(*args: Any, **kwargs: Any) -> Summary:
        raise KeyboardInterrupt

    monkeypatch.setattr(rehive_reconcile, "reconcile", reconcile)

    with pytest.raises(CommandError, match="Run it again for the rest") as error:
        call_command("rehive_reconcile")
    assert error.value.returncode == 1


class TestToldToEnd:
    """SIGTERM, as service managers and containers send it."""

    def test_it_ends_after_the_order_in_hand_and_the_next_run_goes_on(
        self, rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        orders = [place_order() for _ in range(3)]
        for order in orders:
            opened(order)
            window_over(order)
        real = stages.cancel_order

        def and_is_told_to_end(*args: Any, **kwargs: Any) -> bool:
            os.kill(os.getpid(), signal.SIGTERM)
            return real(*args, **kwargs)

        monkeypatch.setattr(stages, "cancel_order", and_is_told_to_end)
        run = Run()
        monkeypatch.undo()

        assert (run.code, run.out) == (0, summary(asked=3, cancelled=1))
        assert not Claim.objects.exists()
        assert Run().out == summary(asked=3, cancelled=2)

    def test_so_does_the_loop(self, rehive: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rehive_reconcile, "close_old_connections", lambda: None)

        def reconcile(*args: Any, **kwargs: Any) -> Summary:
            os.kill(os.getpid(), signal.SIGTERM)
            return Summary()

        monkeypatch.setattr(rehive_reconcile, "reconcile", reconcile)

        assert Run("--every", "3600").out == summary()

    def test_and_it_does_not_wait_for_a_limit_to_end(
        self, rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        opened(place_order())
        rehive.faults(throttle={"value": 200})
        waited: list[float] = []

        class Noting(rehive_reconcile.Stop):
            def wait(self, timeout: Any = None) -> bool:
                waited.append(timeout)
                os.kill(os.getpid(), signal.SIGTERM)
                return super().wait(timeout)

        monkeypatch.setattr(rehive_reconcile, "Stop", Noting)

        assert Run().code == 1
        assert len(waited) == 1  # the first of many steps

    def test_at_whatever_moment(self) -> None:
        """Python's own event waited for itself where its lock was held by the very code that was interrupted."""

        def terminate(*args: Any) -> Any:
            os.kill(os.getpid(), signal.SIGTERM)
            return terminate

        def hangs(*args: Any) -> None:
            raise TimeoutError

        before, tracing = signal.signal(signal.SIGALRM, hangs), sys.gettrace()
        signal.alarm(5)
        try:
            with rehive_reconcile._until_terminated() as stop:
                sys.settrace(terminate)
                stop.wait(0.01)
                sys.settrace(tracing)
                assert stop.is_set()
        finally:
            sys.settrace(tracing)
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)

    def test_afterwards_it_means_what_it_meant(self) -> None:
        before = signal.getsignal(signal.SIGTERM)
        Run()

        assert signal.getsignal(signal.SIGTERM) is before


class TestAgainAndAgain:
    @pytest.fixture(autouse=True)
    def pauses(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """The pauses that were made, none of them waited for; Ctrl-C in the third."""
        pauses: list[int] = []

        class Noting(rehive_reconcile.Stop):
            def wait(self, timeout: Any = None) -> bool:
                pauses.append(timeout)
                if len(pauses) == 3:
                    raise KeyboardInterrupt
                return False

        monkeypatch.setattr(rehive_reconcile, "Stop", Noting)
        # The test's own transaction must outlive it.
        monkeypatch.setattr(rehive_reconcile, "close_old_connections", lambda: None)
        return pauses

    def test_until_interrupted(self, pauses: list[int]) -> None:
        run = Run("--every", "30")

        assert run.code == 0
        assert run.out == summary() * 3
        assert pauses == [30, 30, 30]

    def test_trouble_ends_no_loop(self, rehive: Any, place_order: Any) -> None:
        opened(place_order())
        rehive.faults(error_status={"value": 500, "times": 1})

        run = Run("--every", "30")

        assert run.code == 0
        assert run.out == summary(asked=1, failed=1) + summary(asked=1) * 2

    def test_nor_does_a_database_that_is_away_for_a_while(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fresh: list[bool] = []
        runs: list[bool] = []

        def reconcile(*args: Any, **kwargs: Any) -> Summary:
            runs.append(True)
            if len(runs) == 1:
                raise OperationalError("the database system is shutting down")
            return Summary()

        monkeypatch.setattr(rehive_reconcile, "reconcile", reconcile)
        monkeypatch.setattr(rehive_reconcile, "close_old_connections", lambda: fresh.append(True))

        run = Run("--every", "30")

        assert "the database system is shutting down" in run.err
        assert run.out == summary() * 2
        # A connection that the server dropped would fail for ever.
        assert len(fresh) == 3

    def test_each_line_is_told_at_once(
        self, pauses: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """In a journal as well, where what is written waits in the process until there is much of it."""
        journal, told = BytesIO(), []

        def reconcile(*args: Any, **kwargs: Any) -> Summary:
            told.append(journal.getvalue().decode())
            return Summary()

        monkeypatch.setattr(rehive_reconcile, "reconcile", reconcile)
        out = TextIOWrapper(journal)
        call_command("rehive_reconcile", "--every", "30", stdout=out)

        assert told == ["", summary(), summary() * 2]

    @pytest.mark.parametrize("pause", ["0", "-5", "1.5", "5m", "", "99999999999"])
    def test_a_pause_that_is_none(self, pause: str) -> None:
        with pytest.raises(CommandError) as error:
            Run("--every", pause)

        assert f"{pause!r} is not a whole number of seconds from 1 to 86400" in str(error.value)

"""A shop with workers: the webhook is one INSERT and one word to them. One without them has lanes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.module_loading import import_string

from oscar_rehive import background, tasks
from oscar_rehive.background import Lane, workers_task
from oscar_rehive.compat import django_tasks
from oscar_rehive.models import Delivery, Invoice
from oscar_rehive.payments import deliveries
from tests.steps import delivered, opened

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parent.parent
IMMEDIATE = f"{django_tasks().__name__}.backends.immediate.ImmediateBackend"
DUMMY = f"{django_tasks().__name__}.backends.dummy.DummyBackend"


class Subclassed(import_string(IMMEDIATE)):  # type: ignore[misc]  # found by its name
    """A shop's own, which does the work in place too."""


class QueueDown(import_string(DUMMY)):  # type: ignore[misc]  # as above
    """What stands in front of a queue that does not answer."""

    def enqueue(self, *args: Any, **kwargs: Any) -> Any:
        raise ConnectionError("Error 111 connecting to the queue.")


def backend(path: str, **more: Any) -> dict[str, Any]:
    return {"default": {"BACKEND": path, **more}}


def told() -> list[tuple[str, list[Any]]]:
    """What the workers were told: tasks and their arguments."""
    results = django_tasks().task_backends["default"].results
    return [(one.task.name, list(one.args)) for one in results]


def complaints() -> list[str]:
    return [str(one.msg) for one in run_checks() if one.id == "oscar_rehive.W010"]


@pytest.fixture
def workers(settings: Any) -> None:
    """A queue that keeps what it is given."""
    settings.TASKS = backend(DUMMY)


@pytest.fixture
def paid(rehive: Any, place_order: Any) -> Invoice:
    """An invoice that is paid, and the shop does not know it yet."""
    invoice = opened(place_order())
    rehive.outcome(invoice.remote_id, "pay")
    return invoice


class TestWithWorkers:
    @pytest.fixture(autouse=True)
    def _workers(self, workers: None) -> None:
        pass

    def test_the_webhook_is_one_insert_and_one_word_to_them(
        self, paid: Invoice, client: Client
    ) -> None:
        with CaptureQueriesContext(connection) as captured:
            assert delivered(client, paid).status_code == 200

        (statement,) = [one["sql"] for one in captured]
        assert statement.startswith('INSERT INTO "oscar_rehive_delivery"')
        assert told() == [("work_on_deliveries", [Delivery.objects.get().remote_id])]

    def test_p11_the_sender_does_not_wait_for_the_queue(
        self, paid: Invoice, client: Client, later: Any
    ) -> None:
        """A Redis that takes connections and says nothing was waited for a minute."""
        later.waits()

        assert delivered(client, paid).status_code == 200
        assert told() == []

        later.comes()
        assert len(told()) == 1

    def test_a_worker_settles_and_leaves_the_mail_to_the_next(
        self, paid: Invoice, client: Client, mailoutbox: list[Any], later: Any
    ) -> None:
        delivered(client, paid)
        later.waits()

        tasks.work_on_deliveries.call(Delivery.objects.get().remote_id)

        assert Delivery.objects.get().state == Delivery.State.DONE
        assert told()[1:] == [("send_confirmation", [paid.order_number])]
        assert (mailoutbox, later.kept) == ([], [])

        tasks.send_confirmation.call(paid.order_number)
        assert len(mailoutbox) == 1

    def test_a_delivery_that_is_gone_or_done_is_no_work(
        self, paid: Invoice, client: Client
    ) -> None:
        delivered(client, paid)
        delivery = Delivery.objects.get()
        tasks.work_on_deliveries.call(delivery.remote_id)
        before = Delivery.objects.get().done_at

        tasks.work_on_deliveries.call(delivery.remote_id)
        tasks.work_on_deliveries.call("unknown")

        assert Delivery.objects.get().done_at == before


def test_a_worker_whose_queue_goes_down_sends_the_mail_itself(
    paid: Invoice, client: Client, settings: Any, mailoutbox: list[Any], later: Any
) -> None:
    """A thread would end with the process that was forked for the task."""
    settings.TASKS = backend("tests.test_workers.QueueDown")
    later.waits()
    delivered(client, paid)

    tasks.work_on_deliveries.call(Delivery.objects.get().remote_id)

    assert len(mailoutbox) == 1


def test_with_a_queue_that_is_down_this_process_does_the_work(
    paid: Invoice, client: Client, settings: Any, caplog: Any
) -> None:
    settings.TASKS = backend("tests.test_workers.QueueDown")

    assert delivered(client, paid).status_code == 200

    assert Delivery.objects.get().state == Delivery.State.DONE
    complaint, *_ = [one for one in caplog.messages if "cannot be told" in one]
    assert "(ConnectionError: Error 111 connecting to the queue.)" in complaint
    assert len(complaint.splitlines()) == 1, "one for each delivery: too many to be tracebacks"


@pytest.mark.parametrize(
    "setting", [None, backend(IMMEDIATE), backend("tests.test_workers.Subclassed")]
)
def test_p11_without_workers_the_sender_does_not_wait_for_the_work(
    paid: Invoice, client: Client, settings: Any, later: Any, setting: Any
) -> None:
    """Django's default does a task where it is told of it: a mail server that hangs would hold up the lane of
    the deliveries, which is another one."""
    if setting is not None:
        settings.TASKS = setting
    assert workers_task("send_confirmation") is None
    later.waits()

    delivered(client, paid)

    assert Delivery.objects.get().state == Delivery.State.NEW
    assert len(later.kept) == 1
    later.comes()
    assert Delivery.objects.get().state == Delivery.State.DONE


class TestATasksThatHasNoPlaceForOurs:
    @pytest.fixture(
        params=[
            backend(DUMMY, QUEUES=["mails"]),
            backend("no.such.Backend"),
            {"mails": {"BACKEND": DUMMY}},
        ],
        ids=["no queue", "no module", "no default"],
    )
    def _odd(self, request: Any, settings: Any) -> None:
        settings.TASKS = request.param

    @pytest.mark.usefixtures("_odd")
    def test_keeps_no_delivery_from_being_worked_on(self, paid: Invoice, client: Client) -> None:
        assert delivered(client, paid).status_code == 200

        assert Delivery.objects.get().state == Delivery.State.DONE

    @pytest.mark.usefixtures("_odd")
    def test_is_told_by_a_check(self) -> None:
        from oscar_rehive.checks import check_workers

        (warning,) = check_workers()
        assert (warning.id, bool(warning.hint)) == ("oscar_rehive.W010", True)


def test_w010_a_backend_that_does_no_work(settings: Any) -> None:
    assert complaints() == []

    settings.TASKS = backend(DUMMY)
    (complaint,) = complaints()
    assert "DummyBackend" in complaint

    settings.TASKS = backend(IMMEDIATE)
    assert complaints() == []


def test_a_shop_without_the_interface_can_import_the_tasks_all_the_same(tmp_path: Path) -> None:
    """Celery does so in every shop that has it."""
    script = """
import sys
sys.modules["django.tasks"] = sys.modules["django_tasks"] = None
import django
django.setup()
from oscar_rehive import background, tasks
assert background.workers_task("work_on_deliveries") is None
assert tasks.work_on_deliveries.__name__ == "work_on_deliveries"
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "sandbox.settings",
            "SANDBOX_VAR": str(tmp_path),
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


class TestToldTogether:
    """Telling a table of a database of each delivery by itself cost as much as storing it."""

    def test_what_comes_within_a_moment_is_one_word(self, workers: None, later: Any) -> None:
        later.waits()
        for remote_id in ("a", "b", "a"):
            deliveries.work_on_soon(remote_id)
        later.comes()

        assert told() == [("work_on_deliveries", ["a", "b"])]
        deliveries.work_on_soon("c")
        assert told()[1:] == [("work_on_deliveries", ["c"])]

    def test_many_are_shared_among_the_workers(self, workers: None, later: Any) -> None:
        later.waits()
        for nth in range(25):
            deliveries.work_on_soon(str(nth))
        later.comes()

        assert [len(names) for _, names in told()] == [10, 10, 5]

    def test_a_queue_that_hangs_fills_no_memory(
        self, workers: None, later: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(background, "MOST_UNTOLD", 3)
        later.waits()
        for nth in range(5):
            deliveries.work_on_soon(str(nth))

        assert len(later.kept) == 1
        later.comes()
        assert told() == [("work_on_deliveries", ["0", "1", "2"])]

    def test_where_no_thread_can_be_had_the_next_one_is_told_again(
        self, workers: None, later: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as full:
            full.setattr(Lane, "do", lambda lane, work: False)
            deliveries.work_on_soon("a")

        deliveries.work_on_soon("b")

        assert told() == [("work_on_deliveries", ["b"])]

    def test_one_that_fails_is_not_in_the_way_of_the_others(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The queue shows it as failed all the same."""
        done: list[str] = []

        def work_on(remote_id: str) -> None:
            done.append(remote_id)
            if remote_id == "a":
                raise KeyError(remote_id)

        monkeypatch.setattr(deliveries, "work_on", work_on)

        with pytest.raises(KeyError):
            tasks.work_on_deliveries.call("a", "b")

        assert done == ["a", "b"]
        assert "a failed" in caplog.text

"""The owners are mailed what goes wrong: once, by one of several, and without holding anything up."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.management import call_command
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from oscar.core.loading import get_model

from oscar_rehive import noticing
from oscar_rehive.checkup import being_told
from oscar_rehive.checkup.being_told import tell
from oscar_rehive.checkup.telling import FEW_MINUTES
from oscar_rehive.models import Attention, Delivery, OrderPayment, Run, Told
from tests.dashboard.conftest import Desk, desk, desk_page
from tests.steps import not_migrated, payment_page

pytestmark = pytest.mark.django_db

__all__ = ["desk"]

Order = get_model("order", "Order")

OWNER = "kim@example.com"
DOWN = "tests.test_being_told.DownBackend"


class DownBackend:
    """A mail server that takes nothing."""

    def __init__(self, **kwargs: Any) -> None:
        pass

    def send_messages(self, messages: Any) -> int:
        raise ConnectionRefusedError("no mail server")


@pytest.fixture(autouse=True)
def _owner(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.OSCAR_REHIVE = {
        **settings.OSCAR_REHIVE,
        "TELL": [OWNER],
        "BASE_URL": "https://shop.example.com/",
    }
    monkeypatch.setattr(noticing, "_looks_at", 0.0)


class Time:
    """What was seen and told gets older."""

    def passes(self, span: timedelta = FEW_MINUTES) -> None:
        row = Told.objects.get()
        told = [row.memory, *row.memory.get("troubles", {}).values()]
        for one in told:
            for name in {"mailed_at", "since", "well_since"} & set(one):
                if one[name]:
                    one[name] = (datetime.fromisoformat(one[name]) - span).isoformat()
        if row.claimed_at:
            row.claimed_at -= span
        row.save()


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def fact(place_order: Any) -> Attention:
    place_order()
    return Attention.objects.create(
        payment=OrderPayment.objects.get(), kind=Attention.Kind.LATE, reason="So <late>."
    )


def reconcile_is_missing() -> None:
    Run.objects.create(ended_at=timezone.now() - timedelta(hours=2))


class TestTheMail:
    def test_about_a_fact(self, fact: Attention) -> None:
        assert tell()

        (sent,) = mail.outbox
        html = sent.alternatives[0][0]
        assert sent.to == [OWNER]
        assert sent.subject == "A payment waits for you"
        for text in (sent.body, html):
            assert f"Order {fact.payment.order_number}: paid late" in text
            assert "https://shop.example.com/dashboard/rehive/attention/" in text
            assert "You are told once of each fact." in text
            assert "when it is over" not in text, "that nobody is told of a fact"
        assert "So <late>." in sent.body
        assert "So &lt;late&gt;." in html

    def test_about_what_is_wrong_says_what_to_do_and_where(self, time: Time) -> None:
        reconcile_is_missing()
        tell()
        time.passes()

        assert tell()

        (sent,) = mail.outbox
        assert sent.subject == "Payments need you: rehive_reconcile has not run for 2 hours."
        for text in (sent.body, sent.alternatives[0][0]):
            assert "Let manage.py rehive_reconcile run every few minutes" in text
            assert "https://shop.example.com/dashboard/rehive/health/" in text

    def test_once_and_once_when_it_is_over(self, time: Time) -> None:
        reconcile_is_missing()
        for _ in range(6):
            tell()
            time.passes()
        assert len(mail.outbox) == 1
        Run.objects.create()
        for _ in range(6):
            tell()
            time.passes()

        assert [one.subject for one in mail.outbox][1:] == ["Payments are well again"]
        assert "This is over: rehive_reconcile has not run" in mail.outbox[1].body

    def test_facts_are_collected_and_each_is_told_once(self, fact: Attention, time: Time) -> None:
        tell()
        for subject in range(being_told.MOST_FACTS + 1):
            Attention.objects.create(
                payment=fact.payment, kind=Attention.Kind.EXCESS, subject=str(subject)
            )
        assert not tell()  # a few minutes have not gone by
        time.passes()

        assert tell()

        assert mail.outbox[1].subject == "21 facts about payments wait for you"
        assert "And 1 more." in mail.outbox[1].body
        time.passes()
        assert not tell()

    def test_a_flood_of_facts_is_one_mail(
        self, fact: Attention, time: Time, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A business that is no longer in the settings makes one of each of its invoices."""
        monkeypatch.setattr(being_told, "AT_ONCE", 10)
        Attention.objects.bulk_create(
            Attention(payment=fact.payment, kind="out_of_reach", subject=str(n)) for n in range(50)
        )

        assert tell()
        assert mail.outbox[0].subject == "51 facts about payments wait for you"
        assert "And 31 more." in mail.outbox[0].body
        time.passes()
        assert not tell()

    def test_what_was_dealt_with_meanwhile_is_not_told(self, fact: Attention) -> None:
        Attention.objects.update(resolved_at=timezone.now())

        assert not tell()

    def test_goes_to_nobody_where_that_is_set(self, fact: Attention, settings: Any) -> None:
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "TELL": []}

        assert not tell()
        assert not Told.objects.exists()


class TestAMailServerThatIsDown:
    def test_delays_it(self, fact: Attention, settings: Any, time: Time) -> None:
        backend, settings.EMAIL_BACKEND = settings.EMAIL_BACKEND, DOWN
        assert not tell()
        settings.EMAIL_BACKEND = backend
        assert not tell()  # not each minute
        time.passes(being_told.CLAIM)

        assert tell()

    def test_fails_no_run(self, fact: Attention, settings: Any, rehive: Any) -> None:
        settings.EMAIL_BACKEND = DOWN

        with pytest.raises(SystemExit) as end:
            call_command("rehive_reconcile", verbosity=0)

        assert end.value.code == 3  # a new fact waits, and nothing failed
        assert Run.objects.get().failed == 0

    def test_one_address_that_is_refused_keeps_no_other_from_it(
        self, fact: Attention, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "TELL": ["gone@example.com", OWNER]}
        backend = type(mail.get_connection())
        real = backend.send_messages

        def send(self: Any, messages: Any) -> int:
            if messages[0].to == ["gone@example.com"]:
                raise ConnectionRefusedError
            return int(real(self, messages))

        monkeypatch.setattr(backend, "send_messages", send)

        assert tell()
        assert [one.to for one in mail.outbox] == [[OWNER]]


class TestSeveralProcesses:
    def test_one_tells(self, fact: Attention) -> None:
        Told.objects.create(name=being_told.OWNERS, claimed_at=timezone.now())

        assert not tell()

    def test_one_that_was_killed_loses_nothing(self, fact: Attention) -> None:
        Told.objects.create(name=being_told.OWNERS, claimed_at=timezone.now() - being_told.CLAIM)

        assert tell()

    @pytest.mark.postgres
    @pytest.mark.django_db(transaction=True)
    def test_at_the_same_moment(self, fact: Attention) -> None:
        def one() -> None:
            try:
                together.wait()
                told.append(tell())
            finally:
                connections.close_all()

        told: list[bool] = []
        together = threading.Barrier(4)
        threads = [threading.Thread(target=one) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(told) == [False, False, False, True]
        assert len(mail.outbox) == 1


class TestItIsNoticed:
    """Also where reconcile, which would notice all else, does not run."""

    def test_by_a_webhook_call(self, fact: Attention, rehive: Any) -> None:
        Client().post("/rehive/webhook/")

        assert len(mail.outbox) == 1

    def test_by_a_shoppers_page(self, fact: Attention, rehive: Any) -> None:
        Client().get(payment_page("return", Order.objects.get()))

        assert len(mail.outbox) == 1

    def test_by_opening_the_desk(self, fact: Attention, desk: Desk) -> None:
        desk.page(desk_page("attention"))

        assert len(mail.outbox) == 1

    def test_once_a_minute_by_all_processes_that_share_a_cache(
        self, fact: Attention, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        times = []
        monkeypatch.setattr(being_told, "tell", lambda: times.append(1))
        for _ in range(3):
            monkeypatch.setattr(noticing, "_looks_at", 0.0)  # another process
            noticing.notice_soon()

        assert len(times) == 1

    def test_without_a_statement(self, fact: Attention, later: Any) -> None:
        later.waits()
        with CaptureQueriesContext(connection) as captured:
            noticing.notice_soon()

        assert captured.captured_queries == []
        assert len(later.kept) == 1

    def test_a_delivery_takes_no_statement_more(
        self, later: Any, settings: Any, client: Any
    ) -> None:
        def statements() -> int:
            with CaptureQueriesContext(connection) as captured:
                client.post("/rehive/webhook/", {"data": {"id": "x"}}, **as_rehive)
            return len(captured)

        later.waits()
        secret = settings.OSCAR_REHIVE["WEBHOOK_SECRET"]
        as_rehive: dict[str, Any] = {
            "content_type": "application/json",
            "headers": {"Authorization": f"Secret {secret}"},
        }
        with_it = statements()
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "TELL": []}

        assert statements() == with_it
        assert Delivery.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_tables_that_are_missing_fail_nothing(rehive: Any) -> None:
    with not_migrated(Told):
        assert not tell()
        assert Client().post("/rehive/webhook/").status_code == 401


def test_looking_takes_a_few_statements_however_many_facts(fact: Attention, time: Time) -> None:
    def looks() -> int:
        time.passes()
        with CaptureQueriesContext(connection) as captured:
            assert not tell()
        return len(captured)

    tell()
    before = looks()
    Attention.objects.bulk_create(
        Attention(payment=fact.payment, kind="excess", subject=str(n), told_at=timezone.now())
        for n in range(50)
    )

    assert (looks(), before <= 14) == (before, True)

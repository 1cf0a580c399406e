"""Deliveries that come close together: those about one invoice cost one question, and a burst about many
invoices is answered by pages."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone

from oscar_rehive.models import Delivery, Invoice
from oscar_rehive.payments import bursts, deliveries, reading
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.rehive import deadlines
from oscar_rehive.rehive.client import Client
from oscar_rehive.rehive.exceptions import Unreachable
from oscar_rehive.remembering import claim, forget
from tests.steps import opened, questions

# Whoever is second finds a row that is there already, which ends a transaction.
pytestmark = pytest.mark.django_db(transaction=True)

NEW, DONE = Delivery.State.NEW, Delivery.State.DONE


def told_of(invoice: Invoice, *, reference: str | None = None) -> str:
    """Rehive's id of ``invoice``, about which a new delivery has been stored that nobody works on yet."""
    number = invoice.order_number if reference is None else reference
    return Delivery.objects.create(remote_id=invoice.remote_id, reference=number).remote_id


def waiting() -> int:
    return Delivery.objects.filter(state=NEW).count()


@pytest.fixture
def paid(rehive: Any, place_order: Any) -> Invoice:
    """An invoice that is paid, and the shop does not know it yet."""
    invoice = opened(place_order())
    rehive.outcome(invoice.remote_id, "pay")
    return invoice


class TestAboutOneInvoice:
    @pytest.fixture
    def meanwhile(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
        """Has something happen while Rehive is asked for the first time."""

        def meanwhile(happens: Callable[[], None]) -> None:
            real, todo = Client.invoice, [happens]

            def invoice(*args: Any, **kwargs: Any) -> Any:
                answer = real(*args, **kwargs)
                while todo:
                    todo.pop()()
                return answer

            monkeypatch.setattr(Client, "invoice", invoice)

        return meanwhile

    def test_whoever_comes_first_asks_for_all_that_wait(self, rehive: Any, paid: Invoice) -> None:
        first, second = told_of(paid), told_of(paid)

        deliveries.work_on(second)
        deliveries.work_on(first)

        assert (waiting(), questions(rehive, paid)) == (0, 1)

    def test_those_that_come_while_rehive_is_asked_cost_one_more_question(
        self, rehive: Any, paid: Invoice, meanwhile: Any
    ) -> None:
        """They may tell something newer, and whoever has the invoice in hand asks for all of them."""
        asked: list[int] = []

        def three_more_come() -> None:
            for _ in range(3):
                deliveries.work_on(told_of(paid))
            asked.append(questions(rehive, paid))

        meanwhile(three_more_come)
        deliveries.work_on(told_of(paid))

        assert asked == [1]
        assert (waiting(), questions(rehive, paid)) == (0, 2)

    def test_those_that_come_while_a_question_fails_are_asked_about_all_the_same(
        self, rehive: Any, paid: Invoice, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real, todo = Client.invoice, [1]

        def fails_once(*args: Any, **kwargs: Any) -> Any:
            if not todo:
                return real(*args, **kwargs)
            todo.clear()
            deliveries.work_on(told_of(paid))
            raise Unreachable("503")

        monkeypatch.setattr(Client, "invoice", fails_once)

        deliveries.work_on(told_of(paid))

        assert set(Delivery.objects.values_list("state", "reason")) == {(DONE, "")}

    def test_one_that_names_another_order_is_worked_on_by_itself(
        self, rehive: Any, paid: Invoice
    ) -> None:
        first, _ = told_of(paid), told_of(paid, reference="X")

        deliveries.work_on(first)

        assert waiting() == 0

    def test_what_a_killed_worker_had_in_hand_is_done_by_reconcile(
        self, rehive: Any, paid: Invoice
    ) -> None:
        turn = deliveries.turn_of(paid.remote_id)
        claim(turn, 60)
        deliveries.work_on(told_of(paid))
        assert (waiting(), questions(rehive, paid)) == (1, 0)

        reconcile()
        assert waiting() == 0

        # And the next worker has it when the dead one's time has run out.
        forget(turn)
        deliveries.work_on(told_of(paid))
        assert waiting() == 0

    def test_what_cannot_be_settled_is_not_asked_about_again_and_again(
        self, rehive: Any, paid: Invoice, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*args: Any, **kwargs: Any) -> Any:
            raise ZeroDivisionError("a signal receiver's")

        monkeypatch.setattr(deliveries, "refresh", broken)

        deliveries.work_on(told_of(paid))

        assert Delivery.objects.get().tries == 1


class TestABurst:
    @pytest.fixture(autouse=True)
    def _few_are_many(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bursts, "MANY", 3)

    @pytest.fixture
    def paid_ones(self, rehive: Any, invoices: Any) -> list[Invoice]:
        """As many as are many, all paid."""
        made: list[Invoice] = invoices(4)
        for invoice in made:
            rehive.outcome(invoice.remote_id, "pay")
        return made

    def test_is_answered_by_pages_and_each_mail_is_sent(
        self, paid_ones: list[Invoice], calls: Any, mailoutbox: list[Any]
    ) -> None:
        told = [told_of(invoice) for invoice in paid_ones * 3]
        calls()

        for remote_id in told:
            deliveries.work_on(remote_id)

        asked = calls()
        assert (asked["single"], asked["pages"]) == (0, 1)
        assert set(Invoice.objects.values_list("state", flat=True)) == {Invoice.State.PAID}
        assert (waiting(), len(mailoutbox)) == (0, 4)
        assert set(Delivery.objects.values_list("tries", flat=True)) == {1}
        assert not bursts.is_being_answered()

    def test_fewer_are_asked_about_singly(self, paid_ones: list[Invoice], calls: Any) -> None:
        told = [told_of(invoice) for invoice in paid_ones[:3] * 2]
        calls()

        for remote_id in told:
            deliveries.work_on(remote_id)

        asked = calls()
        assert (asked["single"], asked["pages"], waiting()) == (3, 0, 0)

    def test_many_about_invoices_that_are_not_ours_are_none(
        self, rehive: Any, paid: Invoice, calls: Any
    ) -> None:
        for number in range(9):
            Delivery.objects.create(remote_id=f"stranger-{number}")
        remote_id = told_of(paid)
        calls()

        deliveries.work_on(remote_id)

        asked = calls()
        assert (asked["single"], asked["pages"]) == (1, 0)
        assert waiting() == 9

    @pytest.mark.parametrize("when", ["nobody reads", "somebody has just read"])
    def test_whoever_comes_while_that_is_found_out_is_not_left_alone(
        self, rehive: Any, invoices: Any, monkeypatch: pytest.MonkeyPatch, when: str
    ) -> None:
        """He left word to read for him too, and there was nothing to read."""
        one, other = invoices(2)
        for number in range(9):
            Delivery.objects.create(remote_id=f"stranger-{number}")
        real, todo, remote_id = bursts._is_burst, [1], told_of(one)

        def is_burst(business: Any) -> bool:
            if todo:
                todo.clear()
                deliveries.work_on(told_of(other))
            return real(business)

        monkeypatch.setattr(bursts, "_is_burst", is_burst)
        if when == "somebody has just read":
            monkeypatch.setattr(deliveries, "is_being_answered", lambda: True)

        deliveries.work_on(remote_id)

        ours = Delivery.objects.filter(remote_id__in=[one.remote_id, other.remote_id])
        assert set(ours.values_list("state", flat=True)) == {DONE}

    def test_each_business_has_a_burst_of_its_own(
        self, paid_ones: list[Invoice], calls: Any
    ) -> None:
        told = [told_of(invoice) for invoice in paid_ones]
        Invoice.objects.filter(pk=paid_ones[-1].pk).update(business_id="another")
        calls()

        deliveries.work_on(told[0])

        asked = calls()
        assert (asked["single"], asked["pages"], waiting()) == (1, 0, 3)

    def test_one_worker_at_a_time_reads_for_all(self, paid_ones: list[Invoice], calls: Any) -> None:
        claim(bursts.TURN, 60)
        told = [told_of(invoice) for invoice in paid_ones]
        calls()

        for remote_id in told:
            deliveries.work_on(remote_id)

        assert (sum(calls().values()), waiting()) == (0, 4)

    def test_those_that_come_while_it_is_read_are_not_forgotten(
        self,
        rehive: Any,
        paid_ones: list[Invoice],
        invoices: Any,
        calls: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """They are left to whoever reads."""
        real, todo, left = Client.invoice_page, [1], []

        def page(*args: Any, **kwargs: Any) -> Any:
            answer = real(*args, **kwargs)
            if todo:
                todo.clear()
                late = invoices(5)
                calls()
                for invoice in late:
                    rehive.outcome(invoice.remote_id, "pay")
                for invoice in late:
                    deliveries.work_on(told_of(invoice))
                left.append((sum(calls().values()), waiting()))
            return answer

        monkeypatch.setattr(Client, "invoice_page", page)
        told = [told_of(invoice) for invoice in paid_ones]

        deliveries.work_on(told[0])

        assert left == [(0, 9)]
        assert waiting() == 0
        assert set(Invoice.objects.values_list("state", flat=True)) == {Invoice.State.PAID}

    def test_whoever_reads_for_many_has_no_more_time_than_for_one(
        self, paid_ones: list[Invoice], monkeypatch: pytest.MonkeyPatch, later: Any
    ) -> None:
        """Queues end a task that takes longer; what was left was nobody's then."""
        left: list[float] = []
        clock = SimpleNamespace(now=1000.0, monotonic=lambda: clock.now)
        monkeypatch.setattr(deadlines, "time", clock)

        def read(*args: Any) -> None:
            left.append(deadlines.seconds_left())
            clock.now += 70
            if len(left) < 4:
                for invoice in paid_ones:
                    deliveries.work_on(told_of(invoice))

        monkeypatch.setattr(bursts, "read", read)
        told = [told_of(invoice) for invoice in paid_ones]
        later.waits()

        deliveries.work_on(told[0])

        assert left == [120, 50]
        assert len(later.kept) == 4, "others go on"

    def test_what_no_page_shows_is_asked_about_and_no_page_is_read_again(
        self, paid_ones: list[Invoice], calls: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = Client.invoice_page

        def page(*args: Any, **kwargs: Any) -> Any:
            return dataclasses.replace(real(*args, **kwargs), invoices=())

        monkeypatch.setattr(Client, "invoice_page", page)
        told = [told_of(invoice) for invoice in paid_ones]
        calls()

        deliveries.work_on(told[0])

        asked = calls()
        assert (asked["single"], asked["pages"], waiting()) == (4, 1, 0)

    def test_one_that_was_asked_about_by_a_clock_that_is_ahead_is_not_answered(
        self, paid_ones: list[Invoice], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = Client.invoice_page

        def page(*args: Any, **kwargs: Any) -> Any:
            return dataclasses.replace(real(*args, **kwargs), invoices=())

        monkeypatch.setattr(Client, "invoice_page", page)
        Invoice.objects.update(asked_at=timezone.now() + timedelta(hours=1))
        told = [told_of(invoice) for invoice in paid_ones]

        deliveries.work_on(told[0])

        assert set(Invoice.objects.values_list("state", flat=True)) == {Invoice.State.PAID}

    def test_where_the_list_cannot_be_had_each_is_asked_about(
        self, paid_ones: list[Invoice], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def gone(*args: Any, **kwargs: Any) -> Any:
            raise Unreachable("503")

        monkeypatch.setattr(Client, "invoice_page", gone)
        told = [told_of(invoice) for invoice in paid_ones]

        deliveries.work_on(told[0])

        assert waiting() == 0
        assert not bursts.is_being_answered()

    def test_while_rehive_is_silent_all_stay_new_with_the_reason(
        self, rehive: Any, paid_ones: list[Invoice], moments: Any
    ) -> None:
        rehive.faults(error_status=503)
        told = [told_of(invoice) for invoice in paid_ones]

        deliveries.work_on(told[0])

        assert waiting() == 4
        assert not Delivery.objects.filter(reason="").exists()

        rehive.clear_faults()
        moments.go_by(60)
        reconcile()
        assert waiting() == 0

    def test_news_from_after_the_page_are_not_taken_for_answered(
        self, paid_ones: list[Invoice], monkeypatch: pytest.MonkeyPatch, later: Any
    ) -> None:
        """Also where the clock of the machine that stored them is behind."""
        real = reading.read
        late: list[int] = []

        def read(*args: Any) -> Any:
            settled = real(*args)
            told_of(paid_ones[0])
            late.append(Delivery.objects.latest("pk").pk)
            long_ago = timezone.now() - timedelta(hours=1)
            Delivery.objects.filter(pk=late[0]).update(received_at=long_ago)
            return settled

        monkeypatch.setattr(bursts, "read", read)
        told = [told_of(invoice) for invoice in paid_ones]
        later.waits()

        deliveries.work_on(told[0])

        assert list(Delivery.objects.filter(state=NEW).values_list("pk", flat=True)) == late
        later.comes()
        assert waiting() == 0

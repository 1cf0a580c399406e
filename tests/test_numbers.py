"""Numbers for operators: each thing that happens is counted once, where ``prometheus_client`` is installed."""

from __future__ import annotations

import ast
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client import REGISTRY

import oscar_rehive
from oscar_rehive import conf, numbers
from oscar_rehive.models import Delivery, Invoice, OrderPayment
from oscar_rehive.payments import bursts, deliveries, mails
from oscar_rehive.payments.carrying_out import change
from oscar_rehive.payments.gateway import client_for
from oscar_rehive.payments.mails import send_confirmation, send_confirmation_if_due
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.payments.settling import follow, settle
from oscar_rehive.rehive import exceptions
from oscar_rehive.rehive.exceptions import RehiveError
from tests.steps import delivered, opened, settled, told, window_over

Grown = Callable[..., float]

ANSWERS = {
    "ok": {"id": "1"},
    "refused": exceptions.Refused("no", {}),
    "not_found": exceptions.NotFound("404"),
    "throttled": exceptions.Throttled(1),
    "unreachable": exceptions.Unreachable("silence"),
    "unintelligible": exceptions.TooLarge("4 GB"),
    "unauthorised": exceptions.Unauthorised("401"),
}


@pytest.fixture
def grown() -> Grown:
    """By how much a number has grown since it was asked for last, or since the test began."""
    begun = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for kept in numbers._kept.values()
        for metric in kept.collect()
        for sample in metric.samples
    }

    def grown(name: str, **labels: str) -> float:
        key = f"oscar_rehive_{name}", frozenset(labels.items())
        now = REGISTRY.get_sample_value(key[0], labels) or 0.0
        before, begun[key] = begun.get(key, 0.0), now
        return now - before

    return grown


def gate() -> Any:
    """What the calls of the shop's business go through."""
    return client_for(conf.current().businesses["USD"])._gate


@pytest.mark.django_db
def test_a_delivery_is_counted_when_it_comes_and_timed_when_it_is_done(
    rehive: Any, place_order: Any, client: Any, later: Any, grown: Grown
) -> None:
    later.waits()
    delivered(client, opened(place_order()))

    assert grown("deliveries_total", outcome="stored") == 1
    assert grown("delivery_seconds_count", outcome="done") == 0

    Delivery.objects.update(received_at=timezone.now() - timedelta(minutes=2))
    delivery = Delivery.objects.get()
    deliveries.work_on(delivery.remote_id)

    assert grown("delivery_seconds_count", outcome="done") == 1
    assert grown("delivery_seconds_sum", outcome="done") == pytest.approx(120, abs=10)
    assert grown("deliveries_total", outcome="stored") == 0


@pytest.mark.django_db(transaction=True)
def test_those_that_a_page_answers_are_timed_too(
    rehive: Any, place_order: Any, grown: Grown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bursts, "MANY", 1)
    for _ in range(2):
        remote_id = opened(place_order()).remote_id
        Delivery.objects.create(
            remote_id=remote_id, received_at=timezone.now() - timedelta(minutes=2)
        )

    deliveries.work_on(remote_id)

    assert grown("delivery_seconds_count", outcome="done") == 2
    assert grown("delivery_seconds_sum", outcome="done") == pytest.approx(240, abs=10)


@pytest.mark.django_db
def test_by_a_clock_that_is_ahead_nothing_takes_less_than_no_time(
    rehive: Any, place_order: Any, grown: Grown
) -> None:
    """A sum that shrinks looks as if the process had begun anew."""
    remote_id, ahead = opened(place_order()).remote_id, timezone.now() + timedelta(minutes=2)
    Delivery.objects.create(remote_id=remote_id, received_at=ahead)

    deliveries.work_on(remote_id)

    assert grown("delivery_seconds_sum", outcome="done") == 0


@pytest.mark.django_db
def test_deliveries_that_are_of_no_use(client: Any, grown: Grown) -> None:
    deliveries.store(b"no JSON")
    client.post("/rehive/webhook/", {}, headers={"Authorization": "Secret of somebody else's"})

    assert grown("deliveries_total", outcome="unusable") == 1
    assert grown("deliveries_total", outcome="refused") == 1
    assert grown("deliveries_total", outcome="stored") == 0


@pytest.mark.django_db
def test_a_delivery_about_nothing_of_ours_ends_unusable(rehive: Any, grown: Grown) -> None:
    deliveries.work_on(Delivery.objects.create(remote_id="unknown").remote_id)

    assert grown("delivery_seconds_count", outcome="unusable") == 1


@pytest.mark.parametrize("answer", ANSWERS)
def test_every_call_is_counted_by_its_answer_and_timed(answer: str, grown: Grown) -> None:
    outcome = ANSWERS[answer]

    assert gate().through("GET", "http://rehive.example/", lambda: outcome) is outcome

    counted = {one: grown("requests_total", currency="USD", answer=one) for one in ANSWERS}
    assert counted == {**dict.fromkeys(ANSWERS, 0), answer: 1}
    assert grown("request_seconds_count", currency="USD") == 1


def test_every_error_has_a_word_of_its_own() -> None:
    calls = (one for one in RehiveError.__subclasses__() if one.__module__ == exceptions.__name__)
    kinds = [one.kind for one in calls]

    assert sorted([*kinds, "ok"]) == sorted(ANSWERS)


def test_a_call_that_is_held_back_is_no_call(grown: Grown) -> None:
    for _ in range(7):
        gate().through("GET", "http://rehive.example/", lambda: ANSWERS["unreachable"])

    assert grown("requests_total", currency="USD", answer="unreachable") == 5
    assert grown("requests_held_back_total") == 2


@pytest.mark.django_db
def test_settling_is_timed_and_what_the_answer_was_worth_is_counted(
    rehive: Any, place_order: Any, grown: Grown
) -> None:
    invoice = opened(place_order())
    rehive.outcome(invoice.remote_id, "pay")
    before = told(invoice)
    grown("answers_total", worth="news")
    late = Invoice.objects.get(pk=invoice.pk)

    settled(invoice, "reconcile")

    assert grown("settle_seconds_count", source="reconcile") == 1
    assert grown("answers_total", worth="news") == 1

    assert settle(late, before, source="return")  # by somebody who had asked before
    assert grown("answers_total", worth="nothing") == 1


@pytest.mark.django_db
def test_following_refunds_is_settling_too(rehive: Any, place_order: Any, grown: Grown) -> None:
    follow(opened(place_order()), "staff")

    assert grown("settle_seconds_count", source="staff") == 1


@pytest.mark.django_db
def test_a_settling_that_fails_is_timed_too(rehive: Any, place_order: Any, grown: Grown) -> None:
    invoice = opened(place_order())
    rehive.faults(error_status=500)

    with pytest.raises(RehiveError):
        settled(invoice)

    assert grown("settle_seconds_count", source="webhook") == 1


@pytest.mark.django_db
def test_a_payment_is_counted_when_it_ends(rehive: Any, place_order: Any, grown: Grown) -> None:
    paid, unpaid = place_order(), place_order()
    invoice = opened(paid)
    rehive.outcome(invoice.remote_id, "pay")
    settled(invoice)
    settled(invoice)
    opened(unpaid)

    assert grown("payments_total", outcome="paid") == 1
    assert grown("payments_total", outcome="closed") == 0

    window_over(unpaid)
    reconcile()

    assert grown("payments_total", outcome="closed") == 1
    assert grown("payments_total", outcome="paid") == 0
    assert grown("reconcile_seconds_count") == 1


@pytest.mark.django_db
def test_what_is_not_committed_is_not_counted(place_order: Any, grown: Grown) -> None:
    order = place_order()

    def decide(plan: Any) -> None:
        plan.payment.closed_at = plan.now
        plan.write("x" * 100, to_status=None)  # which no row can hold

    with pytest.raises(Exception, match="to_status"):
        change(order.number, "staff", decide)

    assert OrderPayment.objects.get().closed_at is None
    assert grown("payments_total", outcome="closed") == 0


@pytest.mark.django_db
def test_confirmations_are_counted(
    rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch, grown: Grown
) -> None:
    order = place_order()
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay")
    settled(invoice)

    with monkeypatch.context() as broken:
        broken.setattr(mails, "get_shop", lambda: BrokenMails(order))
        assert not send_confirmation_if_due(order.number)

    assert grown("confirmations_total", outcome="failed") == 1

    assert send_confirmation(order.number)
    assert not send_confirmation(order.number)

    assert grown("confirmations_total", outcome="sent") == 1
    assert grown("confirmations_total", outcome="failed") == 0


class BrokenMails:
    """A shop whose mails do not go out."""

    def __init__(self, order: Any) -> None:
        from oscar_rehive.shop import get_shop

        self.find = get_shop().find

    def send_confirmation(self, *args: Any, **kwargs: Any) -> None:
        raise OSError("no mail server")


def test_nothing_fails_for_a_number(monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    class Full:
        def inc(self, much: float) -> None:
            raise OSError("No space left on device")

    monkeypatch.setitem(numbers._kept, "requests_held_back", Full())

    numbers.count("requests_held_back")

    assert "requests_held_back could not be counted" in caplog.text


@pytest.mark.django_db
def test_counting_asks_no_database() -> None:
    with CaptureQueriesContext(connection) as captured:
        numbers.count("confirmations", outcome="sent")
        with numbers.timing("settle_seconds", source="staff"):
            pass

    assert not captured.captured_queries


def test_whatever_is_counted_is_known_and_the_other_way_round() -> None:
    """A name that nobody knows would be a record in the log instead of a number."""
    called: dict[str, set[str]] = {}
    for file in Path(oscar_rehive.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "numbers"
                and node.func.attr in ("count", "took", "timing")
            ):
                assert isinstance(node.args[0], ast.Constant), ast.unparse(node)
                labels = {str(keyword.arg) for keyword in node.keywords}
                assert called.setdefault(node.args[0].value, labels) == labels

    assert called == {name: set(kind.labels) for name, kind in numbers.KINDS.items()}

"""Deliveries that wait: no outage makes them forgotten, and each invoice is asked about once (P7)."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client as Browser
from django.utils import timezone

from oscar_rehive.models import Delivery, Invoice
from oscar_rehive.payments import bursts, deliveries, reading, stages
from oscar_rehive.payments.deliveries import (
    KEPT_FOR,
    MAX_KEPT_CHARACTERS,
    MAX_TRIES,
    store,
    work_on,
)
from oscar_rehive.payments.gateway import client_for
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.rehive.client import Client
from oscar_rehive.rehive.exceptions import NotFound, Throttled, Unreachable
from tests.payments.pages import business
from tests.steps import answer_lost, delivered, opened, opened_in_vain

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def paid(rehive: Any, place_order: Any) -> Invoice:
    """An invoice that is paid, and the shop does not know it yet."""
    invoice = opened(place_order())
    rehive.outcome(invoice.remote_id, "pay")
    return invoice


class TestWhileRehiveCannotBeAsked:
    @pytest.fixture(
        params=[Unreachable("503"), Throttled(3), NotFound("404"), ImproperlyConfigured("gone")],
        ids=lambda error: type(error).__name__,
    )
    def outage(self, request: Any, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
        """Ends with ``undo()``."""

        def fail(*args: Any, **kwargs: Any) -> Any:
            raise request.param

        monkeypatch.setattr(deliveries, "refresh", fail)
        return monkeypatch

    def test_no_outage_is_so_long_that_its_news_is_forgotten(
        self, paid: Invoice, client: Browser, outage: pytest.MonkeyPatch
    ) -> None:
        delivered(client, paid)
        for _ in range(MAX_TRIES + 1):
            work_on(Delivery.objects.get().remote_id)

        kept = Delivery.objects.get()
        assert (kept.state, kept.reason != "") == (Delivery.State.NEW, True)

        outage.undo()
        reconcile()
        assert Delivery.objects.get().state == Delivery.State.DONE

    def test_but_one_that_is_very_old_is_put_aside_with_its_reason(
        self, paid: Invoice, client: Browser, outage: pytest.MonkeyPatch
    ) -> None:
        delivered(client, paid)
        Delivery.objects.update(received_at=timezone.now() - KEPT_FOR - timedelta(days=1))

        work_on(Delivery.objects.get().remote_id)

        kept = Delivery.objects.get()
        assert (kept.state, kept.reason != "") == (Delivery.State.UNUSABLE, True)


def test_nor_does_a_burst_after_the_other_into_an_outage_use_its_tries_up(
    paid: Invoice, invoices: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first fault of the shop's own code would then be its last."""
    monkeypatch.setattr(bursts, "MANY", 1)

    def silent(*args: Any, **kwargs: Any) -> Any:
        raise Unreachable("503")

    for module, name in ((bursts, "read"), (deliveries, "refresh")):
        monkeypatch.setattr(module, name, silent)
    first = Delivery.objects.create(remote_id=paid.remote_id)
    (other,) = invoices(1)

    for _ in range(5):
        Delivery.objects.create(remote_id=paid.remote_id)
        work_on(Delivery.objects.create(remote_id=other.remote_id).remote_id)

    first.refresh_from_db()
    assert (first.state, first.tries) == (Delivery.State.NEW, 2)


def test_what_the_shop_s_own_code_breaks_is_not_tried_for_ever(
    paid: Invoice, client: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **kwargs: Any) -> Any:
        raise ZeroDivisionError("a signal receiver's")

    monkeypatch.setattr(deliveries, "refresh", broken)
    delivered(client, paid)

    for _ in range(MAX_TRIES):
        work_on(Delivery.objects.get().remote_id)

    kept = Delivery.objects.get()
    assert (kept.state, kept.reason) == (Delivery.State.UNUSABLE, "a signal receiver's")


def test_what_it_breaks_is_told_by_the_run_that_met_it(
    paid: Invoice, client: Browser, monkeypatch: pytest.MonkeyPatch, later: Any
) -> None:
    def broken(*args: Any, **kwargs: Any) -> Any:
        raise ZeroDivisionError("a signal receiver's")

    for module in (deliveries, stages):
        monkeypatch.setattr(module, "refresh", broken)
    monkeypatch.setattr(stages, "is_of_interest", lambda business: False)  # asked about singly
    later.waits()
    delivered(client, paid)

    told = [one for one in reconcile().failures if one.startswith("delivery ")]

    assert told == [f"delivery {Delivery.objects.get().pk}: a signal receiver's"]


def test_what_it_breaks_does_not_hide_the_other_invoices_of_a_page(
    rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, fine = opened(place_order()), opened(place_order())
    for invoice in (broken, fine):
        rehive.outcome(invoice.remote_id, "pay")
    real = reading.refresh

    def refresh(invoice: Invoice, *args: Any, **kwargs: Any) -> None:
        if invoice == broken:
            raise ZeroDivisionError("a signal receiver's")
        real(invoice, *args, **kwargs)

    monkeypatch.setattr(reading, "refresh", refresh)
    monkeypatch.setattr(stages, "refresh", refresh)

    summary = reconcile()

    assert summary.paid == 1
    assert all("a signal receiver's" in failure for failure in summary.failures)


def test_news_of_what_rehive_does_not_know_is_put_aside(rehive: Any, place_order: Any) -> None:
    """Of an attempt whose making was never answered; somebody else made up the id."""
    order = place_order()
    answer_lost(rehive, order)
    strange = Delivery.objects.create(
        remote_id="11111111-2222-3333-4444-555555555555", reference=order.number
    )

    work_on(strange.remote_id)

    strange.refresh_from_db()
    assert strange.state == Delivery.State.UNUSABLE


def test_news_of_a_stranger_s_invoice_cost_one_call_however_many_attempts_were_lost(
    rehive: Any, place_order: Any, moments: Any
) -> None:
    """Another shop at the same business, which counts through the same numbers."""
    order = place_order()
    opened_in_vain(rehive, order, moments, times=5)
    fields = {"request_reference": order.number, "request_amount": 1, "status": "initiated"}
    theirs = client_for(business()).create_invoice(fields, idempotency_key="theirs")
    before = len(rehive.requests())
    delivery = Delivery.objects.create(remote_id=theirs.id, reference=order.number)

    work_on(delivery.remote_id)

    assert len(rehive.requests()) == before + 1
    delivery.refresh_from_db()
    assert delivery.state == Delivery.State.UNUSABLE


class TestAfterAnOutage:
    @pytest.fixture
    def asked(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """The ids of the invoices that Rehive was asked about."""
        asked, real = [], Client.invoice

        def invoice(client: Client, remote_id: str, **kwargs: Any) -> Any:
            asked.append(remote_id)
            return real(client, remote_id, **kwargs)

        monkeypatch.setattr(Client, "invoice", invoice)
        return asked

    @pytest.mark.parametrize("by_pages", [True, False])
    def test_all_news_of_one_invoice_are_worked_on_at_once(
        self,
        rehive: Any,
        paid: Invoice,
        client: Browser,
        asked: list[str],
        monkeypatch: pytest.MonkeyPatch,
        by_pages: bool,
        moments: Any,
    ) -> None:
        """A page answers them all, or one question where there is none."""
        if not by_pages:
            monkeypatch.setattr(stages, "is_of_interest", lambda business: False)
        rehive.faults(error_status=503)
        for _ in range(5):
            delivered(client, paid)
        rehive.clear_faults()
        moments.go_by(60)
        asked.clear()

        reconcile()

        assert asked == ([] if by_pages else [paid.remote_id])
        assert Delivery.objects.filter(state=Delivery.State.DONE).count() == 5


def test_a_secret_that_json_writes_differently_is_not_kept_either(db: None, settings: Any) -> None:
    settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "WEBHOOK_SECRET": 'a"quote\\slash'}
    body = json.dumps({"data": {"id": "abc", "note": 'a"quote\\slash'}})

    store(body.encode())

    assert json.loads(Delivery.objects.get().body)["data"]["note"] == "[removed]"


def test_of_a_very_long_delivery_the_beginning_is_kept(db: None) -> None:
    store(b"x" * (MAX_KEPT_CHARACTERS + 1))

    assert Delivery.objects.get().body == "x" * MAX_KEPT_CHARACTERS


def test_a_delivery_is_kept_as_people_and_databases_can_read_it(db: None) -> None:
    """PostgreSQL stores no infinity, as which Python reads 1e999; other numbers stay numbers."""
    store('{"data": {"id": "abc", "note": "Zoë", "rate": 1.5, "sum": 1e999}}'.encode())

    kept = Delivery.objects.get().body
    assert kept == '{"data": {"id": "abc", "note": "Zoë", "rate": 1.5, "sum": "inf"}}'

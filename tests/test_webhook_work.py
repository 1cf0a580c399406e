"""What a webhook call leads to: stored first, answered, and only then worked on (P7, P11)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.signals import request_finished
from django.db import close_old_connections, connection, connections
from django.test import Client, RequestFactory

from oscar_rehive import conf, webhooks
from oscar_rehive.models import Delivery, Invoice
from oscar_rehive.payments import deliveries
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.rehive.client import INVOICE_CHANGED
from tests.steps import answer_lost, delivered, opened

pytestmark = pytest.mark.django_db


def request_to_webhook(body: Any) -> Any:
    """A request that no middleware, and above all no test client, has closed yet."""
    secret = conf.current().businesses["USD"].webhook_secrets[0]
    return RequestFactory().post(
        "/rehive/webhook/",
        json.dumps(body),
        content_type="application/json",
        headers={"Authorization": f"Secret {secret}"},
    )


def sent(response: Any) -> None:
    """What a server does when the answer is out; the test's database connection stays open."""
    request_finished.disconnect(close_old_connections)
    try:
        response.close()
    finally:
        request_finished.connect(close_old_connections)


def post(body: Any) -> None:
    """A webhook call and all that comes of it."""
    sent(webhooks.webhook(request_to_webhook(body)))


def test_p11_the_answer_is_out_before_rehive_is_asked(
    rehive: Any, place_order: Any, later: Any
) -> None:
    later.waits()
    order = place_order()
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay")
    asked = len(rehive.requests())

    response = webhooks.webhook(request_to_webhook({"data": {"id": invoice.remote_id}}))

    assert response.status_code == 200
    assert Delivery.objects.get().state == Delivery.State.NEW
    assert len(rehive.requests()) == asked

    later.comes()

    assert Delivery.objects.get().state == Delivery.State.DONE
    order.refresh_from_db()
    assert order.status == "Being processed"


def test_p1_the_body_is_a_hint_and_proves_nothing(
    rehive: Any, place_order: Any, client: Client
) -> None:
    order = place_order()

    assert delivered(client, opened(order), status="paid", request_amount=1).status_code == 200

    order.refresh_from_db()
    assert order.status == "Pending"
    assert Delivery.objects.get().state == Delivery.State.DONE


@pytest.mark.parametrize(
    "fault", [{"error_status": True}, {"html": True}, {"throttle": True}, {"lose_answer": True}]
)
def test_bug7_and_p7_what_cannot_be_done_now_is_finished_by_reconcile(
    rehive: Any, place_order: Any, client: Client, fault: dict[str, Any]
) -> None:
    order = place_order()
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay")
    rehive.faults(**fault)

    assert delivered(client, invoice).status_code == 200

    kept = Delivery.objects.get()
    assert (kept.state, kept.tries) == (Delivery.State.NEW, 0)
    assert kept.reason
    order.refresh_from_db()
    assert order.status == "Pending"

    rehive.clear_faults()
    assert reconcile().failures == []

    kept.refresh_from_db()
    order.refresh_from_db()
    assert (kept.state, order.status) == (Delivery.State.DONE, "Being processed")


def test_a_fault_of_our_own_after_the_answer_loses_nothing(
    rehive: Any, place_order: Any, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = opened(place_order())

    def crash(delivery: Delivery) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(deliveries._WORK, "_do", crash)
        assert delivered(client, invoice).status_code == 200

    assert Delivery.objects.get().state == Delivery.State.NEW
    reconcile()
    assert Delivery.objects.get().state == Delivery.State.DONE


def test_a_doubled_delivery_is_kept_twice_and_counts_once(
    rehive: Any, place_order: Any, client: Client, mailoutbox: list[Any]
) -> None:
    order = place_order(total="12.34")
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay")

    for _ in range(2):
        assert delivered(client, invoice).status_code == 200

    assert Delivery.objects.filter(state=Delivery.State.DONE).count() == 2
    assert str(order.sources.get().amount_debited) == "12.34"
    assert len(mailoutbox) == 1


def test_the_platform_s_envelope_is_taken_as_well_as_the_guide_s_bare_body(
    rehive: Any, place_order: Any
) -> None:
    order = place_order()
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay")

    post({"id": 7, "event": INVOICE_CHANGED, "company": "shop", "data": {"id": invoice.remote_id}})

    order.refresh_from_db()
    assert order.status == "Being processed"
    assert Delivery.objects.get().event_id == "7"


@pytest.mark.parametrize("then", ["pay", "back"])
def test_news_that_beat_the_answer_to_our_post_tell_the_invoice_s_id(
    rehive: Any, place_order: Any, then: str
) -> None:
    order = place_order()
    answer_lost(rehive, order)
    unanswered = Invoice.objects.get()
    remote = rehive.outcome(rehive.invoice()["id"], then)
    assert unanswered.remote_id is None

    post({"data": {"id": remote["id"], "request_reference": order.number}})

    unanswered.refresh_from_db()
    order.refresh_from_db()
    assert unanswered.remote_id == remote["id"]
    assert order.status == ("Being processed" if then == "pay" else "Pending")
    assert Delivery.objects.get().state == Delivery.State.DONE


def test_another_shop_s_invoice_with_our_order_number_is_not_adopted(
    rehive: Any, place_order: Any
) -> None:
    """A staging shop may count through the same numbers in the same business."""
    order = place_order()
    opened(order)
    theirs = rehive.invoice()
    Invoice.objects.update(remote_id=None, state=Invoice.State.OPENING, key="0" * 32)

    post({"data": {"id": theirs["id"], "request_reference": order.number}})

    assert Invoice.objects.get().remote_id is None
    assert Delivery.objects.get().state == Delivery.State.UNUSABLE


def test_p8_with_atomic_requests_the_delivery_is_committed_before_the_answer(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    of_the_test = len(connection.atomic_blocks)
    seen: list[int] = []
    store = deliveries.store

    def spy(*args: Any, **kwargs: Any) -> Delivery:
        seen.append(len(connection.atomic_blocks))
        return store(*args, **kwargs)

    monkeypatch.setattr(deliveries, "store", spy)
    headers = {"Authorization": request_to_webhook({}).headers["Authorization"]}

    assert client.post("/rehive/webhook/", headers=headers).status_code == 400
    assert seen == [of_the_test]

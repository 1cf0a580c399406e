"""The address that the return page asks while it waits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from oscar_rehive import views
from oscar_rehive.models import Invoice, OrderPayment
from tests.steps import opened, payment_page

pytestmark = pytest.mark.django_db


def ask(client: Client, order: Any) -> Any:
    answer = client.get(payment_page("status", order))
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    return answer.json()


def test_it_tells_the_stage_and_whether_waiting_is_over(
    rehive: Any, place_order: Any, client: Client
) -> None:
    order = place_order()
    invoice = opened(order)
    assert ask(client, order) == {"stage": "open", "final": False}
    rehive.outcome(invoice.remote_id, "pay")
    Invoice.objects.update(asked_at=timezone.now() - timedelta(seconds=4))

    assert ask(client, order) == {"stage": "paid", "final": True}


def test_many_waiting_pages_ask_rehive_once(
    rehive: Any, place_order: Any, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = place_order()
    opened(order)
    monkeypatch.setattr(views, "ASK_AGAIN_AFTER", timedelta(seconds=3))
    before = len(rehive.requests())

    for _ in range(5):
        ask(client, order)

    assert len(rehive.requests()) == before + 1


def test_a_cancellation_goes_on_while_an_invoice_is_still_looked_for(
    rehive: Any, ending: Any, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    rehive.faults(error_status=True)
    monkeypatch.setattr(views, "ASK_AGAIN_AFTER", timedelta(seconds=3))
    OrderPayment.objects.update(page_asked_at=None)
    before = len(rehive.requests())
    for _ in range(3):
        assert ask(client, ending) == {"stage": "ending", "final": False}
    assert len(rehive.requests()) == before + 1
    rehive.clear_faults()
    OrderPayment.objects.update(page_asked_at=None)

    assert ask(client, ending) == {"stage": "cancelled", "final": True}


def test_p11_trouble_is_no_news(rehive: Any, place_order: Any, client: Client) -> None:
    order = place_order()
    opened(order)
    Invoice.objects.update(asked_at=None)
    rehive.faults(html=True)

    assert ask(client, order) == {"stage": "open", "final": False}


def test_before_there_is_an_invoice(place_order: Any, client: Client) -> None:
    assert ask(client, place_order()) == {"stage": "open", "final": False}

"""One payment address cannot use up what Rehive lets the whole shop ask."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from oscar_rehive import views
from oscar_rehive.models import Attention, Invoice, OrderPayment
from oscar_rehive.payments import breaker
from oscar_rehive.payments.adopting import NotOpened
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.rehive.client import Client as Rehive
from oscar_rehive.rehive.exceptions import Refused, Unreachable
from oscar_rehive.rehive.wire import RemoteInvoice
from tests.steps import creates, opened, payment_page, settled

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _all_in_the_same_seconds(_seconds_have_gone_by: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "ASK_AGAIN_AFTER", timedelta(seconds=3))


def calls(rehive: Any) -> int:
    return len(rehive.requests())


def load_all(client: Client, order: Any, times: int = 4) -> None:
    for _ in range(times):
        for page in ("return", "status", "pay"):
            client.get(payment_page(page, order))
            client.head(payment_page(page, order))


def seconds_go_by() -> None:
    OrderPayment.objects.update(page_asked_at=timezone.now() - timedelta(seconds=4))


def test_reloads_of_all_its_pages_cost_one_call(
    rehive: Any, place_order: Any, client: Client
) -> None:
    order = place_order()
    opened(order)
    before = calls(rehive)

    load_all(client, order)
    assert calls(rehive) == before + 1

    seconds_go_by()
    load_all(client, order)
    assert calls(rehive) == before + 2


@pytest.mark.parametrize("how", ["paid", "cancelled"])
def test_a_finished_order_costs_none(
    rehive: Any, place_order: Any, client: Client, how: str
) -> None:
    order = place_order()
    invoice = opened(order)
    if how == "paid":
        rehive.outcome(invoice.remote_id, "pay")
        settled(invoice)
    else:
        order.set_status("Cancelled")
        reconcile()
    before = calls(rehive)

    load_all(client, order)
    seconds_go_by()
    load_all(client, order)

    assert calls(rehive) == before


def test_who_pays_at_once_sees_it_on_return(rehive: Any, place_order: Any, client: Client) -> None:
    """The page that has just opened the invoice is not counted as having asked."""
    order = place_order()
    client.get(payment_page("pay", order))
    rehive.outcome(Invoice.objects.get().remote_id, "pay")

    client.get(payment_page("return", order))

    order.refresh_from_db()
    assert order.status == "Being processed"


def test_a_page_whose_turn_it_is_not_looks_again(
    rehive: Any, place_order: Any, client: Client
) -> None:
    order = place_order()
    opened(order)
    client.get(payment_page("return", order))

    answer = client.get(payment_page("return", order))

    assert answer.status_code == 200
    assert answer.headers["Refresh"] == f"4; url={payment_page('return', order)}"


def test_a_click_on_the_button_is_no_reload(rehive: Any, place_order: Any, client: Client) -> None:
    order = place_order()
    client.get(payment_page("return", order))

    assert client.post(payment_page("pay", order)).status_code == 302


@pytest.mark.parametrize(("page", "most"), [("pay", 2), ("cancel", 4)])
def test_whoever_clicks_on_and_on_costs_no_more_than_a_person(
    rehive: Any,
    place_order: Any,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    page: str,
    most: int,
) -> None:
    """Also where Rehive does not do what is asked of it."""
    order = place_order()
    opened(order)

    def refuses(*args: Any, **kwargs: Any) -> RemoteInvoice:
        raise Refused("no", {})

    monkeypatch.setattr(Rehive, "update_invoice", refuses)
    before = calls(rehive)

    for _ in range(12):
        assert client.post(payment_page(page, order)).status_code == 302

    assert calls(rehive) <= before + most


def test_a_person_can_pay_and_change_his_mind_at_once(
    rehive: Any, place_order: Any, client: Client
) -> None:
    order = place_order()
    for page in ("pay", "cancel"):
        client.post(payment_page(page, order))

    order.refresh_from_db()
    assert order.status == "Cancelled"


def test_a_limit_is_remembered_and_leaves_the_rest_to_who_pays(
    rehive: Any, place_order: Any, client: Client
) -> None:
    first, other = place_order(), place_order()
    opened(first), opened(other)
    rehive.faults(throttle={"value": 30, "times": 1})
    client.get(payment_page("return", first))
    before = calls(rehive)

    client.get(payment_page("return", other))
    assert calls(rehive) == before
    assert client.get(payment_page("pay", other)).status_code == 302


def test_while_rehive_refuses_not_every_reload_makes_an_attempt(
    rehive: Any, place_order: Any, moments: Any
) -> None:
    order = place_order()
    rehive.faults(error_status={"value": 500, "methods": ["POST"]})

    for _ in range(12):
        with pytest.raises(Unreachable):
            opened(order)

    assert Invoice.objects.count() == 5
    with pytest.raises(Unreachable, match="a little later"):
        opened(order)
    rehive.clear_faults()
    moments.go_by(breaker.LONGEST_SECONDS)
    Invoice.objects.update(sent_at=timezone.now() - timedelta(minutes=11))
    assert opened(order).remote_id


def test_nor_while_rehive_makes_something_else_than_what_was_asked_for(
    rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them is an invoice made and cancelled at Rehive, and a person called."""
    order, real = place_order(), Rehive.create_invoice

    def without_a_page(*args: Any, **kwargs: Any) -> RemoteInvoice:
        return dataclasses.replace(real(*args, **kwargs), redirect_url="")

    monkeypatch.setattr(Rehive, "create_invoice", without_a_page)
    for _ in range(12):
        with pytest.raises((NotOpened, Unreachable)):
            opened(order)

    assert (creates(rehive), Attention.objects.count()) == (5, 5)
    monkeypatch.undo()
    Invoice.objects.update(sent_at=timezone.now() - timedelta(minutes=11))
    assert opened(order).remote_id


def test_no_log_line_has_the_address_of_a_payment(
    rehive: Any, place_order: Any, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    order = place_order()
    rehive.faults(error_status=503)
    path = payment_page("pay", order)

    assert client.get(path).status_code == 503

    assert path.split("/")[-2] not in caplog.text


def test_a_cache_that_is_down_is_no_reason_for_a_503(
    rehive: Any, place_order: Any, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = place_order()

    def down(*args: Any) -> None:
        raise ConnectionError("no cache")

    for name in ("get", "set"):
        monkeypatch.setattr(type(cache._connections["default"]), name, down)  # type: ignore[attr-defined]  # Django's own handler

    assert client.get(payment_page("pay", order)).status_code == 302
    assert client.get(payment_page("return", order)).status_code == 200

"""Opening: one open invoice for an order, whatever is clicked, lost or killed (P5, peer bugs 4, 10)."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from oscar.core.loading import get_model

from oscar_rehive import conf
from oscar_rehive.models import Attention, Entry, Invoice
from oscar_rehive.payments.adopting import NotOpened
from oscar_rehive.payments.gateway import BusinessNotUsable
from oscar_rehive.payments.opening import Busy, NotPayable
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.rehive.client import Client
from oscar_rehive.rehive.exceptions import RehiveError
from oscar_rehive.rehive.wire import Currency, RemoteInvoice
from tests.steps import (
    RETURN_URL,
    answer_lost,
    creates,
    opened,
    paid_by_cash,
    payable_at,
    window_over,
)

pytestmark = pytest.mark.django_db


def test_what_is_asked_for(rehive: Any, place_order: Any) -> None:
    order = place_order(total="12.34")
    invoice = opened(order)

    remote = rehive.invoice()
    assert remote["request_reference"] == order.number
    assert remote["request_amount"] == 1234
    assert remote["return_url"] == RETURN_URL
    assert remote["expiration_date"] <= invoice.payment.window_ends_at.timestamp() * 1000
    assert invoice.redirect_url.endswith(f"?request={invoice.remote_id}&return_url={RETURN_URL}")


def test_while_one_request_opens_another_waits(rehive: Any, place_order: Any) -> None:
    order = place_order()
    answer_lost(rehive, order)
    Invoice.objects.update(lease_ends_at=timezone.now() + timedelta(seconds=10))

    with pytest.raises(Busy):
        opened(order)

    assert creates(rehive) == 1


def test_the_history_says_why_no_invoice_was_opened(rehive: Any, place_order: Any) -> None:
    order = place_order()
    rehive.faults(error_status={"value": 500, "methods": ["POST"]})
    with pytest.raises(RehiveError) as raised:
        opened(order)

    told = Entry.objects.latest("pk")
    assert told.reason == f"The invoice could not be opened: {raised.value}"
    assert told.invoice == Invoice.objects.get()


@pytest.mark.parametrize("fault", [{"throttle": 3}, {"error_status": 500}])
def test_each_refusal_leaves_the_order_payable(
    rehive: Any, place_order: Any, fault: dict[str, int]
) -> None:
    order = place_order()
    rehive.faults(**fault)
    for _ in range(3):
        with pytest.raises(RehiveError):
            opened(order)
    rehive.clear_faults()

    invoice = opened(order)
    assert payable_at(rehive, order) == [invoice.remote_id]


@pytest.mark.parametrize(
    "lie",
    [
        {"currency": Currency("EUR", 2)},
        {"currency": Currency("USD", 8)},
        {"amount": 1},
        {"reference": "another"},
        {"reference": ""},
        {"redirect_url": ""},
        {"redirect_url": "/relative/"},
        {"redirect_url": "https://pay.example.com/\r\nSet-Cookie: x=y"},
        {"redirect_url": "javascript:alert(1)"},
    ],
    ids=lambda lie: "-".join(map(str, lie.items()))[:40],
)
def test_an_answer_that_is_not_what_was_asked_for_is_cancelled_and_told(
    rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch, lie: dict[str, Any]
) -> None:
    order = place_order()
    real = Client.create_invoice

    def lying(*args: Any, **kwargs: Any) -> RemoteInvoice:
        return dataclasses.replace(real(*args, **kwargs), **lie)

    monkeypatch.setattr(Client, "create_invoice", lying)

    with pytest.raises(NotOpened):
        opened(order)

    assert payable_at(rehive, order) == []
    assert Attention.objects.get().kind == Attention.Kind.MISMATCH
    order.refresh_from_db()
    assert order.status == "Pending"


def test_a_business_in_another_currency_is_not_used(
    rehive: Any, place_order: Any, settings: Any
) -> None:
    settings.OSCAR_DEFAULT_CURRENCY = "EUR"
    order = place_order()
    type(order).objects.update(currency="EUR")

    with pytest.raises(BusinessNotUsable, match="invoices in USD"):
        opened(order)

    assert creates(rehive) == 0


@pytest.mark.parametrize("why", ["paid", "paid in cash", "cancelled", "window over", "deleted"])
def test_what_is_not_waiting_for_a_payment_is_not_opened(
    rehive: Any, place_order: Any, why: str
) -> None:
    order = place_order()
    if why == "paid":
        rehive.outcome(opened(order).remote_id, "pay")
        reconcile()
    elif why == "paid in cash":
        paid_by_cash(order)
    elif why == "cancelled":
        type(order).objects.update(status="Cancelled")
    elif why == "window over":
        window_over(order)
    else:
        type(order).objects.all().delete()
    before = creates(rehive)

    with pytest.raises(NotPayable):
        opened(order)

    assert creates(rehive) == before


def test_nobody_is_sent_to_a_business_that_the_settings_no_longer_name(
    rehive: Any, place_order: Any, settings: Any
) -> None:
    order = place_order()
    opened(order)
    settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "BUSINESS_ID": "another-business"}
    business = conf.current().businesses["USD"]
    key = f"oscar_rehive:currency:{business.api_url}:{business.business_id}"
    cache.set(key, ("USD", 2), 60)

    with pytest.raises(ImproperlyConfigured, match="no longer names"):
        opened(order)


def test_after_a_look_that_failed_the_shopper_can_try_again_at_once(
    rehive: Any, place_order: Any
) -> None:
    order = place_order()
    rehive.faults(error_status=500)
    for _ in range(2):
        with pytest.raises(RehiveError):
            opened(order)
    rehive.clear_faults()

    assert opened(order).redirect_url


def test_an_order_whose_price_changed_is_not_asked_for_anew_while_its_money_is_on_its_way(
    rehive: Any, place_order: Any
) -> None:
    order = place_order()
    invoice = opened(order)
    for _ in range(2):
        rehive.outcome(invoice.remote_id, "start")
    type(order).objects.update(total_incl_tax=Decimal("20.00"))

    with pytest.raises(NotPayable, match="cannot be closed now"):
        opened(order)

    assert payable_at(rehive, order) == [invoice.remote_id]


def test_there_is_nothing_to_pay_for_an_order_edited_to_nothing(
    rehive: Any, place_order: Any
) -> None:
    order = place_order()
    type(order).objects.filter(pk=order.pk).update(total_incl_tax=Decimal(0))

    with pytest.raises(NotPayable):
        opened(order)


def test_the_number_of_a_deleted_order_can_be_given_again(rehive: Any, place_order: Any) -> None:
    first = opened(place_order(number="1001"))
    get_model("order", "Order").objects.all().delete()

    second = opened(place_order(number="1001"))

    first.refresh_from_db()
    assert (first.order_number, second.order_number) == (
        f"1001 (deleted, {first.payment_id})",
        "1001",
    )

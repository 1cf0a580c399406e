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
from oscar_rehive.models import Attention, Invoice
from oscar_rehive.payments import opening
from oscar_rehive.payments.gateway import BusinessNotUsable, client_for
from oscar_rehive.payments.opening import Busy, NotOpened, NotPayable
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.payments.settling import business_of
from oscar_rehive.payments.strays import STRAYS_EVERY, STRAYS_FOR
from oscar_rehive.rehive.client import Client
from oscar_rehive.rehive.exceptions import RehiveError, Unreachable
from oscar_rehive.rehive.wire import Currency, RemoteInvoice
from tests.steps import RETURN_URL, moved, opened, paid_by_cash, payable_at, settled, window_over

pytestmark = pytest.mark.django_db


def creates(rehive: Any) -> int:
    """How many creates have reached Rehive."""
    return sum(
        request["method"] == "POST" and request["path"].endswith("/invoices/")
        for request in rehive.requests()
    )


def answer_lost(rehive: Any, order: Any) -> Invoice:
    """An attempt that Rehive made, and whose answer never came."""
    rehive.faults(lose_answer={"value": True, "methods": ["POST"]})
    with pytest.raises(RehiveError):
        opened(order)
    rehive.clear_faults()
    return Invoice.objects.latest("attempt")


def not_answered(rehive: Any, order: Any) -> None:
    """A create that Rehive does not answer, and of which nothing is to be seen there yet."""
    rehive.faults(html={"value": 504, "methods": ["POST"]})
    with pytest.raises(RehiveError):
        opened(order)
    rehive.clear_faults()


def lands_now(invoice: Invoice) -> None:
    """An earlier create of the attempt takes effect at Rehive, after all."""
    fields = opening._fields(invoice, RETURN_URL)
    client_for(business_of(invoice)).create_invoice(fields, idempotency_key="of the earlier one")


def test_what_is_asked_for(rehive: Any, place_order: Any) -> None:
    order = place_order(total="12.34")
    invoice = opened(order)

    remote = rehive.invoice()
    assert remote["request_reference"] == order.number
    assert remote["request_amount"] == 1234
    assert remote["return_url"] == RETURN_URL
    assert remote["expiration_date"] <= invoice.payment.window_ends_at.timestamp() * 1000
    assert invoice.redirect_url.endswith(f"?request={invoice.remote_id}&return_url={RETURN_URL}")


def test_the_answer_was_lost_and_the_invoice_is_found_instead_of_made_again(
    rehive: Any, place_order: Any
) -> None:
    order = place_order()
    lost = answer_lost(rehive, order)
    assert (lost.state, lost.remote_id) == (Invoice.State.OPENING, None)

    found = opened(order)

    assert found == lost
    assert creates(rehive) == 1
    assert payable_at(rehive, order) == [found.remote_id]


def test_a_lost_invoice_that_was_paid_meanwhile_pays_the_order(
    rehive: Any, place_order: Any
) -> None:
    order = place_order()
    answer_lost(rehive, order)
    rehive.outcome(rehive.invoice()["id"], "pay")

    with pytest.raises(NotPayable):
        opened(order)

    order.refresh_from_db()
    assert order.status == "Being processed"


def test_a_create_that_lands_after_it_was_given_up_is_closed(rehive: Any, place_order: Any) -> None:
    """traps.md: an abandoned create can land after its retry, and then two invoices are payable."""
    order = place_order()
    not_answered(rehive, order)
    reconcile()
    given_up = Invoice.objects.get()
    assert given_up.state == Invoice.State.CLOSED
    second = opened(order)
    lands_now(given_up)
    assert len(payable_at(rehive, order)) == 2
    Invoice.objects.update(looked_at=None)

    reconcile()

    assert payable_at(rehive, order) == [second.remote_id]


def test_a_create_that_lands_after_its_repetition_was_refused_is_closed(
    rehive: Any, place_order: Any
) -> None:
    """Found by tests/model: the refusal of the second try had the first one forgotten."""
    order = place_order()
    for fault in (
        {"html": {"value": 504, "methods": ["POST"]}},
        {"throttle": {"value": 3, "methods": ["POST"]}},
    ):
        rehive.faults(**fault)
        with pytest.raises(RehiveError):
            opened(order)
    rehive.clear_faults()
    first = Invoice.objects.get()
    second = opened(order)
    lands_now(first)

    reconcile()

    assert payable_at(rehive, order) == [second.remote_id]


def test_two_creates_of_one_attempt_that_both_land_leave_one_payable(
    rehive: Any, place_order: Any
) -> None:
    """Found by tests/model: idempotency keys are documented for the platform, not for us."""
    order = place_order()
    not_answered(rehive, order)
    invoice = opened(order)
    lands_now(invoice)
    assert len(payable_at(rehive, order)) == 2

    reconcile()

    assert payable_at(rehive, order) == [invoice.remote_id]


def test_a_stray_is_found_by_a_reconcile_that_did_not_run_for_days(
    rehive: Any, place_order: Any
) -> None:
    """Found by tests/model: nobody looked any more once the time for strays was over."""
    order = place_order()
    not_answered(rehive, order)
    invoice = opened(order)
    reconcile()
    lands_now(invoice)
    longest = timezone.now() - 2 * STRAYS_FOR
    Invoice.objects.update(created_at=longest, sent_at=longest, looked_at=longest)

    reconcile()

    assert payable_at(rehive, order) == [invoice.remote_id]


def test_a_lost_attempt_of_an_order_that_an_older_one_paid_is_closed(
    rehive: Any, place_order: Any
) -> None:
    order = place_order()
    first = opened(order)
    rehive.outcome(first.remote_id, "fail")
    settled(first)
    answer_lost(rehive, order)
    moved(order, "Being processed")
    rehive.outcome(first.remote_id, "pay", force=True)
    settled(first)

    reconcile()

    assert payable_at(rehive, order) == []


def test_strays_are_not_looked_for_for_ever(rehive: Any, place_order: Any) -> None:
    order = place_order()
    rehive.faults(error_status={"value": 500, "methods": ["POST"]})
    with pytest.raises(RehiveError):
        opened(order)
    rehive.clear_faults()
    now = timezone.now()
    Invoice.objects.update(sent_at=now - STRAYS_FOR - STRAYS_EVERY, looked_at=now - STRAYS_EVERY)
    before = len(rehive.requests())

    reconcile()

    assert len(rehive.requests()) == before


def test_while_one_request_opens_another_waits(rehive: Any, place_order: Any) -> None:
    order = place_order()
    answer_lost(rehive, order)
    Invoice.objects.update(lease_ends_at=timezone.now() + timedelta(seconds=10))

    with pytest.raises(Busy):
        opened(order)

    assert creates(rehive) == 1


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


def test_a_lost_attempt_ends_however_many_invoices_the_business_has(
    rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by review: above 100,000 every search ended in an error, and the order never."""
    for _ in range(3):
        opened(place_order())
    order = place_order()
    not_answered(rehive, order)
    monkeypatch.setattr("oscar_rehive.rehive.client.PAGE_SIZE", 1)
    monkeypatch.setattr("oscar_rehive.rehive.client.MAX_PAGES", 2)
    window_over(order)

    for _ in range(2):
        reconcile()

    order.refresh_from_db()
    assert order.status == "Cancelled"


def test_a_fault_of_rehive_that_is_replayed_does_not_keep_the_shopper_from_paying(
    rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """rehive-api.md, "Idempotency": the first answer to a key is kept for 24 hours, a 500 too."""
    order = place_order()
    real = Client.create_invoice
    kept: set[str] = set()

    def create(self: Client, fields: Any, *, idempotency_key: str) -> RemoteInvoice:
        if not kept or idempotency_key in kept:
            kept.add(idempotency_key)
            raise Unreachable("Rehive has trouble of its own (status 500)", was_answered=True)
        return real(self, fields, idempotency_key=idempotency_key)

    monkeypatch.setattr(Client, "create_invoice", create)
    with pytest.raises(Unreachable):
        opened(order)

    invoice = opened(order)

    assert payable_at(rehive, order) == [invoice.remote_id]

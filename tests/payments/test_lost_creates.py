"""Creates whose answer never came: found again, never made twice, closed where they land late (P5)."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from oscar_rehive.models import Invoice
from oscar_rehive.payments import opening
from oscar_rehive.payments.clocks import SKEW
from oscar_rehive.payments.gateway import client_for
from oscar_rehive.payments.opening import NotPayable
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.payments.settling import business_of
from oscar_rehive.payments.strays import STRAYS_EVERY, STRAYS_FOR
from oscar_rehive.rehive.client import Client
from oscar_rehive.rehive.exceptions import NotFound, Refused, RehiveError, Unreachable
from oscar_rehive.rehive.wire import RemoteInvoice
from tests.steps import (
    RETURN_URL,
    answer_lost,
    creates,
    moved,
    opened,
    payable_at,
    settled,
    window_over,
)

pytestmark = pytest.mark.django_db


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


def test_so_is_one_that_lands_where_nothing_else_is_to_be_looked_for(
    rehive: Any, place_order: Any
) -> None:
    """The shopper has been told that there is no payment page; that one must not turn up under his order."""
    order = place_order()
    not_answered(rehive, order)
    reconcile()
    given_up = Invoice.objects.get()
    lands_now(given_up)
    Invoice.objects.update(looked_at=timezone.now() - STRAYS_EVERY)

    reconcile()

    assert payable_at(rehive, order) == []


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
    Invoice.objects.update(sent_at=timezone.now() - 2 * SKEW)

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


@pytest.mark.parametrize("fault", [NotFound("404"), Refused("no", {}), ValueError()], ids=repr)
def test_p7_one_that_cannot_be_asked_about_hides_no_other_on_its_page(
    rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    """Each run took one of them, and ended there."""
    for _ in range(4):
        lost = answer_lost(rehive, place_order())
        (made,) = (
            one for one in rehive.invoices() if one["request_reference"] == lost.order_number
        )
        rehive.outcome(made["id"], "pay")

    def fails(*args: Any, **kwargs: Any) -> RemoteInvoice:
        raise fault

    monkeypatch.setattr(Client, "invoice", fails)
    rehive.requests_door("shut")

    reconcile()

    assert not Invoice.objects.filter(remote_id=None).exists()

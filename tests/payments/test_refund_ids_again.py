"""An id of a refund that Rehive uses again: what was asked for is kept, nothing is booked twice (P2), a person
hears of it (P7), and nobody sees an error page."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import F
from django.test import Client as Browser
from django.urls import reverse

from oscar_rehive.models import Attention, Entry, Invoice, Refund
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.payments.refunding import follow, refund, refundable, units_left
from oscar_rehive.rehive.client import Client
from tests.steps import opened, settled

pytestmark = pytest.mark.django_db

Paid = Callable[[], Invoice]


@pytest.fixture
def paid(rehive: Any, place_order: Any) -> Paid:
    """Makes another order over 10.00 that is paid, and returns its invoice."""

    def paid() -> Invoice:
        invoice = opened(place_order(total="10.00"))
        rehive.outcome(invoice.remote_id, "pay")
        return settled(invoice)

    return paid


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """From now on Rehive answers requests for refunds, and tells them in lists, with these changes."""

    def answers(**changes: Any) -> None:
        real = Client._send

        def send(self: Client, method: str, url: str, **kwargs: Any) -> Any:
            answer = real(self, method, url, **kwargs)
            if url.endswith("/refunds/"):
                data = answer["data"]
                if "results" not in data:
                    data.update(changes)
                for one in data.get("results", [])[: changes.get("listed", 0)]:
                    one.update({"identifier": changes["identifier"]})
            return answer

        monkeypatch.setattr(Client, "_send", send)

    return answers


@pytest.fixture
def lists(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """From now on Rehive lists just these refunds of every invoice."""

    def lists(*told: tuple[str, int, str]) -> None:
        real = Client._send

        def send(self: Client, method: str, url: str, **kwargs: Any) -> Any:
            answer = real(self, method, url, **kwargs)
            if url.endswith("/refunds/") and "results" in answer["data"]:
                answer["data"]["results"] = [
                    {
                        "identifier": name,
                        "amount": units,
                        "currency": {"code": "USD", "divisibility": 2},
                        "status": status,
                    }
                    for name, units, status in told
                ]
                answer["data"]["count"] = len(told)
            return answer

        monkeypatch.setattr(Client, "_send", send)

    return lists


def followed(invoice: Invoice) -> None:
    for _ in range(3):
        follow(invoice, Entry.Source.RECONCILE)
    summary = reconcile()
    assert summary.failures == []


def booked(invoice: Invoice) -> Decimal:
    """What the ledger says was given back of the invoice's order."""
    from oscar.core.loading import get_model

    order = get_model("order", "Order").objects.get(number=invoice.order_number)
    return order.sources.get().amount_refunded


def told() -> list[str]:
    return [one.kind for one in Attention.objects.all()]


def notes(invoice: Invoice) -> list[tuple[int, str]]:
    return [(one.amount, one.status) for one in invoice.refunds.order_by("pk")]


def test_of_the_same_invoice(rehive: Any, paid: Paid, answers: Callable[..., None]) -> None:
    invoice = paid()
    first = refund(invoice, Decimal("3.00"), reason="", by="ann")
    rehive.refund(first.remote_id, "complete")
    followed(invoice)
    answers(identifier=first.remote_id)

    second = refund(invoice, Decimal("2.00"), reason="", by="bob")

    assert notes(invoice) == [(300, "complete"), (200, "pending")]
    assert (second.remote_id, told()) == (None, ["odd_refund"])
    assert (refundable(invoice), booked(invoice)) == (Decimal("5.00"), Decimal("3.00"))


def test_of_one_that_was_made_in_rehives_own_app(
    rehive: Any, paid: Paid, answers: Callable[..., None], lists: Callable[..., None]
) -> None:
    """It had been found long before: it is not the one that was just asked for."""
    invoice = paid()
    lists(("in-the-app", 300, "complete"))
    followed(invoice)
    answers(identifier="in-the-app", status="complete")

    refund(invoice, Decimal("2.00"), reason="", by="bob")

    assert notes(invoice) == [(300, "complete"), (200, "pending")]
    assert (told(), booked(invoice)) == (["odd_refund"], Decimal("3.00"))


@pytest.mark.parametrize("status", ["pending", "complete"])
def test_of_another_order(
    rehive: Any, paid: Paid, answers: Callable[..., None], status: str, admin_client: Browser
) -> None:
    """Rehive refunded, and the answer was an error page: nobody knew of the refund."""
    other, invoice = paid(), paid()
    first = refund(other, Decimal("3.00"), reason="", by="ann")
    answers(identifier=first.remote_id, status=status)
    seen = {"left": units_left(invoice)}
    form = {"amount": "2.00", "key": uuid.uuid4(), "sure": "yes", **seen}

    address = reverse("dashboard:rehive-refund", args=[invoice.pk])
    assert admin_client.post(address, form).status_code == 302

    assert notes(invoice) == [(200, "pending")]
    assert notes(other) == [(300, "pending")]
    assert (told(), booked(invoice)) == (["odd_refund"], 0)
    assert refundable(invoice) == Decimal("8.00")


def test_is_not_taken_for_one_that_never_arrived(
    rehive: Any, paid: Paid, answers: Callable[..., None], lists: Callable[..., None]
) -> None:
    """It was answered: to refund again would give the money back twice."""
    other, invoice = paid(), paid()
    first = refund(other, Decimal("3.00"), reason="", by="ann")
    answers(identifier=first.remote_id)
    refund(invoice, Decimal("2.00"), reason="", by="bob")
    lists()
    Refund.objects.update(created_at=F("created_at") - timedelta(minutes=5))

    for _ in range(3):
        follow(invoice, Entry.Source.RECONCILE)

    assert notes(invoice) == [(200, "pending")]
    assert told() == ["odd_refund"]


def test_is_found_when_rehive_lists_it_under_an_id_of_its_own(
    rehive: Any, paid: Paid, answers: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    other, invoice = paid(), paid()
    first = refund(other, Decimal("3.00"), reason="", by="ann")
    with monkeypatch.context() as wrongly:
        real = Client._send

        def send(self: Client, method: str, url: str, **kwargs: Any) -> Any:
            answer = real(self, method, url, **kwargs)
            if method == "POST":
                answer["data"]["identifier"] = first.remote_id
            return answer

        wrongly.setattr(Client, "_send", send)
        refund(invoice, Decimal("2.00"), reason="", by="bob")
    (made,) = _refunds_at_rehive(invoice)
    rehive.refund(made, "complete")

    followed(invoice)

    assert notes(invoice) == [(200, "complete")]
    assert (told(), booked(invoice)) == (["odd_refund"], Decimal("2.00"))


def _refunds_at_rehive(invoice: Invoice) -> list[str]:
    from oscar_rehive.payments.settling import client_of

    client = client_of(invoice, Entry.Source.STAFF)
    return [one.id for one in client.refunds(invoice.remote_id or "")]


def test_a_list_with_the_id_of_another_order_is_followed(
    rehive: Any, paid: Paid, lists: Callable[..., None]
) -> None:
    other, invoice = paid(), paid()
    lists(("again", 300, "complete"))
    follow(other, Entry.Source.RECONCILE)

    followed(invoice)

    assert (booked(other), booked(invoice)) == (Decimal("3.00"), 0)
    assert (notes(invoice), told()) == ([], ["odd_refund"])


def test_money_of_which_it_may_have_taken_something_waits_for_a_person(
    rehive: Any, paid: Paid, place_order: Any, lists: Callable[..., None]
) -> None:
    """As with a refund in another currency; it was an error in each run, and the order was never paid."""
    other = paid()
    lists(("again", 300, "complete"))
    follow(other, Entry.Source.RECONCILE)
    invoice = opened(place_order(total="10.00"))
    rehive.outcome(invoice.remote_id, "pay")

    settled(invoice)
    followed(invoice)

    assert invoice.recorded == Decimal("10.00")
    assert sorted(told()) == ["mismatch", "odd_refund"]


def test_the_same_refund_twice_in_one_list_is_one(
    rehive: Any, paid: Paid, lists: Callable[..., None]
) -> None:
    """The pages of the list moved while they were read."""
    invoice = paid()
    lists(("x", 300, "complete"), ("x", 300, "pending"), ("x", 300, "complete"))

    followed(invoice)

    assert notes(invoice) == [(300, "complete")]
    assert (told(), booked(invoice)) == ([], Decimal("3.00"))


@pytest.mark.parametrize("amounts", [(300, 200), (200, 300), (300, 200, 300, 200)])
def test_two_different_ones_under_one_id_are_one_and_a_person_is_told_once(
    rehive: Any, paid: Paid, lists: Callable[..., None], amounts: tuple[int, ...]
) -> None:
    invoice = paid()
    lists(*(("x", amount, "complete") for amount in amounts))
    followed(invoice)
    entries = Entry.objects.count()

    lists(*(("x", amount, "complete") for amount in reversed(amounts)))
    followed(invoice)

    assert notes(invoice) == [(amounts[0], "complete")]
    assert (told(), booked(invoice)) == (["odd_refund"], Decimal(amounts[0]) / 100)
    assert Entry.objects.count() == entries

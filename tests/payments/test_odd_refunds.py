"""Refunds as told that cannot be: the ledger books what came and went in the invoice's own currency, and
a person hears of the rest (P2, P7; design.md, "Refunds as told")."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from oscar_rehive.models import Attention, Entry, Invoice
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.payments.refunding import follow, refund, refundable
from oscar_rehive.rehive.client import Client
from tests.steps import opened, settled

pytestmark = pytest.mark.django_db

Json = dict[str, Any]

EUROS: Json = {"code": "EUR", "divisibility": 2}
OTHER_CURRENCIES = pytest.mark.parametrize(
    "currency",
    [EUROS, {"code": "BTC", "divisibility": 8}, {"code": "USD", "divisibility": 8}],
    ids=["euros", "bitcoin", "other decimals"],
)


@pytest.fixture
def order(place_order: Any) -> Any:
    return place_order(total="10.00")


@pytest.fixture
def invoice(rehive: Any, order: Any) -> Invoice:
    """10.00 USD came through it."""
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay")
    return settled(invoice)


@pytest.fixture
def tells(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """From now on Rehive tells each refund with these fields changed, and lists these others too."""

    def tells(*others: Json, **changes: Any) -> None:
        real = Client._send

        def send(self: Client, method: str, url: str, **kwargs: Any) -> Any:
            answer = real(self, method, url, **kwargs)
            if url.endswith("/refunds/"):
                data = answer["data"]
                for one in data.get("results", [data]):
                    one.update(changes)
                if "results" in data:
                    data["results"] += others
            return answer

        monkeypatch.setattr(Client, "_send", send)

    return tells


def made_in_the_app(name: str, units: int, currency: Json | None = None) -> Json:
    """A refund that was paid out, as Rehive lists it."""
    return {
        "identifier": name,
        "amount": units,
        "currency": currency or {"code": "USD", "divisibility": 2},
        "type": "native",
        "status": "complete",
    }


def told_again(invoice: Invoice) -> None:
    """Rehive is asked about the refunds of ``invoice`` several times."""
    for _ in range(3):
        follow(invoice, Entry.Source.RECONCILE)
    reconcile()


def given_back(order: Any) -> Decimal:
    """What the ledger says was given back."""
    refunded: Decimal = order.sources.get().amount_refunded
    events = order.payment_events.filter(event_type__name="Refunded")
    assert sum(event.amount for event in events) == refunded
    return refunded


def odd() -> list[str]:
    """What a person is told, about which nothing else is odd."""
    assert {one.kind for one in Attention.objects.all()} <= {"odd_refund"}
    return [one.reason for one in Attention.objects.order_by("pk")]


@OTHER_CURRENCIES
def test_a_refund_in_another_currency_is_told_once_and_not_booked(
    order: Any, invoice: Invoice, tells: Callable[..., None], currency: Json
) -> None:
    tells(made_in_the_app("elsewhere", 400, currency))

    told_again(invoice)

    assert given_back(order) == 0
    (reason,) = odd()
    assert currency["code"] in reason


def test_one_in_our_own_currency_beside_it_is_booked(
    rehive: Any, order: Any, invoice: Invoice, tells: Callable[..., None]
) -> None:
    made = refund(invoice, Decimal("3.00"), reason="", by="ann")
    rehive.refund(made.remote_id, "complete")
    tells(made_in_the_app("elsewhere", 400, EUROS))

    told_again(invoice)

    assert (given_back(order), len(odd())) == (Decimal("3.00"), 1)


@OTHER_CURRENCIES
def test_our_own_that_was_answered_in_another_currency_is_not_booked(
    rehive: Any, order: Any, invoice: Invoice, tells: Callable[..., None], currency: Json
) -> None:
    tells(currency=currency)
    made = refund(invoice, Decimal("4.00"), reason="", by="ann")
    rehive.refund(made.remote_id, "complete")

    told_again(invoice)

    assert (given_back(order), len(odd())) == (0, 1)


class TestMoreThanEverCame:
    def test_in_one_refund(self, order: Any, invoice: Invoice, tells: Callable[..., None]) -> None:
        tells(made_in_the_app("one", 1500))

        told_again(invoice)

        assert (given_back(order), len(odd())) == (Decimal("10.00"), 1)
        assert refundable(invoice) == 0

    def test_in_our_own(
        self, rehive: Any, order: Any, invoice: Invoice, tells: Callable[..., None]
    ) -> None:
        made = refund(invoice, Decimal("4.00"), reason="", by="ann")
        rehive.refund(made.remote_id, "complete")
        tells(amount=1001)

        told_again(invoice)

        assert (given_back(order), len(odd())) == (Decimal("10.00"), 1)

    def test_in_several_together(
        self, order: Any, invoice: Invoice, tells: Callable[..., None]
    ) -> None:
        tells(made_in_the_app("one", 600), made_in_the_app("two", 600))

        told_again(invoice)

        assert (given_back(order), len(odd())) == (Decimal("10.00"), 1)

    def test_after_some_had_been_booked(
        self, rehive: Any, order: Any, invoice: Invoice, tells: Callable[..., None]
    ) -> None:
        made = refund(invoice, Decimal("4.00"), reason="", by="ann")
        rehive.refund(made.remote_id, "complete")
        reconcile()
        assert given_back(order) == Decimal("4.00")
        tells(made_in_the_app("two", 700))

        told_again(invoice)

        assert (given_back(order), len(odd())) == (Decimal("10.00"), 1)

    def test_of_a_part_payment(self, rehive: Any, order: Any, tells: Callable[..., None]) -> None:
        """What was asked for does not count; what came does."""
        invoice = opened(order)
        rehive.outcome(invoice.remote_id, "pay_less", amount=400)
        settled(invoice)
        tells(made_in_the_app("one", 600))

        told_again(invoice)

        assert (given_back(order), len(odd())) == (Decimal("4.00"), 1)

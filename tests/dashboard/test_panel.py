"""The panel on Oscar's own page of an order: where the payment stands, and how it came there."""

from __future__ import annotations

from typing import Any

import pytest

from oscar_rehive.models import OrderPayment
from oscar_rehive.payments.cancelling import cancel_order, look_at_order
from oscar_rehive.rehive.client import Client as Rehive
from oscar_rehive.rehive.wire import read_invoice, read_transaction
from tests.dashboard.conftest import Desk, desk_page, invoice_of, payment_of, said
from tests.steps import (
    delivered,
    moved,
    opened,
    other_source,
    paid_by_cash,
    settled,
    window_over,
)

pytestmark = pytest.mark.django_db


class TestOneSentence:
    def test_of_an_order_that_nobody_began_to_pay(self, desk: Desk, place_order: Any) -> None:
        assert "nobody has been on Rehive's page" in said(desk.panel(place_order()))

    def test_of_an_open_invoice(self, desk: Desk, rehive: Any, place_order: Any) -> None:
        order = place_order()
        opened(order)

        assert said(desk.panel(order)).endswith("the invoice at Rehive is open.")

    def test_of_what_is_paid(self, desk: Desk, paid: Any) -> None:
        assert said(desk.panel(paid())) == "Paid."

    def test_of_what_was_paid_too_much(self, desk: Desk, paid: Any) -> None:
        assert said(desk.panel(paid(more=250))) == "Paid, and 2.50 USD more than was due."

    def test_of_a_part(self, desk: Desk, rehive: Any, place_order: Any) -> None:
        order = place_order(total="10.00")
        invoice = opened(order)
        rehive.outcome(invoice.remote_id, "pay_less", amount=400)
        settled(invoice)

        panel = desk.panel(order)

        assert said(panel) == "Part paid: 4.00 USD came, 6.00 USD is missing."
        assert "4.00 USD of 10.00 USD paid" in panel.get_text()

    def test_of_an_attempt_that_failed(self, desk: Desk, rehive: Any, place_order: Any) -> None:
        order = place_order()
        invoice = opened(order)
        rehive.outcome(invoice.remote_id, "fail")
        settled(invoice)

        assert "the last attempt has ended" in said(desk.panel(order))

    def test_of_a_cancelled_order(self, desk: Desk, rehive: Any, place_order: Any) -> None:
        order = place_order()
        cancel_order(order.number, reason="so", source="staff")

        assert said(desk.panel(order)) == "Cancelled; nothing is to be paid."

    def test_of_a_paid_order_that_staff_cancelled(self, desk: Desk, paid: Any) -> None:
        order = paid()
        moved(order, "Cancelled")
        look_at_order(order.number, "staff")

        page = desk.panel(order)

        assert said(page) == "Cancelled, and 24.90 USD that was paid for it is still here."
        assert "Refund 24.90 USD to the payer" in page.get_text()

    def test_of_money_that_waits(self, desk: Desk, held: Any) -> None:
        order = type("Order", (), {"number": held.order_number})

        assert "does not pay the order by itself" in said(desk.panel(order))

    def test_of_what_was_paid_in_another_way(
        self, desk: Desk, rehive: Any, place_order: Any
    ) -> None:
        order = place_order(total="10.00")
        other_source(order, debited="10.00")

        panel = desk.panel(order)

        assert said(panel).startswith("Paid in another way")
        assert "Paid in other ways 10.00 USD" in " ".join(panel.get_text(" ").split())


@pytest.mark.parametrize("by", ["cash", "staff"])
def test_what_is_not_awaited_is_not_cancelled_here(
    desk: Desk, rehive: Any, place_order: Any, by: str
) -> None:
    """It was offered, and "which is not paid" was said of an order that had been paid in cash."""
    order = place_order()
    opened(order)
    if by == "cash":
        paid_by_cash(order)
    else:
        moved(order, "Being processed")

    assert "Cancel the order" not in desk.panel(order).get_text()
    page = desk.page(desk_page("cancel", payment_of(order).pk))
    assert "Nothing is awaited" in said(page, "[data-why-not]")


def test_the_sums_are_in_the_orders_currency(desk: Desk, paid: Any) -> None:
    text = " ".join(desk.panel(paid(more=250)).select_one("dl").get_text(" ").split())

    assert text == (
        "Order total 24.90 USD Received 27.40 USD Missing 0.00 USD Excess 2.50 USD Refunded 0.00 USD"
    )


def test_the_history_is_told_with_who_said_so(desk: Desk, paid: Any) -> None:
    text = desk.panel(paid()).get_text()

    assert "The order is paid." in text
    assert "webhook" in text


def test_other_orders_have_no_panel(desk: Desk, place_order: Any) -> None:
    order = place_order()
    OrderPayment.objects.update(order_number="of another")

    assert desk.panel(order) is None


def test_a_number_that_is_used_again_shows_nothing_of_the_old_payment(
    desk: Desk, place_order: Any
) -> None:
    order = place_order()
    OrderPayment.objects.update(order_key="1234567")

    assert desk.panel(order) is None


def test_the_pay_link_is_there_as_long_as_the_order_can_be_paid(
    desk: Desk, place_order: Any, settings: Any
) -> None:
    settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "BASE_URL": "https://shop.example.com"}
    order = place_order()

    link = desk.panel(order).select_one("#rehive-pay-link")["value"]
    window_over(order)

    assert link.startswith("https://shop.example.com/rehive/pay/")
    assert desk.panel(order).select_one("#rehive-pay-link") is None


def test_support_sees_what_the_webhook_was_told(
    desk: Desk, rehive: Any, place_order: Any, client: Any
) -> None:
    order = place_order()
    delivered(client, opened(order), note="from the payer", token="very-secret")

    page = desk.page(desk_page("payment", payment_of(order).pk)).select_one("pre").get_text()

    assert '"note": "from the payer"' in page
    assert "very-secret" not in page


class TestWhatRehiveTellsNow:
    def test_is_how_it_was_paid(self, desk: Desk, paid: Any) -> None:
        invoice = invoice_of(paid())

        page = desk.page(desk_page("invoice", invoice.pk))

        assert 'Its status is "paid"' in page.get_text()
        assert "24.90 USD" in page.select_one("tbody").get_text()
        assert invoice.remote_id in page.select_one("pre").get_text()

    def test_whatever_letters_it_uses(
        self, desk: Desk, paid: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Half a letter, which JSON can say, cannot be sent to a browser: an error page came."""
        pk, half, invoice = invoice_of(paid()).pk, "\ud800", Rehive.invoice
        quote = {"currency": {"code": f"B{half}", "divisibility": 2}, "total_paid": 100}
        quote |= {"status": half, "payment_processor": {"name": half}}
        movement = {"rehive_code": f"tx{half}", "status": half, "metadata": {"tx_hash": half}}

        def told(*args: Any) -> Any:
            raw = invoice(*args).raw
            return read_invoice({**raw, "status": half, "payment_processor_quotes": [quote]})

        monkeypatch.setattr(Rehive, "invoice", told)
        movements = [read_transaction(movement)]
        monkeypatch.setattr(Rehive, "transactions", lambda *args: iter(movements))

        page = desk.page(desk_page("invoice", pk)).get_text()

        assert 'Its status is "?".' in page
        assert "1.00 B?" in page
        assert "tx?" in page

    def test_or_why_it_cannot_be_had(self, desk: Desk, paid: Any, rehive: Any) -> None:
        invoice = invoice_of(paid())
        rehive.faults(error_status=500)

        assert said(desk.page(desk_page("invoice", invoice.pk)), "[data-why-not]")

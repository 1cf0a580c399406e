"""What staff do from the desk: each is asked once, says exactly what will happen, is a POST, is kept with
who did it, and tells what came of it."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import mail

from oscar_rehive.models import Entry, Invoice
from tests.dashboard.conftest import (
    Desk,
    desk_page,
    messages,
    payment_of,
    said,
)
from tests.steps import opened, payable_at, settled, stands_as, window_over

pytestmark = pytest.mark.django_db

QUESTION = "[data-question]"
WHY_NOT = "[data-why-not]"


def history() -> str:
    return " ".join(Entry.objects.order_by("pk").values_list("reason", flat=True))


class TestAskingRehive:
    def test_brings_the_order_in_line(self, desk: Desk, rehive: Any, place_order: Any) -> None:
        order = place_order(total="10.00")
        rehive.outcome(opened(order).remote_id, "pay")
        address = desk.goes(desk.panel(order), "Ask Rehive now")
        question = said(desk.page(address), QUESTION)

        page = desk.sure(address)

        assert question == f"Ask Rehive how the payment of order {order.number} stands."
        assert messages(page).startswith("Rehive was asked. Paid.")
        assert stands_as(order) == "Being processed"
        assert "sam asked Rehive how the payment stands." in history()
        assert len(mail.outbox) == 1  # the confirmation that became due

    def test_leads_back_to_the_orders_page(self, desk: Desk, rehive: Any, place_order: Any) -> None:
        order = place_order()
        opened(order)

        page = desk.sure(desk.goes(desk.panel(order), "Ask Rehive now"))

        assert said(page, "h1") == f"Order #{order.number}"

    def test_tells_when_rehive_cannot_be_reached(
        self, desk: Desk, rehive: Any, place_order: Any
    ) -> None:
        order = place_order()
        opened(order)
        rehive.faults(error_status=500)

        said_then = messages(desk.sure(desk_page("ask", payment_of(order).pk)))
        assert "Rehive" in said_then
        assert "asked again by itself" in said_then

    def test_is_not_offered_where_there_is_nothing_to_ask_about(
        self, desk: Desk, place_order: Any
    ) -> None:
        assert "Ask Rehive" not in desk.panel(place_order()).get_text()


class TestClosingAnInvoice:
    def test_closes_it_and_leaves_the_order(
        self, desk: Desk, rehive: Any, place_order: Any
    ) -> None:
        order = place_order(total="10.00")
        opened(order)
        address = desk.goes(desk.panel(order), "Close the invoice")
        question = said(desk.page(address), QUESTION)

        page = desk.sure(address)

        assert question.startswith(f"Close the invoice over 10.00 USD of order {order.number}")
        assert "cannot be paid any more" in messages(page)
        assert payable_at(rehive, order) == []
        assert stands_as(order) == "Pending"
        assert "sam closes the invoice." in history()

    def test_is_refused_while_money_is_here(
        self, desk: Desk, rehive: Any, place_order: Any
    ) -> None:
        order = place_order(total="10.00")
        invoice = opened(order)
        address = desk.goes(desk.panel(order), "Close the invoice")
        form = desk.page(address).select_one("#rehive-sure")
        rehive.outcome(invoice.remote_id, "pay_less", amount=400)
        settled(invoice)

        assert "Money has come" in messages(desk.send(form, address))
        assert "Money has come" in said(desk.page(address), WHY_NOT)
        assert payable_at(rehive, order) == [invoice.remote_id]

    def test_is_kept_due_where_rehive_does_not_answer(
        self, desk: Desk, rehive: Any, place_order: Any
    ) -> None:
        order = place_order()
        invoice = opened(order)
        rehive.faults(error_status=500)

        page = desk.sure(desk_page("close", invoice.pk))

        assert Invoice.objects.get().close_due
        assert "asked again by itself until the invoice is closed" in messages(page)


class TestCancellingTheOrder:
    def test_cancels_what_is_not_paid(self, desk: Desk, rehive: Any, place_order: Any) -> None:
        order = place_order()
        opened(order)
        address = desk.goes(desk.panel(order), "Cancel the order")
        question = said(desk.page(address), QUESTION)

        page = desk.sure(address)

        assert question == f"Cancel order {order.number}, which is not paid."
        assert "The order is cancelled." in messages(page)
        assert stands_as(order) == "Cancelled"
        assert payable_at(rehive, order) == []
        assert "sam cancelled it." in history()

    def test_is_not_offered_for_what_is_paid(self, desk: Desk, paid: Any) -> None:
        order = paid()

        assert "Cancel the order" not in desk.panel(order).get_text()
        assert "Nothing is awaited" in said(
            desk.page(desk_page("cancel", payment_of(order).pk)), WHY_NOT
        )

    def test_finds_money_that_came_meanwhile(
        self, desk: Desk, rehive: Any, place_order: Any
    ) -> None:
        order = place_order()
        address = desk_page("cancel", payment_of(order).pk)
        rehive.outcome(opened(order).remote_id, "pay")

        assert "The order is not cancelled. Paid." in messages(desk.sure(address))
        assert stands_as(order) == "Being processed"

    def test_waits_for_rehive(self, desk: Desk, rehive: Any, place_order: Any) -> None:
        order = place_order()
        opened(order)
        rehive.faults(error_status=500)

        page = desk.sure(desk_page("cancel", payment_of(order).pk))

        assert "will be cancelled by itself, as soon as Rehive says" in messages(page)
        assert stands_as(order) == "Pending"
        assert "Being cancelled" in said(desk.panel(order))


class TestMailingThePayLink:
    def test_mails_the_customer(self, desk: Desk, place_order: Any) -> None:
        order = place_order()
        address = desk.goes(desk.panel(order), "Mail the pay link")
        question = said(desk.page(address), QUESTION)
        link = desk.panel(order).select_one("#rehive-pay-link")["value"]

        desk.sure(address)

        assert question.startswith("Mail guest@example.com the address")
        assert ".." not in desk.page(address).get_text()
        (sent,) = mail.outbox
        assert sent.to == ["guest@example.com"]
        assert order.number in sent.subject
        assert link in sent.body
        assert link in sent.alternatives[0][0]
        assert "sam had the address for paying mailed" in history()
        assert "guest@example.com" not in history()

    def test_is_refused_where_the_order_cannot_be_paid(self, desk: Desk, place_order: Any) -> None:
        order = place_order()
        address = desk_page("pay-link", payment_of(order).pk)
        form = desk.page(address).select_one("#rehive-sure")
        window_over(order)

        assert "cannot be paid" in said(desk.page(address), WHY_NOT)
        assert "cannot be paid" in messages(desk.send(form, address))
        assert not mail.outbox

    def test_needs_somebody_to_mail(self, desk: Desk, place_order: Any) -> None:
        order = place_order(guest_email="")

        assert "no mail address" in said(
            desk.page(desk_page("pay-link", payment_of(order).pk)), WHY_NOT
        )

    def test_tells_when_the_mail_server_does_not_take_it(
        self, desk: Desk, place_order: Any, settings: Any
    ) -> None:
        order = place_order()
        settings.EMAIL_BACKEND = "tests.dashboard.test_actions.Refusing"

        page = desk.sure(desk_page("pay-link", payment_of(order).pk))

        assert "The mail could not be sent" in messages(page)
        assert "mailed" not in history()


class Refusing:
    def __init__(self, **kwargs: Any) -> None: ...

    def send_messages(self, sent: Any) -> None:
        raise OSError("no")


ACTIONS = ("ask", "cancel", "pay-link", "close", "refund")


@pytest.mark.parametrize("name", ACTIONS)
def test_nothing_is_done_by_looking(desk: Desk, rehive: Any, place_order: Any, name: str) -> None:
    order = place_order()
    invoice = opened(order)
    before = len(rehive.requests()), Entry.objects.count()

    desk.get(desk_page(name, invoice.pk if name in ("close", "refund") else payment_of(order).pk))

    assert (len(rehive.requests()), Entry.objects.count()) == before
    assert not mail.outbox


@pytest.mark.parametrize("name", ACTIONS)
def test_nothing_is_done_without_a_csrf_token(
    desk: Desk, rehive: Any, place_order: Any, name: str
) -> None:
    order = place_order()
    pk = opened(order).pk if name in ("close", "refund") else payment_of(order).pk

    assert desk.client.post(desk_page(name, pk), {"sure": "yes"}).status_code == 403


@pytest.mark.parametrize("name", ACTIONS)
def test_what_is_not_there_is_not_found(desk: Desk, name: str) -> None:
    assert desk.get(desk_page(name, 987654)).status_code == 404


@pytest.mark.parametrize(
    "told", ["https://evil.example.com/", "//evil.example.com/", "javascript:0"]
)
def test_nobody_is_led_out_of_the_shop(desk: Desk, place_order: Any, told: str) -> None:
    payment = payment_of(place_order())

    page = desk.page(f"{desk_page('ask', payment.pk)}?next={told}")

    assert page.select_one("[name=next]")["value"] == desk_page("payment", payment.pk)

"""Pages of the desk that ask Rehive end in time, and a press that came too late is told."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from bs4 import BeautifulSoup

from oscar_rehive.dashboard import rights
from oscar_rehive.models import Attention, Invoice, Note, Refund
from oscar_rehive.rehive.client import Client as Rehive
from oscar_rehive.rehive.deadlines import seconds_left
from tests.dashboard.conftest import Desk, desk_page, invoice_of, messages, payment_of, said
from tests.steps import opened, stands_as

pytestmark = pytest.mark.django_db

NOTHING_DONE = "Nothing was done. Press the button again."


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How many seconds each call to Rehive found that its page has left."""
    left, real = list[float](), Rehive._ask

    def ask(self: Rehive, *args: Any, **kwargs: Any) -> Any:
        left.append(seconds_left())
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Rehive, "_ask", ask)
    return left


class TestP11WhatStaffAskOfRehiveEndsInTheTimeOfAPage:
    """All calls together: the list of refunds may have pages without end, and each call takes its time."""

    def share(self, left: list[float], calls: int) -> None:
        """The calls were so many, and had one deadline together."""
        assert len(left) == calls
        assert left == sorted(left, reverse=True)
        assert len(set(left)) == calls
        assert left[0] <= 8

    def test_a_way_out(self, desk: Desk, paid: Any, left: list[float]) -> None:
        paid(more=250)
        left.clear()

        desk.sure(desk_page("attention-decide", Attention.objects.get().pk, "refund"))

        self.share(left, 2)  # what was refunded already, and the refund
        assert Refund.objects.get().status == Refund.Status.PENDING

    def test_a_refund(self, desk: Desk, paid: Any, left: list[float]) -> None:
        address = desk_page("refund", invoice_of(paid()).pk)
        form = desk.page(address).select_one("form[method=post]:has([name=of])")
        left.clear()

        desk.send(desk.send(form, address, of="all").select_one("#rehive-sure"), address)

        self.share(left, 2)
        assert Refund.objects.get().status == Refund.Status.PENDING

    def test_a_question(self, desk: Desk, paid: Any, left: list[float]) -> None:
        order = paid()
        left.clear()

        desk.sure(desk_page("ask", payment_of(order).pk))

        self.share(left, 2)  # the invoice, and its refunds

    @pytest.mark.parametrize("action", ["close", "cancel"])
    def test_what_closes(
        self, desk: Desk, rehive: Any, place_order: Any, left: list[float], action: str
    ) -> None:
        order = place_order()
        pk = {"close": opened(order).pk, "cancel": payment_of(order).pk}[action]
        left.clear()

        desk.sure(desk_page(action, pk))

        self.share(left, 2)  # what became of it, and its end
        assert Invoice.objects.get().state == Invoice.State.CLOSED

    def test_what_is_only_looked_at(self, desk: Desk, paid: Any, left: list[float]) -> None:
        invoice = invoice_of(paid())
        left.clear()

        desk.page(desk_page("invoice", invoice.pk))

        self.share(left, 2)  # the invoice, and its transactions


class TestPressedAfterOnesSessionHasEnded:
    """After signing in the browser comes to the button's address, without what was pressed."""

    def signed_in_again(self, desk: Desk, address: str, **fields: str) -> BeautifulSoup:
        """The page that is shown then."""
        page = desk.page(desk_page("payments"))
        fields["csrfmiddlewaretoken"] = page.select_one("[name=csrfmiddlewaretoken]")["value"]
        del desk.client.cookies["sessionid"]
        login = desk.client.post(address, fields)
        assert login.status_code == 302
        assert "/login/" in login.headers["Location"]
        desk.client.force_login(desk.user)
        (told,) = parse_qs(urlsplit(login.headers["Location"]).query)["next"]
        answer = desk.client.get(told, follow=True)
        assert answer.status_code == 200
        return BeautifulSoup(answer.content, "html.parser")

    def test_a_note_is_not_lost_without_a_word(self, desk: Desk, paid: Any) -> None:
        order = paid(more=250)
        panel = desk.panel(order)
        address = panel.select_one("form:has(textarea)")["action"]

        page = self.signed_in_again(desk, address, text="Called the payer.")

        assert NOTHING_DONE in messages(page)
        assert said(page, "h1") == f"Order #{order.number}"
        assert not Note.objects.exists()

    def test_nor_that_several_facts_were_dealt_with(self, desk: Desk, paid: Any) -> None:
        paid(more=250)
        fact = str(Attention.objects.get().pk)

        page = self.signed_in_again(desk, desk_page("attention-dealt-with"), fact=fact, sure="yes")

        assert NOTHING_DONE in messages(page)
        assert page.select_one("#rehive-dealt-with") is not None
        assert Attention.objects.get().resolved_at is None

    def test_what_is_asked_once_is_asked_again(self, desk: Desk, paid: Any) -> None:
        order = paid(more=250)
        decide = desk.goes(desk.panel(order), "Refund 2.50 USD to the payer")
        refund = desk.goes(desk.panel(order), "Refund …")

        again = self.signed_in_again(desk, decide, sure="yes", agreed="2.50")
        form = self.signed_in_again(desk, refund, sure="yes", amount="2.50")

        assert said(again, "[data-question]").startswith("Refund 2.50 USD to the payer")
        assert said(form, "[data-question]").startswith("Up to 27.40 USD can go back")
        assert not Refund.objects.exists()

    def test_and_the_order_is_not_cancelled(self, desk: Desk, place_order: Any) -> None:
        order = place_order()

        again = self.signed_in_again(desk, desk_page("cancel", payment_of(order).pk), sure="yes")

        assert again.select_one("#rehive-sure") is not None
        assert stands_as(order) == "Pending"

    def test_tells_nothing_to_who_may_not_press_it(self, paid: Any) -> None:
        paid(more=250)
        desk = Desk(rights.VIEW)

        for address in (
            desk_page("attention-dealt-with"),
            desk_page("attention-note", Attention.objects.get().pk),
        ):
            assert desk.get(address).status_code == 403


def test_other_methods_stay_refused(desk: Desk) -> None:
    token = desk.page(desk_page("payments")).select_one("[name=csrfmiddlewaretoken]")["value"]
    answer = desk.client.delete(desk_page("attention-dealt-with"), headers={"X-CSRFToken": token})

    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST, OPTIONS")

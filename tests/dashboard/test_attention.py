"""What waits for a person: by age and by money, with its ways out, notes, and many at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.utils import timezone

from oscar_rehive.dashboard.attention import AttentionView
from oscar_rehive.models import Attention, Invoice, Note, Refund
from oscar_rehive.rehive.exceptions import NotFound
from tests.dashboard.conftest import (
    EVERYTHING,
    OF_OSCAR,
    Desk,
    desk_page,
    messages,
    said,
)
from tests.steps import opened, rehive_forgot, settled, stands_as

pytestmark = pytest.mark.django_db

QUESTION = "[data-question]"


def listed(page: Any) -> list[str]:
    """The numbers of the orders in the list, in its order."""
    return [one.get_text().split()[1] for one in page.select(".card-header span:first-of-type")]


class TestTheList:
    @pytest.fixture
    def orders(self, paid: Any) -> list[Any]:
        """One with an old small excess, one with a new large one."""
        orders = [paid(more=100), paid(more=5000)]
        long_ago = timezone.now() - timedelta(days=3)
        old = Attention.objects.filter(payment__order_number=orders[0].number)
        old.update(raised_at=long_ago)
        return orders

    def test_begins_with_the_oldest(self, desk: Desk, orders: list[Any]) -> None:
        page = desk.page(desk_page("attention"))

        assert listed(page) == [one.number for one in orders]
        assert "waits for 3 days" in " ".join(page.get_text().split())

    def test_shows_its_last_page_where_there_are_no_more(
        self, desk: Desk, orders: list[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Who had dealt with all of the last page came back to "not found"."""
        monkeypatch.setattr(AttentionView, "paginate_by", 1)

        for page in (2, 3, 99):
            assert listed(desk.page(desk_page("attention") + f"?page={page}")) == [orders[1].number]

    def test_or_with_the_most_money(self, desk: Desk, orders: list[Any]) -> None:
        page = desk.page(desk_page("attention") + "?by=money")

        assert listed(page) == [one.number for one in reversed(orders)]
        assert "74.90 USD" in page.select_one(".card-header").get_text()

    def test_tells_what_happened_and_what_it_means(self, desk: Desk, orders: list[Any]) -> None:
        card = desk.page(desk_page("attention")).select_one(".card-body:has(p)")

        text = " ".join(card.get_text().split())
        assert "More was paid than was due" in text
        assert "what is beyond its price is the payer's" in text

    def test_is_narrowed_to_an_order_or_a_kind(self, desk: Desk, orders: list[Any]) -> None:
        address = desk_page("attention")

        assert listed(desk.page(f"{address}?order=%23{orders[1].number}")) == [orders[1].number]
        assert len(listed(desk.page(f"{address}?kind=excess"))) == 2
        assert "Nothing fits" in said(desk.page(f"{address}?kind=late"), "[data-nothing]")

    def test_shows_what_was_dealt_with_where_it_is_asked_for(
        self, desk: Desk, orders: list[Any]
    ) -> None:
        first = Attention.objects.filter(payment__order_number=orders[0].number)
        first.update(resolved_at=timezone.now(), resolved_by="kim")
        address = desk_page("attention")

        assert listed(desk.page(address)) == [orders[1].number]
        done = desk.page(f"{address}?show=done")
        assert listed(done) == [orders[0].number]
        assert "dealt with by kim" in " ".join(done.get_text().split())
        assert len(listed(desk.page(f"{address}?show=all"))) == 2

    def test_takes_no_nonsense_for_a_filter(self, desk: Desk, orders: list[Any]) -> None:
        assert len(listed(desk.page(desk_page("attention") + "?by=x&kind=y&show=z"))) == 2


def test_nothing_waits(desk: Desk) -> None:
    assert (
        said(desk.page(desk_page("attention")), "[data-nothing]") == "Nothing waits for a person."
    )


class TestWaysOut:
    def press(self, desk: Desk, label: str) -> tuple[str, Any]:
        """What is asked, and the page after it was answered."""
        address = desk.goes(desk.page(desk_page("attention")), label)
        return said(desk.page(address), QUESTION), desk.sure(address)

    def test_refund_what_was_too_much(self, desk: Desk, paid: Any) -> None:
        order = paid(more=250)

        question, page = self.press(desk, "Refund 2.50 USD to the payer")

        assert question == f"Refund 2.50 USD to the payer of order {order.number}."
        assert "The refund was asked for" in messages(page)
        assert Refund.objects.get().amount == 250
        assert Attention.objects.get().resolved_by == "sam"
        assert said(page, "h1") == "What waits for a person"

    def test_says_where_to_look_whether_money_went(
        self, desk: Desk, rehive: Any, paid: Any
    ) -> None:
        paid(more=250)
        rehive.faults(error_status=500)

        _question, page = self.press(desk, "Refund 2.50 USD to the payer")

        assert "no money went back" in messages(page)

    def test_are_named_by_the_words_beside_the_buttons(
        self, desk: Desk, rehive: Any, place_order: Any
    ) -> None:
        """There was a button to let it pay the order, and a sentence that said to change the status by hand."""
        order = place_order()
        invoice = opened(order)
        type(order).objects.filter(pk=order.pk).update(total_incl_tax="30.00")
        rehive.outcome(invoice.remote_id, "pay")
        settled(invoice)

        card = desk.page(desk_page("attention")).select_one("[data-fact=mismatch]")

        assert [one.get_text() for one in card.select("a.btn")][
            1
        ] == "Let this payment pay the order"
        assert said(card, "em") == (
            "Let this payment pay the order, if it is worth that to you, or change its status by hand."
            " Or refund the money to the payer."
        )

    def test_let_it_pay_the_order(self, desk: Desk, held: Any) -> None:
        question, page = self.press(desk, "Let this payment pay the order")

        assert question == (
            f"Let the 10.00 USD that came pay order {held.order_number}, which waits for 10.00 USD."
        )
        assert "The payment pays the order now." in messages(page)
        held.payment.refresh_from_db()
        assert held.payment.paid_at

    def test_take_the_invoice_for_gone(
        self, desk: Desk, rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        invoice = opened(place_order())
        rehive_forgot(monkeypatch)
        with pytest.raises(NotFound):
            settled(invoice)

        question, page = self.press(desk, "Take the invoice for gone")

        assert question == f"Take the invoice of order {invoice.order_number} for gone."
        assert "The invoice is taken for gone." in messages(page)
        invoice.refresh_from_db()
        assert invoice.state == "closed"

    def test_note_that_it_was_dealt_with(self, desk: Desk, paid: Any) -> None:
        order = paid(more=250)

        question, page = self.press(desk, "Dealt with")

        assert question == f"Note that this fact about order {order.number} was dealt with."
        assert "dealt with" in messages(page)
        assert stands_as(order) == "Being processed"
        assert Attention.objects.get().resolved_by == "sam"

    def test_what_a_colleague_has_decided_is_decided(self, desk: Desk, paid: Any) -> None:
        paid(more=250)
        address = desk.goes(desk.page(desk_page("attention")), "Refund 2.50 USD to the payer")
        form = desk.page(address).select_one("#rehive-sure")
        Attention.objects.update(resolved_at=timezone.now(), resolved_by="kim")

        assert said(desk.page(address), "[data-why-not]") == "This was decided already, by kim."
        assert "by kim" in messages(desk.send(form, address))
        assert not Refund.objects.exists()

    def test_no_other_amount_goes_back_than_was_said(
        self, desk: Desk, rehive: Any, place_order: Any
    ) -> None:
        """More came between the page and the press."""
        invoice = opened(place_order(total="10.00"))
        rehive.outcome(invoice.remote_id, "pay_more", amount=1250)
        settled(invoice)
        address = desk.goes(desk.page(desk_page("attention")), "Refund 2.50 USD to the payer")
        form = desk.page(address).select_one("#rehive-sure")
        Invoice.objects.update(received=1300)

        page = desk.send(form, address)

        assert "It is 3.00 USD by now, and no longer 2.50: look at it again." in messages(page)
        assert "no amount was agreed to" in messages(desk.send(form, address, agreed="x"))
        assert not Refund.objects.exists()

    def test_there_are_no_others(self, desk: Desk, paid: Any) -> None:
        paid(more=250)
        pk = Attention.objects.get().pk

        assert desk.get(desk_page("attention-decide", pk, "explode")).status_code == 404
        accept = desk.page(desk_page("attention-decide", pk, "accept"))
        assert "no way out" in said(accept, "[data-why-not]")


class TestManyAtOnce:
    def chosen(self, desk: Desk, *numbers: str) -> Any:
        """The page that asks, after these were chosen."""
        page = desk.page(desk_page("attention"))
        form = page.select_one("#rehive-dealt-with")
        token = form.select_one("[name=csrfmiddlewaretoken]")["value"]
        keys = Attention.objects.filter(payment__order_number__in=numbers)
        fields = {"csrfmiddlewaretoken": token, "next": form.select_one("[name=next]")["value"]}
        fields["fact"] = [str(pk) for pk in keys.values_list("pk", flat=True)]
        answer = desk.client.post(form["action"], fields, follow=True)
        return BeautifulSoup(answer.content, "html.parser"), fields, form["action"]

    def test_are_dealt_with_after_one_question(self, desk: Desk, paid: Any) -> None:
        orders = [paid(more=100) for _ in range(3)]
        numbers = [one.number for one in orders[:2]]

        asked, _fields, address = self.chosen(desk, *numbers)
        assert said(asked, QUESTION) == "Note that these 2 facts were dealt with."
        assert not Attention.objects.exclude(resolved_at=None).exists()

        after = desk.send(asked.select_one("form:has([name=sure])"), address)
        assert "2 facts were dealt with." in messages(after)
        done = Attention.objects.exclude(resolved_at=None)
        assert sorted(done.values_list("payment__order_number", flat=True)) == sorted(numbers)
        assert {one.resolved_by for one in done} == {"sam"}

    def test_who_was_first_stays(self, desk: Desk, paid: Any) -> None:
        """A colleague dealt with it between the question and the press."""
        number = paid(more=100).number
        asked, _fields, address = self.chosen(desk, number)
        Attention.objects.update(resolved_at=timezone.now(), resolved_by="kim")

        desk.send(asked.select_one("form:has([name=sure])"), address)

        assert Attention.objects.get().resolved_by == "kim"

    def test_none_chosen_is_told(self, desk: Desk, paid: Any) -> None:
        paid(more=100)

        assert "Choose facts that wait" in messages(self.chosen(desk)[0])

    def test_is_offered_to_those_who_may(self, paid: Any) -> None:
        paid(more=100)
        others = [one for one in EVERYTHING if "resolve" not in one]
        page = Desk(OF_OSCAR, *others).page(desk_page("attention"))

        assert page.select("#rehive-dealt-with, [name=fact]") == []


class TestNotes:
    def test_are_kept_with_who_wrote_them(self, desk: Desk, paid: Any) -> None:
        paid(more=100)
        page = desk.page(desk_page("attention"))
        form = page.select_one("form:has(textarea)")

        after = desk.send(form, "", text=" Called the payer.\nNo answer. ")

        note = Note.objects.get()
        assert (note.by, note.text) == ("sam", "Called the payer.\nNo answer.")
        assert "Called the payer." in after.select_one(".card-body .border-left").get_text()
        assert "sam" in after.select_one(".card-body .border-left").get_text()

    def test_are_on_the_orders_page_too(self, desk: Desk, paid: Any) -> None:
        order = paid(more=100)
        Note.objects.create(attention=Attention.objects.get(), by="kim", text="Called.")

        assert "Called." in desk.panel(order).get_text()

    def test_empty_ones_are_not(self, desk: Desk, paid: Any) -> None:
        paid(more=100)
        form = desk.page(desk_page("attention")).select_one("form:has(textarea)")

        assert "Write something" in messages(desk.send(form, "", text=" \0 "))
        assert not Note.objects.exists()

    def test_keep_no_secret(self, desk: Desk, paid: Any, settings: Any) -> None:
        paid(more=100)
        form = desk.page(desk_page("attention")).select_one("form:has(textarea)")

        desk.send(form, "", text=f"The token is {settings.OSCAR_REHIVE['TOKEN']}.")

        assert Note.objects.get().text == "The token is [removed]."

"""Who may do what: to view, to act, to refund and to decide are separate; users of a partner see the payments
of their own orders and can do nothing about them."""

from __future__ import annotations

import csv
import uuid
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from oscar.test.factories import UserFactory

from oscar_rehive.dashboard import rights
from oscar_rehive.models import Attention, Entry, Invoice, OrderPayment, Refund
from oscar_rehive.rehive.exceptions import NotFound
from tests.dashboard.conftest import EVERYTHING, OF_OSCAR, Desk, desk_page, invoice_of, payment_of
from tests.steps import opened, rehive_forgot, settled

pytestmark = pytest.mark.django_db

WAYS = {
    "refund": rights.REFUND,
    "accept": rights.ACCEPT,
    "gone": rights.TAKE_FOR_GONE,
    "resolve": rights.RESOLVE,
}


def pages(order: Any) -> dict[str, str]:
    """Every page of the desk, and the right that it takes."""
    payment, invoice, fact = payment_of(order), invoice_of(order), Attention.objects.get()
    decide = {desk_page("attention-decide", fact.pk, way): right for way, right in WAYS.items()}
    return {
        desk_page("attention"): rights.VIEW,
        desk_page("payments"): rights.VIEW,
        desk_page("health"): rights.VIEW,
        desk_page("health-check"): rights.ACT,
        desk_page("health-register"): rights.ACT,
        desk_page("payment", payment.pk): rights.VIEW,
        desk_page("invoice", invoice.pk): rights.VIEW,
        desk_page("ask", payment.pk): rights.ACT,
        desk_page("cancel", payment.pk): rights.ACT,
        desk_page("pay-link", payment.pk): rights.ACT,
        desk_page("close", invoice.pk): rights.ACT,
        desk_page("refund", invoice.pk): rights.REFUND,
        **decide,
        desk_page("attention-dealt-with"): rights.RESOLVE,
    }


@pytest.mark.parametrize("right", EVERYTHING)
def test_each_page_takes_its_right_and_no_other(paid: Any, right: str) -> None:
    order = paid(more=250)
    desk = Desk(rights.VIEW, right)

    for url, takes in pages(order).items():
        let_in = desk.get(url).status_code in (200, 302)
        assert let_in == (takes in (rights.VIEW, right)), url


@pytest.mark.parametrize("right", sorted(set(EVERYTHING) - {rights.VIEW}))
def test_nothing_works_without_the_right_to_view(paid: Any, right: str) -> None:
    order = paid(more=250)
    for more in ((), (rights.PARTNER,)):  # which lets in those who are not of the staff
        desk = Desk(OF_OSCAR, right, *more, username=f"with {len(more)} more")
        assert {desk.get(url).status_code for url in pages(order)} == {403}
        assert desk.panel(order) is None


def test_who_has_the_rights_and_is_not_of_the_staff_has_nothing(paid: Any) -> None:
    order = paid(more=250)
    desk = Desk(*EVERYTHING, is_staff=False)

    assert {desk.get(url).status_code for url in pages(order)} == {403}


def test_strangers_are_led_to_the_dashboards_login(paid: Any) -> None:
    order = paid(more=250)

    for url in pages(order):
        answer = Client().get(url)
        assert (answer.status_code, answer.url.split("?")[0]) == (302, reverse("dashboard:login"))


@pytest.mark.parametrize(
    ("right", "button"),
    [
        (rights.ACT, "Ask Rehive now"),
        (rights.REFUND, "Refund …"),
        (rights.REFUND, "Refund 2.50 USD to the payer"),
        (rights.RESOLVE, "Dealt with"),
        (rights.RESOLVE, "Keep the note"),
    ],
)
def test_buttons_are_shown_to_those_who_may_press_them(paid: Any, right: str, button: str) -> None:
    order = paid(more=250)

    assert button in Desk(OF_OSCAR, rights.VIEW, right, username="may").panel(order).get_text()
    others = [one for one in EVERYTHING if one != right]
    assert button not in Desk(OF_OSCAR, *others, username="may not").panel(order).get_text()


def test_the_pay_link_is_for_those_who_may_act(place_order: Any) -> None:
    """Whoever has it can cancel the order."""
    order = place_order()
    others = [one for one in EVERYTHING if one != rights.ACT]

    assert Desk(OF_OSCAR, *others).panel(order).select_one("#rehive-pay-link") is None


class Phone:
    """A number as django-phonenumber-field hands it out: no text, and without ``len``."""

    def __str__(self) -> str:
        return "+491701234567"


@pytest.mark.parametrize(
    ("name", "called"),
    [
        (491701234567, "491701234567"),
        (uuid.UUID(int=7), str(uuid.UUID(int=7))),
        (Phone(), "+491701234567"),
        ("x" * 200, "x" * 150),
        ("nul\0 \ud800", "nul ?"),
        (None, "user {pk}"),
        ("", "user {pk}"),
        ("  ", "user {pk}"),
        ("Rehive", "user {pk}"),
    ],
)
class TestStaffWhoseNameIsNoText:
    """A shop's own user model names its users by whatever it likes."""

    @pytest.fixture
    def staff(
        self, name: Any, called: str, db: None, monkeypatch: pytest.MonkeyPatch
    ) -> tuple[Desk, str]:
        desk = Desk(OF_OSCAR, *EVERYTHING)
        monkeypatch.setattr(type(desk.user), "get_username", lambda user: name)
        return desk, called.format(pk=desk.user.pk)

    @pytest.mark.parametrize("way", ["refund", "accept", "resolve"])
    def test_decides(self, held: Invoice, staff: tuple[Desk, str], way: str) -> None:
        desk, called = staff
        fact = held.attentions.get()

        desk.sure(desk_page("attention-decide", fact.pk, way))

        fact.refresh_from_db()
        assert fact.resolved_by == called
        assert {one.requested_by for one in Refund.objects.all()} <= {called}
        assert way == "resolve" or Entry.objects.filter(reason__startswith=called).exists()

    def test_says_that_an_invoice_is_gone(
        self,
        rehive: Any,
        place_order: Any,
        staff: tuple[Desk, str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        desk, called = staff
        invoice = opened(place_order())
        rehive_forgot(monkeypatch)
        with pytest.raises(NotFound):
            settled(invoice)

        desk.sure(desk_page("attention-decide", Attention.objects.get().pk, "gone"))

        assert Attention.objects.get().resolved_by == called

    def test_acts_notes_and_refunds(self, held: Invoice, staff: tuple[Desk, str]) -> None:
        desk, called = staff
        fact, url = held.attentions.get(), desk_page("refund", held.pk)
        form = desk.page(url).select_one("form[method=post]:has([name=of])")

        desk.sure(desk_page("ask", held.payment_id))
        desk.send(desk.page(desk_page("attention")).select_one("form:has(textarea)"), "", text="?")
        desk.send(desk.send(form, url, of="all").select_one("#rehive-sure"), url)

        assert Entry.objects.filter(reason__startswith=f"{called} asked Rehive").exists()
        assert fact.notes.get().by == called
        assert Refund.objects.get().requested_by == called


def test_what_was_set_aside_can_still_be_taken_for_gone(
    rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = opened(place_order())
    rehive_forgot(monkeypatch)
    with pytest.raises(NotFound):
        settled(invoice)
    Attention.objects.update(resolved_at=timezone.now(), resolved_by="ann")
    desk = Desk(rights.VIEW, rights.TAKE_FOR_GONE)

    desk.sure(desk_page("attention-decide", Attention.objects.get().pk, "gone"))

    invoice.refresh_from_db()
    assert invoice.state == "closed"


class TestUsersOfAPartner:
    @pytest.fixture
    def order(self, paid: Any) -> Any:
        return paid(more=250)

    @pytest.fixture
    def partner(self, order: Any) -> Desk:
        """Somebody of the partner whose goods the order has, who was even given all our rights."""
        desk = Desk(rights.PARTNER, *EVERYTHING, is_staff=False, username="partner")
        order.lines.get().partner.users.add(desk.user)
        return desk

    def test_see_the_payment_on_their_orders_page(self, partner: Desk, order: Any) -> None:
        panel = partner.panel(order)

        assert "Received 27.40 USD" in " ".join(panel.get_text(" ").split())

    def test_and_can_do_nothing_about_it(self, partner: Desk, order: Any) -> None:
        panel = partner.panel(order)
        allowed = {desk_page("payments"), desk_page("payment", payment_of(order).pk)}

        assert [one.get_text() for one in panel.select("a.btn")] == ["All about this payment"]
        assert panel.select("form, [data-fact], #rehive-pay-link") == []
        codes = {url: partner.get(url).status_code for url in pages(order)}
        assert {url for url, code in codes.items() if code != 403} == allowed

    def test_see_no_payments_of_others(self, partner: Desk, order: Any, paid: Any) -> None:
        other = paid()  # the factories give every product a partner of its own
        other.lines.update(partner=None)

        assert partner.get(desk_page("payment", payment_of(other).pk)).status_code == 404
        listed = partner.page(desk_page("payments")).select_one("table").get_text()
        assert order.number in listed
        assert other.number not in listed

    def test_learn_nothing_of_facts_nor_of_the_shops_businesses(
        self, partner: Desk, order: Any
    ) -> None:
        """The list told and filtered by what the panel keeps from them."""
        page = partner.page(desk_page("payments"))
        rows = [
            list(
                csv.reader(
                    b"".join(partner.get(f"{desk_page('payments')}?{more}")).decode().splitlines()
                )
            )
            for more in ("format=csv", "format=csv&attention=waits", "format=csv&business=x")
        ]

        assert page.select(".badge-danger, [name=attention], [name=business]") == []
        assert [row[0][-1] for row in rows] == ["open attention"] * 3
        assert [[one[-1] for one in row[1:]] for row in rows] == [["0"]] * 3

    def test_see_nothing_of_an_old_payment_with_their_orders_number(
        self, partner: Desk, order: Any
    ) -> None:
        payment = payment_of(order)
        OrderPayment.objects.update(order_key="987654")

        assert partner.get(desk_page("payment", payment.pk)).status_code == 404

    def test_see_no_raw_deliveries(self, partner: Desk, order: Any) -> None:
        page = partner.page(desk_page("payment", payment_of(order).pk))

        assert "What the webhook was told" not in page.get_text()

    def test_have_payments_in_the_menu_and_no_attention(self, partner: Desk) -> None:
        menu = partner.page(reverse("dashboard:index")).select_one(".navbar-primary").get_text()

        assert "Payments" in menu
        assert "Attention" not in menu
        assert "Health" not in menu


def test_customers_have_no_business_here(paid: Any) -> None:
    order = paid(more=250)
    client = Client()
    client.force_login(UserFactory())

    assert {client.get(url).status_code for url in pages(order)} == {403}

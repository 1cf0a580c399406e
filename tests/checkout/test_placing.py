"""Placing an order that is to be paid through Rehive (design.md, "The flow", 2)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation
from oscar.apps.checkout.signals import post_checkout
from oscar.core.loading import get_class, get_model
from oscar.test.factories import UserFactory

from oscar_rehive import conf
from oscar_rehive.models import Entry, Invoice, OrderPayment
from oscar_rehive.payments.gateway import currency_key
from oscar_rehive.remembering import remember
from oscar_rehive.tokens import payment_token
from tests.checkout.conftest import Shopper
from tests.steps import not_migrated, payment_page

pytestmark = pytest.mark.django_db

Basket = get_model("basket", "Basket")
Order = get_model("order", "Order")
Source = get_model("payment", "Source")
StockRecord = get_model("partner", "StockRecord")
PaymentDetailsView = get_class("checkout.views", "PaymentDetailsView")

REHIVE = "oscar_rehive.checkout.methods.Rehive"


@pytest.fixture
def ready(shopper: Shopper) -> Shopper:
    """A shopper who has chosen Rehive and sees the preview."""
    shopper.go_to_payment()
    shopper.choose("rehive")
    return shopper


def test_without_our_tables_no_order_is_placed_and_the_basket_stays(
    ready: Shopper, caplog: pytest.LogCaptureFixture
) -> None:
    """The shopper is told, and so is the log."""
    with not_migrated(OrderPayment):
        answer = ready.place()

    assert "A problem occurred while placing this order" in answer.content.decode()
    assert "oscar_rehive_orderpayment" in caplog.text
    assert not Order.objects.exists()
    assert Basket.objects.get().status == Basket.OPEN


class TestAnOrderIsPlaced:
    def test_it_is_pending_and_waits_for_its_payment(self, ready: Shopper) -> None:
        before = timezone.now()

        answer = ready.place()

        order = Order.objects.get()
        payment = OrderPayment.objects.get()
        assert (answer.status_code, answer.headers["Location"]) == (302, payment_page("pay", order))
        assert order.status == "Pending"
        assert payment.order_number == order.number
        assert payment.window_ends_at - before >= timedelta(hours=1, minutes=59)
        assert payment.language == "en"
        assert [entry.source for entry in payment.entries.all()] == [Entry.Source.CHECKOUT]
        # What came in is for settling to record; nothing has.
        assert not Source.objects.exists()
        assert Basket.objects.get(pk=order.basket_id).status == Basket.SUBMITTED
        assert StockRecord.objects.get().num_allocated == 1

    def test_p8_no_network_call_is_made(self, rehive: Any, ready: Shopper) -> None:
        ready.place()

        assert rehive.requests() == []
        assert not Invoice.objects.exists()

    def test_it_takes_few_statements_more_than_oscars_own(self, ready: Shopper) -> None:
        """Three are ours; the lines in the basket are counted where Oscar's middleware does, and freezing
        it is one more."""
        # As every process knows that has opened an invoice within the hour.
        remember(currency_key(conf.current().businesses["USD"]), ("USD", 2), 60)

        with CaptureQueriesContext(connection) as captured:
            ready.place()

        statements = [one["sql"] for one in captured]
        ours = [sql for sql in statements if "oscar_rehive_" in sql]
        assert len(ours) <= 3, "\n".join(ours)
        counted = [sql for sql in statements if "COUNT" in sql and 'FROM "basket_line"' in sql]
        assert len(counted) == 1, "\n".join(counted)
        frozen = [sql for sql in statements if 'UPDATE "basket_basket"' in sql and "Frozen" in sql]
        assert len(frozen) == 2

    def test_p3_no_confirmation_goes_out_before_the_payment(
        self, ready: Shopper, mailoutbox: list[Any]
    ) -> None:
        ready.place()

        assert mailoutbox == []
        assert OrderPayment.objects.get().mail_due_at is None

    def test_the_pending_status_is_the_shops_own_word(self, ready: Shopper, settings: Any) -> None:
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "ORDER_STATUS": {"pending": "Awaiting"}}

        ready.place()

        assert Order.objects.get().status == "Awaiting"

    def test_the_thank_you_page_and_the_order_belong_to_this_session(self, ready: Shopper) -> None:
        ready.place()

        order = Order.objects.get()
        assert ready.client.session["checkout_order_id"] == order.pk
        OrderPayment.objects.update(paid_at=timezone.now())
        assert order.number in ready.client.get("/checkout/thank-you/").content.decode()
        # Nothing of this checkout is left over for the next one.
        assert not ready.client.session.get("checkout_data")

    def test_nobody_is_thanked_for_what_is_not_paid_yet(self, ready: Shopper) -> None:
        """Oscar's page would say "no payment was required" and "a confirmation has been sent"."""
        ready.place()

        answer = ready.client.get("/checkout/thank-you/")

        token = payment_token(Order.objects.get().number)
        assert (answer.status_code, answer.headers["Location"]) == (302, f"/rehive/return/{token}/")

    def test_a_customer_s_order_and_the_language_for_the_mail(
        self, shopper: Shopper, settings: Any
    ) -> None:
        settings.LANGUAGES = [("en", "English"), ("de", "Deutsch")]
        user = UserFactory()
        shopper.client.force_login(user)
        shopper.client.cookies[settings.LANGUAGE_COOKIE_NAME] = "de"
        with translation.override("de"):
            shopper.go_to_payment(guest=None)
            shopper.choose("rehive")
            shopper.place()

        assert Order.objects.get().user == user
        assert OrderPayment.objects.get().language == "de"

    def test_a_receiver_that_fails_does_not_lose_the_order(self, ready: Shopper) -> None:
        """Oscar answers any exception by thawing the submitted basket: the order would be there, and
        the shopper would place it again."""

        def fail(**kwargs: Any) -> None:
            raise ZeroDivisionError

        post_checkout.connect(fail, weak=False)
        try:
            answer = ready.place()
        finally:
            post_checkout.disconnect(fail)

        order = Order.objects.get()
        assert answer.headers["Location"] == payment_page("pay", order)
        assert Basket.objects.get(pk=order.basket_id).status == Basket.SUBMITTED

    def test_receivers_are_told_as_usual(self, ready: Shopper) -> None:
        told: list[Any] = []

        def hear(**kwargs: Any) -> None:
            told.append(kwargs["order"])

        post_checkout.connect(hear, weak=False)
        try:
            ready.place()
        finally:
            post_checkout.disconnect(hear)

        assert told == [Order.objects.get()]


class TestAnOrderIsNotPlaced:
    @pytest.mark.parametrize("step", ["save_payment_details", "save_payment_sources"])
    def test_order_and_expected_payment_come_both_or_neither(
        self, ready: Shopper, monkeypatch: pytest.MonkeyPatch, step: str
    ) -> None:
        def fail(*args: Any, **kwargs: Any) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(PaymentDetailsView, step, fail)

        answer = ready.place()

        assert answer.status_code == 200
        assert "A problem occurred while placing this order" in answer.content.decode()
        assert not Order.objects.exists()
        assert not OrderPayment.objects.exists()
        assert StockRecord.objects.get().num_allocated in (0, None)
        assert Basket.objects.get().status == Basket.OPEN

    def test_nor_an_order_without_its_expected_payment(
        self, ready: Shopper, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*args: Any, **kwargs: Any) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr("oscar_rehive.checkout.mixins.expect_payment", fail)

        assert ready.place().status_code == 200
        assert not Order.objects.exists()
        assert Basket.objects.get().status == Basket.OPEN

    @pytest.mark.parametrize(
        ("method", "says"),
        [
            ("EmptyCard", "The card has expired."),
            ("DeadGateway", "no payment has been taken"),
        ],
    )
    def test_a_method_that_takes_no_payment_leaves_the_basket_and_says_why(
        self, shopper: Shopper, settings: Any, method: str, says: str
    ) -> None:
        settings.OSCAR_REHIVE = {
            **settings.OSCAR_REHIVE,
            "PAYMENT_METHODS": [f"tests.checkout.own_methods.{method}"],
        }
        shopper.go_to_payment()

        answer = shopper.place()

        text = answer.content.decode()
        assert answer.status_code == 200
        assert says in text
        assert "place_order_form" in text
        assert not Order.objects.exists()
        assert Basket.objects.get().status == Basket.OPEN


class TestBug21ADoubleClickOnPlaceOrder:
    def test_the_second_goes_where_the_first_one_went(self, ready: Shopper) -> None:
        ready.place()

        answer = ready.client.post("/checkout/preview/", {"action": "place_order"}, follow=False)
        waiting = ready.client.get(answer.headers["Location"])

        order = Order.objects.get()
        assert "/rehive/placed/" in answer.headers["Location"]
        assert waiting.headers["Location"] == payment_page("pay", order)
        assert Basket.objects.get(pk=order.basket_id).status == Basket.SUBMITTED

    def test_so_does_a_customer_s(self, shopper: Shopper) -> None:
        shopper.client.force_login(UserFactory())
        shopper.go_to_payment(guest=None)
        shopper.choose("rehive")
        shopper.place()

        waiting = shopper.client.get(shopper.place().headers["Location"])

        assert waiting.headers["Location"] == payment_page("pay", Order.objects.get())

    def test_the_loser_of_the_race_neither_thaws_the_basket_nor_writes_its_session(
        self, ready: Shopper, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The other request froze the basket after this one had read it."""
        number = PaymentDetailsView.generate_order_number
        session_before = dict(ready.client.session)

        def meanwhile(view: Any, basket: Any) -> Any:
            Basket.objects.filter(pk=basket.pk).update(status=Basket.FROZEN)
            return number(view, basket)

        monkeypatch.setattr(PaymentDetailsView, "generate_order_number", meanwhile)

        answer = ready.place()

        assert "/rehive/placed/" in answer.headers["Location"]
        assert Basket.objects.get().status == Basket.FROZEN
        assert not Order.objects.exists()
        assert dict(ready.client.session) == session_before

        waiting = ready.client.get(answer.headers["Location"])
        assert waiting.status_code == 200
        assert 'http-equiv="refresh"' in waiting.content.decode()

    def test_a_stranger_with_an_empty_basket_is_sent_to_nobody_s_order(
        self, ready: Shopper, visitor: Shopper
    ) -> None:
        ready.place()

        answer = Shopper(Client()).place()

        assert answer.headers["Location"] == "/basket/"

    def test_nor_is_a_guest_whose_cookie_was_forged(self, ready: Shopper, settings: Any) -> None:
        ready.place()
        stranger = Client()
        stranger.cookies[settings.OSCAR_BASKET_COOKIE_OPEN] = f"{Order.objects.get().basket_id}:x"

        assert Shopper(stranger).place().headers["Location"] == "/basket/"

    def test_an_order_of_yesterday_is_not_taken_for_the_first_click(self, ready: Shopper) -> None:
        ready.place()
        Basket.objects.update(date_submitted=timezone.now() - timedelta(days=1))
        OrderPayment.objects.update(closed_at=timezone.now())

        assert ready.place().headers["Location"] == "/basket/"


class TestBug20TheBackButtonOfRehivesPage:
    PAGES = pytest.mark.parametrize("page", ["preview", "payment-method", "payment-details"])

    @PAGES
    def test_leads_to_the_order_that_waits(self, ready: Shopper, page: str) -> None:
        ready.place()

        answer = ready.client.get(f"/checkout/{page}/", follow=True)

        order = Order.objects.get()
        assert answer.redirect_chain[-1][0] == f"/rehive/return/{payment_token(order.number)}/"
        assert "Cancel the order and change the basket" in answer.content.decode()

    @PAGES
    @pytest.mark.parametrize("ended", ["paid_at", "closed_at"])
    def test_but_not_to_one_that_is_settled(self, ready: Shopper, page: str, ended: str) -> None:
        ready.place()
        OrderPayment.objects.update(**{ended: timezone.now()})

        answer = ready.client.get(f"/checkout/{page}/", follow=True)

        assert answer.redirect_chain[-1][0] == "/basket/"

    def test_nor_when_something_else_is_being_bought(self, ready: Shopper, product: Any) -> None:
        ready.place()
        ready.add(product)

        assert ready.go_to_payment().status_code == 200
        assert ready.choose("rehive").headers["Location"] == "/checkout/preview/"


class TestOtherMethodsKeepOscarsWay:
    def test_cash_on_delivery(self, rehive: Any, shopper: Shopper, mailoutbox: list[Any]) -> None:
        shopper.go_to_payment()
        shopper.choose("cash-on-delivery")

        answer = shopper.place()

        order = Order.objects.get()
        assert answer.headers["Location"] == "/checkout/thank-you/"
        assert [message.to for message in mailoutbox] == [["guest@example.com"]]
        assert order.sources.get().amount_allocated == order.total_incl_tax
        assert not OrderPayment.objects.exists()
        assert rehive.requests() == []

    def test_bug21_its_double_click_ends_at_the_thank_you_page(self, shopper: Shopper) -> None:
        shopper.go_to_payment()
        shopper.choose("cash-on-delivery")
        shopper.place()

        answer = shopper.client.get(shopper.place().headers["Location"])

        assert answer.headers["Location"] == "/checkout/thank-you/"

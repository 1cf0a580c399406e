"""The return page shows the truth at every stage."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError
from django.db.models.signals import post_save
from django.test import Client
from django.utils.translation import override
from oscar.core.loading import get_model
from oscar.test.factories import UserFactory

from oscar_rehive.models import Entry, OrderPayment
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.payments.refunding import follow, refund, refundable
from tests.checkout.pages import buttons_of, stage_of
from tests.steps import opened, payment_page, settled, window_over

pytestmark = pytest.mark.django_db

Source = get_model("payment", "Source")


@pytest.mark.parametrize(
    ("outcomes", "stage", "text", "buttons"),
    [
        ([], "open", "waiting for your payment", {"Pay now"}),
        (["start"], "confirming", "you can go on paying", {"Go on paying"}),
        (["start", "start"], "confirming", "being confirmed", set()),
        (["pay_less"], "part_paid", "is still missing", {"Pay the rest"}),
        (["pay"], "paid", "Thank you", set()),
        (["pay", "complete"], "paid", "Thank you", set()),
        (["pay_more"], "paid", "Thank you", set()),
        (["pay_late"], "paid", "Thank you", set()),
        (["expire"], "closed", "The payment has expired", {"Pay again"}),
        (["fail"], "closed", "The payment has failed", {"Pay again"}),
    ],
)
def test_it_asks_rehive_and_shows_the_truth(
    rehive: Any,
    place_order: Any,
    client: Client,
    outcomes: list[str],
    stage: str,
    text: str,
    buttons: set[str],
) -> None:
    order = place_order()
    client.get(payment_page("pay", order))
    for outcome in outcomes:
        rehive.outcome(rehive.invoice()["id"], outcome)

    answer = client.get(payment_page("return", order))

    assert (answer.status_code, stage_of(answer)) == (200, stage)
    assert text in answer.content.decode()
    shown = buttons_of(answer)
    assert {name for name in shown if name.startswith(("Pay", "Try", "Go on"))} == buttons
    # Nothing to cancel once money is here or on its way (P10).
    has_money = stage in ("paid", "part_paid") or outcomes == ["start", "start"]
    assert ("Choose another payment method" in shown) is not has_money
    assert ("data-status-url" in answer.content.decode()) is (stage == "confirming")
    assert ('http-equiv="refresh"' in answer.content.decode()) is (stage == "confirming")


def test_part_paid_says_how_much_is_missing(rehive: Any, place_order: Any, client: Client) -> None:
    order = place_order(total="12.34")
    rehive.outcome(opened(order).remote_id, "pay_less", amount=1000)

    text = client.get(payment_page("return", order)).content.decode()

    assert "<strong>$2.34</strong> of $12.34 is still missing" in text


def test_rehive_is_cancelled_elsewhere(rehive: Any, place_order: Any, client: Client) -> None:
    order = place_order()
    invoice = opened(order)
    from oscar_rehive.payments.gateway import client_for
    from oscar_rehive.payments.settling import business_of

    client_for(business_of(invoice)).update_invoice(
        invoice.remote_id or "", {"status": "cancelled"}, idempotency_key="by hand"
    )

    answer = client.get(payment_page("return", order))

    assert stage_of(answer) == "closed"
    assert "The payment was cancelled" in answer.content.decode()


def test_an_order_cancelled_by_staff(rehive: Any, place_order: Any, client: Client) -> None:
    order = place_order()
    opened(order)
    order.set_status("Cancelled")
    reconcile()

    answer = client.get(payment_page("return", order))

    assert stage_of(answer) == "cancelled"
    assert set(buttons_of(answer)) == {"Put the items back into my basket"}


def test_a_cancellation_that_waits_for_rehive(
    rehive: Any, place_order: Any, client: Client
) -> None:
    order = place_order()
    opened(order)
    rehive.faults(error_status=True)

    answer = client.post(payment_page("cancel", order), follow=True)

    assert stage_of(answer) == "ending"
    assert "data-status-url" in answer.content.decode()
    assert not {name for name in buttons_of(answer) if name.startswith("Pay")}
    order.refresh_from_db()
    assert order.status == "Pending"


def test_a_cancellation_without_an_answer_to_the_invoice_is_finished_by_the_page(
    ending: Any, client: Client
) -> None:
    assert stage_of(client.get(payment_page("return", ending))) == "cancelled"


def test_p11_whatever_settling_runs_into_the_shopper_has_a_page(
    rehive: Any, place_order: Any, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """A receiver of the shop's own that fails in a way nobody foresaw."""
    order = place_order()
    rehive.outcome(opened(order).remote_id, "pay")

    def fail(**kwargs: Any) -> None:
        raise IntegrityError("the shop's own table")

    post_save.connect(fail, sender=Source, weak=False)
    try:
        answer = client.get(payment_page("return", order))
        asked = client.get(payment_page("status", order))
    finally:
        post_save.disconnect(fail, sender=Source)

    assert (answer.status_code, stage_of(answer)) == (200, "open")
    assert "We could not ask Rehive" in answer.content.decode()
    assert asked.status_code == 200
    assert "the shop's own table" in caplog.text
    assert stage_of(client.get(payment_page("return", order))) == "paid"


@pytest.mark.parametrize("status", ["Being processed", "Complete"])
def test_p10_an_order_that_staff_moved_on(
    rehive: Any, place_order: Any, client: Client, status: str
) -> None:
    order = place_order(status=status)

    answer = client.get(payment_page("return", order))

    assert stage_of(answer) == "with_the_shop"
    assert buttons_of(answer) == {}


class TestTheWindowIsOver:
    def test_and_nothing_was_paid(self, rehive: Any, place_order: Any, client: Client) -> None:
        order = place_order()
        window_over(order)

        answer = client.get(payment_page("return", order))

        assert "Pay now" not in buttons_of(answer)
        assert "The time to pay this order is over" in answer.content.decode()
        assert "waiting for your payment" not in answer.content.decode()

    def test_and_the_payment_has_expired(
        self, rehive: Any, place_order: Any, client: Client
    ) -> None:
        order = place_order()
        rehive.outcome(opened(order).remote_id, "expire")
        window_over(order)

        answer = client.get(payment_page("return", order))

        assert "Pay again" not in buttons_of(answer)
        assert "The time to pay is over." in answer.content.decode()
        assert "your order is still here" not in answer.content.decode()

    def test_and_part_was_paid(self, rehive: Any, place_order: Any, client: Client) -> None:
        order = place_order()
        rehive.outcome(opened(order).remote_id, "pay_less")
        window_over(order)

        answer = client.get(payment_page("return", order))

        assert (stage_of(answer), buttons_of(answer)) == ("part_paid", {})
        assert "the shop will be in touch with you" in answer.content.decode()
        assert "You can pay the rest now" not in answer.content.decode()


class TestMoneyOfAnEarlierAttempt:
    CAME = "$3.00 came through an earlier attempt to pay."
    MISSING = "<strong>$7.00</strong> of $10.00 is still missing."

    @pytest.fixture
    def order(self, rehive: Any, place_order: Any) -> Any:
        """Part of it was paid, and then the payment expired."""
        order = place_order(total="10.00")
        rehive.outcome(opened(order).remote_id, "pay_less", amount=300)
        rehive.outcome(rehive.invoice()["id"], "expire")
        return order

    def test_is_told_and_there_is_no_button_to_cancel_that_cannot_work(
        self, order: Any, client: Client
    ) -> None:
        answer = client.get(payment_page("return", order))

        assert stage_of(answer) == "closed"
        assert self.CAME in answer.content.decode()
        assert self.MISSING in answer.content.decode()
        assert "Nothing is lost" not in answer.content.decode()
        assert set(buttons_of(answer)) == {"Pay the rest"}

    def test_is_told_too_while_the_order_is_being_paid_again(
        self, rehive: Any, order: Any, client: Client
    ) -> None:
        client.get(payment_page("return", order))
        client.get(payment_page("pay", order))

        answer = client.get(payment_page("return", order))

        assert stage_of(answer) == "open"
        assert self.CAME in answer.content.decode()
        assert self.MISSING in answer.content.decode()
        assert "We have not received a payment" not in answer.content.decode()
        assert set(buttons_of(answer)) == {"Pay the rest"}


def test_an_order_whose_held_payment_was_given_back_is_paid_anew(
    rehive: Any, place_order: Any, client: Client, settings: Any
) -> None:
    settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "LATE_PAYMENTS": "hold"}
    order = place_order()
    invoice = settled(opened(order))
    rehive.outcome(invoice.remote_id, "pay_late")
    assert stage_of(client.get(payment_page("return", order))) == "with_the_shop"
    invoice.refresh_from_db()
    made = refund(invoice, refundable(invoice), reason="late", by="ann")
    rehive.refund(made.remote_id, "complete")
    follow(invoice, Entry.Source.RECONCILE)

    answer = client.get(payment_page("return", order))

    assert stage_of(answer) == "closed"
    assert "The payment was given back." in answer.content.decode()
    client.post(buttons_of(answer)["Pay again"])
    rehive.outcome(rehive.invoice()["id"], "pay")
    assert stage_of(client.get(payment_page("return", order))) == "paid"


def test_an_order_that_staff_cancelled_after_it_was_paid(
    rehive: Any, place_order: Any, client: Client
) -> None:
    order = place_order()
    rehive.outcome(opened(order).remote_id, "pay")
    client.get(payment_page("return", order))
    order.refresh_from_db()
    order.set_status("Cancelled")

    answer = client.get(payment_page("return", order))

    assert (stage_of(answer), buttons_of(answer)) == ("cancelled", {})
    assert "Thank you" not in answer.content.decode()


def test_p11_rehive_cannot_be_asked(rehive: Any, place_order: Any, client: Client) -> None:
    order = place_order()
    rehive.outcome(opened(order).remote_id, "pay")
    rehive.faults(error_status=True)

    answer = client.get(payment_page("return", order))

    assert (answer.status_code, stage_of(answer)) == (200, "open")
    assert "We could not ask Rehive" in answer.content.decode()


def test_p3_the_confirmation_goes_out_when_the_shopper_has_the_page(
    rehive: Any, place_order: Any, client: Client, mailoutbox: list[Any]
) -> None:
    order = place_order()
    rehive.outcome(opened(order).remote_id, "pay")

    for _ in range(3):
        client.get(payment_page("return", order))

    assert [message.to for message in mailoutbox] == [["guest@example.com"]]


def test_who_ordered_gets_a_link_to_the_order_and_nobody_else(
    rehive: Any, place_order: Any, client: Client
) -> None:
    user = UserFactory()
    order = place_order(user=user, guest_email="")
    link = f"/accounts/orders/{order.number}/"

    assert link not in client.get(payment_page("return", order)).content.decode()
    client.force_login(user)
    assert link in client.get(payment_page("return", order)).content.decode()


def test_order_numbers_that_oscar_has_no_page_for(
    rehive: Any, place_order: Any, client: Client
) -> None:
    order = place_order()
    OrderPayment.objects.update(order_number="A/B 1")
    order.number = "A/B 1"
    order.save()

    assert client.get(payment_page("return", order)).status_code == 200


def test_bug15_the_language_in_the_addresses(
    rehive: Any, place_order: Any, client: Client, settings: Any
) -> None:
    settings.ROOT_URLCONF = "tests.urls_with_language"
    settings.LANGUAGES = [("en", "English"), ("de", "Deutsch")]
    order = place_order()
    with override("de"):
        page = payment_page("return", order)
    assert page.startswith("/de/")

    text = client.get(page).content.decode()

    with override("de"):
        assert f'action="{payment_page("pay", order)}"' in text
        assert f'action="{payment_page("cancel", order)}"' in text

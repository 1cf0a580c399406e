"""The order confirmation: what Oscar would have sent at the placing, without a request at hand (P3)."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.sites.models import Site
from oscar.core.loading import get_class, get_model
from oscar.test.factories import UserFactory

from oscar_rehive.models import OrderPayment
from oscar_rehive.payments.mails import send_confirmation_if_due
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.shop import confirmation, get_shop
from tests.steps import opened, settled

pytestmark = pytest.mark.django_db

CommunicationEventType = get_model("communication", "CommunicationEventType")
Email = get_model("communication", "Email")
Order = get_model("order", "Order")
OrderDispatcher = get_class("order.utils", "OrderDispatcher")


@pytest.fixture
def paid(rehive: Any, buy: Any) -> Any:
    """Places an order and pays it; the mail is due and not sent."""

    def paid(**kwargs: Any) -> Any:
        order = buy(**kwargs)
        invoice = opened(order)
        rehive.outcome(invoice.remote_id, "pay")
        settled(invoice)
        return order

    return paid


def sent(order: Any, mailoutbox: list[Any]) -> Any:
    """The one mail about the order."""
    assert send_confirmation_if_due(order.number)
    (mail,) = mailoutbox
    assert order.number in mail.subject + mail.body
    return mail


def test_to_a_guest_with_a_link_that_needs_no_login(
    paid: Any, mailoutbox: list[Any], client: Any
) -> None:
    order = paid(guest_email="guest@example.com")

    mail = sent(order, mailoutbox)

    path = f"/accounts/order-status/{order.number}/{order.verification_hash()}/"
    assert mail.to == ["guest@example.com"]
    assert path in mail.body
    page = client.get(path, follow=True)
    assert page.status_code == 200
    assert not any("login" in address for address, _ in page.redirect_chain)


def test_to_a_customer_with_a_link_to_the_account(paid: Any, mailoutbox: list[Any]) -> None:
    user = UserFactory(email="customer@example.com")

    mail = sent(paid(user=user), mailoutbox)

    assert mail.to == ["customer@example.com"]
    assert "/accounts/orders/" in mail.body
    # Oscar keeps registered customers' mails in their account.
    assert Email.objects.get().user == user


def test_to_a_customer_whose_account_was_deleted(paid: Any, mailoutbox: list[Any]) -> None:
    order = paid(user=UserFactory(email="customer@example.com"), guest_email="")
    order.user.delete()

    send_confirmation_if_due(order.number)

    # There is no address left; nothing is sent, and nothing is tried for ever.
    assert mailoutbox == []
    assert OrderPayment.objects.get().mail_sent_at is not None


def test_several_sites_and_no_site_id(paid: Any, mailoutbox: list[Any], settings: Any) -> None:
    """Oscar then finds the site by the request's host, and here is no request; nor must a mail
    depend on whether a cron job's settings allow that host."""
    other = Site.objects.create(domain="other.example.com", name="Other")
    Site.objects.create(domain="third.example.com", name="Third")
    order = paid()
    Order.objects.update(site=other)
    del settings.SITE_ID
    Site.objects.clear_cache()

    mail = sent(order, mailoutbox)

    assert "other.example.com" in mail.body


def test_an_order_without_a_site(paid: Any, mailoutbox: list[Any], settings: Any) -> None:
    order = paid()
    Order.objects.update(site=None)
    del settings.SITE_ID
    Site.objects.clear_cache()

    sent(order, mailoutbox)


@pytest.mark.parametrize(("language", "word"), [("de", "bestell"), ("en", "order"), ("", "order")])
def test_in_the_language_of_the_shopper_and_not_of_the_cron_job(
    paid: Any, mailoutbox: list[Any], language: str, word: str, settings: Any
) -> None:
    settings.LANGUAGES = [("en", "English"), ("de", "Deutsch")]

    mail = sent(paid(language=language), mailoutbox)

    assert word in (mail.subject + mail.body).lower()


def test_order_numbers_that_oscar_has_no_page_for(paid: Any, mailoutbox: list[Any]) -> None:
    order = paid()
    Order.objects.update(number="A/B 1")
    OrderPayment.objects.update(order_number="A/B 1")
    order.refresh_from_db()

    sent(order, mailoutbox)


def test_p3_a_mail_server_that_is_down_delays_it_and_does_not_lose_it(
    paid: Any, mailoutbox: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    order = paid()

    def fail(*args: Any, **kwargs: Any) -> None:
        raise OSError("connection refused")

    with monkeypatch.context() as patch:
        patch.setattr(OrderDispatcher, "send_order_placed_email_for_user", fail)
        assert not send_confirmation_if_due(order.number)

    assert reconcile().mailed == 1
    assert reconcile().mailed == 0
    assert len(mailoutbox) == 1


def test_trap_communication_events_prove_nothing_so_they_are_not_asked(
    paid: Any, mailoutbox: list[Any]
) -> None:
    """They are written only where that event type is in the database."""
    order = paid()
    CommunicationEventType.objects.create(code="ORDER_PLACED", category="Order related")
    order.communication_events.create(event_type=CommunicationEventType.objects.get())

    sent(order, mailoutbox)


def test_sending_twice_is_only_prevented_by_the_service(paid: Any, mailoutbox: list[Any]) -> None:
    order = paid()
    for _ in range(2):
        get_shop().send_confirmation(order.number, language="en")

    assert len(mailoutbox) == 2
    assert send_confirmation_if_due(order.number)
    assert not send_confirmation_if_due(order.number)
    assert len(mailoutbox) == 3


@pytest.mark.parametrize(("set_to", "waits"), [(None, 10), (300, 10), (3, 3)])
def test_p11_no_mail_server_is_waited_for_without_end(
    settings: Any, set_to: int | None, waits: int
) -> None:
    """Django's own default is no time-out: a server that accepts and says nothing held every thread."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_TIMEOUT = set_to

    assert confirmation.connection_in_time().timeout == waits


def test_a_mail_backend_that_takes_no_time_out_is_used_as_it_is(settings: Any) -> None:
    settings.EMAIL_BACKEND = "tests.shop.test_confirmation.Plain"

    assert isinstance(confirmation.connection_in_time(), Plain)


class Plain:
    """A backend of the shop's own."""

    def __init__(self, fail_silently: bool = False) -> None:
        pass

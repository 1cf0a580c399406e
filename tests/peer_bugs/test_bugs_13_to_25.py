"""Bugs 13 to 25 of those that comparable plugins have shipped: impossible here."""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client, override_settings
from django.urls import reverse
from oscar.core.loading import get_model

from oscar_rehive import conf
from oscar_rehive.models import Attention, Delivery, Entry, Invoice
from oscar_rehive.payments import deliveries
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.payments.settling import settle
from oscar_rehive.rehive.money import to_units
from tests.steps import delivered, opened, payable_at, payment_page, told

pytestmark = pytest.mark.django_db

Order = get_model("order", "Order")
Source = get_model("payment", "Source")
SourceType = get_model("payment", "SourceType")
StockRecord = get_model("partner", "StockRecord")


def test_13_a_payment_to_a_superseded_invoice_is_not_lost(
    rehive: Any, place_order: Any, client: Client
) -> None:
    order = place_order(total="10.00")
    old = opened(order)
    Order.objects.filter(pk=order.pk).update(total_incl_tax=Decimal("15.00"))
    opened(order)
    rehive.outcome(old.remote_id, "pay", force=True)

    assert delivered(client, old).status_code == 200

    order.refresh_from_db()
    assert order.status == "Pending"
    assert order.sources.get(reference=old.remote_id).amount_debited == Decimal("10.00")
    assert Attention.objects.get().kind == Attention.Kind.MISMATCH


@pytest.mark.parametrize(
    ("divisibility", "units"), [(0, 1234), (2, 123400), (8, 123400000000), (18, 1234 * 10**18)]
)
def test_14_a_currency_without_decimals_is_not_multiplied_by_100(
    divisibility: int, units: int
) -> None:
    assert to_units(Decimal("1234.00"), divisibility) == units


@override_settings(
    ROOT_URLCONF="tests.urls_with_language", LANGUAGES=[("en", "English"), ("de", "Deutsch")]
)
def test_15_a_shop_with_the_language_in_its_addresses(
    rehive: Any, place_order: Any, client: Client
) -> None:
    order = place_order()
    page = client.get(f"/de{payment_page('pay', order).removeprefix('/en')}")
    assert page.status_code == 302
    return_url = rehive.invoice()["return_url"]
    assert "/de/rehive/return/" in return_url
    rehive.outcome(rehive.invoice()["id"], "pay")

    assert client.get(return_url.removeprefix("http://testserver")).status_code == 200
    invoice = Invoice.objects.get()
    secret = conf.current().businesses["USD"].webhook_secrets[0]
    webhook = client.post(
        reverse("oscar_rehive:webhook"),
        {"data": {"id": invoice.remote_id}},
        content_type="application/json",
        headers={"Authorization": f"Secret {secret}"},
    )

    assert webhook.status_code == 200
    order.refresh_from_db()
    assert order.status == "Being processed"


def test_16_the_shopper_returns_in_another_browser(rehive: Any, place_order: Any) -> None:
    order = place_order(guest_email="hidden@example.com")
    rehive.outcome(opened(order).remote_id, "pay")

    page = Client().get(payment_page("return", order))

    assert 'data-stage="paid"' in page.content.decode()
    assert "hidden@example.com" not in page.content.decode()


@pytest.mark.parametrize("missing", ["request_reference", "status", "updated", "metadata"])
def test_17_an_optional_field_is_missing_from_a_webhook(
    rehive: Any, place_order: Any, client: Client, missing: str
) -> None:
    order = place_order()
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay")

    assert delivered(client, invoice, **{missing: None}).status_code == 200

    order.refresh_from_db()
    assert order.status == "Being processed"


def test_18_canceled_is_not_cancelled(rehive: Any, place_order: Any) -> None:
    import dataclasses

    order = place_order()
    invoice = opened(order)
    settle(invoice, dataclasses.replace(told(invoice), status="canceled"), source="webhook")

    order.refresh_from_db()
    assert order.status == "Pending"
    assert Attention.objects.get().kind == Attention.Kind.UNKNOWN_STATUS


@pytest.mark.parametrize("fault", [{"error_status": 500}, {"html": 502}, {"html": 200}])
def test_19_rehive_answers_500_or_html_at_the_checkout(
    rehive: Any, place_order: Any, client: Client, fault: dict[str, int]
) -> None:
    order = place_order()
    rehive.faults(**fault)

    page = client.get(payment_page("pay", order))

    assert page.status_code == 503
    assert "your order is safe" in page.content.decode()
    assert "Traceback" not in page.content.decode()
    assert Order.objects.get().status == "Pending"


def test_20_back_change_the_basket_and_order_again(
    rehive: Any, place_order: Any, client: Client
) -> None:
    order = place_order(in_stock=5)
    opened(order)

    page = client.post(payment_page("cancel", order), {"then": "basket"}, follow=True)

    basket = page.context["basket"]
    assert basket.status == "Open"
    assert [line.quantity for line in basket.all_lines()] == [1]
    assert basket.pk != order.basket_id
    assert payable_at(rehive, order) == []
    assert Order.objects.get().status == "Cancelled"


def test_21_a_double_click_on_place_order(rehive: Any, place_order: Any, client: Client) -> None:
    """The basket is claimed by one of them; tests/e2e/test_double_clicks.py clicks for real."""
    from oscar_rehive.checkout.mixins import BasketAlreadySubmitted, RehiveCheckoutMixin

    class View(RehiveCheckoutMixin):
        pass

    basket = place_order().basket
    basket.submit()

    with pytest.raises(BasketAlreadySubmitted):
        View().freeze_basket(basket)

    basket.refresh_from_db()
    assert basket.status == "Submitted"


def test_22_the_dashboard_stays_up(rehive: Any, place_order: Any, admin_client: Client) -> None:
    order = place_order()
    rehive.outcome(opened(order).remote_id, "pay")
    reconcile()

    for page in ("index", "order-list"):
        assert admin_client.get(reverse(f"dashboard:{page}")).status_code == 200
    detail = admin_client.get(reverse("dashboard:order-detail", args=[order.number]))
    assert "Rehive" in detail.content.decode()


def test_23_a_stale_copy_of_the_order_does_not_undo_a_change(rehive: Any, place_order: Any) -> None:
    order = place_order()
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay")
    answer = told(invoice)
    Order.objects.filter(pk=order.pk).update(guest_email="changed@example.com")

    settle(invoice, answer, source=Entry.Source.WEBHOOK)

    order.refresh_from_db()
    assert (order.status, order.guest_email) == ("Being processed", "changed@example.com")


@pytest.mark.parametrize("secret", ["", " ", [], [""]])
def test_24_an_empty_secret_closes_the_webhook(
    client: Client, settings: Any, secret: str | list[str]
) -> None:
    settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "WEBHOOK_SECRET": secret}
    for header in ("Secret ", "Secret", "", "Secret  "):
        answer = client.post("/rehive/webhook/", headers={"Authorization": header})
        assert answer.status_code == 401
    assert not Delivery.objects.exists()


def test_25_secrets_stand_neither_in_logs_nor_in_stored_payloads(
    rehive: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    body = b'{"data": {"id": "x"}, "secret": "hush-hush", "nested": [{"api_token": "psst"}]}'

    delivery = deliveries.store(body)
    deliveries.work_on(delivery.remote_id)

    assert "hush-hush" not in delivery.body + caplog.text
    assert "psst" not in delivery.body + caplog.text

"""The admin: a back room, where everything is seen as it stands in the tables, and nothing is done."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from oscar_rehive.models import Attention, Delivery, Note, OrderPayment
from oscar_rehive.payments.opening import open_invoice
from oscar_rehive.tokens import payment_token

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("asked", "shown_numbers"), [("", ["1"]), ("?waits=no", ["2"]), ("?waits=all", ["1", "2"])]
)
def test_the_list_shows_what_waits_unless_more_is_asked_for(
    place_order: Any, admin_client: Client, asked: str, shown_numbers: list[str]
) -> None:
    for number, resolved_at in (("1", None), ("2", timezone.now())):
        place_order(number=number)
        payment = OrderPayment.objects.get(order_number=number)
        Attention.objects.create(payment=payment, kind="late", resolved_at=resolved_at)

    answer = admin_client.get(reverse("admin:oscar_rehive_attention_changelist") + asked)

    found = answer.context["cl"].queryset.values_list("payment__order_number", flat=True)
    assert sorted(found) == shown_numbers
    assert "Waiting" in answer.content.decode()


def test_a_fact_is_shown_with_its_notes_and_without_buttons(
    place_order: Any, admin_client: Client
) -> None:
    place_order(number="1")
    fact = Attention.objects.create(payment=OrderPayment.objects.get(), kind="late")
    Note.objects.create(attention=fact, by="kim", text="Called the payer.")

    page = admin_client.get(reverse("admin:oscar_rehive_attention_change", args=[fact.pk]))
    listed = admin_client.get(reverse("admin:oscar_rehive_attention_changelist"))

    assert "Called the payer." in page.content.decode()
    for answer in (page, listed):
        assert 'name="decision"' not in answer.content.decode()
        assert "Mark as resolved" not in answer.content.decode()


def test_opens_no_page_of_the_shoppers(
    rehive: Any, place_order: Any, admin_client: Client, settings: Any
) -> None:
    """Whoever may look at an invoice could cancel its order: Rehive pastes the return address into that of its
    page. Bodies that older versions have stored have it as well."""
    order = place_order()
    token = payment_token(order.number)
    back = f"https://shop.example.com/rehive/return/{token}/"
    secret = settings.OSCAR_REHIVE["WEBHOOK_SECRET"]
    delivery = Delivery.objects.create(body=f'{{"back": "{back}", "note": "{secret}"}}')
    pages = {"invoice": open_invoice(order.number, return_url=back).pk, "delivery": delivery.pk}

    for model, pk in pages.items():
        page = admin_client.get(reverse(f"admin:oscar_rehive_{model}_change", args=[pk]))
        assert "/rehive/return/[removed]/" in page.content.decode()
        assert token not in page.content.decode()
        assert secret not in page.content.decode()

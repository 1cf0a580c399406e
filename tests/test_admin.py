"""The admin: a back room, where everything is seen as it stands in the tables, and nothing is done."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from oscar_rehive.models import Attention, Note, OrderPayment

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

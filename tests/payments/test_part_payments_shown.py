"""What staff and the payer are shown where an order is paid in parts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.template import Context, Template

from oscar_rehive.models import Attention, Invoice
from oscar_rehive.payments.deciding import accept
from oscar_rehive.payments.reconciling import reconcile
from tests.steps import opened, other_source, settled, waiting_for_a_person

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("accepted", ["mismatch", "part_paid"])
def test_both_facts_about_one_order_are_over_when_one_of_them_is_accepted(
    rehive: Any, place_order: Any, accepted: str
) -> None:
    """The order was paid, and the other fact went on saying that money was missing and that the money
    could be refunded, with no button for either, and its invoice paid nothing."""
    order = place_order()
    gift = other_source(order, debited="5.00")
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay_less", amount=300)
    rehive.outcome(invoice.remote_id, "expire")
    settled(invoice)
    rest = opened(order)
    rehive.outcome(rest.remote_id, "pay")
    gift.amount_refunded = Decimal("5.00")
    gift.save()
    settled(rest)
    accept(Attention.objects.get(kind=accepted), by="staff")
    reconcile()

    assert waiting_for_a_person() == []
    assert [one.pays for one in Invoice.objects.order_by("attempt")] == [300, 434]


@pytest.mark.parametrize("ends", [False, True], ids=["gift card", "and an attempt that ended"])
def test_the_order_page_asks_for_the_rest_as_the_return_page_does(
    rehive: Any, place_order: Any, ends: bool
) -> None:
    """It said "Pay now", named no amount, and told a payer who could go on paying to wait for the shop."""
    order = place_order()
    other_source(order, debited="5.00")
    invoice = opened(order)
    if ends:
        rehive.outcome(invoice.remote_id, "pay_less", amount=300)
        rehive.outcome(invoice.remote_id, "expire")
        settled(invoice)

    page = Template("{% load oscar_rehive %}{% rehive_payment order %}").render(
        Context({"order": order})
    )

    assert "Pay the rest" in page
    assert ("4.34" if ends else "7.34") in page
    assert "will be in touch" not in page

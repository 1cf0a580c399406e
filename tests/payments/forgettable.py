"""A customer of whom something personal stands in every column of ours that can hold any."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.apps import apps
from oscar.test.factories import ShippingAddressFactory

from oscar_rehive.models import Attention, Delivery, Entry, Invoice, Note, OrderPayment
from oscar_rehive.payments.refunding import refund
from tests.steps import opened, settled

GUEST = "Jane.Doe+shop@example.com"
NAME, PHONE, PAYER = "Jane Doe", "+4930901820", "jane-at-work@example.org"


def everything() -> str:
    """All that stands in our tables, as one text in small letters."""
    models = apps.get_app_config("oscar_rehive").get_models()
    return "\n".join(str(list(model._default_manager.values())) for model in models).lower()


def told_about(invoice: Invoice | None, state: str = "done", **columns: Any) -> Delivery:
    """A delivery about ``invoice``, as Rehive sends them: with the payer's addresses."""
    payer = {
        "payer_email": PAYER,
        "description": f"for {GUEST}",
        "payer_mobile_number": PHONE,
        "payer_user": {"name": NAME},
    }
    remote_id = invoice.remote_id if invoice else ""
    return Delivery.objects.create(
        **{
            "remote_id": remote_id or "",
            "reference": invoice.payment.reference if invoice else "",
            "body": json.dumps({"data": {"id": remote_id, **payer}}),
            "state": state,
            **columns,
        }
    )


@pytest.fixture
def refunded(rehive: Any, place_order: Any) -> Invoice:
    """A paid order of which a part went back, with personal data in every column that can hold any."""
    address = ShippingAddressFactory(
        first_name="Jane", last_name="Doe", phone_number=PHONE, line1="1 Main Street"
    )
    order = place_order(total="10.00", guest_email=GUEST, shipping_address=address)
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay")
    settled(invoice)
    refund(
        Invoice.objects.get(),
        invoice.asked / 2,
        reason=f"{NAME}: her cat, call {PHONE}",
        by="staff",
    )
    payment = invoice.payment
    quote = {"amount": 1000, "total_paid": 1000, "total_pending": 0, "status": "paid"}
    Invoice.objects.update(
        quotes=[{**quote, "reference": NAME, "deposit_details": {"account": PAYER}}],
        redirect_url=f"https://rehive.example.com/?for={GUEST}",
    )
    OrderPayment.objects.update(cancel_reason=f"{GUEST} called")
    Entry.objects.create(payment=payment, source="staff", reason=f"<{GUEST.upper()}> was told.")
    for subject in (GUEST, PHONE):
        Attention.objects.create(
            payment=payment,
            kind="mismatch",
            subject=f"1: {subject}",
            reason=f"its reference is '{GUEST}'",
            ways_out=f"Ask {NAME}.",
        )
    Note.objects.create(
        attention=Attention.objects.first(), by="staff", text=f"{NAME} called about her cat"
    )
    told_about(invoice)
    return Invoice.objects.get()


PERSONAL = [text.lower() for text in (GUEST, NAME, PHONE, PAYER, "her cat")]


def left() -> list[str]:
    return [text for text in PERSONAL if text in everything()]

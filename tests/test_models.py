"""What the plugin remembers, and the admin pages that show it: read, not written."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db import IntegrityError, transaction
from django.db.models import UniqueConstraint
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from oscar.test.factories import UserFactory

from oscar_rehive.models import (
    Attention,
    Delivery,
    Invoice,
    OrderPayment,
    RefusedDeliveries,
)
from tests.steps import opened, settled

pytestmark = pytest.mark.django_db

MODELS = [model for model in admin.site._registry if model._meta.app_label == "oscar_rehive"]


@pytest.fixture
def story(rehive: Any, place_order: Any) -> OrderPayment:
    """A payment with something of everything."""
    order = place_order(total="10.00")
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay_more", amount=1250)
    settled(invoice)
    Delivery.objects.create(body="{}", remote_id=invoice.remote_id, reason="<b>odd</b>")
    RefusedDeliveries.objects.create(day=timezone.now().date(), count=3, last_at=timezone.now())
    return OrderPayment.objects.get()


def staff(*permissions: str) -> Client:
    """A member of staff with these permissions, signed in."""
    user = UserFactory(is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(content_type__app_label="oscar_rehive", codename__in=permissions)
    )
    client = Client()
    client.force_login(user)
    return client


def address(model: Any, page: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


class TestWhatIsRemembered:
    def test_p5_an_order_has_one_open_invoice(self, story: OrderPayment) -> None:
        first = story.invoices.get()

        def another(attempt: int, **fields: Any) -> Invoice:
            return Invoice.objects.create(
                payment=story,
                attempt=attempt,
                business_id="b",
                currency="USD",
                divisibility=2,
                total=Decimal(10),
                amount=1000,
                **fields,
            )

        first.state = Invoice.State.OPEN
        first.save()
        for state in (Invoice.State.OPENING, Invoice.State.OPEN):
            with pytest.raises(IntegrityError), transaction.atomic():
                another(2, state=state)
        another(2, state=Invoice.State.CLOSED)
        # One that is being closed makes room for the next.
        first.close_due = True
        first.save()
        another(3)

    def test_p2_an_invoice_of_rehive_belongs_to_one_attempt(self, story: OrderPayment) -> None:
        invoice = story.invoices.get()
        invoice.pk, invoice.attempt, invoice.key = None, 2, "0" * 32

        with pytest.raises(IntegrityError), transaction.atomic():
            invoice.save(force_insert=True)

    def test_the_history_is_never_rewritten(self, story: OrderPayment) -> None:
        entry = story.entries.first()
        assert entry is not None
        entry.reason = "Nothing happened."

        with pytest.raises(ValueError, match="append-only"):
            entry.save()

    @pytest.mark.parametrize("units", [0, 1, 2**63, 12_345_678_901_234_567_890_123_456_789])
    def test_trap_smallest_units_are_exact_at_any_size(
        self, story: OrderPayment, units: int
    ) -> None:
        """12.34 in a currency of 18 decimals does not fit a ``BigIntegerField``."""
        story.invoices.update(amount=units)

        assert story.invoices.get().amount == units
        assert story.invoices.filter(amount=units).exists()

    def test_an_order_that_is_deleted_leaves_its_moneys_trace(
        self, story: OrderPayment, client: Client
    ) -> None:
        from oscar.core.loading import get_model

        get_model("order", "Order").objects.all().delete()

        assert OrderPayment.objects.get().entries.exists()
        assert Invoice.objects.get().received == 1250


class TestAdmin:
    def test_every_model_has_its_pages(self) -> None:
        assert {OrderPayment, Invoice, Attention, Delivery, RefusedDeliveries} <= set(MODELS)

    @pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
    def test_list_search_and_page_open(
        self, story: OrderPayment, admin_client: Client, model: Any
    ) -> None:
        for query in ("", "?q=100"):
            assert admin_client.get(address(model, "changelist") + query).status_code == 200
        for item in model.objects.all():
            page = admin_client.get(address(model, "change", item.pk))
            assert page.status_code == 200
            assert 'name="_save"' not in page.content.decode()
            assert "<b>odd</b>" not in page.content.decode()

    @pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
    def test_not_even_a_superuser_can_add_change_or_delete(
        self, story: OrderPayment, admin_client: Client, model: Any
    ) -> None:
        assert admin_client.get(address(model, "add")).status_code == 403
        for item in model.objects.all():
            assert admin_client.get(address(model, "delete", item.pk)).status_code == 403
            assert admin_client.post(address(model, "change", item.pk), {}).status_code == 403
        everything = {"action": "delete_selected", "_selected_action": [1], "post": "yes"}
        count = model.objects.count()
        admin_client.post(address(model, "changelist"), everything)
        assert model.objects.count() == count

    @pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
    def test_staff_without_permission_see_nothing(self, story: OrderPayment, model: Any) -> None:
        assert staff().get(address(model, "changelist")).status_code == 403

    def test_the_payments_page_shows_the_whole_story(
        self, story: OrderPayment, admin_client: Client
    ) -> None:
        text = admin_client.get(address(OrderPayment, "change", story.pk)).content.decode()

        assert "2.50 USD more than due" in text
        assert "The order is paid." in text
        assert str(story.invoices.get().remote_id) in text

    def test_bug22_the_shops_dashboard_stays_up(
        self, story: OrderPayment, admin_client: Client, settings: Any
    ) -> None:
        settings.OSCAR_REHIVE = None

        for page in (
            "/dashboard/",
            "/dashboard/orders/",
            f"/dashboard/orders/{story.order_number}/",
        ):
            assert admin_client.get(page).status_code == 200


class TestOnEveryDatabase:
    """MySQL and MariaDB leave out a unique constraint that has a condition, with a warning only."""

    def test_no_promise_rests_on_a_conditional_constraint(self) -> None:
        unique = [
            constraint
            for model in apps.get_app_config("oscar_rehive").get_models()
            for constraint in model._meta.constraints
            if isinstance(constraint, UniqueConstraint)
        ]

        assert len(unique) >= 3
        assert [one.name for one in unique if one.condition or one.expressions] == []

    def test_p5_the_database_refuses_a_second_invoice_in_use(self, story: OrderPayment) -> None:
        """Whatever the models' own ``save`` would have made of it; of those not in use there can be many."""
        used, *others = (story.invoices.get(), Invoice(), Invoice())
        for attempt, other in enumerate(others, 2):
            other.__dict__.update(
                {**used.__dict__, "id": None, "attempt": attempt, "key": uuid4(), "remote_id": None}
            )
            other.state = Invoice.State.CLOSED
            other.save(force_insert=True)
        assert story.invoices.filter(in_use=None).count() == 3
        Invoice.objects.filter(pk=used.pk).update(in_use=True)

        with pytest.raises(IntegrityError), transaction.atomic():
            Invoice.objects.filter(pk=others[0].pk).update(in_use=True)

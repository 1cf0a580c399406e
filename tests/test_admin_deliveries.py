"""What may be deleted in the admin: deliveries that are through, and nothing else."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from oscar.test.factories import UserFactory

from oscar_rehive.models import Delivery, Invoice, Refund

pytestmark = pytest.mark.django_db


def support(*permissions: str) -> Client:
    """The browser of a member of staff with these permissions and no others."""
    user = UserFactory(is_staff=True)
    found = Permission.objects.filter(
        codename__in=permissions, content_type__app_label="oscar_rehive"
    )
    assert found.count() == len(permissions)
    user.user_permissions.set(found)
    client = Client()
    client.force_login(user)
    return client


class TestDeletingDeliveries:
    def delivery(self, state: str) -> Delivery:
        return Delivery.objects.create(body="{}", state=state)

    def delete(self, client: Client, *deliveries: Delivery) -> None:
        chosen = [one.pk for one in deliveries]
        client.post(
            reverse("admin:oscar_rehive_delivery_changelist"),
            {"action": "delete_selected", "_selected_action": chosen, "post": "yes"},
        )

    @pytest.mark.parametrize("state", ["done", "unusable"])
    def test_of_what_is_through_takes_djangos_own_permission(self, state: str) -> None:
        delivery = self.delivery(state)
        address = reverse("admin:oscar_rehive_delivery_delete", args=[delivery.pk])

        assert support("view_delivery").post(address, {"post": "yes"}).status_code == 403
        self.delete(support("view_delivery", "change_delivery"), delivery)
        assert Delivery.objects.exists()

        allowed = support("view_delivery", "delete_delivery")
        assert allowed.post(address, {"post": "yes"}).status_code == 302
        assert not Delivery.objects.exists()

    def test_of_several_at_once(self) -> None:
        through = [self.delivery("done"), self.delivery("unusable")]

        self.delete(support("view_delivery", "delete_delivery"), *through)

        assert not Delivery.objects.exists()

    def test_p7_what_waits_is_not_deleted(self, admin_client: Client) -> None:
        waits, through = self.delivery("new"), self.delivery("done")
        address = reverse("admin:oscar_rehive_delivery_delete", args=[waits.pk])

        assert admin_client.post(address, {"post": "yes"}).status_code == 403
        self.delete(admin_client, waits, through)

        assert Delivery.objects.filter(pk=waits.pk).exists()

    def test_of_what_waits_among_others_is_told_with_the_reason(self, admin_client: Client) -> None:
        """And not that somebody who may do everything lacks a permission."""
        chosen = [self.delivery("new").pk, self.delivery("done").pk]
        form = {"action": "delete_selected", "_selected_action": chosen, "post": "yes"}

        answer = admin_client.post(reverse("admin:oscar_rehive_delivery_changelist"), form)

        assert answer.status_code == 200
        assert "still waits for its turn; choose the others only" in answer.content.decode()
        assert Delivery.objects.count() == 2

    @pytest.mark.parametrize("model", ["orderpayment", "invoice", "attention", "refund"])
    def test_the_history_of_money_is_not_deleted(
        self, admin_client: Client, held: Invoice, model: str
    ) -> None:
        pk = {
            "orderpayment": held.payment_id,
            "invoice": held.pk,
            "attention": held.attentions.get().pk,
        }
        if model == "refund":
            pk["refund"] = Refund.objects.create(invoice=held, amount=1).pk
        address = reverse(f"admin:oscar_rehive_{model}_delete", args=[pk[model]])

        assert admin_client.post(address, {"post": "yes"}).status_code == 403

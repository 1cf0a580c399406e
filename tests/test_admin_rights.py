"""Who may press which button in the admin: each has a permission of its own, and none works for those who
may not see what it is about."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from oscar.test.factories import UserFactory

from oscar_rehive.models import Attention, Delivery, Entry, Invoice, Refund
from tests.steps import opened, rehive_forgot, settled

pytestmark = pytest.mark.django_db

BUTTONS = ("refund", "accept", "gone", "resolve")
SEES = ("view_attention", "view_invoice")


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


def decide(client: Client, attention: Attention, decision: str) -> int:
    """The answer to a press on a button, shown or not."""
    address = reverse("admin:oscar_rehive_attention_decide", args=[attention.pk])
    return client.post(address, {"decision": decision}).status_code


def shown(client: Client, attention: Attention) -> set[str]:
    """The buttons on the page of ``attention``."""
    page = client.get(reverse("admin:oscar_rehive_attention_change", args=[attention.pk]))
    assert page.status_code == 200
    return {one for one in BUTTONS if f'value="{one}"' in page.content.decode()}


@pytest.fixture
def late(held: Invoice) -> Attention:
    """Money that waits for a person: it may be refunded, accepted or set aside."""
    return held.attentions.get()


@pytest.fixture
def vanished(rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch) -> Attention:
    """An invoice that Rehive no longer knows."""
    invoice = opened(place_order(total="10.00"))
    rehive_forgot(monkeypatch)
    with pytest.raises(Exception, match="404"):
        settled(invoice)
    return Attention.objects.get()


RIGHTS = [
    ("add_refund", {"refund"}),
    ("accept_attention", {"accept"}),
    ("resolve_attention", {"resolve"}),
    ("take_for_gone_attention", set()),
    ("change_attention", set()),
    ("delete_attention", set()),
    ("change_invoice", set()),
    ("change_refund", set()),
]


@pytest.mark.parametrize(("permission", "may"), RIGHTS)
class TestExactlyOneRight:
    def test_shows_exactly_one_button(
        self, late: Attention, permission: str, may: set[str]
    ) -> None:
        assert shown(support(*SEES, permission), late) == may

    def test_lets_nothing_else_through(
        self, late: Attention, permission: str, may: set[str]
    ) -> None:
        client = support(*SEES, permission)
        its_own = {"gone"} if permission == "take_for_gone_attention" else may
        for button in set(BUTTONS) - its_own:
            assert decide(client, late, button) == 403

        late.refresh_from_db()
        assert late.resolved_at is None
        assert not Refund.objects.exists()

    def test_lets_its_own_through(self, late: Attention, permission: str, may: set[str]) -> None:
        for button in may:
            assert decide(support(*SEES, permission), late, button) == 302
            late.refresh_from_db()
            assert late.resolved_at is not None

    def test_does_nothing_without_the_right_to_look(
        self, late: Attention, permission: str, may: set[str]
    ) -> None:
        for button in BUTTONS:
            assert decide(support(permission), late, button) == 403
            assert decide(support(permission, "view_invoice"), late, button) == 403
        assert not Refund.objects.exists()
        assert Attention.objects.get().resolved_at is None


@pytest.mark.parametrize("button", ["refund", "accept"])
def test_who_may_not_see_the_invoice_does_not_decide_about_its_money(
    late: Attention, button: str
) -> None:
    client = support("view_attention", "add_refund", "accept_attention", "resolve_attention")

    assert shown(client, late) == {"resolve"}
    assert decide(client, late, button) == 403
    assert not Refund.objects.exists()


class TestAnInvoiceThatIsGone:
    def test_takes_a_right_of_its_own(self, vanished: Attention) -> None:
        others = support(*SEES, "add_refund", "accept_attention", "resolve_attention")

        assert shown(others, vanished) == {"resolve"}
        assert decide(others, vanished, "gone") == 403

        assert shown(support(*SEES, "take_for_gone_attention"), vanished) == {"gone"}
        assert decide(support(*SEES, "take_for_gone_attention"), vanished, "gone") == 302
        assert Invoice.objects.get().state == Invoice.State.CLOSED

    def test_and_the_right_to_see_it(self, vanished: Attention) -> None:
        client = support("view_attention", "take_for_gone_attention")

        assert shown(client, vanished) == set()
        assert decide(client, vanished, "gone") == 403

    def test_can_still_be_taken_for_gone_when_it_was_set_aside(self, vanished: Attention) -> None:
        Attention.objects.update(resolved_at=timezone.now(), resolved_by="ann")

        assert shown(support(*SEES, "take_for_gone_attention"), vanished) == {"gone"}
        assert shown(support(*SEES, "resolve_attention"), vanished) == set()


def test_a_word_that_is_no_button_does_nothing(late: Attention) -> None:
    assert decide(support(*SEES), late, "everything") == 302
    assert Attention.objects.get().resolved_at is None


class TestTheRefundOnTheInvoicesPage:
    @pytest.fixture
    def invoice(self, rehive: Any, place_order: Any) -> Invoice:
        invoice = opened(place_order(total="10.00"))
        rehive.outcome(invoice.remote_id, "pay")
        return settled(invoice)

    def refund(self, client: Client, invoice: Invoice) -> int:
        address = reverse("admin:oscar_rehive_invoice_refund", args=[invoice.pk])
        return client.post(address, {"amount": "1.00", "key": uuid.uuid4()}).status_code

    def test_takes_the_right_to_refund_and_the_right_to_see(self, invoice: Invoice) -> None:
        page = reverse("admin:oscar_rehive_invoice_change", args=[invoice.pk])

        for too_few in (["add_refund"], ["view_invoice"], ["view_refund", "add_refund"]):
            assert self.refund(support(*too_few), invoice) == 403
        assert b"refund/" not in support("view_invoice").get(page).content
        assert support("add_refund").get(page).status_code == 403
        assert not Refund.objects.exists()

        both = support("view_invoice", "add_refund")
        assert b"refund/" in both.get(page).content
        assert self.refund(both, invoice) == 302
        assert Refund.objects.get().amount == 100


class Phone:
    """A number as django-phonenumber-field hands it out: no text, and without ``len``."""

    def __str__(self) -> str:
        return "+491701234567"


@pytest.mark.parametrize(
    ("name", "called"),
    [
        (491701234567, "491701234567"),
        (uuid.UUID(int=7), str(uuid.UUID(int=7))),
        (Phone(), "+491701234567"),
        ("x" * 200, "x" * 150),
        ("nul\0 \ud800", "nul ?"),
        (None, "user {pk}"),
        ("", "user {pk}"),
        ("  ", "user {pk}"),
    ],
)
class TestStaffWhoseNameIsNoText:
    """A shop's own user model names its users by whatever it likes."""

    @pytest.fixture
    def staff(self, name: Any, called: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Client, str]:
        user = UserFactory(is_staff=True, is_superuser=True)
        client = Client()
        client.force_login(user)
        monkeypatch.setattr(type(user), "get_username", lambda user: name)
        return client, called.format(pk=user.pk)

    @pytest.mark.parametrize("button", ["refund", "accept", "resolve"])
    def test_presses_the_buttons(
        self, late: Attention, staff: tuple[Client, str], button: str
    ) -> None:
        client, called = staff

        assert decide(client, late, button) == 302

        late.refresh_from_db()
        assert late.resolved_by == called
        for refund in Refund.objects.all():
            assert refund.requested_by == called
        assert button == "resolve" or Entry.objects.filter(reason__startswith=called).exists()

    def test_says_that_an_invoice_is_gone(
        self, vanished: Attention, staff: tuple[Client, str]
    ) -> None:
        client, called = staff

        assert decide(client, vanished, "gone") == 302
        vanished.refresh_from_db()
        assert vanished.resolved_by == called

    def test_marks_several_as_resolved(self, late: Attention, staff: tuple[Client, str]) -> None:
        client, called = staff
        chosen = {"action": "resolve", "_selected_action": [late.pk]}

        client.post(reverse("admin:oscar_rehive_attention_changelist"), chosen)

        late.refresh_from_db()
        assert late.resolved_by == called

    def test_refunds_on_the_invoices_page(self, late: Attention, staff: tuple[Client, str]) -> None:
        client, called = staff
        address = reverse("admin:oscar_rehive_invoice_refund", args=[late.invoice_id])

        assert client.post(address, {"amount": "1.00", "key": uuid.uuid4()}).status_code == 302
        assert Refund.objects.get().requested_by == called


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
        self, admin_client: Client, late: Attention, model: str
    ) -> None:
        payment = late.payment_id
        pk = {"orderpayment": payment, "invoice": late.invoice_id, "attention": late.pk}
        if model == "refund":
            pk["refund"] = Refund.objects.create(invoice=late.invoice, amount=1).pk
        address = reverse(f"admin:oscar_rehive_{model}_delete", args=[pk[model]])

        assert admin_client.post(address, {"post": "yes"}).status_code == 403

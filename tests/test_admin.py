"""The admin's forms: who may give money back, how much, and what they say when it cannot be."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from oscar.test.factories import UserFactory

from oscar_rehive.admin.pages import shown
from oscar_rehive.models import Attention, Invoice, OrderPayment, Refund
from oscar_rehive.payments import refunding
from oscar_rehive.rehive.client import Client as Rehive
from oscar_rehive.rehive.deadlines import seconds_left
from tests.steps import opened, settled

pytestmark = pytest.mark.django_db


def support(*permissions: str) -> Client:
    """The browser of a member of staff with these permissions and no others."""
    user = UserFactory(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


class TestTheRefundOfWhatNeedsAttention:
    @pytest.fixture
    def excess(self, rehive: Any, place_order: Any) -> Attention:
        invoice = opened(place_order(total="10.00"))
        rehive.outcome(invoice.remote_id, "pay_more", amount=1250)
        settled(invoice)
        return Attention.objects.get()

    def page(self, client: Client, attention: Attention) -> str:
        address = reverse("admin:oscar_rehive_attention_change", args=[attention.pk])
        return client.get(address).content.decode()

    def refund(self, client: Client, attention: Attention) -> int:
        address = reverse("admin:oscar_rehive_attention_decide", args=[attention.pk])
        return client.post(address, {"decision": "refund"}).status_code

    def test_takes_the_permission_to_refund(self, excess: Attention) -> None:
        """The others are for deciding what gives no money back."""
        client = support("view_attention", "view_invoice", "resolve_attention", "accept_attention")

        assert "Mark as resolved" in self.page(client, excess)
        assert 'value="refund"' not in self.page(client, excess)
        assert self.refund(client, excess) == 403
        assert not Refund.objects.exists()

    def test_is_given_with_it(self, excess: Attention) -> None:
        client = support("view_attention", "view_invoice", "add_refund")

        assert "Refund 2.50 USD to the payer" in self.page(client, excess)
        assert self.refund(client, excess) == 302
        assert Refund.objects.get().amount == 250

    def test_pressed_after_ones_session_has_ended_is_not_lost_without_a_word(
        self, excess: Attention
    ) -> None:
        """After signing in the browser comes to the button's address, without what was pressed."""
        client = support("view_attention", "view_invoice", "add_refund")
        address = reverse("admin:oscar_rehive_attention_decide", args=[excess.pk])

        answer = client.get(address, follow=True)

        assert "Nothing was done. Press the button again." in answer.content.decode()
        assert 'value="refund"' in answer.content.decode()
        assert not Refund.objects.exists()

    def test_of_an_invoice_pressed_after_ones_session_has_ended(self, excess: Attention) -> None:
        client = support("view_invoice", "add_refund")
        address = reverse("admin:oscar_rehive_invoice_refund", args=[excess.invoice_id])

        answer = client.get(address, follow=True)

        assert "Nothing was done. Press the button again." in answer.content.decode()
        assert not Refund.objects.exists()


class TestTheRefundForm:
    @pytest.fixture
    def asked(self, monkeypatch: pytest.MonkeyPatch) -> list[Decimal]:
        """The amounts that were to be refunded."""
        amounts: list[Decimal] = []

        def refund(invoice: Invoice, amount: Decimal, **kwargs: Any) -> None:
            amounts.append(amount)

        monkeypatch.setattr(refunding, "refund", refund)
        return amounts

    @pytest.fixture
    def invoice(self, rehive: Any, place_order: Any) -> Callable[[str, int], Invoice]:
        """Makes an invoice in another currency, through which ten of it came."""

        def invoice(currency: str, divisibility: int) -> Invoice:
            found = opened(place_order(total="10.00"))
            rehive.outcome(found.remote_id, "pay")
            settled(found)
            found.currency, found.divisibility = currency, divisibility
            found.received = 10 * 10**divisibility
            found.save()
            return found

        return invoice

    def test_of_a_double_click_refunds_once(
        self, admin_client: Client, rehive: Any, place_order: Any
    ) -> None:
        invoice = opened(place_order(total="10.00"))
        rehive.outcome(invoice.remote_id, "pay")
        settled(invoice)
        page = admin_client.get(reverse("admin:oscar_rehive_invoice_change", args=[invoice.pk]))
        form = BeautifulSoup(page.content, "html.parser").select_one("form[action$='refund/']")
        fields = {field["name"]: field.get("value", "") for field in form.select("input")}

        for _ in range(2):
            address = form["action"]
            told = admin_client.post(address, {**fields, "amount": "2.50"}, follow=True)

        assert [one.amount for one in Refund.objects.all()] == [250]
        assert "asked for already" in told.content.decode()

    def told(self, client: Client, invoice: Invoice, **fields: str) -> str:
        fields["key"] = str(uuid.uuid4())
        address = reverse("admin:oscar_rehive_invoice_refund", args=[invoice.pk])
        return client.post(address, fields, follow=True).content.decode()

    @pytest.mark.parametrize(
        ("currency", "divisibility", "amount"),
        [
            ("USD", 2, "0.01"),
            ("BTC", 8, "0.005"),
            ("BTC", 8, "0.00000001"),
            ("JPY", 0, "1"),
            ("JPY", 0, "1.0"),
            ("ETH", 18, "0.000000000000000001"),
        ],
    )
    def test_takes_any_number_of_smallest_units(
        self,
        admin_client: Client,
        invoice: Callable[[str, int], Invoice],
        asked: list[Decimal],
        currency: str,
        divisibility: int,
        amount: str,
    ) -> None:
        page = self.told(admin_client, invoice(currency, divisibility), amount=amount)

        assert asked == [Decimal(amount)]
        assert f"A refund of {amount} {currency} was asked for" in page

    @pytest.mark.parametrize(
        ("currency", "divisibility", "amount", "says"),
        [
            ("USD", 2, "0.005", "USD has at most 2 decimals."),
            ("BTC", 8, "0.000000001", "BTC has at most 8 decimals."),
            ("JPY", 0, "0.5", "JPY has no decimals."),
            ("USD", 2, "0", "Enter an amount above zero."),
            ("USD", 2, "-1", "Enter an amount above zero."),
            ("USD", 2, "ten", "Amount: Enter a number."),
            ("USD", 2, "", "Amount: This field is required."),
        ],
    )
    def test_says_why_it_does_not_take_an_amount(
        self,
        admin_client: Client,
        invoice: Callable[[str, int], Invoice],
        asked: list[Decimal],
        currency: str,
        divisibility: int,
        amount: str,
        says: str,
    ) -> None:
        page = self.told(admin_client, invoice(currency, divisibility), amount=amount)

        assert says in page
        assert asked == []

    def test_says_that_a_reason_is_too_long(
        self,
        admin_client: Client,
        invoice: Callable[[str, int], Invoice],
        asked: list[Decimal],
    ) -> None:
        page = self.told(admin_client, invoice("USD", 2), amount="1.00", reason="x" * 201)

        assert "Reason: Ensure this value has at most 200 characters" in page
        assert asked == []


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("10.000000000000000000", "10.00"),
        ("10.500000000000000000", "10.50"),
        ("0.000000000000000001", "0.000000000000000001"),
        ("1E-8", "0.00000001"),
        ("1234567890123456.123456789012345678", "1234567890123456.123456789012345678"),
        ("100", "100"),
        ("1.0", "1.0"),
    ],
)
def test_amounts_are_shown_without_the_zeros_of_18_decimals(amount: str, text: str) -> None:
    assert shown(Decimal(amount)) == text


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


@pytest.mark.parametrize("page", ["decide", "refund"])
def test_p11_what_staff_ask_of_rehive_ends_in_the_time_of_a_page(
    rehive: Any,
    place_order: Any,
    admin_client: Client,
    monkeypatch: pytest.MonkeyPatch,
    page: str,
) -> None:
    """All calls together: the list of refunds may have pages without end, and each call takes its time."""
    invoice = opened(place_order(total="10.00"))
    rehive.outcome(invoice.remote_id, "pay_more", amount=1250)
    settled(invoice)
    left, real = list[float](), Rehive._ask

    def ask(self: Rehive, *args: Any, **kwargs: Any) -> Any:
        left.append(seconds_left())
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Rehive, "_ask", ask)
    if page == "decide":
        address = reverse("admin:oscar_rehive_attention_decide", args=[Attention.objects.get().pk])
        admin_client.post(address, {"decision": "refund"})
    else:
        address = reverse("admin:oscar_rehive_invoice_refund", args=[invoice.pk])
        admin_client.post(address, {"amount": "1.00", "reason": "", "key": uuid.uuid4()})

    assert len(left) == 2, "what was refunded already, and the refund"
    assert left[1] < left[0] <= 8
    assert Refund.objects.get().status == Refund.Status.PENDING

"""Money given back: an excess once, and what was given back pays nothing (P2)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from oscar.core.loading import get_model

from oscar_rehive.models import Attention, Entry, Invoice, Refund
from oscar_rehive.payments.deciding import NotAcceptable, accept, give_back
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.payments.refunding import follow, refund
from oscar_rehive.rehive.client import Client
from oscar_rehive.rehive.exceptions import RehiveError
from tests.steps import opened, settled

pytestmark = pytest.mark.django_db(transaction=True)

Order = get_model("order", "Order")

LOST = {"value": True, "methods": ["POST"]}


class TestRefundsAreGivenOnce:
    @pytest.fixture
    def excess(self, rehive: Any, place_order: Any) -> Attention:
        rehive.outcome(opened(place_order(total="10.00")).remote_id, "pay_more", amount=1250)
        reconcile()
        return Attention.objects.get()

    def test_an_excess_whose_refund_was_never_answered_is_not_refunded_again(
        self, rehive: Any, excess: Attention
    ) -> None:
        rehive.faults(lose_answer=LOST)
        with pytest.raises(RehiveError):
            give_back(excess, by="ann")
        rehive.clear_faults()

        with pytest.raises(NotAcceptable):
            give_back(Attention.objects.get(), by="ann")

        assert [one.amount for one in Refund.objects.all()] == [250]

    def test_a_double_click_refunds_once(
        self, excess: Attention, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        second, real = Attention.objects.get(), Client.create_refund

        def while_the_first_is_under_way(*args: Any, **kwargs: Any) -> Any:
            monkeypatch.setattr(Client, "create_refund", real)
            with pytest.raises(NotAcceptable):
                give_back(second, by="bob")
            return real(*args, **kwargs)

        monkeypatch.setattr(Client, "create_refund", while_the_first_is_under_way)
        give_back(excess, by="ann")

        assert [one.amount for one in Refund.objects.all()] == [250]

    def test_what_was_given_back_is_no_question_any_more(self, excess: Attention) -> None:
        give_back(excess, by="ann")

        assert Attention.objects.get().resolved_by == "ann"

    def test_more_excess_after_one_was_dealt_with_is_shown_anew(
        self, rehive: Any, excess: Attention
    ) -> None:
        give_back(excess, by="ann")
        invoice = Invoice.objects.get()
        rehive.outcome(invoice.remote_id, "pay_more", amount=1700, force=True)
        settled(invoice)

        assert Attention.objects.filter(resolved_at=None).exists()


class TestMoneyThatWasGivenBackPaysNothing:
    def test_a_late_payment_whose_refund_is_under_way_cannot_be_accepted(
        self, rehive: Any, held: Invoice
    ) -> None:
        rehive.faults(lose_answer=LOST)
        with pytest.raises(RehiveError):
            give_back(Attention.objects.get(), by="ann")
        rehive.clear_faults()

        with pytest.raises(NotAcceptable):
            accept(Attention.objects.get(), by="bob")

        assert Order.objects.get(number=held.order_number).status == "Pending"

    def test_the_rest_of_a_payment_whose_part_was_given_back_is_not_the_whole(
        self, rehive: Any, place_order: Any
    ) -> None:
        order = place_order(total="10.00")
        invoice = opened(order)
        rehive.outcome(invoice.remote_id, "pay_less", amount=400)
        settled(invoice)
        made = refund(invoice, Decimal("4.00"), reason="", by="ann")
        rehive.refund(made.remote_id, "complete")
        follow(invoice, Entry.Source.RECONCILE)
        rehive.outcome(invoice.remote_id, "pay")
        settled(invoice)

        order.refresh_from_db()
        assert order.status == "Pending"
        assert Attention.objects.get().kind == Attention.Kind.MISMATCH

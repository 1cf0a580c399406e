"""A customer who wants to be forgotten: nothing personal stays in any of our tables, and nothing that
happened is lost. Who wants to know is shown all that is kept."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext
from oscar.core.loading import get_model
from oscar.test.factories import ShippingAddressFactory

from oscar_rehive.models import Attention, Delivery, Entry, Invoice, OrderPayment, Refund
from oscar_rehive.payments import personal
from oscar_rehive.payments.personal import (
    Customer,
    NothingKept,
    Removed,
    StillNeeded,
    kept,
    remove,
    who_has,
    who_placed,
)
from tests.payments.forgettable import (
    GUEST,
    NAME,
    PAYER,
    PERSONAL,
    PHONE,
    everything,
    left,
    told_about,
)
from tests.steps import cancelled_at_rehive, opened, settled

pytestmark = pytest.mark.django_db

FACTS = {
    OrderPayment: (
        "order_number",
        "reference",
        "paid_at",
        "closed_at",
        "created_at",
        "mail_sent_at",
    ),
    Invoice: (
        "attempt",
        "state",
        "key",
        "currency",
        "total",
        "amount",
        "remote_id",
        "remote_status",
        "received",
        "pays",
        "recorded",
        "refunded",
        "refund_recorded",
        "version",
        "told",
    ),
    Refund: ("amount", "status", "key", "remote_id", "requested_by", "created_at"),
    Entry: ("invoice", "at", "source", "from_status", "to_status", "amount"),
    Attention: ("invoice", "kind", "raised_at", "resolved_at", "resolved_by"),
}


def facts() -> list[Any]:
    """What must be after a removal as it was before: our own rows, and the shop's ledger."""
    ours = [list(model.objects.order_by("pk").values(*names)) for model, names in FACTS.items()]
    ledger = [
        list(get_model("payment", name).objects.order_by("pk").values())
        for name in ("Source", "Transaction")
    ]
    orders = list(get_model("order", "Order").objects.order_by("pk").values())
    return [*ours, *ledger, orders]


@pytest.mark.usefixtures("refunded")
class TestRemoving:
    @pytest.fixture(params=["by order", "by address", "by address in other letters"])
    def customer(self, request: Any, refunded: Invoice) -> Customer:
        if request.param == "by order":
            return who_placed(refunded.order_number)
        return who_has(GUEST if request.param == "by address" else GUEST.lower())

    def test_nothing_personal_is_left_in_any_of_our_tables(self, customer: Customer) -> None:
        assert left() == PERSONAL

        removed = remove(customer)

        assert left() == []
        # The payment, the invoice, the refund, two lines of the history, both facts and the note.
        assert removed == Removed(deleted=1, rows=8)

    def test_what_happened_is_as_it_was(self, customer: Customer) -> None:
        before = facts()

        remove(customer)

        assert facts() == before

    def test_the_history_still_tells_it(self, customer: Customer) -> None:
        remove(customer)

        told = list(Entry.objects.values_list("reason", flat=True))
        assert "staff asked for a refund of 5.00 USD: [removed]" in told
        assert "<[removed]> was told." in told
        assert Refund.objects.get().reason == "[removed]"
        assert "The order was placed, to be paid through Rehive." in told

    def test_the_money_of_the_quotes_stays(self, customer: Customer) -> None:
        remove(customer)

        (quote,) = Invoice.objects.get().quotes
        assert (quote["amount"], quote["total_paid"], quote["status"]) == (1000, 1000, "paid")

    def test_once_more_there_is_nothing_to_do(self, customer: Customer) -> None:
        remove(customer)
        before = everything()

        assert remove(customer) == Removed()
        assert everything() == before

    @pytest.mark.parametrize("later", [{"status": "complete"}, {"status": "late", "amount": 5}])
    def test_what_rehive_tells_later_brings_nothing_back(
        self, customer: Customer, monkeypatch: pytest.MonkeyPatch, later: dict[str, Any]
    ) -> None:
        """Payments are asked about for months: what is kept of an answer is its money."""
        from tests.steps import rehive_tells, told

        remove(customer)
        invoice = Invoice.objects.get()
        (quote,) = told(invoice).quotes
        quote = dataclasses.replace(quote, raw={**quote.raw, "deposit_details": {"mail": PAYER}})
        rehive_tells(monkeypatch, quotes=(quote,), **later)

        settled(invoice)

        assert Invoice.objects.get().remote_status == later["status"]
        assert left() == []

    def test_a_dry_run_tells_the_same_and_changes_nothing(self, customer: Customer) -> None:
        before = everything()

        counted = remove(customer, dry_run=True)

        assert everything() == before
        assert counted == remove(customer)

    def test_what_was_broken_off_is_finished_by_the_next_run(
        self, customer: Customer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(pks: list[int]) -> int:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(personal, "delete_deliveries", broken)
            with pytest.raises(KeyboardInterrupt):
                remove(customer)
        remove(customer)

        assert left() == []

    @pytest.mark.parametrize("who", ["order", "address"])
    def test_p7_an_order_that_waits_for_its_payment_is_refused_untouched(
        self, place_order: Any, who: str
    ) -> None:
        order = place_order(guest_email=GUEST)
        before = everything()

        with pytest.raises(StillNeeded, match=rf"#{order.number}\. .*cancel the order"):
            remove(who_placed(order.number) if who == "order" else who_has(GUEST))

        assert everything() == before

    def test_an_order_that_waits_again_by_now_is_refused_under_its_lock(
        self, refunded: Invoice
    ) -> None:
        customer = who_placed(refunded.order_number)
        OrderPayment.objects.update(paid_at=None)

        with pytest.raises(StillNeeded):
            remove(customer)

        assert left() == PERSONAL

    def test_other_customers_keep_theirs(
        self, customer: Customer, rehive: Any, place_order: Any
    ) -> None:
        """Also one whose address ends, or begins, like this one."""
        other = opened(place_order(guest_email=f"mary{GUEST}"))
        Entry.objects.create(
            payment=other.payment, source="staff", reason=f"mary{GUEST}, {GUEST}.uk"
        )
        named = told_about(other, body=json.dumps({"mails": [f"mary{GUEST}", f"{GUEST}.uk"]}))

        remove(customer)

        assert Delivery.objects.get() == named
        assert Entry.objects.filter(reason=f"mary{GUEST}, {GUEST}.uk").exists()


def test_a_name_of_one_word_is_left_where_it_may_be_any_word(rehive: Any, place_order: Any) -> None:
    address = ShippingAddressFactory(first_name="Order", last_name="")
    order = place_order(guest_email=GUEST, shipping_address=address)
    cancelled_at_rehive(opened(order))
    OrderPayment.objects.update(closed_at=OrderPayment.objects.get().created_at)
    before = facts(), list(Entry.objects.values())

    assert remove(who_placed(order.number)) == Removed()

    assert (facts(), list(Entry.objects.values())) == before


class TestWhoItIs:
    def test_an_account_s_orders_and_those_of_a_guest_with_the_same_address(self, buy: Any) -> None:
        user = get_user_model().objects.create_user("jane", GUEST, "x")
        orders = [buy(user=user), buy(guest_email=GUEST.lower())]
        buy(guest_email="other@example.com")

        found = who_has(GUEST).payments

        assert [one.order_number for one in found] == [str(order.number) for order in orders]

    def test_not_the_payment_of_a_deleted_order_whose_number_was_given_to_this_customer(
        self, place_order: Any
    ) -> None:
        order = place_order(guest_email=GUEST)
        OrderPayment.objects.update(order_key="of the deleted one")

        assert who_has(order.guest_email).payments == ()

    def test_nor_is_such_a_payment_cleaned_of_the_words_of_the_new_customer(
        self, rehive: Any, place_order: Any
    ) -> None:
        order = place_order(guest_email=GUEST)
        cancelled_at_rehive(opened(order))
        payment = OrderPayment.objects.get()
        Entry.objects.create(payment=payment, source="staff", reason=GUEST)
        OrderPayment.objects.update(order_key="of the deleted one", closed_at=payment.created_at)

        remove(who_placed(order.number))

        assert Entry.objects.filter(reason=GUEST).exists()

    def test_an_order_that_nobody_knows(self) -> None:
        with pytest.raises(NothingKept, match="no order '4711' that was to be paid through Rehive"):
            who_placed("4711")

    def test_a_payment_whose_order_the_shop_has_deleted(self, refunded: Invoice) -> None:
        """The shop no longer knows what the customer was called; what staff wrote goes all the same."""
        get_model("order", "Order").objects.all().delete()

        remove(who_placed(refunded.order_number))

        assert "her cat" not in everything()
        assert not Delivery.objects.exists()


def test_the_statements_for_an_order_do_not_grow_with_its_history(refunded: Invoice) -> None:
    def taken() -> int:
        for payment in OrderPayment.objects.all():
            Entry.objects.create(payment=payment, source="staff", reason=GUEST)
            told_about(refunded)
        with CaptureQueriesContext(connection) as asked:
            remove(who_placed(refunded.order_number))
        return len(asked)

    taken()
    few = taken()
    Entry.objects.bulk_create(
        Entry(payment=refunded.payment, source="staff", reason=GUEST) for _ in range(50)
    )
    for _ in range(50):
        told_about(refunded)
    assert taken() == few


def test_of_an_order_without_any_delivery_the_order_is_shown(place_order: Any) -> None:
    order = place_order(guest_email=GUEST)

    (shown,) = kept(who_has(GUEST))

    assert shown["order_number"] == order.number


def test_what_is_kept_is_shown_whole(refunded: Invoice, place_order: Any, rehive: Any) -> None:
    """Also of an order that waits for its payment."""
    waits = place_order(guest_email=GUEST)
    before = everything()

    shown = list(kept(who_has(GUEST)))

    assert everything() == before
    first, second, delivery = shown
    assert [first["kind"], second["kind"], delivery["kind"]] == ["order", "order", "delivery"]
    assert first["order_number"] == refunded.order_number
    assert second["order_number"] == waits.number
    assert first["invoices"][0]["received"] == 1000
    assert first["refunds"][0]["reason"] == f"{NAME}: her cat, call {PHONE}"
    assert len(first["history"]) == Entry.objects.filter(payment=refunded.payment).count()
    assert len(first["attention"]) == 2
    assert PAYER in delivery["body"]

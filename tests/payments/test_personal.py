"""A customer who wants to be forgotten: nothing personal stays in any of our tables, and nothing that
happened is lost. Who wants to know is shown all that is kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext
from oscar.core.loading import get_model
from oscar.test.factories import ShippingAddressFactory

from oscar_rehive.models import Attention, Delivery, Entry, Invoice, OrderPayment, Refund
from oscar_rehive.payments import deliveries, personal
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
from oscar_rehive.payments.refunding import refund
from tests.steps import cancelled_at_rehive, opened, settled

pytestmark = pytest.mark.django_db

GUEST = "Jane.Doe+shop@example.com"
NAME, PHONE, PAYER = "Jane Doe", "+4930901820", "jane-at-work@example.org"

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
    told_about(invoice)
    return Invoice.objects.get()


PERSONAL = [text.lower() for text in (GUEST, NAME, PHONE, PAYER, "her cat")]


def left() -> list[str]:
    return [text for text in PERSONAL if text in everything()]


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
        # The payment, the invoice, the refund, two lines of the history and both facts.
        assert removed == Removed(deleted=1, rows=7)

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
        remote = told(invoice)
        (quote,) = remote.quotes
        quote.raw["deposit_details"] = {"mail": PAYER}  # type: ignore[index]
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


class TestDeliveries:
    """Which of them are about a customer, and what becomes of those that wait."""

    def test_p7_one_that_waits_is_emptied_and_still_worked_on(self, refunded: Invoice) -> None:
        waits = told_about(refunded, "new", event_id=PAYER, reason=f"no answer for {PAYER}")

        assert remove(who_placed(refunded.order_number)).emptied == 1

        assert left() == []
        waits.refresh_from_db()
        deliveries.work_on(waits)
        assert waits.state == Delivery.State.DONE

    def test_a_dry_run_counts_it_and_leaves_it_as_it_is(self, refunded: Invoice) -> None:
        told_about(refunded, "new")
        before = everything()

        counted = remove(who_placed(refunded.order_number), dry_run=True)

        assert (counted.deleted, counted.emptied) == (1, 1)
        assert everything() == before

    @pytest.mark.parametrize(
        "body",
        [
            '{{"data": {{"id": "{id}", "cut off',
            "not JSON at all: {mail}",
            '{{"note": "Hi,\\n{mail}"}}',
        ],
    )
    def test_one_that_nobody_understood_and_that_names_invoice_or_address(
        self, refunded: Invoice, body: str
    ) -> None:
        text = body.format(id=refunded.remote_id, mail=GUEST)
        told_about(None, "unusable", body=text)

        remove(who_placed(refunded.order_number))

        assert not Delivery.objects.exists()

    def test_one_about_a_second_invoice_of_the_order_that_the_shop_does_not_know(
        self, refunded: Invoice
    ) -> None:
        told_about(refunded, remote_id="a-twin")

        remove(who_placed(refunded.order_number))

        assert not Delivery.objects.exists()

    def test_but_none_about_another_order_that_had_the_number_before(
        self, refunded: Invoice, place_order: Any, rehive: Any
    ) -> None:
        earlier = opened(place_order())
        OrderPayment.objects.filter(pk=earlier.payment_id).update(reference=refunded.order_number)
        other = told_about(earlier, reference=refunded.order_number)

        remove(who_placed(refunded.order_number))

        assert Delivery.objects.get() == other

    def test_by_address_also_those_about_invoices_of_others_that_name_it(self) -> None:
        """Of another system in the same business, say, or paid for somebody else."""
        told_about(None, "unusable", remote_id="elsewhere", reference="4711")
        told_about(None, "new", remote_id="soon", reference=f"for {PAYER}")

        shown = [one["remote_id"] for one in kept(who_has(PAYER.upper()))]
        removed = remove(who_has(PAYER.upper()))

        assert shown == ["elsewhere", "soon"]
        assert (removed.deleted, removed.emptied) == (1, 1)
        assert PAYER not in everything()

    def test_an_address_of_which_nothing_is_kept(self) -> None:
        told_about(None, "unusable")

        with pytest.raises(NothingKept, match=r"nobody@example\.com"):
            remove(who_has("nobody@example.com"))
        with pytest.raises(NothingKept, match=r"nobody@example\.com"):
            list(kept(who_has("nobody@example.com")))

    def test_each_step_of_looking_through_them_takes_two_statements(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(personal, "AT_ONCE", 10)
        Delivery.objects.bulk_create(
            Delivery(body=PAYER if number % 9 == 0 else "{}", state="done") for number in range(35)
        )
        taken: list[int] = []

        def watched(steps: Iterator[list[int]]) -> Iterator[list[int]]:
            while True:
                with CaptureQueriesContext(connection) as asked:
                    step = next(steps, None)
                taken.append(len(asked))
                if step is None:
                    return
                yield step

        assert remove(who_has(PAYER), watch=watched).deleted == 4
        assert taken == [2, 2, 2, 2, 1]

    def test_those_of_an_order_are_found_by_indexes(self, refunded: Invoice) -> None:
        with CaptureQueriesContext(connection) as asked:
            list(personal._about(refunded.payment, {GUEST}))
        found = [one["sql"] for one in asked if 'FROM "oscar_rehive_delivery"' in one["sql"]]

        assert len(found) == 3
        for sql in found:
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN QUERY PLAN {sql.replace('%', '%%')}")
                plan = str(cursor.fetchall())
            assert "SCAN" not in plan.replace("SCALAR", ""), plan


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

"""One payment belongs to one order, and one invoice to one payment: whatever becomes of an order's number,
of the business in the settings, or of an attempt that Rehive made twice (design.md, "Numbers used again").
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client as Browser
from oscar.core.loading import get_model
from oscar.test.factories import create_order

from oscar_rehive.models import Attention, Invoice, OrderPayment, Refund
from oscar_rehive.payments.deciding import give_back, refund_offered, take_for_gone
from oscar_rehive.payments.deliveries import store, work_on
from oscar_rehive.payments.mails import send_confirmation
from oscar_rehive.payments.progress import progress_of
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.rehive.exceptions import RehiveError
from tests.steps import (
    answer_lost,
    creates,
    made_twice,
    opened,
    payable_at,
    payment_page,
    settled,
    stands_as,
    waiting_for_a_person,
    window_over,
)

pytestmark = pytest.mark.django_db(transaction=True)

Order = get_model("order", "Order")
StockRecord = get_model("partner", "StockRecord")

PAGES = ("pay", "return", "status", "cancel")


class TestANumberThatIsUsedAgain:
    @pytest.fixture
    def old(self, rehive: Any, place_order: Any) -> Invoice:
        """The invoice of an order that is deleted since."""
        return opened(place_order(number="1001", total="12.34"))

    @pytest.fixture
    def old_pages(self, old: Invoice) -> dict[str, str]:
        return {page: payment_page(page, Order.objects.get()) for page in PAGES}

    @pytest.fixture
    def new(self, old: Invoice, old_pages: dict[str, str], place_order: Any) -> Any:
        """An order of the same number."""
        Order.objects.all().delete()
        return place_order(number="1001", total="20.00")

    def test_p5_the_old_invoice_is_closed(self, rehive: Any, old: Invoice, new: Any) -> None:
        reconcile()

        assert rehive.invoice(old.remote_id)["status"] == "cancelled"
        assert not Attention.objects.exists()

    def test_p5_and_the_new_one_stays_payable(self, rehive: Any, old: Invoice, new: Any) -> None:
        invoice = opened(new)
        for _ in range(2):
            reconcile()

        assert payable_at(rehive, new) == [invoice.remote_id]
        rehive.outcome(invoice.remote_id, "pay")
        reconcile()
        assert stands_as(new) == "Being processed"
        assert not Attention.objects.exists()

    def test_the_old_addresses_do_nothing_to_the_new_order(
        self, rehive: Any, old_pages: dict[str, str], new: Any, client: Browser
    ) -> None:
        before = creates(rehive)
        for page in ("pay", "return", "status"):
            assert client.get(old_pages[page]).status_code == 404, page
        for page in ("pay", "cancel"):
            assert client.post(old_pages[page]).status_code == 404, page

        assert (creates(rehive), stands_as(new)) == (before, "Pending")

    def test_they_say_that_money_is_not_lost_and_the_new_ones_work(
        self, rehive: Any, old_pages: dict[str, str], new: Any, client: Browser
    ) -> None:
        told = client.get(old_pages["return"])
        assert told.status_code == 404
        assert "the money is not lost" in told.content.decode()

        answer = client.get(payment_page("pay", new))
        invoice = rehive.invoice(reference="1001")
        assert answer.headers["Location"].split("&")[0].endswith(invoice["id"])
        assert invoice["request_amount"] == 2000
        client.post(payment_page("cancel", new))
        assert stands_as(new) == "Cancelled"

    @pytest.mark.parametrize("told_by", ["reconcile", "webhook"])
    def test_p1_money_that_comes_through_the_old_invoice_pays_nothing(
        self, rehive: Any, old: Invoice, new: Any, told_by: str
    ) -> None:
        invoice = opened(new)
        rehive.outcome(old.remote_id, "pay")
        if told_by == "webhook":
            work_on(store(b'{"data": {"id": "%s"}}' % str(old.remote_id).encode()).remote_id)
        for _ in range(2):
            reconcile()

        (attention,) = Attention.objects.all()
        assert (attention.kind, attention.invoice) == ("no_order", old)
        assert attention.payment != OrderPayment.objects.get(order_number="1001")
        assert (stands_as(new), new.sources.count()) == ("Pending", 0)
        assert payable_at(rehive, new) == [invoice.remote_id]
        assert refund_offered(attention) == Decimal("12.34")
        give_back(attention, by="ann")
        assert Refund.objects.get().amount == 1234

    def test_p5_a_create_whose_answer_was_lost_is_closed_when_it_is_found(
        self, rehive: Any, place_order: Any
    ) -> None:
        order = place_order(number="1001")
        answer_lost(rehive, order)
        order.delete()
        new = place_order(number="1001")
        invoice = opened(new)

        for _ in range(2):
            reconcile()

        assert payable_at(rehive, new) == [invoice.remote_id]
        assert not Attention.objects.exists()


class TestABusinessThatTheSettingsNoLongerName:
    @pytest.fixture
    def order(self, place_order: Any) -> Any:
        return place_order(in_stock=5)

    @pytest.fixture
    def then(self, rehive: Any, settings: Any) -> dict[str, Any]:
        """The settings that still named it."""
        return dict(settings.OSCAR_REHIVE)

    @pytest.fixture(
        params=[{"BUSINESS_ID": "other"}, {"BUSINESSES": {"EUR": {"BUSINESS_ID": "other"}}}],
        ids=["replaced", "only another currency's"],
    )
    def invoice(
        self, then: dict[str, Any], order: Any, settings: Any, request: pytest.FixtureRequest
    ) -> Invoice:
        """Made by a business that they no longer name."""
        invoice = opened(order)
        settings.OSCAR_REHIVE = {**then, **request.param}
        return invoice

    @pytest.mark.parametrize("over", [False, True], ids=["window open", "window over"])
    def test_p7_a_person_is_told_once(self, order: Any, invoice: Invoice, over: bool) -> None:
        if over:
            window_over(order)

        for _ in range(3):
            reconcile()

        (attention,) = Attention.objects.all()
        assert (attention.kind, attention.invoice) == ("out_of_reach", invoice)
        assert invoice.business_id in attention.reason
        assert stands_as(order) == "Pending", "nobody knows what was paid"

    def test_p4_taken_for_gone_it_keeps_no_stock(self, order: Any, invoice: Invoice) -> None:
        reconcile()
        take_for_gone(Attention.objects.get(), by="ann")
        window_over(order)

        for _ in range(2):
            reconcile()

        assert (stands_as(order), StockRecord.objects.get().num_allocated) == ("Cancelled", 0)
        assert waiting_for_a_person() == []

    def test_named_again_it_is_no_question_any_more(
        self, rehive: Any, order: Any, invoice: Invoice, then: dict[str, Any], settings: Any
    ) -> None:
        reconcile()
        assert waiting_for_a_person() == ["out_of_reach"]
        settings.OSCAR_REHIVE = then
        rehive.outcome(invoice.remote_id, "pay")

        reconcile()

        assert (stands_as(order), waiting_for_a_person()) == ("Being processed", [])


class TestAnAttemptThatRehiveMadeTwice:
    @pytest.fixture
    def invoice(self, rehive: Any, place_order: Any) -> Invoice:
        """The one that the shopper was sent to."""
        order = place_order()
        rehive.faults(html={"value": 504, "methods": ["POST"]})
        with pytest.raises(RehiveError):
            opened(order)
        rehive.clear_faults()
        return opened(order)

    @pytest.fixture(params=[False, True], ids=["closed", "not closed yet"])
    def twin(self, rehive: Any, invoice: Invoice, request: pytest.FixtureRequest) -> str:
        """The other, which reconcile has found, and closed if it could."""
        twin = made_twice(invoice, rehive.invoice())
        if request.param:
            rehive.faults(error_status={"value": 503, "methods": ["PATCH"]})
        reconcile()
        assert Invoice.objects.filter(remote_id=twin).exists()
        rehive.clear_faults()
        return twin

    def test_it_does_not_hide_the_one_in_use(
        self, rehive: Any, invoice: Invoice, twin: str, client: Browser
    ) -> None:
        order = Order.objects.get()
        progress = progress_of(order.number)

        assert progress is not None
        assert (progress.stage, progress.invoice) == ("open", invoice)
        assert progress.is_payable
        assert client.get(payment_page("status", order)).json()["stage"] == "open"

    def test_nor_what_was_paid_through_it(
        self, rehive: Any, invoice: Invoice, twin: str, client: Browser
    ) -> None:
        rehive.outcome(invoice.remote_id, "pay_less", amount=300)
        settled(invoice)
        order = Order.objects.get()

        answer = client.get(payment_page("return", order))

        progress = progress_of(order.number)
        assert progress is not None
        assert progress.stage == "part_paid"
        assert "9.34" in answer.content.decode()


def test_the_payment_of_the_deleted_order_waits_for_nothing_any_more(
    rehive: Any, place_order: Any
) -> None:
    order = place_order(number="100012")
    old = OrderPayment.objects.get()
    order.delete()

    place_order(number="100012")

    old.refresh_from_db()
    assert old.is_settled
    assert old.reference == "100012"


def test_p3_its_confirmation_does_not_go_to_who_has_the_number_now(
    rehive: Any, place_order: Any, mailoutbox: list[Any]
) -> None:
    """That order is paid in cash, say: nobody was to tell us of it."""
    order = place_order(number="100012")
    invoice = opened(order)
    rehive.outcome(invoice.remote_id, "pay")
    settled(invoice)
    order.delete()
    create_order(number="100012", guest_email="another@example.com")

    assert not send_confirmation("100012")
    assert mailoutbox == []
    assert OrderPayment.objects.get().mail_due_at is None

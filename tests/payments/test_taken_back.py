"""A cancelled order that is taken back takes exactly what it had given up, and what somebody else has by
now is a person's business (P4; design.md, "Giving up and taking back"). Whoever cancelled or took back,
and whether or not a signal told of it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from oscar.core.loading import get_model
from oscar.test.factories import UserFactory, create_product

from oscar_rehive.models import Attention, Entry, OrderPayment
from oscar_rehive.payments.cancelling import cancel_order
from oscar_rehive.payments.deciding import refund_offered, resolve
from oscar_rehive.payments.opening import NotPayable
from oscar_rehive.payments.reconciling import reconcile
from tests.shop import discounts
from tests.steps import (
    in_the_ledger,
    moved,
    opened,
    overwritten,
    payable_at,
    settled,
    stands_as,
    taking_back_is_allowed,
    waiting_for_a_person,
    window_over,
)

pytestmark = pytest.mark.django_db(transaction=True)

Order = get_model("order", "Order")
OrderDiscount = get_model("order", "OrderDiscount")
StockRecord = get_model("partner", "StockRecord")
ConditionalOffer = get_model("offer", "ConditionalOffer")

Does = Callable[[Any], None]


@pytest.fixture(autouse=True)
def pipeline(monkeypatch: pytest.MonkeyPatch) -> None:
    taking_back_is_allowed(monkeypatch)


def _by_the_shopper(order: Any) -> None:
    cancel_order(order.number, reason="by the shopper", source=Entry.Source.CHECKOUT)


def _by_the_clock(order: Any) -> None:
    window_over(order)
    reconcile()


def _without_a_signal(order: Any) -> None:
    overwritten(order, "Cancelled")
    reconcile()


def _stale_save(order: Any) -> None:
    overwritten(order, "Pending")
    reconcile()


def _by_staff(status: str) -> Does:
    return lambda order: moved(order, status)


# Every way to cancel and every way to take back, and each of them once: not each with each, for
# what one leaves behind is the same whoever did it (the pure tables say so).
@pytest.fixture(
    params=[
        (_by_staff("Cancelled"), _by_staff("Pending")),
        (_by_the_shopper, _stale_save),
        (_by_the_clock, _by_staff("Pending")),
        (_without_a_signal, _stale_save),
    ],
    ids=["staff-staff", "shopper-stale save", "clock-staff", "no signal-stale save"],
)
def ways(request: pytest.FixtureRequest) -> tuple[Does, Does]:
    """Who cancels the order, and who takes it back."""
    both: tuple[Does, Does] = request.param
    return both


@pytest.fixture
def cancel(ways: tuple[Does, Does]) -> Does:
    """Has the order cancelled, and give up what it holds."""

    def cancel(order: Any) -> None:
        ways[0](order)
        assert stands_as(order) == "Cancelled"
        assert not order.lines.filter(num_allocated__gt=0).exists()

    return cancel


@pytest.fixture
def take_back(ways: tuple[Does, Does]) -> Does:
    """Has the order wait for its payment again."""
    return ways[1]


def stock() -> tuple[int, int]:
    """How many are in stock, and how many of them are promised to orders."""
    record = StockRecord.objects.get()
    return record.num_in_stock, record.num_allocated or 0


class TestStock:
    def test_it_holds_what_had_not_been_shipped(
        self, rehive: Any, buy: Any, cancel: Does, take_back: Does
    ) -> None:
        order = buy(quantity=5)
        order.lines.get().consume_allocation(2)
        assert stock() == (8, 3)

        cancel(order)
        assert stock() == (8, 0)
        take_back(order)

        assert stock() == (8, 3)
        assert order.lines.get().num_allocated == 3
        assert not Attention.objects.exists()

    def test_several_rounds(self, rehive: Any, buy: Any, cancel: Does, take_back: Does) -> None:
        order = buy(quantity=5)
        for in_stock, shipped in ((8, 2), (7, 1), (7, 0)):
            if shipped:
                order.lines.get().consume_allocation(shipped)
            cancel(order)
            reconcile()
            assert stock() == (in_stock, 0)
            take_back(order)
            reconcile()
            assert stock() == (in_stock, in_stock - 5)

    def test_an_order_that_was_shipped_whole_holds_nothing_again(
        self, rehive: Any, buy: Any, cancel: Does, take_back: Does
    ) -> None:
        """One line was shipped, the other was not."""
        shipped, kept = (create_product(price=Decimal(1), num_in_stock=9) for _ in range(2))
        order = buy(shipped, kept, quantity=2)
        order.lines.get(product=shipped).consume_allocation(2)
        order.lines.get(product=kept).consume_allocation(1)

        cancel(order)
        take_back(order)

        held = {line.product: line.num_allocated for line in order.lines.all()}
        assert held == {shipped: 0, kept: 1}
        assert sum(record.num_allocated for record in StockRecord.objects.all()) == 1

    def test_the_last_piece_that_was_sold_meanwhile_is_not_sold_twice(
        self, rehive: Any, buy: Any, cancel: Does, take_back: Does
    ) -> None:
        order = buy(create_product(price=Decimal(10), num_in_stock=1))
        cancel(order)
        other = buy(order.lines.get().product)

        take_back(order)
        reconcile()

        assert stock() == (1, 1)
        assert other.lines.get().num_allocated == 1
        (attention,) = Attention.objects.all()
        assert (attention.kind, attention.payment.order_number) == ("not_held", order.number)

        # And it gives up nothing that it does not have.
        cancel(order)
        assert stock() == (1, 1)

    def test_what_is_too_few_oversells_nothing(
        self, rehive: Any, buy: Any, cancel: Does, take_back: Does
    ) -> None:
        order = buy(create_product(price=Decimal(10), num_in_stock=3), quantity=3)
        cancel(order)
        buy(order.lines.get().product, quantity=2)

        take_back(order)

        in_stock, held = stock()
        assert held == 2 + order.lines.get().num_allocated <= in_stock
        assert waiting_for_a_person() == ["not_held"]


def used(voucher: Any = None) -> list[Any]:
    """Who uses which voucher and offer how much."""
    offers = ConditionalOffer.objects.order_by("pk")
    facts = list(
        offers.values_list("num_orders", "num_applications", "total_discount", "status")
    ) + list(OrderDiscount.objects.order_by("pk").values_list("order", "frequency"))
    if voucher is not None:
        voucher.refresh_from_db()
        facts += [voucher.num_orders, voucher.total_discount]
        facts += list(voucher.applications.values_list("order", "user"))
    return facts


class TestVouchersAndOffers:
    @pytest.mark.parametrize("usage", ["Single use", "Multi-use", "Once per customer"])
    def test_it_uses_its_voucher_again(
        self, rehive: Any, buy: Any, cancel: Does, take_back: Does, usage: str
    ) -> None:
        user, voucher = UserFactory(), discounts.voucher(usage=usage)
        order = buy(voucher=voucher, user=user)
        before = used(voucher)

        for _ in range(2):
            cancel(order)
            assert voucher.is_available_to_user(user)[0] is True
            take_back(order)

            assert used(voucher) == before
            assert voucher.is_available_to_user(user)[0] is (usage == "Multi-use")
        assert not Attention.objects.exists()

    def test_a_voucher_that_was_used_elsewhere_meanwhile_is_not_used_twice(
        self, rehive: Any, buy: Any, cancel: Does, take_back: Does
    ) -> None:
        voucher = discounts.voucher(usage="Single use")
        order = buy(voucher=voucher)
        cancel(order)
        other = buy(voucher=voucher)
        assert other.total_incl_tax == Decimal(5)

        take_back(order)

        voucher.refresh_from_db()
        assert (voucher.num_orders, voucher.total_discount) == (1, 5)
        assert [one.order for one in voucher.applications.all()] == [other]
        (attention,) = Attention.objects.all()
        assert (attention.kind, attention.payment.order_number) == ("not_held", order.number)

    @pytest.mark.parametrize(
        "limit",
        [{"max_global_applications": 1}, {"max_discount": Decimal(5)}],
        ids=lambda limit: next(iter(limit)),
    )
    def test_it_uses_a_limited_offer_again(
        self, rehive: Any, buy: Any, cancel: Does, take_back: Does, limit: dict[str, Any]
    ) -> None:
        discounts.offer(**limit)
        order = buy()
        assert order.total_incl_tax == Decimal(5)
        before = used()

        cancel(order)
        take_back(order)

        assert used() == before
        assert buy(order.lines.get().product).total_incl_tax == Decimal(10)

    def test_an_offer_that_was_used_up_by_another_meanwhile_is_not_used_twice(
        self, rehive: Any, buy: Any, cancel: Does, take_back: Does
    ) -> None:
        discounts.offer(max_global_applications=1)
        order = buy()
        cancel(order)
        assert buy(order.lines.get().product).total_incl_tax == Decimal(5)

        take_back(order)

        assert ConditionalOffer.objects.get().num_applications == 1
        assert waiting_for_a_person() == ["not_held"]


class TestAStatusThatNoSignalTellsOf:
    @pytest.fixture
    def order(self, buy: Any) -> Any:
        return buy(quantity=2)

    @pytest.fixture
    def paid(self, rehive: Any, order: Any) -> Any:
        """The order, paid and told so."""
        rehive.outcome(opened(order).remote_id, "pay")
        reconcile()
        assert (stands_as(order), len(mail.outbox)) == ("Being processed", 1)
        return order

    def test_a_cancelled_order_that_is_pending_again_can_be_paid(
        self, rehive: Any, order: Any, cancel: Does
    ) -> None:
        opened(order)
        stale = Order.objects.get()
        cancel(order)
        reconcile()
        assert payable_at(rehive, order) == []

        stale.save()
        reconcile()

        assert stock() == (10, 2)
        invoice = opened(order)
        rehive.outcome(invoice.remote_id, "pay")
        settled(invoice)
        assert stands_as(order) == "Being processed"
        assert not Attention.objects.exists()

    def test_if_nobody_pays_it_ends_again(self, rehive: Any, order: Any, cancel: Does) -> None:
        for _ in range(2):
            cancel(order)
            assert stock() == (10, 0)
            overwritten(order, "Pending")
            reconcile()
            assert (stands_as(order), stock()) == ("Pending", (10, 2))

    def test_p3_a_paid_order_that_is_pending_again_is_told_and_not_paid_twice(
        self, rehive: Any, paid: Any
    ) -> None:
        overwritten(paid, "Pending")

        for _ in range(3):
            reconcile()

        assert [one.kind for one in Attention.objects.all()] == ["disagrees"]
        with pytest.raises(NotPayable):
            opened(paid)
        assert payable_at(rehive, paid) == []
        assert in_the_ledger(paid) == Decimal(20)
        assert len(mail.outbox) == 1
        window_over(paid)
        reconcile()
        assert (stands_as(paid), stock()) == ("Pending", (10, 2))

    def test_p3_staff_who_mend_it_by_hand_need_not_say_so(self, rehive: Any, paid: Any) -> None:
        overwritten(paid, "Pending")
        reconcile()
        assert waiting_for_a_person() == ["disagrees"]

        moved(paid, "Being processed")
        reconcile()

        assert waiting_for_a_person() == []
        assert (in_the_ledger(paid), len(mail.outbox)) == (Decimal(20), 1)

    def test_p7_the_next_time_it_is_told_again_but_not_what_a_person_has_resolved(
        self, rehive: Any, paid: Any
    ) -> None:
        for status in ("Pending", "Being processed", "Pending"):
            overwritten(paid, status)
            reconcile()
        (told,) = Attention.objects.filter(resolved_at=None)
        resolve(told, by="ann")

        reconcile()

        assert waiting_for_a_person() == []
        assert Attention.objects.count() == 2

    def test_p4_a_paid_order_that_is_cancelled_gives_its_stock_back_and_keeps_its_money(
        self, rehive: Any, paid: Any
    ) -> None:
        overwritten(paid, "Cancelled")

        for _ in range(3):
            reconcile()

        assert (stands_as(paid), stock()) == ("Cancelled", (10, 0))
        (attention,) = Attention.objects.all()
        assert attention.kind == "after_cancel"
        assert refund_offered(attention) == in_the_ledger(paid) == Decimal(20)

    def test_p4_one_that_never_had_an_invoice(self, rehive: Any, order: Any) -> None:
        overwritten(order, "Cancelled")

        reconcile()

        assert stock() == (10, 0)
        assert OrderPayment.objects.get().released_at is not None

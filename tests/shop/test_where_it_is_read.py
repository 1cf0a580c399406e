"""With a router that reads from a replica, what decides is read where it is written: 10.00 that were paid
once stood in the ledger twice, and the pay page was 404 right after placing.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.db.models.signals import post_save
from oscar.core.loading import get_model
from oscar.test.factories import UserFactory

from oscar_rehive.models import OrderPayment
from oscar_rehive.shop import Standing, StatusRefused, get_shop
from tests.shop import discounts
from tests.shop.replica import Replica
from tests.shop.steps import give_up, product, take_back

pytestmark = pytest.mark.django_db

Order = get_model("order", "Order")
Source = get_model("payment", "Source")
SourceType = get_model("payment", "SourceType")
StockRecord = get_model("partner", "StockRecord")


def paid(shop: Any, order: Any, amount: int = 10) -> None:
    shop.record_payment(
        order.number, amount=Decimal(amount), currency="USD", invoice_id="i", reference="r"
    )


def test_an_order_that_was_placed_a_moment_ago(replica: Replica, buy: Any) -> None:
    """The replica knows nothing of it."""
    mug, voucher = product("Mug", 9), discounts.voucher(usage="Multi-use")
    replica.copy()
    user = UserFactory()
    order = buy(mug, mug, user=user, voucher=voucher)
    replica.read()

    assert get_shop().find(order.number)
    among = OrderPayment.objects.values("order_number")
    assert get_shop().standing_as(Standing.PENDING, among) == [order.number]
    with transaction.atomic():
        shop = get_shop()
        assert shop.lock(order.number)
        paid(shop, order)
        shop.record_refund(order.number, amount=Decimal(1), invoice_id="i", reference="r")
        shop.set_paid(order.number, amount=Decimal(10), reference="r")
        shop.set_cancelled(order.number, reason="Test.")
        released = shop.release(order.number)
        assert shop.hold(order.number, released) == []

    replica.at_home()
    order.refresh_from_db()
    assert order.status == "Cancelled"
    assert [line.status for line in order.lines.all()] == ["Cancelled"]
    assert [line.num_allocated for line in order.lines.all()] == [2]
    assert StockRecord.objects.get().num_allocated == 2
    assert order.sources.get().amount_refunded == 1
    assert order.payment_events.count() == 2
    assert [note["discount"] for note in released["vouchers"]] == ["5.00"]
    assert voucher.applications.get().user == user


@pytest.mark.parametrize("lock", [True, False])
def test_p2_a_payment_that_stands_in_the_ledger_is_known(
    replica: Replica, buy: Any, lock: bool
) -> None:
    order = buy()
    replica.copy()
    for amount in (4, 6):
        with transaction.atomic():
            shop = get_shop()
            if lock:
                shop.lock(order.number)
            replica.read()
            paid(shop, order, amount)
            replica.at_home()

    assert order.sources.get().amount_debited == 10
    assert SourceType.objects.get().code == "rehive"


def test_p10_a_status_that_staff_have_set_is_known(replica: Replica, buy: Any) -> None:
    order = buy()
    replica.copy()
    Order.objects.update(status="Complete", guest_email="corrected@example.com")
    replica.read()

    found = get_shop().find(order.number)
    with transaction.atomic():
        locked = get_shop().lock(order.number)

    assert found == locked
    assert found
    assert found.standing is Standing.MOVED_ON


def test_what_other_sources_hold_is_known(replica: Replica, buy: Any) -> None:
    order = buy()
    cash = SourceType.objects.create(code="cash", name="Cash")
    replica.copy()
    Source.objects.create(order=order, source_type=cash, currency="USD", amount_debited=4)
    replica.read()

    found = get_shop().find(order.number)

    assert found
    assert found.covered == 4


def test_a_cascade_saves_the_lines_that_were_locked(replica: Replica, buy: Any) -> None:
    """Oscar saves them whole: those of the replica would undo what staff wrote a moment ago. Also
    where nobody has locked them."""
    for lock in (True, False):
        order = buy(quantity=2)
        replica.copy()
        order.lines.update(partner_line_notes="Wrap it up.")
        replica.read()

        with transaction.atomic():
            shop = get_shop()
            if lock:
                shop.lock(order.number)
            shop.set_paid(order.number, amount=Decimal(20), reference="r")

        replica.at_home()
        line = order.lines.get()
        assert (line.status, line.partner_line_notes) == ("Being processed", "Wrap it up.")


@pytest.mark.parametrize("usage", ["Single use", "Once per customer"])
def test_what_somebody_else_took_a_moment_ago_is_known(
    replica: Replica, buy: Any, usage: str
) -> None:
    mug, user = product("Mug", 3), UserFactory()
    voucher = discounts.voucher(usage=usage)
    order = buy(mug, quantity=3, user=user, voucher=voucher)
    released = give_up(order)
    replica.copy()
    buy(mug, quantity=2, user=user, voucher=voucher)
    replica.read()

    refused = take_back(order, released)

    replica.at_home()
    assert len(refused) == 2
    assert StockRecord.objects.get().num_allocated == 3
    assert voucher.applications.count() == 1


@pytest.mark.parametrize("limit", ["max_user_applications", "max_global_applications"])
def test_an_offer_that_was_used_up_a_moment_ago_is_known(
    replica: Replica, buy: Any, limit: str
) -> None:
    user = UserFactory()
    offer = discounts.offer(**{limit: 1})
    order = buy(user=user)
    released = give_up(order)
    replica.copy()
    buy(user=user)
    replica.read()

    refused = take_back(order, released)

    replica.at_home()
    assert len(refused) == 1
    offer.refresh_from_db()
    assert offer.num_applications == 1


def test_what_has_been_taken_again_is_known(replica: Replica, buy: Any) -> None:
    voucher = discounts.voucher(usage="Multi-use")
    order = buy(voucher=voucher)
    released = give_up(order)
    replica.copy()
    take_back(order, released)
    replica.read()

    assert take_back(order, released) == []

    replica.at_home()
    assert voucher.applications.count() == 1
    assert voucher.offers.get().num_applications == 1
    assert StockRecord.objects.get().num_allocated == 1


def test_whether_an_offer_is_used_up_now(replica: Replica, buy: Any) -> None:
    offer = discounts.offer(max_global_applications=1)
    order = buy()
    replica.copy()
    replica.read()
    released = give_up(order)
    replica.at_home()
    offer.refresh_from_db()
    assert offer.status == "Open"

    replica.copy()
    replica.read()
    take_back(order, released)
    replica.at_home()
    offer.refresh_from_db()
    assert offer.status == "Consumed"


def test_whether_stock_is_tracked_now(replica: Replica, buy: Any) -> None:
    mug = product("Mug", 9)
    order = buy(mug)
    released = give_up(order)
    replica.copy()
    mug.product_class.track_stock = False
    mug.product_class.save()
    replica.read()

    assert take_back(order, released) == []

    replica.at_home()
    assert StockRecord.objects.get().num_allocated == 0


def test_what_has_been_given_back_is_known(replica: Replica, buy: Any) -> None:
    voucher = discounts.voucher(usage="Multi-use")
    order, _ = buy(voucher=voucher, quantity=2), buy(voucher=voucher)
    replica.copy()
    give_up(order)
    replica.read()

    assert give_up(order) == {"vouchers": [], "offers": [], "stock": []}


def test_a_refused_status_is_undone_in_the_database_that_was_written(
    replica: Replica, buy: Any
) -> None:
    order = buy()
    replica.copy()

    def refuse(**kwargs: Any) -> None:
        raise ZeroDivisionError("the warehouse's computer is down")

    post_save.connect(refuse, sender=get_model("order", "PaymentEvent"))
    try:
        with transaction.atomic():
            shop = get_shop()
            shop.lock(order.number)
            replica.read()
            with pytest.raises(StatusRefused, match="the warehouse"):
                shop.set_paid(order.number, amount=Decimal(10), reference="r")
    finally:
        post_save.disconnect(refuse, sender=get_model("order", "PaymentEvent"))

    replica.at_home()
    order.refresh_from_db()
    assert order.status == "Pending"

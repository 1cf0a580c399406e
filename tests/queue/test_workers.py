"""Two workers, many orders, each told of three times, and one worker is killed in the middle: nothing is lost,
and nothing is done twice. With a queue in a real Redis, and in PostgreSQL."""

from __future__ import annotations

import os
import time
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Sum
from django.test import Client
from django.utils import timezone
from oscar.core.loading import get_model

from oscar_rehive.models import Delivery, Invoice, OrderPayment
from oscar_rehive.payments.reconciling import reconcile
from tests.queue.engines import Engine
from tests.steps import delivered, mails_in, waiting_for_a_person

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

ORDERS = int(os.environ.get("REHIVE_QUEUE_ORDERS", "40"))
"""1,000 take some minutes on two cores (``make test-long``)."""

SECONDS = int(os.environ.get("REHIVE_QUEUE_SECONDS", "600"))

Order = get_model("order", "Order")
Transaction = get_model("payment", "Transaction")


def paid() -> int:
    return OrderPayment.objects.exclude(paid_at=None).count()


def kill_one_that_works(engine: Engine) -> bool:
    """Kill a worker while both, or one, have something in hand."""
    if not engine.in_hand():
        return False
    engine.workers[0].kill()
    return True


def what_was_asked(rehive: Any) -> Counter[str]:
    """The calls by kind: pages of the list, questions about one invoice, others."""
    calls: Counter[str] = Counter()
    for one in rehive.requests():
        if one["method"] == "GET":
            last = one["path"].rstrip("/").rpartition("/")[2]
            kind = {"invoices": "pages", "refunds": "refunds", "requests": "refunds by pages"}
            calls[kind.get(last, "single")] += 1
    return calls


def test_nothing_is_lost_and_nothing_is_done_twice(
    engine: Engine, paid_orders: Any, rehive: Any, client: Client, caplog: Any
) -> None:
    invoices: list[Invoice] = paid_orders(ORDERS)
    before = what_was_asked(rehive)

    def tell(invoice: Invoice) -> None:
        assert delivered(client, invoice).status_code == 200

    for invoice in invoices:
        tell(invoice)
    engine.start(2)
    started, paid_then = time.monotonic(), 0
    for invoice in invoices * 2:
        tell(invoice)
        if not paid_then and paid() >= ORDERS // 4 and kill_one_that_works(engine):
            paid_then = paid()
    while not paid_then:
        assert engine.waits() + engine.in_hand(), "all was done before one could be killed"
        if paid() >= ORDERS // 4 and kill_one_that_works(engine):
            paid_then = paid()
    engine.work_off(SECONDS)
    took, new_then = time.monotonic() - started, Delivery.objects.filter(state="new").count()
    asked = what_was_asked(rehive) - before

    assert "cannot be told" not in caplog.text, "this process was to do nothing"
    # What the killed one had in hand: nobody knows whether its mail went out.
    long_ago = timezone.now() - timedelta(hours=1)
    OrderPayment.objects.filter(mail_sent_at=None).exclude(mail_claimed_at=None).update(
        mail_claimed_at=long_ago
    )
    assert reconcile().failures == []

    mails = Counter(mails_in(engine.mails))
    print(  # to be seen with -s
        f"{type(engine).__name__}: {ORDERS} orders, worked off in {took:.1f} s; killed when {paid_then} were"
        f" paid; left to reconcile: {new_then} deliveries; asked: {dict(asked)}; {mails.total()} mails"
    )
    assert Delivery.objects.count() == 3 * ORDERS
    assert not Delivery.objects.exclude(state=Delivery.State.DONE).exists()
    assert Counter(Order.objects.values_list("status", flat=True)) == {"Being processed": ORDERS}
    ledger = Transaction.objects.values("txn_type").annotate(sum=Sum("amount")).order_by()
    assert {one["txn_type"]: one["sum"] for one in ledger} == {
        "Authorise": Decimal(10 * ORDERS),
        "Debit": Decimal(10 * ORDERS),
    }
    assert Transaction.objects.count() == 2 * ORDERS
    assert waiting_for_a_person() == []
    # One that was sent and not noted when its worker was killed is sent again: to lose it would be worse (P3).
    assert len(mails) == ORDERS
    assert mails.total() <= ORDERS + 1
    assert asked["single"] < ORDERS, "the burst was to be answered by pages"

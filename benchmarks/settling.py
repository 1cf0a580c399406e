"""What it costs to settle a payment in full, and to be told of it again: from the delivery's arrival to the
end of what is done behind the answer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from benchmarks.filling import Wanted, fill
from benchmarks.load import delivery, send
from benchmarks.rows import Row, at_most, ratio, written
from benchmarks.serving import Server, eventually, served
from benchmarks.shop import Shop, statements
from benchmarks.webhook import BODY_BYTES

TITLE = "Settling what a delivery tells, without mails"
MOST_FOR_FULL, MOST_FOR_REPEATED = 30, 5
CONNECTIONS = 4
AT_ONCE = 32
"""So many find room behind the answers: what finds none is not worked on, and would look cheap."""


@dataclass(frozen=True)
class Sizes:
    payments: int
    times_repeated: int


FULL = Sizes(payments=400, times_repeated=3)
QUICK = Sizes(payments=64, times_repeated=2)


def measure(sizes: Sizes, shop: Shop) -> list[Row]:
    shop.set_up_django()
    from django.utils import timezone

    from benchmarks.bare import PATH, make_table
    from oscar_rehive.models import Delivery

    paid = Wanted(timezone.now() - timedelta(minutes=5), paid_since=True)
    state = fill(sizes.payments + 1, lambda nth: paid)
    make_table()
    invoices = [record.invoice for record in state.records.values()]
    to_shop = [delivery("/rehive/webhook/", one, BODY_BYTES) for one in invoices[1:]]
    to_bare = [delivery(PATH, one, BODY_BYTES) for one in invoices[1:]]
    bare = {"BENCHMARK_URLS": "benchmarks.bare"}
    with shop.rehive(state) as rehive:
        full, repeated = _statements_about(invoices[0])
        with served(shop, rehive, BENCHMARK_NO_MAIL="1") as server:
            server.warm_up(delivery("/rehive/webhook/", invoices[0], BODY_BYTES))
            # Most of these found no room behind the answers, and nothing here works on what waits.
            Delivery.objects.update(state=Delivery.State.DONE)
            cpu_full = _cpu(server, to_shop)
            _all_paid(sizes.payments + 1)
            cpu_repeated = _cpu(server, to_shop * sizes.times_repeated)
        with (
            served(shop, rehive, **bare) as inside,
            served(shop, rehive, **bare, BENCHMARK_MIDDLEWARE="none") as alone,
        ):
            for one in (inside, alone):
                one.warm_up(to_bare[0])
            many = (to_bare * 20)[:4000]
            cpu_inside, cpu_alone = _cpu(inside, many), _cpu(alone, many)
    return [
        at_most("full: statements", full, MOST_FOR_FULL),
        at_most("full: CPU / bare view", ratio(cpu_full, cpu_alone), 15, "×"),
        Row(
            "full: CPU / bare view in the shop's middleware",
            written(ratio(cpu_full, cpu_inside), "×"),
        ),
        at_most("repeated: statements", repeated, MOST_FOR_REPEATED),
        at_most("repeated: CPU / bare view", ratio(cpu_repeated, cpu_alone), 3, "×"),
        Row(
            "repeated: CPU / bare view in the shop's middleware",
            written(ratio(cpu_repeated, cpu_inside), "×"),
        ),
    ]


def _statements_about(invoice: dict[str, Any]) -> tuple[int, int]:
    """How many a first delivery takes, and one that is repeated, as the tests count them."""
    from oscar_rehive.models import Delivery
    from oscar_rehive.payments import deliveries

    def deliver() -> None:
        delivery = deliveries.store(body)
        deliveries.work_on(delivery.remote_id)

    body = json.dumps({"data": {"id": invoice["id"]}}).encode()
    mails, deliveries.send_confirmation_soon = deliveries.send_confirmation_soon, lambda _: None
    try:
        full, repeated = len(statements(deliver)), len(statements(deliver))
        assert not Delivery.objects.exclude(state=Delivery.State.DONE).exists()
    finally:
        deliveries.send_confirmation_soon = mails
    return full, repeated


def _cpu(server: Server, messages: list[bytes]) -> float:
    """Of one of them, with what is done behind the answers."""
    eventually(server.is_quiet)
    before = server.cpu_seconds()
    for start in range(0, len(messages), AT_ONCE):
        told = send(server.port, messages[start : start + AT_ONCE], connections=CONNECTIONS)
        assert not told.refused, "not acknowledged"
        _all_worked_on()
    eventually(server.is_quiet)
    return (server.cpu_seconds() - before) / len(messages)


def _all_worked_on() -> None:
    from oscar_rehive.models import Delivery

    eventually(lambda: not Delivery.objects.filter(state=Delivery.State.NEW).exists())


def _all_paid(count: int) -> None:
    from oscar_rehive.models import OrderPayment

    paid = OrderPayment.objects.exclude(paid_at=None).count()
    assert paid == count, f"{paid} of {count} are paid"

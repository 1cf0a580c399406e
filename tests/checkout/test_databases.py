"""Which database is meant: the one that takes the writes of orders and payments, and not "default"."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections
from oscar.core.loading import get_model

from oscar_rehive.checkout import mixins
from oscar_rehive.models import OrderPayment
from tests.checkout.conftest import Shopper

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parent.parent.parent
Basket = get_model("basket", "Basket")
Order = get_model("order", "Order")

ALL_OUR_ADDRESSES = """
import django
from django.conf import settings
settings.DATABASES["second"] = {**settings.DATABASES["default"], "ATOMIC_REQUESTS": True}
django.setup()
from django.urls import resolve, reverse
talk_to_rehive = [reverse("oscar_rehive:webhook")]
talk_to_rehive += [reverse(f"oscar_rehive:{name}", args=["x"]) for name in ("pay", "return", "status", "cancel")]
at_the_desk = ("ask", "cancel", "pay-link", "close", "refund", "invoice", "payment")
talk_to_rehive += [reverse(f"dashboard:rehive-{name}", args=[1]) for name in at_the_desk]
talk_to_rehive += [reverse("dashboard:rehive-attention-decide", args=[1, "refund"])]
for path in talk_to_rehive:
    print(path, *sorted(getattr(resolve(path).func, "_non_atomic_requests", ())))
"""


def test_p8_no_address_talks_to_rehive_in_a_transaction_of_whichever_database() -> None:
    """With ATOMIC_REQUESTS on a second database they did."""
    done = subprocess.run(
        [sys.executable, "-c", ALL_OUR_ADDRESSES],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    told = [line.partition(" ")[2] for line in done.stdout.splitlines()]
    assert told == ["default second"] * 13, done.stdout


class EverythingInTheShopsOwn:
    """A router of a shop that has taken another name than "default"."""

    def db_for_read(self, *args: Any, **hints: Any) -> str:
        return "shop"

    db_for_write = db_for_read


@pytest.fixture
def shops_own(settings: Any, tmp_path: Path) -> Iterator[None]:
    """From now on everything is in the database "shop", a copy of "default"."""
    if connection.vendor != "sqlite":
        pytest.skip("the copy is made by SQLite")
    own = {**connections.settings["default"], "NAME": str(tmp_path / "shop.sqlite3")}
    # Not its backup(), which waits for the test's own transaction, for ever.
    copy = sqlite3.connect(own["NAME"])
    copy.executescript("\n".join(connection.connection.iterdump()))
    copy.close()
    connections.settings["shop"] = own
    # Django's test cases refuse to open one that they do not know.
    connections["shop"].connect()
    settings.DATABASE_ROUTERS = ["tests.checkout.test_databases.EverythingInTheShopsOwn"]
    yield
    connections["shop"].close()
    del connections["shop"]
    del connections.settings["shop"]


def test_the_order_and_its_payment_are_placed_together_there(
    shopper: Shopper, shops_own: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both or neither: an order without a payment would hold its stock for ever."""
    real = mixins.expect_payment
    shopper.go_to_payment()
    shopper.choose("rehive")

    def breaks_off(*args: Any, **kwargs: Any) -> Any:
        real(*args, **kwargs)
        raise RuntimeError("the process is asked to end")

    monkeypatch.setattr(mixins, "expect_payment", breaks_off)
    assert shopper.place().status_code == 200
    assert (Order.objects.count(), OrderPayment.objects.count()) == (0, 0)

    monkeypatch.setattr(mixins, "expect_payment", real)
    assert "/rehive/pay/" in shopper.place().headers["Location"]
    assert Order.objects.using("shop").count() == 1
    assert OrderPayment.objects.using("shop").count() == 1
    assert Order.objects.using("default").count() == 0

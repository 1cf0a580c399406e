"""A mail server that takes connections and says nothing: the shop goes on answering its shoppers (P11), and no
confirmation is lost (P3)."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.e2e.expecting import expect_paid
from tests.e2e.shopper import Shopper
from tests.e2e.shops import Shop, eventually

pytestmark = [
    pytest.mark.e2e,
    # As many threads as there are orders here, a hub of greenlets, and an event loop.
    pytest.mark.parametrize(
        "server", ["gunicorn with threads", "gunicorn with gevent", "uvicorn"], scope="module"
    ),
]

ORDERS = 4
BEING_SENT = (
    "SELECT count(*) FROM oscar_rehive_orderpayment"
    " WHERE mail_claimed_at IS NOT NULL AND mail_sent_at IS NULL"
)
SENT = "SELECT count(*) FROM oscar_rehive_orderpayment WHERE mail_sent_at IS NOT NULL"


@pytest.fixture(scope="module")
def mail_server(server: str) -> Iterator[socket.socket]:
    """One for each server. The system takes the connections of a socket that listens; nobody here does."""
    with socket.create_server(("127.0.0.1", 0)) as mail_server:
        yield mail_server


@pytest.fixture(scope="module")
def switches(mail_server: socket.socket) -> dict[str, str]:
    return {"TESTS_MAIL_PORT": str(mail_server.getsockname()[1])}


def test_pages_are_answered_while_the_mails_of_several_orders_hang(
    served_shop: Shop, mail_server: socket.socket
) -> None:
    shop = served_shop
    shoppers = [Shopper(shop.base_url) for _ in range(ORDERS)]
    invoices = [shopper.buy().invoice_id for shopper in shoppers]

    with shop.webhook():
        for shopper, invoice_id in zip(shoppers, invoices, strict=True):
            paid = shop.rehive.outcome(invoice_id, "pay")
            assert shopper.get(paid["return_url"]).stage == "paid"
        shop.quiet()
    eventually(lambda: shop.value(BEING_SENT))
    for shopper in (*shoppers, Shopper(shop.base_url)):  # on used connections, and on a new one
        assert shopper.get("/catalogue/").status == 200

    assert shop.value(BEING_SENT) > 0, "the mails were over before the pages were answered"
    assert shop.value(SENT) == 0

    mail_server.close()  # what hangs, fails; and the rest is refused
    eventually(lambda: reconciled(shop) == ORDERS, seconds=60)
    for shopper in shoppers:
        expect_paid(shop, shopper)
    shop.mark_log()  # it tells of each mail that failed, and what became of it


def reconciled(shop: Shop) -> int:
    """How many mails are sent after a run of reconcile, whose mail server is well. It leaves out one that
    the shop itself is just trying."""
    shop.reconcile()
    return int(shop.value(SENT))

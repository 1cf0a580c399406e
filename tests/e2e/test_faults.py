"""The network and Rehive at their worst: the shopper always gets a page that says what is so, and
once things are well again, order and invoice agree."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.expecting import expect_paid, expect_unpaid
from tests.e2e.shopper import Page, Shopper
from tests.e2e.shops import Shop, eventually

pytestmark = pytest.mark.e2e

PATIENCE = 15
"""Seconds that a shopper waits for a page, at the very most."""

API_FAULTS: dict[str, dict[str, Any]] = {
    "a little slow": {"latency_ms": 400},
    "slower than anybody waits": {"latency_ms": 8000},
    "throttled": {"throttle": True},
    "status 500": {"error_status": 500},
    "a proxy's page with status 502": {"html": 502},
    "a proxy's page with status 200": {"html": 200},
    "answers lost": {"lose_answer": True},
    "answers that drip": {"drip_ms": 20},
}
WEBHOOK_FAULTS: dict[str, dict[str, Any]] = {
    "delivered twice": {"webhook_double": True},
    "delivered late": {"webhook_delay_ms": 60_000},
    "delivered in the wrong order": {"webhook_reorder": True},
    "delivered never": {"webhook_drop": True},
}
TROUBLE = {
    "opening": "We could not reach Rehive. Nothing has been charged and your order is safe.",
    "asking": "We could not ask Rehive about your payment yet.",
}

DELIVERED = [(fault, returns) for fault in WEBHOOK_FAULTS for returns in (True, False)]
DELIVERED.remove(("delivered never", False))  # test_paths.py: reconcile suffices


@pytest.mark.parametrize("fault", [name for name in API_FAULTS if "slower" not in name])
def test_an_invoice_that_cannot_be_opened_leaves_a_safe_order_that_is_paid_later(
    shop: Shop, guest: Shopper, fault: str
) -> None:
    guest.add_to_basket()
    preview = guest.go_to_preview()
    shop.rehive.faults(**API_FAULTS[fault])
    page = guest.place(preview)
    assert page.seconds < PATIENCE
    if fault != "a little slow":
        assert page.status == 503
        assert TROUBLE["opening"] in page.text
        assert page.stage in ("open", "opening", "closed")
    shop.rehive.clear_faults()
    expect_unpaid(shop, guest)
    hosted = go_on(guest, page)
    assert guest.press(hosted, "Pay").stage == "paid"
    shop.quiet()
    order = expect_paid_whatever_came_before(shop, guest)
    assert order.remote == ["paid"], "one invoice, however often it was sent"


@pytest.mark.parametrize("fault", API_FAULTS)
def test_a_return_that_cannot_be_verified_says_so_and_is_settled_later(
    shop: Shop, guest: Shopper, fault: str
) -> None:
    hosted = guest.buy()
    shop.rehive.faults(webhook_drop=True)
    paid = shop.rehive.outcome(hosted.invoice_id, "pay")
    shop.rehive.faults(**API_FAULTS[fault])
    page = guest.get(paid["return_url"])
    assert page.seconds < PATIENCE
    assert page.status == 200
    if fault != "a little slow":
        assert page.stage == "open"
        assert TROUBLE["asking"] in page.text
        assert "Try again" in page.buttons()
        expect_unpaid(shop, guest)
    shop.rehive.clear_faults()
    # A limit is remembered for as long as Rehive says.
    eventually(lambda: guest.get(page.url).stage == "paid")
    expect_paid(shop, guest)


def test_a_shopper_who_tries_again_while_rehive_is_ill_is_not_charged_twice(
    shop: Shop, guest: Shopper
) -> None:
    guest.add_to_basket()
    preview = guest.go_to_preview()
    shop.rehive.faults(lose_answer={"methods": ["POST"]})
    page = guest.place(preview)
    for _ in range(3):
        assert page.status in (200, 503)
        page = guest.get(page.url.replace("/return/", "/pay/"))
    shop.rehive.clear_faults()
    hosted = go_on(guest, page)
    assert len(expect_unpaid(shop, guest).payable) == 1
    assert guest.press(hosted, "Pay").stage == "paid"
    assert expect_paid_whatever_came_before(shop, guest).remote == ["paid"]


def test_an_abandoned_create_that_lands_after_its_retry_does_not_stay_payable(
    shop: Shop, guest: Shopper
) -> None:
    """The shop gives up after 5 seconds, Rehive makes the invoice after 8."""
    guest.add_to_basket()
    preview = guest.go_to_preview()
    before = len(creates(shop))
    shop.rehive.faults(latency_ms={"value": 8000, "methods": ["POST"], "times": 1})
    page = guest.place(preview)
    assert page.status == 503
    assert page.seconds < PATIENCE
    assert TROUBLE["opening"] in page.text
    hosted = go_on(guest, page)
    assert len(creates(shop)) == before + 1, "the abandoned create has not landed yet"
    eventually(lambda: len(creates(shop)) == before + 2)
    shop.reconcile()
    assert len(expect_unpaid(shop, guest).payable) == 1
    assert guest.press(guest.get(hosted.url), "Pay").stage == "paid"
    assert expect_paid_whatever_came_before(shop, guest).remote == ["paid"]


@pytest.mark.parametrize(("fault", "returns"), DELIVERED)
def test_a_webhook_that_is(shop: Shop, guest: Shopper, fault: str, returns: bool) -> None:
    hosted = guest.buy()
    shop.rehive.faults(**WEBHOOK_FAULTS[fault])
    paid = shop.rehive.outcome(hosted.invoice_id, "pay")
    if returns:
        assert guest.get(paid["return_url"]).stage == "paid"
    shop.rehive.flush_deliveries()
    shop.quiet()
    expect_paid(shop, guest)


def test_peer_bug_7_a_delivery_that_comes_while_rehive_is_ill_is_kept_and_worked_on_later(
    shop: Shop, guest: Shopper
) -> None:
    hosted = guest.buy()
    shop.rehive.faults(webhook_hold=True)
    shop.rehive.outcome(hosted.invoice_id, "pay")
    shop.rehive.faults(error_status=500)
    answers = shop.rehive.flush_deliveries()
    assert {answer["status"] for answer in answers} == {200}
    expect_unpaid(shop, guest)
    shop.rehive.clear_faults()
    shop.reconcile()
    expect_paid(shop, guest)
    shop.quiet()


def test_a_webhook_is_answered_in_time_while_rehive_is_slow(shop: Shop, guest: Shopper) -> None:
    hosted = guest.buy()
    shop.rehive.faults(webhook_hold=True)
    paid = shop.rehive.outcome(hosted.invoice_id, "pay")
    shop.rehive.faults(latency_ms=3000)
    answers = shop.rehive.flush_deliveries()
    assert [answer["status"] for answer in answers] == [200, 200]
    shop.rehive.clear_faults()
    assert guest.get(paid["return_url"]).stage == "paid"
    expect_paid(shop, guest)


def test_cancelling_while_rehive_is_ill_is_finished_by_reconcile(
    shop: Shop, guest: Shopper
) -> None:
    page = guest.press(guest.buy(), "Back to the shop")
    shop.rehive.faults(html=502)
    page = guest.press(page, "Cancel the order and change the basket")
    assert page.stage == "ending"
    assert "We are making sure that no payment is on its way." in page.lead
    assert shop.order_of(guest.email).status == "Pending"
    shop.rehive.clear_faults()
    shop.reconcile()
    order = shop.order_of(guest.email)
    assert order.status == "Cancelled"
    assert order.remote == ["cancelled"]
    assert guest.get(page.url).stage == "cancelled"


def creates(shop: Shop) -> list[Any]:
    """The answered requests that make an invoice."""
    return [line for line in shop.rehive.requests() if line["method"] == "POST"]


def go_on(shopper: Shopper, page: Page) -> Page:
    """To Rehive's page, as the page after some trouble offers."""
    if "request=" in page.url:
        return page
    buttons = [name for name in ("Try again", "Pay now", "Pay again") if name in page.buttons()]
    page = shopper.press(page, buttons[0]) if buttons else shopper.follow(page, "Ask again")
    if "request=" not in page.url:
        page = go_on(shopper, page)
    return page


def expect_paid_whatever_came_before(shop: Shop, shopper: Shopper) -> Any:
    """Refused attempts are closed ones that Rehive never had."""
    number = shop.orders_of(shopper.email)[0]
    attempts = shop.value(
        "SELECT count(*) FROM oscar_rehive_invoice i JOIN oscar_rehive_orderpayment p"
        " ON p.id = i.payment_id WHERE p.order_number = %s",
        number,
    )
    return expect_paid(shop, shopper, attempts=attempts)

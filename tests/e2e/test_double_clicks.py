"""Impatient shoppers: the same click several times at once, on a database with real concurrency."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from tests.e2e.expecting import expect_paid, expect_unpaid
from tests.e2e.shopper import Page, Shopper
from tests.e2e.shops import Shop, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.postgres]

CLICKS = 4
CASH_ROUNDS = 3
LOADS = 8


def at_once(shopper: Shopper, count: int, click: Callable[[Shopper], Page]) -> list[Page]:
    """The pages at which ``count`` simultaneous clicks in the same browser end."""
    start = threading.Barrier(count)

    def one(tab: Shopper) -> Page:
        start.wait(10)
        return tab.wait(click(tab))

    with ThreadPoolExecutor(count) as threads:
        clicks = [threads.submit(one, shopper.twin()) for _ in range(count)]
        return [done.result() for done in clicks]


@pytest.fixture
def double_clicker(request: pytest.FixtureRequest, shop: Shop) -> Callable[[], Shopper]:
    """A new guest for each round, or always the same customer."""
    if request.param == "guest":
        return lambda: Shopper(shop.base_url)
    customer: Shopper = request.getfixturevalue("customer")
    return lambda: customer


guest_and_customer = pytest.mark.parametrize("double_clicker", ["guest", "customer"], indirect=True)


@pytest.mark.parametrize(
    ("double_clicker", "rounds"), [("guest", 10), ("customer", 4)], indirect=["double_clicker"]
)
def test_peer_bug_21_a_double_click_places_one_order_and_every_click_ends_at_its_payment(
    shop: Shop, double_clicker: Callable[[], Shopper], rounds: int
) -> None:
    for _ in range(rounds):
        shopper = double_clicker()
        before = shop.orders_of(shopper.email)
        shopper.add_to_basket()
        preview = shopper.go_to_preview()
        pages = at_once(shopper, CLICKS, lambda tab, page=preview: tab.place(page))
        (number,) = set(shop.orders_of(shopper.email)) - set(before)
        order = shop.order(number)
        assert order.basket == "Submitted"
        assert order.status == "Pending"
        assert order.stages == ["open"]
        assert order.remote == ["initiated"]
        invoice = shop.rehive.invoice(reference=number)
        for page in pages:
            if page.url.startswith(shop.rehive.origin):
                assert page.invoice_id == invoice["id"]
            else:
                assert page.url == invoice["return_url"]
                assert page.stage == "open"
                assert "Pay now" in page.buttons()
        assert not basket_lines(shop, shopper), "no copy of the basket is left"
        assert shopper.get(invoice["return_url"]).stage == "open"


@guest_and_customer
def test_peer_bug_21_a_double_click_with_cash_on_delivery_places_one_order(
    shop: Shop, double_clicker: Callable[[], Shopper]
) -> None:
    for _ in range(CASH_ROUNDS):
        shopper = double_clicker()
        before = shop.orders_of(shopper.email)
        shopper.add_to_basket()
        preview = shopper.go_to_preview("cash-on-delivery")
        pages = at_once(shopper, CLICKS, lambda tab, page=preview: tab.place(page))
        (number,) = set(shop.orders_of(shopper.email)) - set(before)
        order = shop.order(number)
        assert order.basket == "Submitted"
        assert [mail["To"] for mail in order.mails] == [shopper.email]
        for page in pages:
            assert page.status == 200
            assert page.url.endswith("/checkout/thank-you/"), f"{page.url}: {page.text[:500]}"
            assert number in page.text
        assert not basket_lines(shop, shopper)


@guest_and_customer
@pytest.mark.parametrize("method", ["rehive", "cash-on-delivery"])
def test_peer_bug_21_a_second_click_while_the_order_is_being_placed_waits_for_it(
    shop: Shop, double_clicker: Callable[[], Shopper], method: str
) -> None:
    """The first click has frozen the basket and waits in the middle of its transaction."""
    shopper = double_clicker()
    shopper.add_to_basket()
    preview = shopper.go_to_preview(method)
    with ThreadPoolExecutor(1) as threads:
        with shop.holding("SELECT 1 FROM partner_stockrecord WHERE partner_sku = 'mug' FOR UPDATE"):
            first = threads.submit(shopper.twin().place, preview)
            eventually(lambda: shop.column("SELECT id FROM basket_basket WHERE status = 'Frozen'"))
            second = shopper.place(preview)
            assert "Your order is being placed" in second.text, f"{second.url}: {second.text[:300]}"
        ended = [first.result(), shopper.wait(second)]
    expect_one_ending(shop, shopper, method, ended)


@guest_and_customer
@pytest.mark.parametrize("method", ["rehive", "cash-on-delivery"])
def test_peer_bug_21_a_second_click_before_the_first_is_answered_ends_at_the_same_page(
    shop: Shop, double_clicker: Callable[[], Shopper], method: str
) -> None:
    """The order is committed, and the first click waits for its session to be saved."""
    shopper = double_clicker()
    shopper.add_to_basket()
    preview = shopper.go_to_preview(method)
    session = shopper.session.cookies["sessionid"]
    with ThreadPoolExecutor(2) as threads:
        query = "SELECT 1 FROM django_session WHERE session_key = %s FOR UPDATE"
        with shop.holding(query, session):
            first = threads.submit(shopper.twin().place, preview)
            eventually(lambda: shop.orders_of(shopper.email))
            second = threads.submit(shopper.place, preview)
            # A page that it can have already is looked at; one that waits for the first is not.
            wait([second], timeout=1)
        ended = [first.result(), shopper.wait(second.result())]
    expect_one_ending(shop, shopper, method, ended)


def expect_one_ending(shop: Shop, shopper: Shopper, method: str, pages: list[Page]) -> None:
    order = shop.order_of(shopper.email)
    assert order.basket == "Submitted"
    for page in pages:
        if method == "rehive":
            assert page.url.startswith(shop.rehive.origin), f"{page.url}: {page.text[:300]}"
            assert page.invoice_id == shop.rehive.invoice(reference=order.number)["id"]
        else:
            assert page.url.endswith("/checkout/thank-you/"), f"{page.url}: {page.text[:300]}"
            assert order.number in page.text


def test_peer_bug_4_the_pay_address_opened_8_times_at_once_opens_one_invoice(
    shop: Shop, guest: Shopper
) -> None:
    guest.add_to_basket()
    preview = guest.go_to_preview()
    shop.rehive.faults(error_status={"methods": ["POST"]})
    pay_url = guest.place(preview).url
    shop.rehive.clear_faults()
    pages = at_once(guest, LOADS, lambda tab: tab.get(pay_url))
    order = expect_unpaid(shop, guest)
    assert order.remote == ["initiated"]
    invoice = shop.rehive.invoice(reference=order.number)
    opened = {page.invoice_id for page in pages if page.url.startswith(shop.rehive.origin)}
    assert opened == {invoice["id"]}
    waiting = [page.url for page in pages if not page.url.startswith(shop.rehive.origin)]
    assert set(waiting) <= {pay_url, invoice["return_url"]}


def test_peer_bug_5_returns_and_webhooks_at_once_pay_once_and_mail_once(
    shop: Shop, guest: Shopper
) -> None:
    hosted = guest.buy()
    shop.rehive.faults(webhook_hold=True, webhook_double=True)
    paid = shop.rehive.outcome(hosted.invoice_id, "pay")
    with ThreadPoolExecutor(1) as sender:
        sent = sender.submit(shop.rehive.flush_deliveries)
        pages = at_once(guest, LOADS, lambda tab: tab.get(paid["return_url"]))
        assert {answer["status"] for answer in sent.result()} == {200}
    assert {page.stage for page in pages} == {"paid"}
    shop.quiet()
    expect_paid(shop, guest)


def test_a_payment_and_a_cancellation_at_once_end_in_agreement(shop: Shop) -> None:
    for _ in range(4):
        guest = Shopper(shop.base_url)
        hosted = guest.buy()
        page = guest.press(hosted, "Back to the shop")
        button = "Cancel the order and change the basket"
        with ThreadPoolExecutor(1) as payer:
            paying = payer.submit(Shopper(shop.base_url).press, guest.get(hosted.url), "Pay")
            ended = guest.press(page, button)
            paying.exception()
        shop.quiet()
        order = shop.order_of(guest.email)
        paid = order.remote == ["paid"]
        assert order.status == ("Being processed" if paid else "Cancelled")
        assert order.payable == []
        assert ("was cancelled" in ended.text) is not paid, ended.text[:500]


def basket_lines(shop: Shop, shopper: Shopper) -> list[object]:
    """What the shopper's open basket holds."""
    page = shopper.get("/basket/")
    return page.soup.select(".basket-items")

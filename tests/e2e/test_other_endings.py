"""Orders that end otherwise than by a payment through Rehive: cancelled, free, in cash."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.e2e.expecting import PRICE
from tests.e2e.shopper import Page, Shopper
from tests.e2e.shops import Shop, eventually

pytestmark = pytest.mark.e2e

VASE, VASE_PRICE = "Hand-thrown vase", Decimal("89.00")
CASH = [("cash-on-delivery", PRICE)]


def cancel(shopper: Shopper, hosted: Page, button: str) -> Page:
    return shopper.press(shopper.press(hosted, "Back to the shop"), button)


@pytest.mark.parametrize("shopper", ["guest", "customer"], indirect=True)
def test_peer_bug_20_a_cancelled_order_gives_all_back_and_another_can_be_placed_and_paid(
    shop: Shop, shopper: Shopper
) -> None:
    there, held = shop.stock("mug")
    hosted = shopper.buy()
    assert shop.stock("mug") == (there, held + 1)

    page = cancel(shopper, hosted, "Cancel the order and change the basket")
    (first,) = shop.orders_of(shopper.email)
    assert page.url.endswith("/basket/")
    assert f"Order {first} was cancelled, and its items are back in your basket." in page.text
    assert "Stoneware mug" in page.text
    order = shop.order(first)
    assert order.status == "Cancelled"
    assert order.basket == "Submitted"
    assert order.remote == ["cancelled"]
    assert order.stages == ["closed"]
    assert shop.stock("mug") == (there, held)

    hosted = shopper.place(shopper.go_to_preview())
    assert shopper.press(hosted, "Pay").stage == "paid"
    _, second = shop.orders_of(shopper.email)
    assert len(eventually(lambda: shop.mails(second))) == 1
    assert shop.order(second).status == "Being processed"
    assert shop.order(first).status == "Cancelled"
    assert shop.mails(first) == []
    assert shop.stock("mug") == (there, held + 1)


def test_another_payment_method_after_all(shop: Shop, guest: Shopper) -> None:
    page = cancel(guest, guest.buy(), "Choose another payment method")
    assert "/checkout/" in page.url, page.text
    page = guest.place(guest.go_to_preview("cash-on-delivery"))
    first, second = shop.orders_of(guest.email)
    assert page.url.endswith("/checkout/thank-you/")
    assert second in page.text
    assert shop.order(first).status == "Cancelled"
    assert shop.order(first).payable == []
    assert sources(shop, second) == CASH


def test_the_last_vase_is_free_again_when_its_order_is_cancelled(
    shop: Shop, guest: Shopper
) -> None:
    there, held = shop.stock("vase")
    cancel(guest, guest.buy(VASE), "Cancel the order and change the basket")
    assert shop.stock("vase") == (there, held)
    hosted = guest.place(guest.go_to_preview())
    assert guest.press(hosted, "Pay").stage == "paid"
    assert shop.stock("vase") == (there, held + 1)


@pytest.mark.parametrize("button", ["Choose how to pay", "Pay too little", "Pay"])
def test_an_order_for_which_money_comes_is_not_cancelled_from_an_old_page(
    shop: Shop, guest: Shopper, button: str
) -> None:
    hosted = guest.buy()
    old_page = guest.press(hosted, "Back to the shop")
    shop.rehive.faults(webhook_drop=True)
    page = guest.get(hosted.url)
    page = guest.press(page, button, stay="1")
    if button == "Choose how to pay":
        guest.press(page, "Send the money (unconfirmed)", stay="1")
    page = guest.press(old_page, "Cancel the order and change the basket")
    assert "was cancelled" not in page.text
    order = shop.order_of(guest.email)
    assert order.status == ("Being processed" if button == "Pay" else "Pending")
    expected = {"Pay": "paid", "Pay too little": "underpaid", "Choose how to pay": "received"}
    assert order.remote == [expected[button]]
    assert page.stage in ("paid", "part_paid", "confirming")


def test_the_basket_can_be_changed_after_going_back_without_cancelling(
    shop: Shop, guest: Shopper
) -> None:
    """Peer bug 20 once more: the first order neither blocks the second nor is lost."""
    first_page = guest.buy()
    second_page = guest.buy("Earl Grey tin")
    assert second_page.invoice_id != first_page.invoice_id
    assert guest.press(second_page, "Pay").stage == "paid"
    assert guest.press(guest.get(first_page.url), "Pay").stage == "paid"
    first, second = shop.orders_of(guest.email)
    assert shop.order(first).status == shop.order(second).status == "Being processed"
    assert [amount for _, _, amount in shop.order(second).ledger] == [Decimal("9.80")] * 2


@pytest.mark.parametrize("shopper", ["guest", "customer"], indirect=True)
def test_what_costs_nothing_is_placed_without_payment(shop: Shop, shopper: Shopper) -> None:
    invoices = len(shop.rehive.invoices())
    shopper.add_to_basket()
    basket = shopper.submit(shopper.get("/basket/"), "#voucher_form_container form", code="FREE")
    assert "$0.00" in basket.text
    preview = shopper.go_to_payment()
    assert preview.has("#place_order_form"), f"{preview.url}: {preview.text[:500]}"
    assert "There is nothing to pay for this order." in preview.text
    page = shopper.place(preview)
    assert page.url.endswith("/checkout/thank-you/")
    order = shop.order_of(shopper.email)
    assert order.total == 0
    assert order.stages == order.remote == []
    assert [mail["To"] for mail in order.mails] == [shopper.email]
    assert len(shop.rehive.invoices()) == invoices
    paths = shop.column(
        "SELECT count(*) FROM oscar_rehive_orderpayment WHERE order_number = %s", order.number
    )
    assert paths == [0]


@pytest.mark.parametrize("shopper", ["guest", "customer"], indirect=True)
def test_cash_on_delivery_lives_beside_it(shop: Shop, shopper: Shopper) -> None:
    invoices = len(shop.rehive.invoices())
    page = shopper.buy(method="cash-on-delivery")
    assert page.url.endswith("/checkout/thank-you/")
    order = shop.order_of(shopper.email)
    assert [mail["To"] for mail in order.mails] == [shopper.email]
    assert sources(shop, order.number) == CASH
    assert len(shop.rehive.invoices()) == invoices


def test_reconcile_leaves_cash_on_delivery_alone(shop: Shop, guest: Shopper) -> None:
    guest.buy(method="cash-on-delivery")
    before = shop.order_of(guest.email)
    shop.reconcile()
    after = shop.order_of(guest.email)
    assert (after.status, after.ledger, len(after.mails)) == (before.status, before.ledger, 1)
    assert sources(shop, after.number) == CASH


@pytest.mark.parametrize("shopper", ["guest", "customer"], indirect=True)
def test_a_download_can_be_paid_through_rehive_only(shop: Shop, shopper: Shopper) -> None:
    hosted = shopper.buy("Houseplants, a guide (e-book)")
    assert shopper.press(hosted, "Pay").stage == "paid"
    order = shop.order_of(shopper.email)
    assert order.status == "Being processed"
    assert order.total == Decimal("7.50")


def sources(shop: Shop, number: str) -> list[tuple[str, Decimal]]:
    """What is allocated to the order, by the kind of source."""
    rows = shop.rows(
        "SELECT y.code, s.amount_allocated FROM payment_source s"
        " JOIN payment_sourcetype y ON y.id = s.source_type_id"
        " JOIN order_order o ON o.id = s.order_id WHERE o.number = %s",
        number,
    )
    return [(code, Decimal(str(amount)).quantize(Decimal("0.01"))) for code, amount in rows]

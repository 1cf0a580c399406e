"""Every button of Rehive's page, and what the shopper is told on coming back."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.e2e.expecting import PRICE, expect_paid, expect_unpaid
from tests.e2e.shopper import Page, Shopper
from tests.e2e.shops import Placed, Shop, eventually

pytestmark = pytest.mark.e2e

CANCEL_BUTTONS = ["Choose another payment method", "Cancel the order and change the basket"]


def sums(order: Placed) -> dict[str, Decimal]:
    """What the ledger holds of each kind of transaction."""
    kinds = {kind for _, kind, _ in order.ledger}
    return {kind: sum(a for _, k, a in order.ledger if k == kind) for kind in kinds}


def pay_again(shopper: Shopper, page: Page, button: str) -> Page:
    """From the return page once more to Rehive and back."""
    return shopper.press(shopper.press(page, button), "Pay")


@pytest.mark.parametrize("currency", ["USD", "BTC", "EUR"])
def test_pay(shop: Shop, guest: Shopper, currency: str) -> None:
    page = guest.press(guest.buy(), "Pay", currency=currency)
    order = expect_paid(shop, guest)
    assert page.stage == "paid"
    assert page.lead == (
        f"Order {order.number} over $18.00 is paid. We are sending you a confirmation by mail."
    )
    assert page.buttons() == []


def test_pay_too_little_and_then_the_rest(shop: Shop, guest: Shopper) -> None:
    page = guest.press(guest.buy(), "Pay too little")
    assert page.stage == "part_paid"
    assert "is still missing. You can pay the rest now." in page.lead
    assert page.buttons() == ["Pay the rest"]
    order = shop.order_of(guest.email)
    assert order.status == "Pending"
    assert order.mails == []
    paid = sums(order)["Debit"]
    assert 0 < paid < PRICE
    assert f"${PRICE - paid} of $18.00" in page.lead
    page = guest.press(guest.press(page, "Pay the rest"), "Pay the rest")
    assert page.stage == "paid"
    eventually(lambda: shop.mails(order.number))
    order = shop.order_of(guest.email)
    assert order.status == "Being processed"
    assert sums(order) == {"Authorise": PRICE, "Debit": PRICE}
    assert order.stages == ["paid"]
    assert len(order.mails) == 1


def test_pay_too_much(shop: Shop, guest: Shopper) -> None:
    page = guest.press(guest.buy(), "Pay too much")
    assert page.stage == "paid"
    order = shop.order_of(guest.email)
    assert order.status == "Being processed"
    assert order.attention == ["excess"]
    assert sums(order)["Debit"] > PRICE
    assert len(eventually(lambda: shop.mails(order.number))) == 1


def test_pay_late(shop: Shop, guest: Shopper) -> None:
    page = guest.press(guest.buy(), "Pay, but late")
    assert page.stage == "paid"
    assert expect_paid(shop, guest).remote == ["late"]


def test_choose_how_to_pay_send_the_money_and_have_it_confirmed(shop: Shop, guest: Shopper) -> None:
    page = guest.press(guest.buy(), "Choose how to pay")
    assert page.stage == "confirming"
    assert page.buttons() == ["Go on paying", *CANCEL_BUTTONS]
    hosted = guest.press(page, "Go on paying")
    page = guest.press(hosted, "Send the money (unconfirmed)")
    assert page.stage == "confirming"
    assert "Rehive is confirming your payment." in page.lead
    assert page.buttons() == []
    assert page.has("noscript meta[http-equiv=refresh]")
    expect_unpaid(shop, guest)
    page = guest.press(guest.get(hosted.url), "Confirm the payment")
    assert page.stage == "paid"
    assert expect_paid(shop, guest).remote == ["paid"]


@pytest.mark.parametrize(
    ("button", "words", "status"),
    [
        ("Fail", "The payment has failed.", "failed"),
        ("Expire", "The payment has expired.", "expired"),
    ],
)
def test_what_failed_or_expired_can_be_paid_again(
    shop: Shop, guest: Shopper, button: str, words: str, status: str
) -> None:
    page = guest.press(guest.buy(), button)
    assert page.stage == "closed"
    assert page.lead == f"{words} Nothing is lost: your order is still here."
    assert page.buttons() == ["Pay again", *CANCEL_BUTTONS]
    expect_unpaid(shop, guest)
    page = pay_again(guest, page, "Pay again")
    assert page.stage == "paid"
    assert expect_paid(shop, guest, attempts=2).remote == [status, "paid"]


def test_back_to_the_shop_says_that_it_waits_and_leads_to_the_same_invoice(
    shop: Shop, guest: Shopper
) -> None:
    hosted = guest.buy()
    page = guest.press(hosted, "Back to the shop")
    assert page.stage == "open"
    assert page.lead == "We have not received a payment yet."
    assert page.buttons() == ["Pay now", *CANCEL_BUTTONS]
    again = guest.press(page, "Pay now")
    assert again.invoice_id == hosted.invoice_id
    assert guest.press(again, "Pay").stage == "paid"
    assert expect_paid(shop, guest).remote == ["paid"]


def test_complete_after_paid_changes_nothing(shop: Shop, guest: Shopper) -> None:
    hosted = guest.buy()
    guest.press(hosted, "Pay")
    expect_paid(shop, guest)
    page = guest.press(guest.get(hosted.url), "Complete (convert)")
    shop.quiet()
    assert page.stage == "paid"
    assert expect_paid(shop, guest).remote == ["complete"]


@pytest.mark.parametrize("stage", ["open", "paid", "closed"])
def test_the_pay_address_and_the_return_address_agree_at_every_stage(
    shop: Shop, guest: Shopper, stage: str
) -> None:
    hosted = guest.buy()
    page = guest.press(hosted, {"open": "Back to the shop", "paid": "Pay", "closed": "Fail"}[stage])
    pay = page.url.replace("/return/", "/pay/")
    ended = guest.get(pay)
    if stage == "paid":
        assert ended.stage == "paid"
    else:
        assert (ended.invoice_id == hosted.invoice_id) is (stage == "open")
    assert len(shop.order_of(guest.email).payable) == (stage != "paid")

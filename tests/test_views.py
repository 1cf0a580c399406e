"""The pay page, and who may see the shopper's pages (tests/checkout/: the return page, cancelling)."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.core.signing import Signer
from django.db import OperationalError, connections
from django.test import Client
from django.urls import reverse

from oscar_rehive.models import Attention, Invoice
from oscar_rehive.rehive.client import Client as RehiveClient
from oscar_rehive.shop.oscar import OscarShop
from oscar_rehive.tokens import payment_token, placed_token
from tests.checkout.pages import buttons_of, stage_of
from tests.steps import opened, payable_at, payment_page, window_over

pytestmark = pytest.mark.django_db

FAULTS = [
    pytest.param({"error_status": 500}, id="500"),
    pytest.param({"error_status": 503}, id="503"),
    pytest.param({"html": 502}, id="HTML with 502"),
    pytest.param({"html": 200}, id="HTML with 200"),
    pytest.param({"throttle": 3}, id="429"),
    pytest.param({"lose_answer": True}, id="dropped line"),
]


def posts(rehive: Any) -> int:
    """How often an invoice was asked for."""
    return sum(line["method"] == "POST" for line in rehive.requests())


class TestPay:
    def test_it_opens_the_invoice_and_goes_to_rehives_page(
        self, rehive: Any, place_order: Any, client: Client
    ) -> None:
        order = place_order(total="12.34")

        answer = client.get(payment_page("pay", order))

        invoice = rehive.invoice()
        assert (answer.status_code, answer.headers["Location"]) == (302, invoice["redirect_url"])
        assert invoice["request_reference"] == order.number
        assert invoice["request_amount"] == 1234
        # Rehive pastes it unencoded into its own address (rehive-api.md, "Invoices").
        assert invoice["return_url"] == f"http://127.0.0.1:8000{payment_page('return', order)}"
        assert not set("?&#") & set(invoice["return_url"])

    def test_reload_double_click_and_other_browsers_end_at_the_same_invoice(
        self, rehive: Any, place_order: Any
    ) -> None:
        order = place_order()
        browsers = [Client(), Client(), Client()]

        answers = [browser.get(payment_page("pay", order)) for browser in browsers]
        answers.append(browsers[0].post(payment_page("pay", order)))

        assert len({answer.headers["Location"] for answer in answers}) == 1
        assert posts(rehive) == 1

    @pytest.mark.parametrize("fault", FAULTS)
    def test_bug19_rehive_in_trouble_the_order_is_safe_and_there_are_ways_on(
        self, rehive: Any, place_order: Any, client: Client, fault: dict[str, Any]
    ) -> None:
        order = place_order()
        rehive.faults(**fault)

        answer = client.get(payment_page("pay", order))

        text, buttons = answer.content.decode(), buttons_of(answer)
        assert answer.status_code == 503
        assert "your order is safe" in text
        assert buttons["Try again"] == payment_page("pay", order)
        assert buttons["Choose another payment method"] == payment_page("cancel", order)
        assert buttons["Cancel the order and change the basket"] == payment_page("cancel", order)
        order.refresh_from_db()
        assert order.status == "Pending"

        rehive.clear_faults()
        assert client.post(buttons["Try again"]).status_code == 302

    @pytest.mark.parametrize("fault", FAULTS)
    def test_bug19_trouble_with_the_post_alone_can_be_tried_again_too(
        self, rehive: Any, place_order: Any, client: Client, fault: dict[str, Any]
    ) -> None:
        """Whether the invoice was made is then unknown; trying again finds it before posting."""
        order = place_order()
        ((name, value),) = fault.items()
        rehive.faults(**{name: {"value": value, "methods": ["POST"]}})

        page = client.get(payment_page("pay", order))

        assert page.status_code == 503
        assert buttons_of(page)["Try again"] == payment_page("pay", order)
        later = client.get(payment_page("return", order))
        assert payment_page("pay", order) in buttons_of(later).values()

        rehive.clear_faults()
        assert client.post(payment_page("pay", order)).status_code == 302
        assert len(payable_at(rehive, order)) == 1

    def test_p11_a_rehive_that_cannot_be_reached_at_all(
        self, place_order: Any, client: Client
    ) -> None:
        answer = client.get(payment_page("pay", place_order()))

        assert (answer.status_code, stage_of(answer)) == (503, "open")

    @pytest.mark.parametrize(
        "setting",
        [
            pytest.param({"TOKEN": ""}, id="unsound"),
            pytest.param({"BUSINESS_ID": "unknown"}, id="wrong business"),
            pytest.param({"TOKEN": "wrong"}, id="wrong token"),
        ],
    )
    def test_wrong_settings_are_no_crash_and_no_secret_is_shown(
        self,
        rehive: Any,
        place_order: Any,
        client: Client,
        settings: Any,
        setting: dict[str, str],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        order = place_order()
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, **setting}

        answer = client.get(payment_page("pay", order))

        assert answer.status_code == 503
        assert "our order is safe" in answer.content.decode()
        assert order.number in caplog.text
        assert rehive.token not in caplog.text + answer.content.decode()

    def test_bug10_and_p5_an_edited_order_is_asked_for_anew_and_the_old_page_is_closed(
        self, rehive: Any, place_order: Any, client: Client
    ) -> None:
        order = place_order(total="10.00")
        first = client.get(payment_page("pay", order)).headers["Location"]
        order.total_incl_tax = order.total_excl_tax = Decimal("15.00")
        order.save()

        second = client.get(payment_page("pay", order)).headers["Location"]

        new, old = rehive.invoices()
        assert second != first
        assert (old["status"], new["status"], new["request_amount"]) == (
            "cancelled",
            "initiated",
            1500,
        )
        assert [invoice.attempt for invoice in Invoice.objects.order_by("attempt")] == [1, 2]

    def test_bug10_while_the_old_page_cannot_be_closed_no_second_one_is_opened(
        self, rehive: Any, place_order: Any, client: Client
    ) -> None:
        order = place_order(total="10.00")
        client.get(payment_page("pay", order))
        order.total_incl_tax = order.total_excl_tax = Decimal("15.00")
        order.save()
        rehive.faults(error_status={"value": 500, "methods": ["PATCH"]})

        assert client.get(payment_page("pay", order)).status_code == 503
        assert len(payable_at(rehive, order)) == 1

    def test_a_paid_order_goes_to_the_return_page_although_no_webhook_came(
        self, rehive: Any, place_order: Any, client: Client
    ) -> None:
        order = place_order()
        client.get(payment_page("pay", order))
        rehive.outcome(rehive.invoice()["id"], "pay")

        answer = client.get(payment_page("pay", order))

        assert answer.headers["Location"] == payment_page("return", order)
        order.refresh_from_db()
        assert order.status == "Being processed"

    def test_when_the_time_to_pay_is_over_no_invoice_is_opened(
        self, rehive: Any, place_order: Any, client: Client
    ) -> None:
        order = place_order()
        window_over(order)

        answer = client.get(payment_page("pay", order), follow=True)

        assert answer.redirect_chain == [(payment_page("return", order), 302)]
        assert "Pay now" not in buttons_of(answer)
        assert posts(rehive) == 0

    @pytest.mark.parametrize(
        "redirect_url",
        [
            "https://rehive.example.com/\r\nSet-Cookie: stolen=1",
            "https://rehive.example.com/\nX",
            "javascript:alert(1)",
            "//rehive.example.com/",
            "/relative",
            "",
        ],
    )
    def test_trap_an_address_that_no_redirect_may_carry(
        self,
        rehive: Any,
        place_order: Any,
        client: Client,
        monkeypatch: pytest.MonkeyPatch,
        redirect_url: str,
    ) -> None:
        create = RehiveClient.create_invoice

        def made_wrongly(self: RehiveClient, *args: Any, **kwargs: Any) -> Any:
            remote = create(self, *args, **kwargs)
            return dataclasses.replace(remote, redirect_url=redirect_url)

        monkeypatch.setattr(RehiveClient, "create_invoice", made_wrongly)
        order = place_order()

        answer = client.get(payment_page("pay", order))

        assert answer.status_code == 503
        assert "Location" not in answer.headers
        assert payable_at(rehive, order) == []
        assert Attention.objects.get().kind == Attention.Kind.MISMATCH

    def test_p8_with_atomic_requests_rehive_is_still_asked_outside_of_any_transaction(
        self, rehive: Any, place_order: Any, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The client refuses to talk inside one, so each page would fail if it ran in one."""
        monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
        order = place_order()

        assert client.get(payment_page("pay", order)).status_code == 302
        assert client.get(payment_page("return", order)).status_code == 200
        assert client.get(payment_page("status", order)).status_code == 200
        assert client.post(payment_page("cancel", order)).status_code == 302
        order.refresh_from_db()
        assert order.status == "Cancelled"


class TestWhoSeesThePages:
    @pytest.mark.parametrize("name", ["pay", "return", "status", "cancel"])
    @pytest.mark.parametrize(
        "forge",
        [
            lambda number: number,
            lambda number: placed_token(number),
            lambda number: Signer(salt="oscar_rehive.other").sign_object(number),
            lambda number: payment_token(number)[:-1],
            lambda number: Signer(salt="oscar_rehive.payment").sign_object([0, number]),
            lambda number: Signer(salt="oscar_rehive.payment").sign_object("999999"),
        ],
        ids=["number", "placed", "salt", "cut", "unknown payment", "unknown order"],
    )
    def test_a_forged_token_opens_nothing(
        self, place_order: Any, client: Client, name: str, forge: Any
    ) -> None:
        path = reverse(f"oscar_rehive:{name}", args=[forge(place_order().number)])

        for answer in (client.get(path), client.post(path)):
            assert answer.status_code == 404
            assert "This payment address is not valid." in answer.content.decode()

    def test_nor_does_a_forged_address_of_an_order_being_placed(
        self, place_order: Any, client: Client
    ) -> None:
        answer = client.get(reverse("oscar_rehive:placed", args=["forged"]))

        assert answer.status_code == 404
        assert "This address is not valid" in answer.content.decode()

    @pytest.mark.parametrize("name", ["return", "pay", "status"])
    def test_the_payer_of_an_order_that_was_deleted_is_told_whom_to_ask(
        self, place_order: Any, client: Client, name: str
    ) -> None:
        order = place_order()
        path, number = payment_page(name, order), order.number
        order.delete()

        answer = client.get(path)

        assert answer.status_code == 404
        text = " ".join(answer.content.decode().split())
        assert "This order is no longer in the shop." in text
        assert f"contact us with order number {number}" in text
        assert answer.headers["X-Robots-Tag"] == "noindex"

    def test_an_order_that_is_not_paid_through_rehive_has_no_such_page(
        self, place_order: Any, client: Client
    ) -> None:
        order = place_order()
        path = payment_page("return", order)
        order.number = "0815"
        order.save()

        assert client.get(path).status_code == 404

    @pytest.mark.parametrize("name", ["return", "pay", "status"])
    def test_the_token_leaves_neither_for_other_sites_nor_search_engines_nor_caches(
        self, rehive: Any, place_order: Any, client: Client, settings: Any, name: str
    ) -> None:
        settings.SECURE_REFERRER_POLICY = None
        headers = client.get(payment_page(name, place_order())).headers

        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["X-Robots-Tag"] == "noindex"
        assert "no-store" in headers["Cache-Control"]
        assert "private" in headers["Cache-Control"]

    @pytest.mark.parametrize("name", ["pay", "return", "status"])
    def test_bug16_a_wallets_browser_without_session_or_login_gets_through(
        self, rehive: Any, place_order: Any, settings: Any, name: str
    ) -> None:
        pytest.importorskip("django", minversion="5.1")
        settings.MIDDLEWARE = [
            *settings.MIDDLEWARE,
            "django.contrib.auth.middleware.LoginRequiredMiddleware",
        ]
        order = place_order(guest_email="private@example.com")

        answer = Client(enforce_csrf_checks=True).get(payment_page(name, order))

        assert answer.status_code in (200, 302)
        assert "/login/" not in answer.headers.get("Location", "")
        assert "sessionid" not in answer.cookies
        assert b"private@example.com" not in answer.content

    def test_the_buttons_work_where_csrf_is_checked(self, rehive: Any, place_order: Any) -> None:
        browser = Client(enforce_csrf_checks=True)
        order = place_order()
        page = BeautifulSoup(browser.get(payment_page("return", order)).content, "html.parser")
        token = page.select_one("#rehive-payment input[name=csrfmiddlewaretoken]")
        assert token is not None

        assert browser.post(payment_page("pay", order)).status_code == 403
        answer = browser.post(payment_page("pay", order), {"csrfmiddlewaretoken": token["value"]})
        assert answer.status_code == 302


@pytest.mark.parametrize(("page", "status"), [("cancel", 302), ("pay", 503)])
def test_p11_a_busy_database_is_no_error_page_for_the_shopper(
    rehive: Any,
    place_order: Any,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    page: str,
    status: int,
) -> None:
    order = place_order()
    opened(order)

    def busy(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("deadlock detected")

    monkeypatch.setattr(OscarShop, "lock", busy)

    assert client.post(payment_page(page, order)).status_code == status


@pytest.mark.parametrize(
    "setting", [{"TOKEN": "expired"}, {"BUSINESS_ID": "nobody"}], ids=["token", "business"]
)
def test_what_only_the_owner_can_mend_is_not_told_as_a_hiccup(
    rehive: Any,
    place_order: Any,
    client: Client,
    settings: Any,
    caplog: pytest.LogCaptureFixture,
    setting: dict[str, str],
) -> None:
    settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, **setting}

    answer = client.get(payment_page("pay", place_order()))

    assert answer.status_code == 503
    assert "choose another payment method" in " ".join(answer.content.decode().split())
    assert [one.levelname for one in caplog.records if "cannot be paid" in one.message] == ["ERROR"]

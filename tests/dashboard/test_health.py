"""Health: how everything stands, said plainly, without asking anybody; and what mends it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from oscar_rehive import conf
from oscar_rehive.checkup import of_webhook
from oscar_rehive.dashboard import rights
from oscar_rehive.models import Attention, Delivery, OrderPayment, RefusedDeliveries, Run
from oscar_rehive.payments import tally
from oscar_rehive.payments.gateway import client_for
from oscar_rehive.rehive.exceptions import Throttled, Unauthorised
from tests.dashboard.conftest import Desk, desk_page, messages, said

pytestmark = pytest.mark.django_db

SECRET = "the-webhook-secret-of-the-shop"
WEBHOOK = "http://127.0.0.1:9/rehive/webhook/"
URL = "/dashboard/rehive/health/"


@pytest.fixture
def shop(rehive: Any, settings: Any) -> Any:
    settings.OSCAR_REHIVE = {
        **settings.OSCAR_REHIVE,
        "BASE_URL": "http://127.0.0.1:9",
        "WEBHOOK_SECRET": SECRET,
        "TELL": ["kim@example.com"],
    }
    return rehive


def finding(page: Any, name: str) -> Any:
    return page.select_one(f"[data-finding={name}]")


def figure(page: Any, name: str) -> str:
    return said(page, f"[data-figures={name}]")


def everything_wrong(place_order: Any) -> None:
    now = timezone.now()
    place_order()
    payment = OrderPayment.objects.get()
    Attention.objects.create(payment=payment, kind=Attention.Kind.LATE)
    OrderPayment.objects.update(mail_due_at=now - timedelta(hours=1))
    Delivery.objects.create(received_at=now - timedelta(hours=2))
    Delivery.objects.create(state=Delivery.State.UNUSABLE, reason="No <such> invoice.")
    RefusedDeliveries.objects.create(day=now.date(), count=30, last_at=now)
    for hours in (4, 3):
        ended_at = now - timedelta(hours=hours)
        Run.objects.create(ended_at=ended_at, failed=4, trouble="unreachable")
    tally.note(Unauthorised(""))
    tally.note(Throttled(1))


class TestThePage:
    def test_of_a_shop_where_nothing_has_happened_yet(self, shop: Any, desk: Desk) -> None:
        page = desk.page(URL)

        assert page.select_one("[data-well]")["data-well"] == "yes"
        assert "Rehive has not called yet." in figure(page, "webhook")
        assert WEBHOOK in figure(page, "webhook")
        assert "It has not run yet." in figure(page, "runs")
        assert page.select("[data-chart], .border-danger, .text-danger") == []
        assert "a mail goes to kim@example.com" in said(page, "[data-tell]")

    def test_of_a_shop_where_all_is_well(self, shop: Any, desk: Desk) -> None:
        Run.objects.create(looked_at=5, seconds=1.5)
        Delivery.objects.create(state=Delivery.State.DONE)
        page = desk.page(URL)

        assert page.select_one("[data-well]")["data-well"] == "yes"
        assert "and took 1.5 seconds" in figure(page, "runs")
        assert len(page.select("[data-chart] svg[role=img][aria-labelledby]")) == 2

    def test_of_a_shop_where_all_is_wrong(self, shop: Any, desk: Desk, place_order: Any) -> None:
        everything_wrong(place_order)
        page = desk.page(URL)

        assert page.select_one("[data-well]")["data-well"] == "no"
        wrong = [one["data-finding"] for one in page.select("[data-severity=error]")]
        assert wrong == ["reconcile", "rehive", "deliveries", "webhook-calls"]
        assert [one["data-finding"] for one in page.select("[data-finding]")][:4] == wrong
        assert "has not run for 3 hours" in finding(page, "reconcile").get_text()
        assert "rehive_reconcile run every few minutes" in finding(page, "reconcile").get_text()
        assert finding(page, "webhook-calls").a["href"] == desk_page("health-register")
        assert finding(page, "attention").a["href"] == desk_page("attention")
        assert "30 calls without the right secret" in figure(page, "webhook")
        assert "No <such> invoice." in figure(page, "webhook")
        told = "calls that brought nothing usable: 1; that Rehive limited: 1."
        assert told in figure(page, "calls")
        assert "refused, the last one less than a minute ago" in figure(page, "webhook")
        assert "refused 1 for the token" in figure(page, "calls")
        assert "1 delivery is to be worked on, the first for 2" in figure(page, "waiting")

    def test_says_what_a_cache_of_one_process_cannot_tell(self, shop: Any, desk: Desk) -> None:
        assert "only the calls of the process" in figure(desk.page(URL), "calls")

    def test_p11_asks_neither_rehive_nor_the_shops_own_address(
        self, shop: Any, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delattr(of_webhook, "call")

        desk.page(URL)

        assert shop.requests() == []

    def test_p9_shows_no_secret(self, shop: Any, desk: Desk) -> None:
        text = str(desk.page(URL))

        assert SECRET not in text
        assert shop.token not in text

    def test_takes_as_many_statements_for_much_as_for_little(
        self, shop: Any, desk: Desk, place_order: Any
    ) -> None:
        def statements() -> list[str]:
            with CaptureQueriesContext(connection) as captured:
                desk.page(URL)
            return [one["sql"][:150] for one in captured]

        everything_wrong(place_order)
        statements()
        before = statements()
        Delivery.objects.bulk_create(
            Delivery(state=state, received_at=timezone.now() - timedelta(days=day))
            for day in range(7)
            for state in Delivery.State.values
        )
        Run.objects.bulk_create(Run(trouble="unreachable") for _ in range(40))

        after = statements()
        assert len(after) == len(before), "\n".join(after)
        assert len(after) <= 32, "\n".join(after)


class TestAsking:
    def test_shows_what_rehive_says_and_remembers_it(self, shop: Any, desk: Desk) -> None:
        page = desk.send(
            desk.page(URL).select_one(f"form[action='{desk_page('health-check')}']"), URL
        )

        for told in (page, desk.page(URL)):
            assert "Asked" in said(told, "[data-asked]")
            assert "by sam" in said(told, "[data-asked]")
            assert "verified and invoices in USD" in finding(told, "business-USD").get_text()
            assert finding(told, "webhook-registered-USD")["data-severity"] == "error"
            assert finding(told, "webhook-registered-USD").a["href"] == desk_page("health-register")
            assert told.select_one("[data-well]")["data-well"] == "no"

    def test_is_no_link(self, shop: Any, desk: Desk) -> None:
        answer = desk.get(desk_page("health-check"))

        assert (answer.status_code, answer.url) == (302, URL)
        assert shop.requests() == []

    def test_and_registering_are_for_those_who_may_act(self, shop: Any, place_order: Any) -> None:
        everything_wrong(place_order)
        page = Desk(rights.VIEW, username="looks").page(URL)

        assert page.select("#content form, [data-finding=webhook-calls] a") == []


class TestRegistering:
    def test_asks_first_and_then_replaces_it(self, shop: Any, desk: Desk) -> None:
        client = client_for(conf.current().businesses["USD"])
        url = desk_page("health-register")
        desk.send(desk.page(URL).select_one(f"form[action='{desk_page('health-check')}']"), URL)
        cleared = desk.sure(url)
        first = list(client.webhooks())
        page = desk.sure(url)
        second = list(client.webhooks())

        assert cleared.select_one("[data-asked]") is None  # that was the one before
        assert WEBHOOK in said(desk.page(url), "[data-question]")
        assert "has now been registered for USD" in messages(page)
        assert [one.url for one in second] == [WEBHOOK]
        assert first[0].id != second[0].id

    def test_says_why_it_cannot(self, shop: Any, desk: Desk, settings: Any) -> None:
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "BASE_URL": "http://shop.example.com"}

        assert "not encrypted" in said(desk.page(desk_page("health-register")), "[data-why-not]")

    def test_says_what_went_wrong(self, shop: Any, desk: Desk) -> None:
        shop.faults(error_status=503)

        assert "could not be registered" in messages(desk.sure(desk_page("health-register")))

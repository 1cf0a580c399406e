"""The desk's place in Oscar's dashboard; and that nothing of it takes the dashboard down."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import clear_url_caches, reverse
from oscar.apps.dashboard.apps import DashboardConfig as OscarDashboardConfig

from oscar_rehive.dashboard import menu
from oscar_rehive.models import Attention, Invoice, OrderPayment, Run
from tests.dashboard.conftest import EVERYTHING, OF_OSCAR, Desk, desk_page, payment_of
from tests.steps import not_migrated

pytestmark = pytest.mark.django_db


def entries(page: Any) -> list[str]:
    """The menu's entries, in their order."""
    return [
        " ".join(one.get_text().split())
        for one in page.select(".navbar-primary .nav-link, .navbar-primary .dropdown-item")
    ]


def test_attention_comes_first_with_a_count(desk: Desk, paid: Any) -> None:
    paid(more=250)

    found = entries(desk.page(reverse("dashboard:index")))

    assert found[:5] == ["Dashboard", "Rehive 1", "Attention 1", "Payments", "Health"]


def test_without_any_there_is_no_count(desk: Desk, paid: Any) -> None:
    paid()

    assert entries(desk.page(reverse("dashboard:index")))[1:3] == ["Rehive", "Attention"]


def test_the_home_page_tells_how_many_wait(desk: Desk, paid: Any) -> None:
    paid(more=250)

    box = desk.page(reverse("dashboard:index")).select_one("[data-rehive-attention]")

    assert "1 fact about payments through Rehive waits" in " ".join(box.get_text().split())
    assert box.a["href"] == desk_page("attention")


def test_a_number_beyond_counting_is_no_number(
    desk: Desk, paid: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid(more=250)
    monkeypatch.setattr(menu, "MOST", 1)

    assert "Attention 1+" in entries(desk.page(reverse("dashboard:index")))


def test_who_may_see_nothing_has_nothing_in_the_menu(paid: Any) -> None:
    paid(more=250)
    page = Desk(OF_OSCAR).page(reverse("dashboard:index"))

    assert "Rehive" not in " ".join(entries(page))
    assert page.select_one("[data-rehive-attention]") is None


def test_what_waits_is_counted_by_one_statement(desk: Desk, paid: Any) -> None:
    paid(more=250)
    with CaptureQueriesContext(connection) as captured:
        assert menu.open_attention() == 1

    assert [one["sql"].split()[0] for one in captured if "SAVEPOINT" not in one["sql"]] == [
        "SELECT"
    ]


class TestTheDashboardStands:
    """With each of its pages that has anything of ours."""

    @pytest.fixture
    def order(self, paid: Any) -> Any:
        return paid(more=250)

    def pages(self, order: Any) -> list[str]:
        return [
            reverse("dashboard:index"),
            reverse("dashboard:order-list"),
            reverse("dashboard:order-detail", args=[order.number]),
        ]

    # On PostgreSQL a query that fails would end the test's own transaction.
    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("model", [OrderPayment, Invoice, Attention, Run])
    def test_where_tables_are_not_migrated(self, desk: Desk, order: Any, model: Any) -> None:
        ours = [desk_page("attention"), desk_page("payments"), desk_page("health")]
        ours.append(desk_page("payment", payment_of(order).pk))
        with not_migrated(model):
            assert [desk.get(url).status_code for url in self.pages(order)] == [200] * 3
            told = [desk.get(url) for url in ours]

        assert any(answer.status_code == 503 for answer in told)
        assert all(
            "manage.py migrate" in answer.content.decode()
            for answer in told
            if answer.status_code == 503
        )

    def test_where_the_settings_are_unsound(self, desk: Desk, order: Any, settings: Any) -> None:
        settings.OSCAR_REHIVE = {"BUSINESSES": 7, "ORDER_STATUS": "?", "BASE_URL": 3}

        ours = [desk_page("attention"), desk_page("payments"), desk_page("health")]
        ours.append(desk_page("payment", payment_of(order).pk))
        assert [desk.get(url).status_code for url in [*self.pages(order), *ours]] == [200] * 7

    def test_where_there_is_no_setting_at_all(self, desk: Desk, order: Any, settings: Any) -> None:
        del settings.OSCAR_REHIVE

        assert [desk.get(url).status_code for url in self.pages(order)] == [200] * 3

    @pytest.fixture
    def _not_mounted(self, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Any:
        """A shop that has Oscar's dashboard, or its own, and not the desk's pages."""
        config = apps.get_app_config("dashboard")
        monkeypatch.setattr(type(config), "get_urls", OscarDashboardConfig.get_urls)
        settings.ROOT_URLCONF = "tests.checkout.urls_without_rehive"
        _forget_addresses()
        yield
        monkeypatch.undo()
        _forget_addresses()

    @pytest.mark.usefixtures("_not_mounted")
    def test_where_no_address_of_ours_is_mounted(self, desk: Desk, order: Any) -> None:
        pages = [desk.page(url) for url in self.pages(order)]

        assert all("Rehive" not in " ".join(entries(page)) for page in pages)
        panel = pages[2].select_one("[data-rehive-panel]")
        assert "Paid, and 2.50 USD more than was due." in panel.get_text()
        assert panel.select("a.btn, form, #rehive-pay-link") == []

    def test_whatever_goes_wrong(
        self, desk: Desk, order: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def wrong(*args: Any) -> Any:
            raise RuntimeError("wrong")

        monkeypatch.setattr("oscar_rehive.dashboard.rights.may_enter", wrong)
        monkeypatch.setattr("oscar_rehive.dashboard.menu.open_attention", wrong)

        assert [desk.get(url).status_code for url in self.pages(order)] == [200] * 3


def _forget_addresses() -> None:
    import sys

    from oscar.apps.dashboard import nav

    clear_url_caches()
    nav._dashboard_url_names_to_config.cache_clear()
    sys.modules.pop("tests.checkout.urls_without_rehive", None)


def test_a_dashboard_of_the_shops_own_takes_the_mixin() -> None:
    import oscar.apps.dashboard

    from oscar_rehive.dashboard.apps import RehiveDashboardMixin

    class Own(RehiveDashboardMixin, OscarDashboardConfig):
        pass

    config = Own("oscar.apps.dashboard", oscar.apps.dashboard)
    config.apps = apps
    config.ready()

    names = {getattr(one, "name", None) for one in config.urls[0]}
    assert {"index", "rehive-attention", "rehive-payments"} <= names
    assert config.get_permissions("rehive-payments") == config.get_permissions(
        "dashboard:rehive-payments"
    )
    assert config.get_permissions("index") == apps.get_app_config("dashboard").get_permissions(
        "index"
    )


def test_a_template_of_the_shops_own_takes_the_tag(desk: Desk, paid: Any, rf: Any) -> None:
    from django.template import Context, Template

    request = rf.get("/")
    request.user = desk.user
    page = Template("{% load rehive_desk %}{% rehive_order_panel order %}")

    assert "Paid." in page.render(Context({"request": request, "order": paid()}))


def test_the_rights_are_all_there_are(desk: Desk) -> None:
    assert set(EVERYTHING) <= desk.user.get_all_permissions()

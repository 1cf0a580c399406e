"""``manage.py rehive_check``: a tick or a cross for each thing that must fit, and how to mend it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import requests
from django.core.management import CommandError
from django.utils import timezone
from oscar.core.loading import get_model

from oscar_rehive.models import Delivery, RefusedDeliveries
from oscar_rehive.rehive.client import Client
from tests.management.conftest import SECRET, WEBHOOK, Check, answers_at, crosses, the_cross
from tests.steps import not_migrated

pytestmark = pytest.mark.django_db


def test_when_all_is_well_each_line_has_a_tick(shop: Any, check: Check) -> None:
    code, out = check()

    assert code == 0
    assert [line[0] for line in out.splitlines()] == ["✓"] * 11
    for word in ("sound", WEBHOOK, "verified and invoices in USD", "registered", "closed to"):
        assert word in out
    assert "0 accepted, 0 refused" in out


def test_its_own_call_is_not_counted_among_the_refused(shop: Any, check: Check) -> None:
    for _ in range(3):
        check()

    as_stranger, as_rehive = "without the secret", "with it"
    sent = [call.request.headers.get("Authorization") for call in shop.calls]
    assert [as_rehive if one else as_stranger for one in sent] == [as_stranger, as_rehive] * 3
    assert not Delivery.objects.exists()
    assert not RefusedDeliveries.objects.exists()


def test_broken_off_by_hand_it_shows_no_traceback(
    shop: Any, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    def business(client: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(Client, "business", business)

    with pytest.raises(CommandError, match="Broken off"):
        check()


class TestBusiness:
    @pytest.mark.parametrize(
        ("setting", "what", "mend"),
        [
            ({"TOKEN": "wrong"}, "cannot be read", "check TOKEN"),
            ({"BUSINESS_ID": "unknown"}, "Business unknown cannot be read", "Check BUSINESS_ID"),
            ({"BUSINESS_ID": "unknown"}, "cannot be read", "API_URL"),
            ({"API_URL": "http://127.0.0.1:9/"}, "cannot be read", "check API_URL"),
        ],
    )
    def test_settings_that_rehive_does_not_agree_with(
        self, shop: Any, check: Check, settings: Any, setting: dict[str, Any], what: str, mend: str
    ) -> None:
        shop.add_passthru("http://127.0.0.1:9/")
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, **setting}

        code, out = check()

        assert code == 1
        assert what in crosses(out)[0]
        assert mend in crosses(out)[0]

    def test_a_business_of_another_currency(self, shop: Any, check: Check, settings: Any) -> None:
        settings.OSCAR_DEFAULT_CURRENCY = "GBP"

        code, out = check()

        assert code == 1
        assert "invoices in USD, the shop sells in GBP" in the_cross(out)
        assert "Set OSCAR_DEFAULT_CURRENCY to USD" in the_cross(out)

    def test_businesses_of_which_none_invoices_in_what_the_shop_sells_in(
        self, shop: Any, check: Check, settings: Any
    ) -> None:
        """All ticks, and a shop in which nothing can be paid."""
        settings.OSCAR_DEFAULT_CURRENCY = "GBP"
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "BUSINESSES": {"USD": {}}}

        code, out = check()

        assert code == 1
        assert "sells in GBP (OSCAR_DEFAULT_CURRENCY)" in the_cross(out)

    def test_a_business_that_is_not_verified(self, shop: Any, rehive: Any, check: Check) -> None:
        shop.get(
            f"{rehive.api_url}manager/businesses/{rehive.business_id}/",
            json={
                "id": rehive.business_id,
                "name": "Corner Shop",
                "status": "pending",
                "currency": {"code": "USD", "divisibility": 2},
            },
        )

        code, out = check()

        assert code == 1
        assert "Corner Shop is 'pending', not verified" in the_cross(out)
        assert "Customers cannot pay" in the_cross(out)

    @pytest.mark.parametrize("fault", [{"error_status": True}, {"html": True}, {"throttle": True}])
    def test_p11_rehive_in_trouble_is_a_cross_and_no_crash(
        self, shop: Any, rehive: Any, check: Check, fault: dict[str, Any]
    ) -> None:
        rehive.faults(**fault)

        code, out = check()

        assert (code, len(crosses(out))) == (1, 2)

    def test_each_business_has_its_lines(self, shop: Any, check: Check, settings: Any) -> None:
        other = {"BUSINESS_ID": "another"}
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "BUSINESSES": {"USD": {}, "EUR": other}}

        code, out = check()

        assert code == 1
        assert "Business another cannot be read" in the_cross(out)
        assert "registered for USD" in out
        assert "registered for EUR" in out


class TestAddress:
    def test_a_shop_that_does_not_answer(self, internet: Any, rehive: Any, check: Check) -> None:
        rehive.register_webhook(WEBHOOK, SECRET)

        code, out = check()

        assert code == 1
        assert "does not answer (ConnectionError)" in the_cross(out)
        assert "BASE_URL" in the_cross(out)

    @pytest.mark.parametrize("status", [200, 301, 403, 404, 500, 502])
    def test_something_else_that_answers(
        self, internet: Any, rehive: Any, check: Check, status: int
    ) -> None:
        rehive.register_webhook(WEBHOOK, SECRET)
        internet.post(WEBHOOK, status=status, headers={"Location": "https://elsewhere/"})

        assert f"answers a stranger with {status} instead of 401" in the_cross(check()[1])

    def test_the_public_address_is_not_known(
        self, internet: Any, check: Check, settings: Any
    ) -> None:
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "BASE_URL": ""}

        assert "public address is not known" in the_cross(check()[1])
        assert 'Set OSCAR_REHIVE["BASE_URL"]' in the_cross(check()[1])

    def test_a_proxy_that_keeps_the_authorization_for_itself(
        self, internet: Any, rehive: Any, check: Check
    ) -> None:
        """All of Rehive's calls are refused, and each side by itself looks fine."""
        rehive.register_webhook(WEBHOOK, SECRET)
        answers_at(internet, WEBHOOK, without="Authorization")

        assert "Authorization header does not get through" in the_cross(check()[1])
        assert "WSGIPassAuthorization On" in the_cross(check()[1])

    def test_a_shop_that_was_not_restarted(self, internet: Any, rehive: Any, check: Check) -> None:
        rehive.register_webhook(WEBHOOK, SECRET)
        answers_at(internet, WEBHOOK, headers={"Authorization": "Secret yesterday's"})

        assert "does not know the webhook's secret" in the_cross(check()[1])
        assert "Restart it" in the_cross(check()[1])

    def test_p9_somebody_else_who_answers_with_401_is_not_told_the_secret(
        self, internet: Any, rehive: Any, check: Check
    ) -> None:
        """A password before the whole of a staging site, say; or BASE_URL has a typo."""
        rehive.register_webhook(WEBHOOK, SECRET)
        internet.post(WEBHOOK, status=401, headers={"X-Oscar-Rehive-Probe": "forged"})

        assert "401 is not this shop" in the_cross(check()[1])
        assert "Authorization" not in {
            name for one in internet.calls for name in one.request.headers
        }

    def test_a_host_that_django_does_not_know(
        self, internet: Any, rehive: Any, check: Check
    ) -> None:
        rehive.register_webhook(WEBHOOK, SECRET)
        internet.post(WEBHOOK, status=400)

        assert "ALLOWED_HOSTS" in the_cross(check()[1])

    def test_a_certificate_that_cannot_be_trusted(
        self, internet: Any, rehive: Any, check: Check
    ) -> None:
        rehive.register_webhook(WEBHOOK, SECRET)
        internet.post(WEBHOOK, body=requests.exceptions.SSLError("certificate has expired"))

        assert "TLS certificate" in the_cross(check()[1])
        assert "Renew the certificate" in the_cross(check()[1])


class TestRefusedCalls:
    """Bug 8: a wrong secret must not go unnoticed for weeks. The number is told in any case."""

    @pytest.mark.parametrize(
        ("refused", "accepted", "is_good"),
        [
            (0, 0, True),
            (3, 0, True),
            (7, 0, True),
            # One delivery and its seven retries.
            (8, 0, False),
            (8, 9, True),
            (30, 9, False),
        ],
    )
    def test_many_of_them_are_a_cross(
        self, shop: Any, check: Check, refused: int, accepted: int, is_good: bool
    ) -> None:
        now = timezone.now()
        RefusedDeliveries.objects.create(day=now.date(), count=refused, last_at=now)
        Delivery.objects.bulk_create([Delivery(body="{}") for _ in range(accepted)])

        code, out = check()

        assert code == (0 if is_good else 1)
        assert f"{accepted} accepted, {refused} refused for lack of the right secret" in out

    def test_older_ones_are_forgotten(self, shop: Any, check: Check) -> None:
        then = timezone.now() - timedelta(days=9)
        RefusedDeliveries.objects.create(day=then.date(), count=99, last_at=then)

        assert "0 refused" in check()[1]


class TestSettings:
    def test_a_database_that_is_not_migrated(self, shop: Any, check: Check) -> None:
        with not_migrated(RefusedDeliveries) as table:
            code, out = check()

        assert code == 1
        assert table in the_cross(out)
        assert "run manage.py migrate" in the_cross(out)

    def test_unsound_ones_are_all_told_and_rehive_is_not_asked(
        self, rehive: Any, check: Check, settings: Any
    ) -> None:
        settings.OSCAR_REHIVE = {"TOKE": "x", "MINIMUM": 1.5}

        code, out = check()

        assert code == 1
        assert "✓" not in out
        for word in ("'TOKE'", "Did you mean 'TOKEN'?", "MINIMUM", "not a float", "BUSINESS_ID"):
            assert word in out
        assert rehive.requests() == []

    def test_what_the_system_checks_find_is_told_here_too(
        self, shop: Any, check: Check, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(get_model("order", "Order"), "pipeline", {})

        code, out = check()

        assert code == 1
        assert len(crosses(out)) == 2
        assert "OSCAR_ORDER_STATUS_PIPELINE" in out

    def test_addresses_that_were_not_included(self, shop: Any, check: Check, settings: Any) -> None:
        settings.ROOT_URLCONF = "tests.checkout.urls_without_rehive"

        code, out = check()

        assert code == 1
        assert 'include(apps.get_app_config("oscar_rehive").urls[0])' in crosses(out)[0]

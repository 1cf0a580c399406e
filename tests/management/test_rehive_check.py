"""``manage.py rehive_check``: a tick or a cross for each thing that must fit, and how to mend it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import requests
import responses
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from oscar.core.loading import get_model

from oscar_rehive.models import Delivery, RefusedDeliveries
from oscar_rehive.rehive.client import INVOICE_CHANGED

pytestmark = pytest.mark.django_db

SHOP = "https://shop.example.com"
WEBHOOK = f"{SHOP}/rehive/webhook/"
SECRET = "the-webhook-secret"

Check = Callable[..., tuple[int, str]]


@pytest.fixture
def internet(rehive: Any, settings: Any) -> Iterator[responses.RequestsMock]:
    """The simulator as it is, and nothing else but what a test puts there."""
    settings.OSCAR_REHIVE = {
        **settings.OSCAR_REHIVE,
        "BASE_URL": SHOP,
        "WEBHOOK_SECRET": SECRET,
    }
    with responses.RequestsMock(assert_all_requests_are_fired=False) as internet:
        internet.add_passthru(rehive.origin)
        yield internet


@pytest.fixture
def shop(internet: responses.RequestsMock, rehive: Any) -> responses.RequestsMock:
    """The shop at its public address, and its webhook registered: all is well."""
    rehive.register_webhook(WEBHOOK, SECRET)
    answers_at(internet, WEBHOOK)
    return internet


@pytest.fixture
def check(rehive: Any) -> Check:
    """Runs the command; its exit code, and all that it printed."""

    def check(*arguments: str) -> tuple[int, str]:
        out, code = StringIO(), 0
        try:
            call_command("rehive_check", *arguments, stdout=out)
        except SystemExit as end:
            code = int(str(end.code))
        assert rehive.token not in out.getvalue()
        assert SECRET not in out.getvalue()
        return code, out.getvalue()

    return check


def answers_at(internet: responses.RequestsMock, address: str) -> None:
    """Let our own webhook answer at ``address``."""

    def answer(request: Any) -> tuple[int, dict[str, str], bytes]:
        found = Client().post(
            "/rehive/webhook/",
            request.body,
            content_type="application/json",
            headers=dict(request.headers),
        )
        return found.status_code, {}, found.content

    internet.add_callback(responses.POST, address, answer)


def crosses(out: str) -> list[str]:
    """The lines with a cross, each with the hint below it."""
    lines = out.splitlines()
    return [
        f"{line} | {below.strip()}"
        for line, below in zip(lines, [*lines[1:], ""], strict=True)
        if line.startswith("✗")
    ]


def the_cross(out: str) -> str:
    (only,) = crosses(out)
    return only


def registered(rehive: Any) -> list[str]:
    found = rehive._request(
        "GET",
        f"{rehive.payment_requests_url}user/webhooks/",
        None,
        {"Authorization": f"Token {rehive.token}"},
    )
    return [hook["url"] for hook in found["data"]["results"]]


def test_when_all_is_well_each_line_has_a_tick(shop: Any, check: Check) -> None:
    code, out = check()

    assert code == 0
    assert [line[0] for line in out.splitlines()] == ["✓"] * 7
    for word in ("sound", WEBHOOK, "verified and invoices in USD", "registered", "closed to"):
        assert word in out
    assert "0 accepted, 0 refused" in out


def test_its_own_call_is_not_counted_among_the_refused(shop: Any, check: Check) -> None:
    for _ in range(3):
        check()

    assert len(shop.calls) == 3
    assert not RefusedDeliveries.objects.exists()


class TestBusiness:
    @pytest.mark.parametrize(
        ("setting", "what", "mend"),
        [
            ({"TOKEN": "wrong"}, "cannot be read", "check TOKEN"),
            ({"BUSINESS_ID": "unknown"}, "Business unknown cannot be read", "Check BUSINESS_ID"),
            ({"BUSINESS_ID": "unknown"}, "cannot be read", "API_URL"),
            ({"API_URL": "http://127.0.0.1:9/"}, "cannot be read", "check API_URL"),
            (
                {"BUSINESSES": {"EUR": {}}},
                "invoices in USD, the shop sells in EUR",
                'OSCAR_REHIVE["BUSINESSES"]',
            ),
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
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "BUSINESSES": {"USD": {}, "EUR": {}}}

        code, out = check()

        assert code == 1
        assert "sells in EUR" in the_cross(out)
        assert "registered for USD" in out
        assert "registered for EUR" in out


class TestWebhook:
    def test_not_registered(self, internet: Any, check: Check) -> None:
        answers_at(internet, WEBHOOK)

        code, out = check()

        assert code == 1
        assert f"No webhook is registered for USD at {WEBHOOK}" in the_cross(out)
        assert "--register-webhook" in the_cross(out)

    def test_bug8_registered_for_another_address(
        self, internet: Any, rehive: Any, check: Check
    ) -> None:
        rehive.register_webhook("https://staging.example.com/rehive/webhook/", SECRET)
        answers_at(internet, WEBHOOK)

        assert "there are others: https://staging.example.com/" in the_cross(check()[1])

    def test_registered_for_another_event(self, internet: Any, rehive: Any, check: Check) -> None:
        rehive.register_webhook(WEBHOOK, SECRET, "service_payment_requests.request.create")
        answers_at(internet, WEBHOOK)

        assert "No webhook is registered" in the_cross(check()[1])

    def test_it_can_be_registered_once(
        self, internet: Any, rehive: Any, check: Check, place_order: Any
    ) -> None:
        answers_at(internet, WEBHOOK)

        code, out = check("--register-webhook")
        again = check("--register-webhook")

        assert code == 0
        assert "now been registered for USD" in out
        assert again[0] == 0
        assert registered(rehive) == [WEBHOOK]

    @pytest.mark.parametrize("other", ["yesterday's", ""])
    def test_bug8_registered_with_another_secret(
        self, internet: Any, rehive: Any, check: Check, other: str
    ) -> None:
        rehive.register_webhook(WEBHOOK, other)
        answers_at(internet, WEBHOOK)

        code, out = check()

        assert code == 1
        assert "registered with another secret: its calls are refused" in the_cross(out)
        assert "--register-webhook, which replaces it" in the_cross(out)
        assert "yesterday's" not in out

        assert check("--register-webhook")[0] == 0
        assert registered(rehive) == [WEBHOOK]
        assert check()[0] == 0

    def test_the_other_secret_s_webhook_goes_only_when_the_new_one_is_there(
        self, internet: Any, rehive: Any, check: Check
    ) -> None:
        rehive.register_webhook(WEBHOOK, "yesterday's")
        answers_at(internet, WEBHOOK)
        rehive.faults(error_status={"value": 500, "methods": ["POST"]})

        assert check("--register-webhook")[0] == 1
        assert registered(rehive) == [WEBHOOK]

    def test_any_secret_of_a_rotation_will_do(self, shop: Any, check: Check, settings: Any) -> None:
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "WEBHOOK_SECRET": ["the next", SECRET]}

        assert check()[0] == 0

    def test_so_will_another_business_s_as_the_address_is_the_same(
        self, shop: Any, rehive: Any, check: Check, settings: Any
    ) -> None:
        """Two businesses of one user see the same webhook, and must not replace it in turn."""
        settings.OSCAR_REHIVE = {
            **settings.OSCAR_REHIVE,
            "BUSINESSES": {"USD": {}, "EUR": {"WEBHOOK_SECRET": "for euros"}},
        }

        _, out = check("--register-webhook")

        assert "sells in EUR" in the_cross(out)
        assert registered(rehive) == [WEBHOOK]

    def test_a_secret_that_rehive_does_not_tell(
        self, internet: Any, rehive: Any, check: Check
    ) -> None:
        answers_at(internet, WEBHOOK)
        internet.get(
            f"{rehive.payment_requests_url}user/webhooks/",
            json={
                "status": "success",
                "data": {
                    "count": 1,
                    "next": None,
                    "results": [
                        {"id": "1", "url": WEBHOOK, "event": INVOICE_CHANGED, "secret": None}
                    ],
                },
            },
        )

        assert check()[0] == 0

    def test_registered_while_no_secret_is_set(
        self, shop: Any, check: Check, settings: Any
    ) -> None:
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "WEBHOOK_SECRET": ""}

        for arguments in ([], ["--register-webhook"]):
            code, out = check(*arguments)

            assert code == 1
            assert any("but WEBHOOK_SECRET is not set" in cross for cross in crosses(out))

    def test_it_is_not_registered_without_a_secret(
        self, internet: Any, rehive: Any, check: Check, settings: Any
    ) -> None:
        answers_at(internet, WEBHOOK)
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "WEBHOOK_SECRET": ""}

        code, out = check("--register-webhook")

        assert code == 1
        assert any("Set WEBHOOK_SECRET first" in cross for cross in crosses(out))
        assert registered(rehive) == []

    def test_p9_nor_where_its_secret_would_travel_unencrypted(
        self, internet: Any, rehive: Any, check: Check, settings: Any
    ) -> None:
        address = "http://shop.example.com/rehive/webhook/"
        answers_at(internet, address)
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "BASE_URL": "http://shop.example.com/"}

        code, out = check("--register-webhook")

        assert code == 1
        assert f"{address} is not encrypted" in crosses(out)[0]
        assert "Use https" in crosses(out)[0]
        assert registered(rehive) == []

    @pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:8000", "[::1]:8000"])
    def test_on_this_machine_http_is_fine(
        self, internet: Any, check: Check, settings: Any, host: str
    ) -> None:
        answers_at(internet, f"http://{host}/rehive/webhook/")
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "BASE_URL": f"http://{host}"}

        assert check("--register-webhook")[0] == 0

    def test_a_refused_registration_is_told(self, internet: Any, rehive: Any, check: Check) -> None:
        answers_at(internet, WEBHOOK)
        rehive.faults(error_status={"value": 500, "methods": ["POST"]})

        assert "cannot be read or changed" in the_cross(check("--register-webhook")[1])


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

        assert 'Set OSCAR_REHIVE["BASE_URL"]' in the_cross(check()[1])

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
    def test_a_database_that_is_not_migrated(
        self, shop: Any, check: Check, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(RefusedDeliveries._meta, "db_table", "not_there_yet")

        code, out = check()

        assert code == 1
        assert "not_there_yet" in the_cross(out)
        assert "Run manage.py migrate." in the_cross(out)

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

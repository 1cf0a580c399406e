"""``manage.py rehive_check``: the registered webhook."""

from __future__ import annotations

from typing import Any

import pytest

from oscar_rehive.rehive.client import INVOICE_CHANGED
from tests.management.conftest import (
    SECRET,
    WEBHOOK,
    Check,
    answers_at,
    crosses,
    registered,
    the_cross,
)

pytestmark = pytest.mark.django_db


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

    def test_the_other_secret_s_webhook_goes_where_a_good_one_is_there_already(
        self, shop: Any, rehive: Any, check: Check
    ) -> None:
        rehive.register_webhook(WEBHOOK, "yesterday's")

        assert check("--register-webhook")[0] == 0

        assert registered(rehive) == [WEBHOOK]

    def test_one_that_is_there_twice(self, shop: Any, rehive: Any, check: Check) -> None:
        rehive.register_webhook(WEBHOOK, SECRET)

        assert "registered 2 times" in the_cross(check()[1])

        assert check("--register-webhook")[0] == 0
        assert registered(rehive) == [WEBHOOK]

    def test_any_secret_of_a_rotation_will_do(self, shop: Any, check: Check, settings: Any) -> None:
        settings.OSCAR_REHIVE = {
            **settings.OSCAR_REHIVE,
            "WEBHOOK_SECRET": ["the-next-webhook-secret", SECRET],
        }

        assert check()[0] == 0

    def test_so_will_another_business_s_as_the_address_is_the_same(
        self, shop: Any, rehive: Any, check: Check, settings: Any
    ) -> None:
        """Two businesses of one user see the same webhook, and must not replace it in turn."""
        settings.OSCAR_REHIVE = {
            **settings.OSCAR_REHIVE,
            "BUSINESSES": {"USD": {}, "EUR": {"BUSINESS_ID": "e", "WEBHOOK_SECRET": "e" * 16}},
        }

        _, out = check("--register-webhook")

        assert "Business e cannot be read" in the_cross(out)
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

        code, out = check("--register-webhook")

        assert code == 1
        assert "could not be registered" in crosses(out)[0]
        assert "No webhook is registered" in crosses(out)[1]

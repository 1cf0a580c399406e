"""``manage.py rehive_setup``: the registered webhooks, ours and others."""

from __future__ import annotations

from typing import Any

import pytest

from oscar_rehive.checkup import of_webhook
from oscar_rehive.checkup.of_webhook import Call
from oscar_rehive.simulator.process import SimulatorProcess
from tests.management.conftest import registered
from tests.management.setting_up.conftest import SECRET, SetUp

pytestmark = pytest.mark.django_db(transaction=True)

ELSEWHERE = "http://127.0.0.1:9/rehive/webhook/"


class TestTheWebhook:
    def test_another_secrets_and_those_that_are_twice_there_go(
        self, shop: Any, rehive: SimulatorProcess, set_up: SetUp
    ) -> None:
        for secret in (SECRET, "yesterday's", SECRET):
            rehive.register_webhook(shop.webhook, secret)

        code, lines = set_up()

        assert code == 0
        assert registered(rehive) == [shop.webhook]
        assert any("twice, or with another secret, are gone" in line for line in lines)

    def test_one_of_ours_that_points_elsewhere_is_repaired(
        self, shop: Any, rehive: SimulatorProcess, set_up: SetUp
    ) -> None:
        """The shop has moved: its secret says that it is ours, and nobody answers there any more."""
        rehive.register_webhook(ELSEWHERE, SECRET)

        code, lines = set_up()

        assert code == 0
        assert registered(rehive) == [shop.webhook]
        assert any(f"led to {ELSEWHERE}" in line for line in lines)

    def test_others_are_left_alone(
        self, shop: Any, rehive: SimulatorProcess, set_up: SetUp
    ) -> None:
        others = [ELSEWHERE, "https://other.example.com/hook/"]
        for url in others:
            rehive.register_webhook(url, "theirs")
        rehive.register_webhook(shop.webhook, "theirs", "service_payment_requests.request.create")

        assert set_up()[0] == 0

        assert registered(rehive) == [*others, shop.webhook, shop.webhook]

    def test_a_living_shop_with_the_same_secret_is_left_alone(
        self, shop: Any, rehive: SimulatorProcess, set_up: SetUp
    ) -> None:
        """A copy for tests, say, whose environment was copied along: it would not be told any more."""
        copy = shop.webhook.replace("localhost", "127.0.0.1")
        assert copy != shop.webhook
        rehive.register_webhook(copy, SECRET)

        code, lines = set_up()

        assert code == 0
        assert registered(rehive) == [copy, shop.webhook]
        assert any("Give each shop a secret of its own" in line for line in lines)

    @pytest.mark.parametrize(
        "answer",
        [Call(503), Call(403), Call(429), Call(0, fault="ReadTimeout"), Call(0, fault="SSLError")],
    )
    def test_so_is_one_that_is_in_trouble_just_now(
        self,
        shop: Any,
        rehive: SimulatorProcess,
        set_up: SetUp,
        monkeypatch: pytest.MonkeyPatch,
        answer: Call,
    ) -> None:
        """The real shop was restarted while its copy was set up, and was not told any more."""
        real = of_webhook.call
        monkeypatch.setattr(
            of_webhook, "call", lambda url, *a: answer if url == ELSEWHERE else real(url, *a)
        )
        rehive.register_webhook(ELSEWHERE, SECRET)

        assert set_up()[0] == 0

        assert registered(rehive) == [ELSEWHERE, shop.webhook]

    def test_one_that_rehive_has_disabled_is_registered_anew(
        self, shop: Any, rehive: SimulatorProcess, set_up: SetUp
    ) -> None:
        """It looks as any other in the list."""
        rehive.register_webhook(shop.webhook, SECRET)
        rehive.faults(webhook_drop={"value": True, "times": 1}, webhook_hold=True)

        code, lines = set_up(wait="1")

        assert code == 0
        assert any("registered anew" in line for line in lines)
        assert registered(rehive) == [shop.webhook]

    @pytest.mark.parametrize("anew", [False, True])
    def test_the_new_one_comes_before_the_old_one_goes(
        self, shop: Any, rehive: SimulatorProcess, set_up: SetUp, anew: bool
    ) -> None:
        rehive.register_webhook(shop.webhook, SECRET if anew else "yesterday's")
        if anew:
            rehive.faults(webhook_drop={"value": True, "times": 1}, webhook_hold=True)

        assert set_up(wait="1")[0] == 0

        changes = [
            one["method"]
            for one in rehive.requests()
            if "webhooks" in one["path"] and one["method"] != "GET"
        ]
        assert changes[1:] == ["POST", "DELETE"]  # the first is the test's own

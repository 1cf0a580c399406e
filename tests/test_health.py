"""How everything stands, as JSON for a monitor: behind a token, in time, also when nothing works."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from oscar_rehive.checkup import monitoring
from oscar_rehive.models import Attention, Delivery, OrderPayment, Run

pytestmark = pytest.mark.django_db

URL = "/rehive/health.json"
TOKEN = "what-the-monitor-shows"


@pytest.fixture
def shop(settings: Any) -> None:
    settings.OSCAR_REHIVE = {
        **settings.OSCAR_REHIVE,
        "HEALTH_TOKEN": TOKEN,
        "BASE_URL": "http://127.0.0.1:9",
        "WEBHOOK_SECRET": "the-webhook-secret-of-the-shop",
    }


def asked(authorization: str = f"Bearer {TOKEN}", method: str = "get") -> Any:
    ask = getattr(Client(enforce_csrf_checks=True), method)
    return ask(URL, headers={"Authorization": authorization} if authorization else {})


class TestTheToken:
    def test_p9_without_the_setting_there_is_no_such_address(self) -> None:
        for authorization in ("", "Bearer ", f"Bearer {TOKEN}"):
            assert asked(authorization).status_code == 404

    @pytest.mark.parametrize(
        "shown",
        [
            "",
            "Bearer",
            "Bearer ",
            "Bearer wrong",
            TOKEN,
            f"Secret {TOKEN}",
            f"Bearer {TOKEN}x",
            "Bearer ü",
        ],
    )
    def test_p9_without_it_nothing_is_told(self, shop: None, shown: str) -> None:
        answer = asked(shown)

        assert answer.status_code == 401
        assert answer.json() == {"status": "unauthorised"}
        assert answer.headers["WWW-Authenticate"] == "Bearer"

    def test_p9_is_not_taken_from_the_address(self, shop: None) -> None:
        answer = Client().get(f"{URL}?token={TOKEN}&Authorization=Bearer+{TOKEN}")

        assert answer.status_code == 401

    def test_p9_and_no_other_secret_is_in_the_answer(
        self, shop: None, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        secrets = [TOKEN, settings.OSCAR_REHIVE["TOKEN"], settings.OSCAR_REHIVE["WEBHOOK_SECRET"]]

        def tells_all(**kwargs: Any) -> Any:
            raise OperationalError(" ".join(secrets))
            yield

        monkeypatch.setattr("oscar_rehive.checkup.of_database.tables", tells_all)
        text = asked().content.decode()

        assert "cannot be used" in text
        assert not [one for one in secrets if one in text]

    def test_p9_no_error_report_has_it_whatever_goes_wrong(
        self, shop: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def wrong() -> Any:
            raise RuntimeError("wrong")

        monkeypatch.setattr("oscar_rehive.conf.as_it_is", wrong)
        ask = Client(raise_request_exception=False)
        answer = ask.get(URL, headers={"Authorization": f"Bearer {TOKEN}"})

        assert answer.status_code == 500
        assert TOKEN not in str(answer.wsgi_request.META)

    def test_only_looks(self, shop: None) -> None:
        assert asked(method="post").status_code == 405


class TestTheAnswer:
    def test_all_is_well(self, shop: None) -> None:
        Run.objects.create()
        answer = asked()

        assert (answer.status_code, answer.json()["status"]) == (200, "good")
        assert "no-store" in answer.headers["Cache-Control"]
        assert {one["name"] for one in answer.json()["checks"]} >= {"settings", "reconcile"}

    def test_something_must_be_done(self, shop: None) -> None:
        Run.objects.create(ended_at=timezone.now() - timedelta(hours=2))
        answer = asked()

        assert (answer.status_code, answer.json()["status"]) == (503, "error")
        told = next(one for one in answer.json()["checks"] if one["name"] == "reconcile")
        assert told["severity"] == "error"
        assert "rehive_reconcile" in told["mend"]

    def test_a_monitor_that_looks_each_minute_makes_no_error_of_djangos(
        self, shop: None, caplog: pytest.LogCaptureFixture
    ) -> None:
        """By its default each is a mail to ADMINS."""
        Run.objects.create(ended_at=timezone.now() - timedelta(hours=2))

        assert asked().status_code == 503
        assert [one for one in caplog.records if one.levelname == "ERROR"] == []

    def test_what_waits_for_a_person_wakes_nobody_at_night(
        self, shop: None, place_order: Any
    ) -> None:
        place_order()
        Attention.objects.create(payment=OrderPayment.objects.get(), kind=Attention.Kind.LATE)
        answer = asked()

        assert (answer.status_code, answer.json()["status"]) == (200, "warning")

    def test_nobody_is_asked(self, rehive: Any, shop: None) -> None:
        asked()

        assert rehive.requests() == []

    def test_with_settings_that_are_not_sound(self, shop: None, settings: Any) -> None:
        settings.OSCAR_REHIVE = {"HEALTH_TOKEN": TOKEN}

        assert asked().status_code == 503

    def test_takes_as_many_statements_for_much_as_for_little(self, shop: None) -> None:
        def statements() -> int:
            with CaptureQueriesContext(connection) as captured:
                asked()
            return len(captured)

        Run.objects.create()
        statements()
        before = statements()
        Delivery.objects.bulk_create(Delivery() for _ in range(30))
        Run.objects.bulk_create(Run() for _ in range(30))

        assert (statements(), before <= 10) == (before, True)


class TestP11InTime:
    """Always an answer, and soon."""

    def test_a_database_that_is_down(self, shop: None, monkeypatch: pytest.MonkeyPatch) -> None:
        def down(*args: Any, **kwargs: Any) -> Any:
            raise OperationalError("no route to the database")

        monkeypatch.setattr("django.db.backends.utils.CursorWrapper.execute", down)
        answer = asked()

        assert (answer.status_code, answer.json()["status"]) == (503, "error")
        assert "no route to the database" in answer.content.decode()

    def test_a_database_that_hangs(
        self, shop: None, later: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(monitoring, "SECONDS", 0.01)
        later.waits()
        answer = asked()

        assert answer.status_code == 503
        assert "could not be made" in answer.json()["checks"][0]["sentence"]

    def test_whatever_goes_wrong(self, shop: None, monkeypatch: pytest.MonkeyPatch) -> None:
        def wrong(**kwargs: Any) -> Any:
            raise RuntimeError("wrong")

        monkeypatch.setattr("oscar_rehive.checkup.monitoring.findings", wrong)

        assert asked().status_code == 503

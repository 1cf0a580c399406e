"""The one list of checks: plain results, for a terminal, a page or a monitor."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from oscar_rehive.checkup import Finding, Severity, findings, of_database, of_webhook
from oscar_rehive.models import Attention, Delivery, OrderPayment, RefusedDeliveries
from tests.steps import not_migrated

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parent.parent
SECRET = "the-webhook-secret-of-the-shop"


@pytest.fixture
def shop(rehive: Any, settings: Any) -> None:
    """Sound settings; what is asked over the network is not answered."""
    settings.OSCAR_REHIVE = {
        **settings.OSCAR_REHIVE,
        "BASE_URL": "http://127.0.0.1:9",
        "WEBHOOK_SECRET": SECRET,
    }


def found(*, ask: bool = False) -> dict[str, Finding]:
    """All findings by their names, of which each is there once."""
    all_found = list(findings(ask=ask))
    by_name = {one.name: one for one in all_found}
    assert len(by_name) == len(all_found)
    return by_name


class TestTheList:
    def test_has_a_name_a_sentence_and_what_to_do(self, shop: None) -> None:
        told = found(ask=True)

        assert {name: one.severity.value for name, one in told.items()} == {
            "settings": "good",
            "webhook-https": "good",
            "webhook-address": "error",
            "business-USD": "good",
            "webhook-registered-USD": "error",
            "reconcile": "good",
            "rehive": "good",
            "deliveries": "good",
            "confirmations": "good",
            "webhook-calls": "good",
            "attention": "good",
        }
        for one in told.values():
            assert one.sentence
            assert bool(one.mend) is not one.is_good

    def test_p9_shows_no_secret(self, shop: None, rehive: Any) -> None:
        text = "".join(f"{one!r}" for one in found(ask=True).values())

        assert SECRET not in text
        assert rehive.token not in text

    def test_can_be_had_without_asking_anybody(self, shop: None, rehive: Any) -> None:
        """For a page that must not wait."""
        assert set(found()) == {
            "settings",
            "webhook-https",
            "reconcile",
            "rehive",
            "deliveries",
            "confirmations",
            "webhook-calls",
            "attention",
        }
        assert rehive.requests() == []

    def test_attention_is_at_the_dashboard(self, shop: None, place_order: Any) -> None:
        place_order()
        Attention.objects.create(payment=OrderPayment.objects.get(), kind=Attention.Kind.LATE)

        assert found()["attention"].mend.startswith("See the dashboard under Rehive, Attention")

    def test_complaints_of_the_system_checks_keep_their_names(
        self, shop: None, settings: Any
    ) -> None:
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "BASE_URL": ""}

        told = found()

        assert "settings" not in told
        assert told["oscar_rehive.W012"].severity is Severity.WARNING
        assert "BASE_URL" in told["oscar_rehive.W012"].mend

    def test_what_the_shop_has_silenced_is_not_told(self, shop: None, settings: Any) -> None:
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "BASE_URL": ""}
        settings.SILENCED_SYSTEM_CHECKS = ["oscar_rehive.W012"]

        assert found()["settings"].is_good

    def test_with_unsound_settings_nothing_else_can_be_said(self, settings: Any) -> None:
        settings.OSCAR_REHIVE = {}

        told = list(findings())

        assert {one.name for one in told} == {"oscar_rehive.E001", "oscar_rehive.W001"}
        assert {one.severity for one in told} == {Severity.ERROR, Severity.WARNING}

    def test_a_password_before_the_whole_site_is_an_error(
        self, shop: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(of_webhook, "call", lambda *args: of_webhook.Call(401))

        assert "not this shop" in found(ask=True)["webhook-address"].sentence


class TestTheDatabase:
    def test_that_is_down(self, shop: None, monkeypatch: pytest.MonkeyPatch) -> None:
        def down() -> Any:
            raise OperationalError("no route to the database")
            yield

        monkeypatch.setattr(of_database, "tables", down)

        told = found()

        assert "no route to the database" in told["database"].sentence
        assert told["database"].severity is Severity.ERROR
        assert "webhook-calls" not in told

    def test_a_table_that_is_gone(self, shop: None) -> None:
        with not_migrated(RefusedDeliveries):
            assert "migrate" in found()["database"].mend

    def test_migrations_that_are_missing(self, tmp_path: Path) -> None:
        """In a shop of its own: the tests' database is made without migrations."""
        environment = {
            **{key: value for key, value in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"},
            "SANDBOX_VAR": str(tmp_path),
            "SHOP_BASE_URL": "http://127.0.0.1:9",
            "SANDBOX_SIMULATOR_PORT": "9",
        }

        done = subprocess.run(
            [sys.executable, ROOT / "sandbox" / "manage.py", "rehive_check"],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )

        assert done.returncode == 1, done.stderr
        assert "migrations are missing, the first of them 0001_initial" in done.stdout
        assert "    Run manage.py migrate.\n" in done.stdout

    def test_calls_that_were_refused(self, shop: None) -> None:
        now = timezone.now()
        RefusedDeliveries.objects.create(day=now.date(), count=9, last_at=now)

        assert found()["webhook-calls"].severity is Severity.ERROR

    def test_calls_that_are_let_in_again(self, shop: None) -> None:
        """Nobody must wait for a week until all is well again."""
        then = timezone.now() - timedelta(minutes=61)
        RefusedDeliveries.objects.create(day=then.date(), count=900, last_at=then)
        Delivery.objects.create(received_at=then - timedelta(minutes=1))
        assert not found()["webhook-calls"].is_good

        Delivery.objects.create()

        assert found()["webhook-calls"].is_good

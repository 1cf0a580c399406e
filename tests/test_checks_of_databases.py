"""The system checks of databases: where orders and payments stand, isolation, engines and tables."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import django
import pytest
from django.core.checks import Tags, run_checks
from django.db import connections
from django.db.backends.postgresql.psycopg_any import IsolationLevel
from django.db.backends.sqlite3.base import DatabaseWrapper
from oscar.core.loading import get_model

from oscar_rehive import checks_of_databases
from tests.test_checks import told

pytestmark = pytest.mark.django_db

Order = get_model("order", "Order")


class OrdersElsewhere:
    """A router of a shop whose orders are in a database of their own."""

    elsewhere = ("order", "payment", "partner")

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return "orders" if model._meta.app_label in self.elsewhere else "default"


class PaymentsElsewhere(OrdersElsewhere):
    """The same the other way round."""

    elsewhere = ("oscar_rehive",)


class LedgerElsewhere(OrdersElsewhere):
    """Of Oscar's three only the ledger."""

    elsewhere = ("payment",)


@pytest.mark.parametrize(
    ("router", "models"),
    [
        ("OrdersElsewhere", ["order.Order", "payment.Source", "partner.StockRecord"]),
        ("LedgerElsewhere", ["payment.Source"]),
        ("PaymentsElsewhere", ["order.Order", "payment.Source", "partner.StockRecord"]),
    ],
)
def test_e004_no_transaction_covers_orders_and_payments_in_two_databases(
    settings: Any, monkeypatch: pytest.MonkeyPatch, router: str, models: list[str]
) -> None:
    monkeypatch.setitem(connections.settings, "orders", connections.settings["default"])
    settings.DATABASE_ROUTERS = [f"tests.test_checks_of_databases.{router}"]

    errors = told("E004")

    assert [str(error.msg).split()[0] for error in errors] == models
    assert all(error.is_serious() and "DATABASE_ROUTERS" in str(error.hint) for error in errors)


def a_database(monkeypatch: pytest.MonkeyPatch, vendor: str, **features: Any) -> dict[str, Any]:
    """The payments are in a database of this kind; its OPTIONS."""
    options: dict[str, Any] = {}
    database = SimpleNamespace(
        vendor=vendor,
        settings_dict={"OPTIONS": options},
        features=SimpleNamespace(**features),
        is_in_memory_db=lambda: vendor == "sqlite" and not features,
    )
    monkeypatch.setattr(checks_of_databases, "connections", {"default": database})
    return options


@pytest.mark.parametrize("level", ["read uncommitted", "READ UNCOMMITTED"])
def test_e005_what_is_not_committed_must_not_be_read(
    monkeypatch: pytest.MonkeyPatch, level: str
) -> None:
    a_database(monkeypatch, "mysql")["isolation_level"] = level

    (error,) = told()

    assert error.id == "oscar_rehive.E005"
    assert error.is_serious()
    assert "isolation_level" in str(error.hint)


@pytest.mark.parametrize("level", [IsolationLevel.SERIALIZABLE, IsolationLevel.SERIALIZABLE.value])
def test_w005_serializable_is_slow_and_nothing_worse(
    monkeypatch: pytest.MonkeyPatch, level: Any
) -> None:
    a_database(monkeypatch, "postgresql")["isolation_level"] = level

    (warning,) = told()

    assert warning.id == "oscar_rehive.W005"
    assert not warning.is_serious()
    assert "isolation_level" in str(warning.hint)


@pytest.mark.parametrize(
    ("vendor", "level"),
    [
        ("mysql", "read committed"),
        ("mysql", "repeatable read"),
        ("mysql", None),
        ("postgresql", IsolationLevel.READ_COMMITTED),
        ("postgresql", IsolationLevel.REPEATABLE_READ),
        ("postgresql", None),
        ("sqlite", None),
    ],
)
def test_on_other_levels_every_promise_holds(
    monkeypatch: pytest.MonkeyPatch, vendor: str, level: Any
) -> None:
    options = a_database(monkeypatch, vendor)
    if level is not None:
        options["isolation_level"] = level

    assert told() == []


def test_w006_a_database_that_nobody_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    a_database(monkeypatch, "oracle")

    (warning,) = told()

    assert warning.id == "oscar_rehive.W006"
    assert "oracle" in str(warning.msg)
    assert not warning.is_serious()


class TestE006TablesWithoutTransactions:
    def told(self, *databases: str) -> list[str]:
        """The ids that are told when these databases are checked, as ``migrate`` does."""
        found = run_checks(tags=[Tags.database], databases=list(databases))
        return [str(one.id) for one in found if str(one.id).startswith("oscar_rehive.")]

    def test_are_told_by_migrate(self, monkeypatch: pytest.MonkeyPatch) -> None:
        a_database(monkeypatch, "mysql", supports_transactions=False)

        assert self.told("default") == ["oscar_rehive.E006"]

    def test_the_database_is_asked_only_where_it_may_be(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """``check`` alone must work without one; and what another database makes is nothing to us."""
        a_database(monkeypatch, "mysql")  # has no answer

        assert self.told() == []
        assert told() == []

    @pytest.mark.parametrize(
        ("vendor", "features"),
        [
            ("mysql", {"supports_transactions": True}),
            # To ask it would make a table.
            ("oracle", {}),
        ],
    )
    def test_of_others_nothing_is_told(
        self, monkeypatch: pytest.MonkeyPatch, vendor: str, features: dict[str, bool]
    ) -> None:
        a_database(monkeypatch, vendor, **features)

        assert self.told("default") == []


class TestW011SQLite:
    """Two payments at once end in "database is locked" with what Django makes of SQLite by itself."""

    @pytest.fixture
    def a_file(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
        """Makes the payments' database an SQLite file with these OPTIONS."""
        opened = []

        def a_file(**options: Any) -> None:
            real = connections["default"].settings_dict
            settings = {**real, "NAME": str(tmp_path / "shop.sqlite3"), "OPTIONS": options}
            database = DatabaseWrapper(settings, "default")
            opened.append(database)
            monkeypatch.setattr(checks_of_databases, "connections", {"default": database})

        yield a_file
        for database in opened:
            database.close()

    def told(self) -> list[str]:
        found = run_checks() + run_checks(tags=[Tags.database], databases=["default"])
        assert all(
            "transaction_mode" in str(one.hint) or django.VERSION < (5, 1)
            for one in found
            if one.id == "oscar_rehive.W011"
        )
        return [str(one.msg) for one in found if one.id == "oscar_rehive.W011"]

    @pytest.mark.skipif(django.VERSION < (5, 1), reason="there is no such option")
    def test_as_django_makes_it(self, a_file: Any) -> None:
        a_file()

        late, without_log = self.told()

        assert "database is locked" in late
        assert "no write-ahead log" in without_log

    @pytest.mark.skipif(django.VERSION < (5, 1), reason="there is no such option")
    def test_each_half_by_itself(self, a_file: Any) -> None:
        a_file(transaction_mode="immediate")
        (only,) = self.told()
        assert "no write-ahead log" in only

        a_file(init_command="PRAGMA journal_mode=WAL")
        (only,) = self.told()
        assert "database is locked" in only

    @pytest.mark.skipif(django.VERSION < (5, 1), reason="there is no such option")
    def test_as_the_hint_has_it(self, a_file: Any) -> None:
        a_file(transaction_mode="IMMEDIATE", init_command="PRAGMA journal_mode=WAL")

        assert self.told() == []

    def test_the_file_remembers_its_log(self, a_file: Any) -> None:
        a_file()
        with checks_of_databases.connections["default"].cursor() as cursor:
            cursor.execute("PRAGMA journal_mode=WAL")

        assert not any("no write-ahead log" in one for one in self.told())

    def test_one_in_memory_has_neither_and_needs_neither(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        a_database(monkeypatch, "sqlite")

        assert self.told() == []

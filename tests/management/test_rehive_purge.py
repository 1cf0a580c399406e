"""``manage.py rehive_purge`` as cron and people see it."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from oscar_rehive.models import Delivery, Entry, Invoice, OrderPayment
from oscar_rehive.payments import deliveries
from tests.steps import not_migrated, opened, settled

pytestmark = pytest.mark.django_db

ADDRESS = "guest@example.com"


def purged(*arguments: str) -> str:
    """What a run of the command printed."""
    out = StringIO()
    call_command("rehive_purge", *arguments, stdout=out)
    return out.getvalue()


def came(days: int, **columns: Any) -> Delivery:
    """A delivery that came that many days ago."""
    received_at = timezone.now() - timedelta(days=days)
    return Delivery.objects.create(
        **{"body": "{}", "state": "done", "received_at": received_at, **columns}
    )


@pytest.fixture
def paid(rehive: Any, place_order: Any) -> Invoice:
    """The invoice of a guest's order that is paid, with a delivery and a line of history that name him."""
    invoice = opened(place_order(guest_email=ADDRESS))
    rehive.outcome(invoice.remote_id, "pay")
    settled(invoice)
    came(1, remote_id=invoice.remote_id, body=json.dumps({"payer_email": ADDRESS}))
    Entry.objects.create(payment=invoice.payment, source="staff", reason=f"{ADDRESS} called.")
    return invoice


def is_forgotten() -> bool:
    gone = not Delivery.objects.exists()
    assert gone != Entry.objects.filter(reason__contains=ADDRESS).exists()
    return gone


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the one who is asked answers; the questions are noted."""
    asked: list[str] = []

    def answers(answer: str) -> list[str]:
        def input_(question: str) -> str:
            asked.append(question)
            return answer

        monkeypatch.setattr("builtins.input", input_)
        return asked

    return answers


class TestOldDeliveries:
    def test_are_deleted_to_the_end_and_not_only_a_run_s_share(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(deliveries, "FORGOTTEN_AT_ONCE", 2)
        monkeypatch.setattr(deliveries, "MOST_FORGOTTEN", 2)
        for _ in range(7):
            came(91)
        young = came(89)

        assert purged() == "rehive_purge: old deliveries: 7 deleted.\n"
        assert Delivery.objects.get() == young
        assert purged() == "rehive_purge: old deliveries: 0 deleted.\n"

    def test_a_dry_run_only_counts_them(self) -> None:
        came(91)

        told = "rehive_purge would do this, and has done nothing: old deliveries: 1 deleted.\n"
        assert purged("--dry-run") == told
        assert Delivery.objects.exists()

    def test_nothing_else_reaches_a_cron_job_s_mail(self, capfd: Any) -> None:
        came(91)

        call_command("rehive_purge", verbosity=0)

        assert capfd.readouterr() == ("", "")
        assert not Delivery.objects.exists()

    def test_it_can_be_broken_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def forgetting() -> Any:
            yield 500
            raise KeyboardInterrupt

        monkeypatch.setattr(deliveries, "forgetting", forgetting)

        with pytest.raises(CommandError, match="Run it again for the rest"):
            purged()

    def test_settings_that_are_not_sound(self, settings: Any) -> None:
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "KEEP_DELIVERIES": 90}
        came(91)

        with pytest.raises(CommandError, match=r"KEEP_DELIVERIES.*at least 1 day.*rehive_check"):
            purged()
        assert Delivery.objects.exists()

    def test_a_database_that_is_not_migrated(self) -> None:
        with (
            not_migrated(Delivery) as table,
            pytest.raises(CommandError, match=rf"{table}.*manage\.py migrate"),
        ):
            purged()


class TestOneCustomer:
    @pytest.mark.parametrize("by", ["order", "email"])
    def test_is_forgotten_when_somebody_says_yes(
        self, paid: Invoice, answers: Any, by: str
    ) -> None:
        number = paid.order_number
        asked = answers("yes")

        told = purged(f"--{by}", number if by == "order" else ADDRESS)

        whom = f"orders #{number}" if by == "order" else f"{ADDRESS} (orders #{number})"
        assert f"about {whom};" in asked[0]
        assert told == (
            f"rehive_purge: {whom}: deliveries: 1 deleted; rows with words removed: 1.\n"
        )
        assert is_forgotten()

    @pytest.mark.parametrize("answer", ["no", "", "y"])
    def test_and_not_when_nobody_does(self, paid: Invoice, answers: Any, answer: str) -> None:
        answers(answer)

        with pytest.raises(CommandError, match=r"^Nothing was removed\.$"):
            purged("--order", paid.order_number)
        assert not is_forgotten()

    def test_nobody_is_there_to_be_asked(
        self, paid: Invoice, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sys.stdin", StringIO())

        with pytest.raises(CommandError, match="--no-input"):
            purged("--order", paid.order_number)
        assert not is_forgotten()

    @pytest.mark.parametrize("sign", ["", "#"])
    def test_nobody_is_asked_who_does_not_want_to_be(self, paid: Invoice, sign: str) -> None:
        """Nor has anybody to take away the sign that stands before a number on every page."""
        purged("--order", sign + paid.order_number, "--no-input")

        assert is_forgotten()

    def test_a_dry_run_asks_nobody_and_only_counts(self, paid: Invoice) -> None:
        assert purged("--email", ADDRESS, "--dry-run") == (
            f"rehive_purge would do this, and has done nothing: {ADDRESS} (orders"
            f" #{paid.order_number}):"
            " deliveries: 1 deleted; rows with words removed: 1.\n"
        )
        assert not is_forgotten()

    def test_an_export_is_json_and_removes_nothing(self, paid: Invoice) -> None:
        order, delivery = json.loads(purged("--email", ADDRESS, "--export"))

        assert order["kind"] == "order"
        assert order["order_number"] == paid.order_number
        assert order["history"][-1]["reason"] == f"{ADDRESS} called."
        assert delivery["kind"] == "delivery"
        assert ADDRESS in delivery["body"]
        assert not is_forgotten()

    def test_of_many_orders_a_few_are_named(self, place_order: Any) -> None:
        for _ in range(12):
            place_order(guest_email=ADDRESS)
        OrderPayment.objects.update(closed_at=timezone.now())

        assert "#" in (told := purged("--email", ADDRESS, "--no-input"))
        assert told.count("#") == 10
        assert " and 2 more)" in told


class TestWrongInput:
    @pytest.mark.parametrize("more", [["--no-input"], ["--export"], ["--dry-run"]])
    def test_an_order_or_an_address_that_nobody_knows(self, more: list[str]) -> None:
        with pytest.raises(CommandError, match="no order '4711'") as error:
            purged("--order", "4711", *more)
        assert error.value.returncode == 1

        with pytest.raises(
            CommandError, match=r"Nothing is kept about nobody@example\.com"
        ) as error:
            purged("--email", "nobody@example.com", *more)
        assert error.value.returncode == 1

    @pytest.mark.parametrize("more", [[], ["--no-input"], ["--dry-run"]])
    def test_an_order_that_waits_for_its_payment(self, place_order: Any, more: list[str]) -> None:
        """Nobody is asked what cannot be done."""
        number = place_order().number

        with pytest.raises(CommandError, match=rf"#{number}.*wait, or cancel the order") as error:
            purged("--order", number, *more)
        assert error.value.returncode == 1

    def test_export_without_anybody(self) -> None:
        with pytest.raises(CommandError, match="add --order NUMBER or --email") as error:
            purged("--export")
        assert error.value.returncode == 2

    @pytest.mark.parametrize(
        "address", ["", "guest", "@example.com", "guest@", "%", "m\udcfcller@example.com"]
    )
    def test_an_address_that_is_none(self, address: str) -> None:
        """It would be found in what is about everybody."""
        with pytest.raises(CommandError, match="is not a mail address") as error:
            purged("--email", address, "--no-input")
        assert error.value.returncode == 2

    def test_a_number_in_another_encoding_than_the_terminals(self) -> None:
        with pytest.raises(CommandError, match="There is no order") as error:
            purged("--order", "10\udcfc", "--no-input")
        assert error.value.returncode == 1

    @pytest.mark.parametrize(
        "arguments",
        [
            ["--order", "1", "--email", ADDRESS],
            ["--order", "1", "--export", "--dry-run"],
            ["--order"],
        ],
    )
    def test_arguments_that_do_not_fit_together(self, arguments: list[str]) -> None:
        with pytest.raises(CommandError, match=r"not allowed with|expected one"):
            purged(*arguments)

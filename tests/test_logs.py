"""P9: whatever is raised, by whomever, no secret of ours reaches the shop's log or the word of a run. And
records say what they are about."""

from __future__ import annotations

import dataclasses
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from oscar.core.loading import get_model

import oscar_rehive
from oscar_rehive.logs import Log, about
from oscar_rehive.models import Entry, Invoice
from oscar_rehive.payments import cancelling, deliveries, settling, stages
from oscar_rehive.payments.adopting import NotOpened
from oscar_rehive.payments.mails import send_confirmation_if_due
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.rehive.client import Client
from oscar_rehive.shop.oscar import OscarShop
from tests.steps import moved, opened, payment_page, settled, window_over

TOKEN = "the-api-token-4711"

logger = Log("oscar_rehive.somewhere")


class Refused(Exception):
    """What a shop's own code raises, with what it should not say."""

    def __init__(self) -> None:
        super().__init__(f"It was refused: Token {TOKEN}")


@pytest.fixture(autouse=True)
def token(settings: Any) -> None:
    settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "TOKEN": TOKEN}


def test_an_exception_is_told_with_its_cause_and_without_the_token(caplog: Any) -> None:
    try:
        try:
            raise Refused
        except Refused as cause:
            raise ValueError("Something else.") from cause
    except ValueError as error:
        logger.exception("Order #%s: %s, %.1f", "1001", error.__cause__, 5)

    (record,) = caplog.records
    assert record.getMessage().startswith("Order #1001: It was refused: Token [removed], 5.0\n")
    assert "Something else." in caplog.text
    assert "direct cause" in caplog.text
    assert TOKEN not in caplog.text


def test_what_looks_into_the_frames_of_an_exception_has_none(caplog: Any) -> None:
    try:
        raise Refused
    except Refused:
        logger.exception("It failed.")

    assert caplog.records[0].exc_info is None


def test_the_place_in_the_code_is_that_of_who_logs(caplog: Any) -> None:
    logger.warning("It is %s.", "late", extra={"order_number": "1001"})

    (record,) = caplog.records
    assert (record.filename, record.levelno) == (Path(__file__).name, logging.WARNING)
    assert record.order_number == "1001"


def test_nothing_is_made_of_what_nobody_reads(caplog: Any) -> None:
    class Unprintable:
        def __str__(self) -> str:
            raise AssertionError("Nobody asked.")

    caplog.set_level(logging.ERROR, logger="oscar_rehive")
    logger.info("%s", Unprintable())

    assert not caplog.records


def test_nobody_logs_in_another_way() -> None:
    package = Path(oscar_rehive.__file__).parent
    # The second one writes nothing: it takes something out of what Django writes.
    without = {
        package / "logs.py",
        package / "addresses.py",
        *(package / "simulator").rglob("*.py"),
    }
    for file in set(package.rglob("*.py")) - without:
        assert "getLogger" not in file.read_text(), file


@pytest.mark.django_db(transaction=True)
def test_the_word_of_a_run_and_the_history_have_no_secret(
    rehive: Any, place_order: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any, settings: Any
) -> None:
    settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "TOKEN": rehive.token}
    order = place_order()
    opened(order)
    window_over(order)

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise ValueError(f"It was refused: Token {rehive.token}")

    monkeypatch.setattr(stages, "cancel_order", refuse)
    summary = reconcile()

    (failure,) = summary.failures
    assert "It was refused: Token [removed]" in failure
    assert rehive.token not in caplog.text
    assert get_model("order", "Order").objects.get().status == "Pending"
    assert not any(rehive.token in entry.reason for entry in Entry.objects.all())


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """What a record says of what it is about."""
    names = ("order_number", "invoice_id", "attempt", "delivery_id")
    return {name: getattr(record, name) for name in names if hasattr(record, name)}


def test_records_say_what_they_are_about(caplog: Any) -> None:
    with about(delivery_id=7), about(order_number="1001", attempt=2):
        logger.warning("Within.")
    logger.warning("Outside.")

    within, outside = map(fields, caplog.records)
    assert within == {"delivery_id": 7, "order_number": "1001", "attempt": 2}
    assert outside == {}


def test_of_another_invoice_that_has_no_id_yet_none_is_said(caplog: Any) -> None:
    with about(invoice_id="of-the-first", attempt=1), about(invoice_id=None, attempt=2):
        logger.warning("Within.")

    assert fields(caplog.records[0]) == {"attempt": 2}


def test_what_is_said_of_an_exception_outside_is_about_what_failed(caplog: Any) -> None:
    with about(delivery_id=7):
        try:
            with about(order_number="1001"), about(attempt=2):
                raise Refused
        except Refused:
            logger.exception("It failed.")
            logger.warning("It goes on.")

    failed, after = map(fields, caplog.records)
    assert failed == {"delivery_id": 7, "order_number": "1001", "attempt": 2}
    assert after == {"delivery_id": 7}


def test_an_error_that_two_were_given_is_about_each_ones_own(caplog: Any) -> None:
    """Who asks Rehive the same at once is given the same error."""
    shared = Refused()
    for number in ("1001", "1002"):
        try:
            with about(order_number=number):
                raise shared
        except Refused:
            logger.exception("It failed.")

    assert [fields(one) for one in caplog.records] == [
        {"order_number": "1001"},
        {"order_number": "1002"},
    ]


def test_p9_no_field_is_a_secret(caplog: Any) -> None:
    with about(order_number=f"Token {TOKEN}"):
        logger.warning("Within.", extra={"invoice_id": f"x{TOKEN}"})

    assert fields(caplog.records[0]) == {
        "order_number": "Token [removed]",
        "invoice_id": "x[removed]",
    }


@pytest.fixture
def of_rehive(settings: Any, rehive: Any) -> Any:
    """The simulator, which knows no other token than its own."""
    settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "TOKEN": rehive.token}
    return rehive


@pytest.mark.django_db
def test_what_settling_says_is_about_the_invoice(
    of_rehive: Any, place_order: Any, caplog: Any
) -> None:
    order = place_order()
    invoice = opened(order)
    of_rehive.outcome(invoice.remote_id, "pay")
    moved(order, "Cancelled")
    caplog.clear()

    settled(invoice)

    (record,) = (one for one in caplog.records if "needs attention" in one.getMessage())
    assert fields(record) == {
        "order_number": order.number,
        "invoice_id": invoice.remote_id,
        "attempt": 1,
    }


@pytest.mark.django_db
def test_attention_is_about_its_own_invoice(
    of_rehive: Any, place_order: Any, caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, create = place_order(), Client.create_invoice

    def wrongly(*args: Any, **kwargs: Any) -> Any:
        return dataclasses.replace(create(*args, **kwargs), amount=1)

    monkeypatch.setattr(Client, "create_invoice", wrongly)
    with pytest.raises(NotOpened):
        opened(order)

    record = next(one for one in caplog.records if "needs attention" in one.getMessage())
    assert fields(record) == {
        "order_number": order.number,
        "invoice_id": Invoice.objects.get().remote_id,
        "attempt": 1,
    }


@pytest.mark.django_db
def test_what_a_delivery_leads_to_is_about_it_and_the_invoice(
    of_rehive: Any, place_order: Any, caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = opened(place_order())
    of_rehive.outcome(invoice.remote_id, "pay")
    delivery = deliveries.store(json.dumps({"data": {"id": invoice.remote_id}}).encode())
    broken(monkeypatch, settling, "settle_news")

    deliveries.work_on(delivery.remote_id)

    (record,) = (one for one in caplog.records if "failed" in one.getMessage())
    assert fields(record) == {
        "delivery_id": delivery.pk,
        "order_number": invoice.order_number,
        "invoice_id": invoice.remote_id,
        "attempt": 1,
    }


@pytest.mark.django_db
def test_what_reconcile_says_of_a_task_that_failed_is_about_its_order(
    of_rehive: Any, place_order: Any, caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = place_order()
    opened(order)
    window_over(order)
    broken(monkeypatch, cancelling, "follow_the_order")

    reconcile()

    failed = [one for one in caplog.records if "failed" in one.getMessage()]
    assert failed
    assert {fields(one)["order_number"] for one in failed} == {order.number}


@pytest.mark.django_db
def test_what_is_said_of_a_mail_is_about_the_order(
    of_rehive: Any, place_order: Any, caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = opened(place_order())
    of_rehive.outcome(invoice.remote_id, "pay")
    settled(invoice)
    broken(monkeypatch, OscarShop, "send_confirmation")

    assert not send_confirmation_if_due(invoice.order_number)

    (record,) = (one for one in caplog.records if "could not be sent" in one.getMessage())
    assert fields(record) == {"order_number": invoice.order_number}


@pytest.mark.django_db
def test_what_a_page_says_is_about_the_order(
    of_rehive: Any, place_order: Any, caplog: Any, client: Any
) -> None:
    order = place_order()
    of_rehive.faults(error_status=500)

    client.get(payment_page("pay", order))

    (record,) = (one for one in caplog.records if "no invoice yet" in one.getMessage())
    assert fields(record) == {"order_number": order.number}


def broken(monkeypatch: pytest.MonkeyPatch, where: Any, name: str) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise ValueError("The shop's own code.")

    monkeypatch.setattr(where, name, fail)

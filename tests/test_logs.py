"""P9: whatever is raised, by whomever, no secret of ours reaches the shop's log or the word of a run."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from oscar.core.loading import get_model

import oscar_rehive
from oscar_rehive.logs import Log
from oscar_rehive.models import Entry
from oscar_rehive.payments import stages
from oscar_rehive.payments.reconciling import reconcile
from tests.steps import opened, window_over

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
    without = {package / "logs.py", *(package / "simulator").rglob("*.py")}
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

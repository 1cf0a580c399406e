"""What tests of reading by pages do (the fixtures are in conftest.py)."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from oscar_rehive import conf
from oscar_rehive.models import Invoice
from oscar_rehive.payments import reading
from oscar_rehive.payments.gateway import client_for
from oscar_rehive.payments.summary import Summary
from oscar_rehive.rehive.client import Client
from oscar_rehive.rehive.paging import Page

PER_PAGE = 4


def minutes_ago() -> None:
    """What was asked so far was asked a while ago: nobody settles at this very moment."""
    then = timezone.now() - timedelta(minutes=5)
    Invoice.objects.filter(asked_at__gt=then).update(asked_at=then)


def strangers(count: int) -> None:
    """So many invoices that somebody else has made in our business."""
    business = conf.current().businesses["USD"]
    for number in range(count):
        client_for(business).create_invoice(
            {"request_reference": f"X{number}", "request_amount": 1, "status": "initiated"},
            idempotency_key=uuid.uuid4().hex,
        )


def business() -> conf.BusinessConfig:
    return conf.current().businesses["USD"]


def read() -> Summary:
    minutes_ago()
    summary = Summary()
    reading.read(business(), summary)
    return summary


def shuffled(monkeypatch: pytest.MonkeyPatch, order: Callable[[list[Any]], list[Any]]) -> None:
    """From now on Rehive's list is in another order."""
    real = Client.invoices

    def page(self: Client, number: int) -> Page:
        rows = order(list(real(self)))
        shown = rows[(number - 1) * PER_PAGE : number * PER_PAGE]
        return Page(tuple(shown), (), len(rows), number * PER_PAGE >= len(rows))

    monkeypatch.setattr(Client, "invoice_page", page)

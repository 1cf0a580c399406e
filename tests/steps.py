"""Steps that the specification-like tests are made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.core.cache import cache
from django.db import connection
from django.db.models import Model
from django.urls import reverse
from django.utils import timezone
from oscar.core.loading import get_class, get_model

from oscar_rehive import conf
from oscar_rehive.models import Attention, Entry, Invoice, OrderPayment
from oscar_rehive.payments import breaker
from oscar_rehive.payments.deciding import can_accept
from oscar_rehive.payments.gateway import client_for
from oscar_rehive.payments.opening import open_invoice
from oscar_rehive.payments.settling import business_of, refresh
from oscar_rehive.rehive.client import Client
from oscar_rehive.rehive.exceptions import NotFound, RehiveError, Unreachable
from oscar_rehive.rehive.paging import Page
from oscar_rehive.rehive.wire import RemoteInvoice
from oscar_rehive.tokens import payment_token

OPEN_WORDS = ("draft", "initiated", "processing", "received", "underpaid")
"""The statuses in which an invoice can be paid at Rehive, or is just being."""

RETURN_URL = "https://shop.example.com/rehive/return/token/"


def opened(order: Any) -> Invoice:
    """The order's open invoice."""
    return open_invoice(order.number, return_url=RETURN_URL)


def told(invoice: Invoice) -> RemoteInvoice:
    """What Rehive says of ``invoice`` at this moment, to be settled later."""
    return client_for(business_of(invoice)).invoice(invoice.remote_id or "")


def settled(invoice: Invoice, source: str = Entry.Source.WEBHOOK) -> Invoice:
    """``invoice`` after Rehive was asked about it."""
    refresh(invoice, source)
    return invoice


def rehive_tells(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """From now on Rehive tells invoices otherwise than they are, each by itself and in its list."""
    as_told_by(monkeypatch, lambda remote: dataclasses.replace(remote, **changes))


def as_told_by(
    monkeypatch: pytest.MonkeyPatch, tells: Callable[[RemoteInvoice], RemoteInvoice]
) -> None:
    """From now on Rehive tells of each invoice what ``tells`` makes of it."""
    invoice, page = Client.invoice, Client.invoice_page
    monkeypatch.setattr(Client, "invoice", lambda *a, **k: tells(invoice(*a, **k)))

    def changed(*args: Any, **kwargs: Any) -> Page:
        real = page(*args, **kwargs)
        return dataclasses.replace(real, invoices=tuple(map(tells, real.invoices)))

    monkeypatch.setattr(Client, "invoice_page", changed)


def rehive_forgot(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on Rehive knows no invoice."""

    def gone(*args: Any, **kwargs: Any) -> Any:
        raise NotFound("404")

    monkeypatch.setattr(Client, "invoice", gone)
    monkeypatch.setattr(Client, "invoice_page", lambda *a, **k: Page((), (), 0, True))


@contextmanager
def not_migrated(model: type[Model]) -> Iterator[str]:
    """The database has no table for ``model``, whose name this is. It is really taken away: a
    patched ``_meta.db_table`` stays in the columns that Django remembers, and fails other tests."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO for_the_moment")
        yield table
        cursor.execute(f"ALTER TABLE for_the_moment RENAME TO {table}")


def window_over(order: Any) -> None:
    """Let the order's payment window be over."""
    OrderPayment.objects.filter(order_number=order.number).update(
        window_ends_at=timezone.now() - timedelta(seconds=1)
    )


def delivered(client: Any, invoice: Invoice, **data: Any) -> Any:
    """The shop's answer to a webhook call about ``invoice``."""
    secret = conf.current().businesses["USD"].webhook_secrets[0]
    return client.post(
        "/rehive/webhook/",
        {"data": {"id": invoice.remote_id, "request_reference": invoice.order_number, **data}},
        content_type="application/json",
        headers={"Authorization": f"Secret {secret}"},
    )


def payable_at(rehive: Any, order: Any) -> list[str]:
    """The ids of the order's invoices that could be paid at Rehive now."""
    return [
        invoice["id"]
        for invoice in rehive.invoices()
        if invoice["request_reference"] == order.number and invoice["status"] in OPEN_WORDS
    ]


def asked(client: Any, address: str) -> dict[str, str]:
    """What is sent by the button on the page of the desk that asks once."""
    page = BeautifulSoup(client.get(address).content, "html.parser")
    return {one["name"]: one["value"] for one in page.select("#rehive-sure input")}


def paid_by_cash(order: Any) -> None:
    """The order is paid, and not through Rehive."""
    SourceType = get_model("payment", "SourceType")
    Source = get_model("payment", "Source")
    cash, _ = SourceType.objects.get_or_create(code="cash", defaults={"name": "Cash"})
    Source.objects.create(
        order=order,
        source_type=cash,
        currency="USD",
        amount_allocated=order.total_incl_tax,
        amount_debited=order.total_incl_tax,
    )


def payment_page(name: str, order: Any) -> str:
    """The address of the shopper's page ``name`` for the order."""
    return reverse(f"oscar_rehive:{name}", args=[payment_token(order.number)])


def moved(order: Any, status: str) -> None:
    """Staff give the order a status."""
    order.refresh_from_db()
    get_class("order.processing", "EventHandler")().handle_order_status_change(order, status)


def creates(rehive: Any) -> int:
    """How many creates have reached Rehive."""
    return sum(
        request["method"] == "POST" and request["path"].endswith("/invoices/")
        for request in rehive.requests()
    )


def answer_lost(rehive: Any, order: Any) -> Invoice:
    """An attempt that Rehive made, and whose answer never came."""
    rehive.faults(lose_answer={"value": True, "methods": ["POST"]})
    with pytest.raises(RehiveError):
        opened(order)
    rehive.clear_faults()
    return Invoice.objects.filter(payment__order_number=order.number).latest("attempt")


def other_source(
    order: Any,
    *,
    allocated: str = "0",
    debited: str = "0",
    refunded: str = "0",
    currency: str = "USD",
    name: str = "Gift card",
    code: str = "",
) -> Any:
    """A payment source of the shop's own: a gift card, say, or a bank transfer that staff booked."""
    kinds = get_model("payment", "SourceType").objects
    kind, _ = kinds.get_or_create(
        code=code or name.lower().replace(" ", "-"), defaults={"name": name}
    )
    return get_model("payment", "Source").objects.create(
        order=order,
        source_type=kind,
        currency=currency,
        amount_allocated=Decimal(allocated),
        amount_debited=Decimal(debited),
        amount_refunded=Decimal(refunded),
    )


def in_the_ledger(order: Any) -> Decimal:
    """What all payment sources of the order hold in its currency, Rehive's included."""
    return sum(
        (
            max(source.amount_allocated, source.amount_debited) - source.amount_refunded
            for source in order.sources.filter(currency=order.currency)
        ),
        Decimal(0),
    )


def asked_for(rehive: Any, invoice: Invoice) -> int:
    """How many smallest units Rehive is asked for by ``invoice``."""
    units: int = rehive.invoice(invoice.remote_id)["request_amount"]
    return units


def stands_as(order: Any) -> str:
    """The order's status in the database."""
    order.refresh_from_db()
    return str(order.status)


def waiting_for_a_person() -> list[str]:
    """The kinds of all attention that nobody has dealt with yet, sorted."""
    return sorted(Attention.objects.filter(resolved_at=None).values_list("kind", flat=True))


def acceptable() -> Attention:
    """The newest fact of which "this pays the order" is a way out."""
    return [one for one in Attention.objects.order_by("pk") if can_accept(one)][-1]


def cancelled_at_rehive(invoice: Invoice) -> None:
    """Somebody cancels ``invoice`` in Rehive's own app."""
    client_for(business_of(invoice)).update_invoice(
        invoice.remote_id or "", {"status": "cancelled"}, idempotency_key="in the app"
    )


def rehive_answers(monkeypatch: pytest.MonkeyPatch, remote: RemoteInvoice) -> None:
    """From now on Rehive tells of every invoice just this: a copy of it that lags behind."""
    as_told_by(monkeypatch, lambda _: remote)


def questions(rehive: Any, invoice: Invoice) -> int:
    """How often Rehive was asked about ``invoice``."""
    return sum(
        request["method"] == "GET" and request["path"].endswith(f"/invoices/{invoice.remote_id}/")
        for request in rehive.requests()
    )


def taking_back_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shop whose pipeline lets staff take a cancellation back."""
    after = ("Pending", "Being processed")
    pipeline = {
        "Pending": ("Being processed", "Cancelled"),
        "Being processed": ("Complete", "Cancelled"),
        "Cancelled": after,
    }
    monkeypatch.setattr(get_model("order", "Order"), "pipeline", pipeline)


def overwritten(order: Any, status: str) -> None:
    """The order has a status without any signal: by a stale ``save()``, or by a script."""
    type(order).objects.filter(pk=order.pk).update(status=status)
    order.refresh_from_db()


def made_twice(invoice: Invoice, remote: dict[str, Any]) -> str:
    """The id of a second invoice that an earlier create of the attempt has made at Rehive, after all;
    ``remote`` is the first, as Rehive tells it."""
    same = ("request_reference", "request_amount", "return_url", "metadata", "expiration_date")
    fields = {name: remote[name] for name in same}
    client = client_for(business_of(invoice))
    made = client.create_invoice({**fields, "status": "initiated"}, idempotency_key="of the other")
    return made.id


def no_cache_at_all(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shop without a cache."""
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}


def a_cache_that_is_down(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shop whose cache does not answer."""

    def down(*args: Any, **kwargs: Any) -> Any:
        raise ConnectionError("no cache")

    for name in ("get", "get_many", "set", "add", "incr", "delete"):
        monkeypatch.setattr(cache, name, down)


def a_cache_that_hides_that_it_is_down(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As those do that are told to ignore errors (``IGNORE_EXCEPTIONS``, ``ignore_exc``)."""

    def incr(*args: Any, **kwargs: Any) -> int:
        raise ValueError("There is no such key.")

    for name, answer in {"get": None, "set": None, "add": False, "delete": False}.items():
        monkeypatch.setattr(cache, name, lambda *a, answer=answer, **k: answer)
    monkeypatch.setattr(cache, "incr", incr)


def mails_in(folder: Path) -> list[str]:
    """The subjects of the mails that Django's file-based backend has put into ``folder``: it names files by the
    second and by where an object lies in memory, so that several mails may be in one."""
    lines = (line for file in folder.iterdir() for line in file.read_text().splitlines())
    return [line for line in lines if line.startswith("Subject: ")]


def opened_in_vain(rehive: Any, order: Any, moments: Any, *, times: int) -> None:
    """So many attempts for ``order`` whose making Rehive has answered with an error; by now it is asked again."""
    rehive.faults(error_status={"value": 500, "methods": ["POST"]})
    for _ in range(times):
        with pytest.raises(Unreachable):
            opened(order)
    rehive.clear_faults()
    moments.go_by(breaker.LONGEST_SECONDS)

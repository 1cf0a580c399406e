"""A process of its own that does one thing of the service after the other, as told on its standard
input, one JSON line each; it answers with one JSON line each.

``kill_at`` n kills the process with SIGKILL at the n-th boundary: before or after a network call, or
before or after a commit. The process forks for each such command, so that the next one starts fresh
without loading Django anew.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from typing import Any

import django
from django.conf import settings
from psycopg import IsolationLevel

from tests.race.levels import options_of
from tests.race.replica import configure


def main() -> None:
    """Read commands until the standard input ends."""
    setup = json.loads(sys.argv[1])
    if "isolation" in setup:
        options = settings.DATABASES["default"].setdefault("OPTIONS", {})
        options.update(options_of(IsolationLevel[setup["isolation"]]))
    if "replica" in setup:
        configure(settings.DATABASES, setup["replica"])
        settings.DATABASE_ROUTERS = ["tests.race.replica.PrimaryReplicaRouter"]
    django.setup()
    from oscar_rehive.background import Lane

    Lane.do = _in_place
    settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, **setup["rehive"]}
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = setup["mails"]
    for line in sys.stdin:
        command = json.loads(line)
        answer = in_a_child(command) if "kill_at" in command else do(command)
        print(json.dumps(answer), flush=True)


def _in_place(lane: Any, work: Callable[[], object]) -> bool:
    """Whoever has answered has done all of it: a thread of his could still have a mail in hand."""
    try:
        work()
    except Exception:
        traceback.print_exc()
    return True


def do(command: dict[str, Any]) -> dict[str, Any]:
    """Do what ``command`` says; anything but the errors that the service documents is reported."""
    from django.db import connections

    from oscar_rehive.payments.adopting import NotOpened
    from oscar_rehive.payments.cancelling import NotCancellable
    from oscar_rehive.payments.opening import Busy, NotPayable
    from oscar_rehive.payments.refunding import NotRefundable
    from oscar_rehive.rehive.exceptions import RehiveError

    try:
        ACTIONS[command["do"]](command)
    except (NotCancellable, Busy, NotOpened, NotPayable, NotRefundable, RehiveError) as said:
        return {"said": repr(said)}
    except Exception:
        return {"crashed": traceback.format_exc()}
    finally:
        connections.close_all()
    return {}


def in_a_child(command: dict[str, Any]) -> dict[str, Any]:
    """Do ``command`` in a forked child that is killed at a boundary; tells whether it was."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        _kill_at(command["kill_at"])
        os.write(write_end, json.dumps(do(command)).encode())
        os._exit(0)
    os.close(write_end)
    _, status = os.waitpid(child, 0)
    with os.fdopen(read_end) as pipe:
        told = pipe.read()
    if os.WIFSIGNALED(status):
        return {"killed": os.WTERMSIG(status)}
    answer: dict[str, Any] = json.loads(told)
    return answer


def _kill_at(last: int) -> None:
    import requests

    from oscar_rehive.payments import locking, mails

    passed = 0
    real_locked, real_request = locking.locked, requests.Session.request

    def boundary() -> None:
        nonlocal passed
        passed += 1
        if passed == last:
            os.kill(os.getpid(), signal.SIGKILL)

    @contextmanager
    def locked(number: str) -> Iterator[Any]:
        with real_locked(number) as held:
            yield held
            boundary()
        boundary()

    def between(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            boundary()
            answer = real(*args, **kwargs)
            boundary()
            return answer

        return call

    requests.Session.request = between(real_request)  # type: ignore[method-assign]  # a stand-in
    # Each of these is one statement, and so a commit of its own.
    mails._claim, mails._note = between(mails._claim), between(mails._note)
    for path, module in list(sys.modules.items()):
        if path.startswith("oscar_rehive.payments.") and hasattr(module, "locked"):
            module.locked = locked


def _open(command: dict[str, Any]) -> None:
    from oscar_rehive.payments.opening import open_invoice
    from tests.steps import RETURN_URL

    open_invoice(command["number"], return_url=RETURN_URL)


def _return(command: dict[str, Any]) -> None:
    from oscar_rehive.models import Entry, Invoice
    from oscar_rehive.payments.mails import send_confirmation_if_due
    from oscar_rehive.payments.settling import refresh

    for invoice in Invoice.objects.filter(payment__order_number=command["number"]):
        refresh(invoice, Entry.Source.RETURN)
    send_confirmation_if_due(command["number"])


def _webhook(command: dict[str, Any]) -> None:
    from oscar_rehive.payments import deliveries

    body = {"data": {"id": command["remote_id"], "request_reference": command["number"]}}
    deliveries.work_on(deliveries.store(json.dumps(body).encode()).remote_id)


def _reconcile(command: dict[str, Any]) -> None:
    from oscar_rehive.payments.reconciling import reconcile

    reconcile()


def _cancel(command: dict[str, Any]) -> None:
    from oscar_rehive.payments.cancelling import cancel_order

    cancel_order(command["number"], reason="shopper", source="checkout")


def _refund(command: dict[str, Any]) -> None:
    from oscar_rehive.models import Invoice
    from oscar_rehive.payments.refunding import refund

    invoice = Invoice.objects.get(remote_id=command["remote_id"])
    refund(invoice, Decimal(command["amount"]), reason="because", by="staff")


def _staff_cancel(command: dict[str, Any]) -> None:
    from django.db import transaction
    from oscar.apps.order.exceptions import InvalidOrderStatus
    from oscar.core.loading import get_class, get_model

    from oscar_rehive.databases import where_written

    with suppress(InvalidOrderStatus), transaction.atomic():
        # Once they see it, which they do not on a replica that lags.
        order = where_written(get_model("order", "Order")).get(number=command["number"])
        get_class("order.processing", "EventHandler")().handle_order_status_change(
            order, "Cancelled"
        )


ACTIONS: dict[str, Callable[[dict[str, Any]], None]] = {
    "open": _open,
    "return": _return,
    "webhook": _webhook,
    "reconcile": _reconcile,
    "cancel": _cancel,
    "refund": _refund,
    "staff_cancel": _staff_cancel,
}

if __name__ == "__main__":
    main()

"""Updates a shop of the version before, with rows in it, on the empty database that ``DATABASE_URL`` names::

python -m tests.migrating
"""

from __future__ import annotations

import os

import django
from django.core.management import call_command

BEFORE = "0002_invoice_sent_at"


def main() -> None:
    """Fill the tables of before, migrate, and look at what has become of it; and back, and again."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor
    from django.utils import timezone

    call_command("migrate", verbosity=0)
    call_command("migrate", "oscar_rehive", BEFORE, verbosity=0)
    old = MigrationExecutor(connection).loader.project_state([("oscar_rehive", BEFORE)]).apps
    payment, invoice, attention = (
        old.get_model("oscar_rehive", name).objects
        for name in ("OrderPayment", "Invoice", "Attention")
    )
    now = timezone.now()

    def attempt(of: object, number: int, **fields: object) -> object:
        money = {"currency": "USD", "divisibility": 2, "total": 10, "amount": 1000}
        return invoice.create(payment=of, attempt=number, business_id="b", **money, **fields)

    paid = payment.create(order_number="1", window_ends_at=now, paid_at=now)
    attempt(paid, 1, state="paid", received=1000)
    twice = attempt(paid, 2, state="paid", received=1000)
    attention.create(payment=paid, invoice=twice, kind="duplicate", subject="2", reason="twice")
    waiting = payment.create(order_number="2", window_ends_at=now)
    attempt(waiting, 1, state="closed")
    attempt(waiting, 2, state="open")
    note = "Staff cancelled the order."
    payment.create(order_number="3", window_ends_at=now, cancel_reason=note)
    deleted = payment.create(order_number="4", window_ends_at=now)
    payment.filter(pk=deleted.pk).update(order_number=f"4 (deleted, {deleted.pk})")

    for target in ("oscar_rehive",), ("oscar_rehive", BEFORE), ("oscar_rehive",):
        call_command("migrate", *target, verbosity=0)

    from oscar_rehive.models import Invoice, OrderPayment

    rows = Invoice.objects.order_by("pk").values_list("pays", "in_use")
    assert list(rows) == [(1000, None), (None, None), (None, None), (None, True)], list(rows)
    told = OrderPayment.objects.order_by("pk").values_list("reference", "cancel_reason")
    assert list(told) == [("1", ""), ("2", ""), ("3", ""), ("4", "")], list(told)


if __name__ == "__main__":
    main()

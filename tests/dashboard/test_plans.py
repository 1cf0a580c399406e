"""How PostgreSQL finds what the desk asks for, in a shop with many payments: by an index, and never by reading
a table of ours from one end to the other."""

from __future__ import annotations

from datetime import timedelta
from datetime import timezone as zones

import pytest
from django.db import connection
from django.forms import CharField
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from oscar_rehive.dashboard.attention import ORDERS, STAKE
from oscar_rehive.dashboard.forms import SearchForm
from oscar_rehive.dashboard.payments import MOST, found_by
from oscar_rehive.dashboard.reports.books import Books
from oscar_rehive.dashboard.reports.conversion import outcomes_in
from oscar_rehive.dashboard.reports.days import Days
from oscar_rehive.dashboard.reports.reconciliation import Orders
from oscar_rehive.dashboard.reports.takings import takings_in
from oscar_rehive.models import Attention, Entry, Invoice, OrderPayment

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]

FILL = (
    """INSERT INTO oscar_rehive_orderpayment (order_number, reference, order_key, seen_status, language,
        created_at, window_ends_at, cancel_reason, paid_at, closed_at, released_at, status_due, basket_given_back)
    SELECT 'N' || g, 'N' || g, '', '', 'en', now() - interval '1 minute' * g, now(), '',
        CASE WHEN g % 100 > 1 THEN now() END, CASE WHEN g % 100 = 1 THEN now() END,
        CASE WHEN g % 100 = 2 THEN now() END, false, false
    FROM generate_series(1, 20000) g""",
    """INSERT INTO oscar_rehive_invoice (payment_id, attempt, state, key, business_id, currency, divisibility,
        total, covered, amount, remote_id, remote_status, redirect_url, quotes, received, recorded, refunded,
        refund_recorded, version, told, failures, created_at, sent_at, posts, may_exist, close_due)
    SELECT id, 1, 'paid', gen_random_uuid(), CASE WHEN id % 1000 = 3 THEN 'rare' ELSE 'usual' END,
        CASE WHEN id % 1000 = 4 THEN 'EUR' ELSE 'USD' END, 2, 10, 0, '1000', 'r' || id,
        CASE WHEN id % 1000 = 5 THEN 'overpaid' ELSE 'paid' END, '', '[]', '1000', 10, '0', 0, 1, '', 0,
        now(), now(), 1, false, false
    FROM oscar_rehive_orderpayment LIMIT 20000""",
    """INSERT INTO oscar_rehive_attention (payment_id, invoice_id, kind, subject, reason, ways_out, raised_at,
        resolved_at, resolved_by)
    SELECT payment_id, id, 'excess', '1', '', '', now(), CASE WHEN id % 1000 <> 6 THEN now() END, ''
    FROM oscar_rehive_invoice LIMIT 20000""",
    """INSERT INTO oscar_rehive_entry (payment_id, invoice_id, at, source, from_status, to_status, amount, reason)
    SELECT i.payment_id, i.id, p.created_at, 'webhook', '', '', CASE WHEN step = 2 THEN 10 END, ''
    FROM oscar_rehive_invoice i JOIN oscar_rehive_orderpayment p ON p.id = i.payment_id, generate_series(1, 4) step
    LIMIT 80000""",
)


@pytest.fixture
def _many(db: None) -> None:
    with connection.cursor() as cursor:
        for statement in FILL:
            cursor.execute(statement)
        for model in (OrderPayment, Invoice, Attention, Entry):
            cursor.execute(f"ANALYZE {model._meta.db_table}")


FILTERS = {
    "standing=waiting": "rehive_payment_waits",
    "standing=ended": "rehive_payment_ended",
    "standing=cancelled": "rehive_payment_gave_up",
    "attention=waits": "rehive_attention_open",
    "status=overpaid": "rehive_invoice_status",
    "currency=EUR": "rehive_invoice_currency",
    "business=rare": "rehive_invoice_business",
    "date_from=2026-01-01&date_to=2026-01-02": "rehive_payment_created",
    "": "oscar_rehive_orderpayment_pkey",
    "standing=paid": "oscar_rehive_orderpayment_pkey",
}


# One test for all of a kind: to fill the tables takes seconds.


@pytest.mark.usefixtures("_many")
def test_every_filter_of_the_list_of_payments() -> None:
    wrong = {}
    for query, index in FILTERS.items():
        form = SearchForm(QueryDict(query), for_staff=True)
        form.fields["business"] = CharField(required=False)  # as in a shop of several
        assert form.is_valid(), form.errors
        found = found_by(form.cleaned_data, OrderPayment.objects.all())
        plan = found.values_list("pk", flat=True)[: MOST + 1].explain()
        if index not in plan or "Seq Scan on oscar_rehive" in plan:
            wrong[query] = plan

    assert wrong == {}


@pytest.mark.usefixtures("_many")
def test_what_waits_the_oldest_first_and_how_many_wait() -> None:
    waiting = Attention.objects.select_related("payment", "invoice").annotate(stake=STAKE)
    plan = waiting.filter(resolved_at__isnull=True).order_by(*ORDERS["age"])[:20].explain()
    assert "rehive_attention_open" in plan, plan
    assert "Seq Scan" not in plan, plan

    plan = Attention.objects.filter(resolved_at=None).order_by()[:1000].explain()
    assert "rehive_attention_open" in plan, plan


READS = {
    "takings": (takings_in, "rehive_entry_money"),
    "invoices with money": (lambda days: Books(days).count(), "rehive_entry_money"),
    "orders": (lambda days: Orders(days)[:50], "rehive_payment_created"),
    "conversion": (lambda days: list(outcomes_in(days)), "rehive_payment_created"),
}
READ_BY_INDEX = ("entry", "orderpayment")


@pytest.mark.usefixtures("_many")
def test_what_each_report_reads_of_a_day() -> None:
    """However many years of others there are."""
    yesterday = timezone.now().date() - timedelta(days=1)
    days = Days(yesterday, yesterday, zones.utc)
    wrong = {}
    for what, (read, index) in READS.items():
        with CaptureQueriesContext(connection) as captured:
            read(days)
        # A long result is read through a cursor, which is declared for it.
        statement = captured[0]["sql"].partition(" FOR SELECT ")
        with connection.cursor() as cursor:
            cursor.execute(
                f"EXPLAIN {statement[0] if not statement[2] else 'SELECT ' + statement[2]}"
            )
            plan = "\n".join(row[0] for row in cursor.fetchall())
        reads_all = any(f"Seq Scan on oscar_rehive_{table}" in plan for table in READ_BY_INDEX)
        if index not in plan or reads_all:
            wrong[what] = plan

    assert wrong == {}

"""The desk's list of payments in a shop that is many years old: how long its pages take, and whether the database
reads a whole table for one of them.

The orders are made by the database itself: all of it is about reading them. It has the indexes that docs/running.md
advises such a shop to make.
"""

from __future__ import annotations

import re
import statistics
import time
from dataclasses import dataclass
from typing import Any

from benchmarks.rows import Row, at_most
from benchmarks.shop import ROOT, Shop

TITLE = "The desk's list of payments"
MOST_MS = 150
READS_A_WHOLE_TABLE = re.compile(r"Seq Scan on (\w+)")
SMALL = 50_000
"""Rows. A smaller table may be read whole."""

STATEMENTS = (
    """INSERT INTO auth_user (password, is_superuser, username, first_name, last_name, email, is_staff,
        is_active, date_joined)
    SELECT '', false, 'u' || n, 'First' || n, 'Last' || n, 'user' || n || '@example.com', false, true, now()
    FROM generate_series(1, {orders} / 10) n""",
    """INSERT INTO address_country (iso_3166_1_a2, iso_3166_1_a3, iso_3166_1_numeric, printable_name, name,
        display_order, is_shipping_country)
    VALUES ('XB', 'XBE', '999', 'Benchmark', 'Benchmark', 0, true)""",
    """INSERT INTO order_shippingaddress (title, first_name, last_name, line1, line2, line3, line4, state, postcode,
        search_text, phone_number, notes, country_id)
    SELECT '', 'Given' || n, 'Family' || n, '', '', '', '', '', '', '', '', '', 'XB'
    FROM generate_series(1, {orders}) n""",
    """INSERT INTO order_order (number, currency, total_incl_tax, total_excl_tax, shipping_incl_tax,
        shipping_excl_tax, shipping_method, shipping_code, status, guest_email, date_placed,
        analytics_tracked, site_id, user_id, shipping_address_id)
    SELECT 'N' || n, 'USD', 10, 10, 0, 0, '', '', 'Being processed',
        CASE WHEN n % 2 = 1 THEN 'guest' || n || '@example.com' ELSE '' END,
        now() - interval '1 minute' * ({orders} - n), false, 1,
        CASE WHEN n % 2 = 0 THEN (SELECT min(id) FROM auth_user) + n % ({orders} / 10) END,
        (SELECT min(id) FROM order_shippingaddress) + n - 1
    FROM generate_series(1, {orders}) n""",
    """INSERT INTO oscar_rehive_orderpayment (order_number, reference, order_key, seen_status, language,
        created_at, window_ends_at, cancel_reason, paid_at, closed_at, released_at, status_due,
        basket_given_back)
    SELECT number, number, id, status, 'en', date_placed, date_placed, '',
        CASE WHEN id % 20 <> 0 THEN date_placed END, CASE WHEN id % 40 = 0 THEN date_placed END,
        CASE WHEN id % 1000 = 1 THEN date_placed END, false, false
    FROM order_order ORDER BY id""",
    """INSERT INTO oscar_rehive_invoice (payment_id, attempt, state, key, business_id, currency, divisibility,
        total, covered, amount, remote_id, remote_status, redirect_url, quotes, received, recorded,
        refunded, refund_recorded, version, told, failures, created_at, sent_at, posts, may_exist,
        close_due)
    SELECT id, 1, CASE WHEN paid_at IS NOT NULL THEN 'paid' ELSE 'closed' END, gen_random_uuid(),
        CASE WHEN id % 100 = 0 THEN 'b2' ELSE 'b1' END, CASE WHEN id % 500 = 0 THEN 'EUR' ELSE 'USD' END, 2,
        10, 0, '1000', 'r' || id,
        CASE WHEN id % 3000 = 0 THEN 'overpaid' WHEN paid_at IS NULL THEN 'expired' ELSE 'paid' END, '', '[]',
        '1000', 10, '0', 0, 1, '', 0, created_at, created_at, 1, false, false
    FROM oscar_rehive_orderpayment""",
    """INSERT INTO oscar_rehive_attention (payment_id, invoice_id, kind, subject, reason, ways_out, raised_at,
        resolved_at, resolved_by)
    SELECT payment_id, id, 'excess', '1', 'x', '', created_at,
        CASE WHEN id % 500 <> 0 THEN created_at END, ''
    FROM oscar_rehive_invoice WHERE id % 50 = 0""",
)
ADVISED = re.compile(r"^ +(CREATE INDEX .*);$", re.MULTILINE)
"""In docs/running.md, to owners of such a shop."""


@dataclass(frozen=True)
class Sizes:
    orders: int
    times: int


FULL = Sizes(orders=1_000_000, times=5)
QUICK = Sizes(orders=100_000, times=3)


def measure(sizes: Sizes, shop: Shop) -> list[Row]:
    shop.set_up_django()
    from django.contrib.auth import get_user_model
    from django.db import connection
    from django.test import Client

    with connection.cursor() as cursor:
        for statement in STATEMENTS:
            cursor.execute(statement.format(orders=sizes.orders))
        for index in ADVISED.findall((ROOT / "docs" / "running.md").read_text()):
            cursor.execute(index)
        cursor.execute("VACUUM ANALYZE")
    owner = get_user_model().objects.create_superuser("sam", "sam@example.com", "a-password")
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(owner)
    middle = sizes.orders // 2
    pages = {
        "first page": "",
        "search by order": f"q=N{middle}",
        "search by invoice": f"q=r{middle}",
        "search by a guest's mail address": f"q=guest{middle + 1}@example.com",
        "search by a customer's mail address": f"q=user{sizes.orders // 20}@example.com",
        "search by a customer's name": f"q=Last{sizes.orders // 20}",
        "search by a guest's name": f"q=Given{middle + 1}+Family{middle + 1}",
        "waiting": "standing=waiting",
        "paid": "standing=paid",
        "ended without payment": "standing=ended",
        "cancelled after payment": "standing=cancelled",
        "with open attention": "attention=waits",
        "that ever had attention": "attention=had",
        "by status at Rehive": "status=overpaid",
        "by currency": "currency=EUR",
        "by business": "business=b2",
        "of the last days": f"date_from={time.strftime('%Y-%m-%d', time.gmtime(time.time() - 2 * 86400))}",
    }
    rows = []
    for name, query in pages.items():
        milliseconds, whole = _page(client, f"/dashboard/rehive/payments/?{query}", sizes.times)
        rows.append(at_most(f"{name}: time", milliseconds, MOST_MS, "ms"))
        if whole:
            rows.append(at_most(f"{name}: tables read whole ({', '.join(whole)})", len(whole), 0))
    return rows


def _page(client: Any, url: str, times: int) -> tuple[float, list[str]]:
    """How many milliseconds it takes, and which large tables are read whole for it."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    taken = []
    for _ in range(times + 1):
        began = time.perf_counter()
        with CaptureQueriesContext(connection) as captured:
            answer = client.get(url)
        taken.append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 200, (url, answer.status_code)
    whole: set[str] = set()
    with connection.cursor() as cursor:
        for query in captured:
            if query["sql"].startswith("SELECT"):
                cursor.execute(f"EXPLAIN {query['sql']}")
                plan = "\n".join(line for (line,) in cursor.fetchall())
                whole |= set(READS_A_WHOLE_TABLE.findall(plan))
        cursor.execute("SELECT relname FROM pg_class WHERE reltuples > %s", [SMALL])
        large = {name for (name,) in cursor.fetchall()}
    return statistics.median(taken[1:]), sorted(whole & large)

"""setup_sandbox --demo: orders in every state that the desk can show, made through the real thing."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from oscar_rehive.simulator.process import SimulatorProcess
from sandbox.settings import DEMONSTRATION_BUSINESS_ID
from tests.sandbox.conftest import Sandbox
from tests.sandbox.test_setup import rows

pytestmark = pytest.mark.e2e

# What it shows; the order; its attempts; what waits for a person (in brackets: was dealt with); refunds; mail.
STATES = """
fully refunded                 | Being processed | paid:paid               |                | complete | mail
part refunded                  | Being processed | paid:paid               |                | complete | mail
a refund on its way            | Being processed | paid:paid               |                | pending  | mail
paid, told by the webhook      | Being processed | paid:paid               |                |          | mail
paid in Bitcoin                | Being processed | paid:paid               |                |          | mail
paid by a second attempt       | Being processed | closed:failed paid:paid |                |          | mail
deliveries refused and unusable | Being processed | paid:paid              |                |          | mail
a delivery that waits          | Pending         | open:initiated          |                |          |
cancelled by the shopper       | Cancelled       | closed:cancelled        |                |          |
attempt expired                | Pending         | closed:expired          |                |          |
attempt failed                 | Pending         | closed:failed           |                |          |
not opened yet                 | Pending         |                         |                |          |
open                           | Pending         | open:initiated          |                |          |
a way of paying is chosen      | Pending         | open:processing         |                |          |
received, unconfirmed          | Pending         | open:received           |                |          |
underpaid                      | Pending         | open:underpaid          |                |          |
overpaid, dealt with           | Being processed | paid:overpaid           | (excess)       |          | mail
unknown status                 | Pending         | open:under_review       | unknown_status |          |
late, held                     | Pending         | paid:late               | late           |          |
edited total                   | Pending         | paid:paid               | mismatch       |          |
paid twice                     | Being processed | paid:paid paid:paid     | duplicate      |          | mail
paid after staff cancelled     | Cancelled       | paid:paid               | after_cancel   |          |
overpaid                       | Being processed | paid:overpaid           | excess         |          | mail
"""

STANDS = """
SELECT n.message, o.status,
    (SELECT group_concat(state || ':' || remote_status, ' ') FROM (
        SELECT * FROM oscar_rehive_invoice WHERE payment_id = p.id ORDER BY attempt)),
    (SELECT group_concat(CASE WHEN resolved_at IS NULL THEN kind ELSE '(' || kind || ')' END, ' ')
        FROM oscar_rehive_attention WHERE payment_id = p.id),
    (SELECT group_concat(r.status, ' ') FROM oscar_rehive_refund r
        JOIN oscar_rehive_invoice i ON i.id = r.invoice_id WHERE i.payment_id = p.id),
    CASE WHEN p.mail_sent_at IS NULL THEN '' ELSE 'mail' END
FROM order_order o JOIN oscar_rehive_orderpayment p ON p.order_number = o.number
JOIN order_ordernote n ON n.order_id = o.id AND n.message LIKE 'Made by setup_sandbox --demo: %'
ORDER BY o.id
"""


@pytest.fixture
def copy(fresh: Sandbox, tmp_path: Path) -> Sandbox:
    """A shop of this test's own that has been set up."""
    shutil.copytree(fresh.var, tmp_path / "var")
    return Sandbox(tmp_path / "var")


@pytest.fixture
def simulator() -> Iterator[dict[str, str]]:
    """The variable that says where the demonstration's simulator is."""
    with SimulatorProcess("--business", f"{DEMONSTRATION_BUSINESS_ID}:USD") as rehive:
        yield {"SANDBOX_SIMULATOR_PORT": str(urlsplit(rehive.origin).port)}


def asked(sandbox: Sandbox, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(sandbox.var / "db.sqlite3")) as database:
        return database.execute(query).fetchall()


def test_each_state_is_there_once(copy: Sandbox, simulator: dict[str, str]) -> None:
    first = copy.manage("setup_sandbox", "--demo", **simulator)
    assert first.returncode == 0, first.stderr
    assert first.stderr == ""
    expected = [[cell.strip() for cell in row.split("|")] for row in STATES.split("\n") if row]
    told = [[cell or "" for cell in row] for row in asked(copy, STANDS)]
    prefix, end = "Made by setup_sandbox --demo: ", "."
    assert [[row[0].removeprefix(prefix).removesuffix(end), *row[1:]] for row in told] == expected
    assert asked(copy, "SELECT state, count(*) FROM oscar_rehive_delivery GROUP BY state") == [
        ("done", 4),
        ("new", 1),
        ("unusable", 1),
    ]
    assert asked(copy, "SELECT count FROM oscar_rehive_refuseddeliveries") == [(1,)]
    ((note,),) = asked(copy, "SELECT by FROM oscar_rehive_note")
    assert note == "staff@example.com"
    before = rows(copy)

    again = copy.manage("setup_sandbox", "--demo", **simulator)

    assert f"The demonstration: {len(expected)} orders (none new)." in again.stdout
    assert rows(copy) == before


def test_without_a_simulator_it_says_what_to_do(copy: Sandbox) -> None:
    done = copy.manage("setup_sandbox", "--demo", SANDBOX_SIMULATOR_PORT="9")
    assert done.returncode == 1
    assert "No simulator answers at http://127.0.0.1:9/" in done.stderr
    assert "make sandbox DEMO=1" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [("manage.py", "setup_sandbox", "--demo"), ("serve.py",)])
def test_the_real_rehive_gets_no_demonstration(empty: Sandbox, command: tuple[str, ...]) -> None:
    done = empty.run(
        *command,
        SANDBOX_DEMO="1",
        REHIVE_API_URL="https://rehive.example.com/api/",
        REHIVE_PAYMENT_REQUESTS_URL="https://requests.example.com/api/",
        REHIVE_TOKEN="t" * 40,
        REHIVE_BUSINESS_ID="1",
        REHIVE_WEBHOOK_SECRET="s" * 40,
        SHOP_BASE_URL="https://shop.example.com",
    )
    assert done.returncode == 1
    assert "The demonstration is for the simulator" in done.stderr
    assert "Leave REHIVE_API_URL out" in done.stderr
    assert not (empty.var / "db.sqlite3").exists()

"""The sandbox shop with a Rehive of its own, both as separate processes, and what became of an order."""

from __future__ import annotations

import email
import email.policy
import fcntl
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from email.message import EmailMessage
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import requests

from oscar_rehive.simulator.process import SimulatorProcess

ROOT = Path(__file__).resolve().parent.parent.parent
SERVE = "tests.e2e.serve_shop"
START_SECONDS = 60
SECRET = "the-webhook-secret-of-these-tests"
WHAT_SETUP_TOLD = "setup.txt"
PAYABLE = ("draft", "initiated", "processing", "received", "underpaid")

T = TypeVar("T")


def eventually(look: Callable[[], T], *, seconds: float = 10) -> T:
    """What ``look`` returns as soon as that is true: for what happens after an answer."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {look}; last seen: {found!r}"
        time.sleep(0.05)
    return found


@dataclass(frozen=True)
class Placed:
    """An order as it stands in the shop's database and at Rehive.

    ``ledger`` is what Oscar's payment sources hold: (source, kind of transaction, amount).
    """

    number: str
    status: str | None
    total: Decimal
    basket: str
    ledger: list[tuple[str, str, Decimal]]
    stages: list[str]
    attention: list[str]
    remote: list[str]
    mails: list[EmailMessage]

    @property
    def payable(self) -> list[str]:
        """The statuses at Rehive of the invoices that somebody could still pay."""
        return [status for status in self.remote if status in PAYABLE]


class Shop:
    """A sandbox shop. ``switches`` are more of its environment (sandbox/settings.py, serve_shop.py),
    ``server`` is one that serve_shop.py knows."""

    def __init__(
        self,
        folder: Path,
        switches: Mapping[str, str],
        database_url: str = "",
        *,
        server: str = "waitress",
    ) -> None:
        self.folder = folder
        self.switches = switches
        self.database_url = database_url
        self.server = server
        self.rehive = SimulatorProcess()
        self.base_url = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._log = folder / "shop.log"
        self._mark = 0

    # The process

    def start(self) -> None:
        self.rehive.start()
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with listener, self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", SERVE, str(listener.fileno()), self.server],
                cwd=ROOT,
                env=self._environment(),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=[listener.fileno()],
            )
        eventually(self._answers, seconds=START_SECONDS)
        self.execute("UPDATE django_site SET domain = %s", urlsplit(self.base_url).netloc)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"the shop has ended:\n{self.log()}"
        address = urlsplit(self.base_url)
        try:
            socket.create_connection((address.hostname, address.port), timeout=1).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        try:
            if self._process is not None:
                self._process.terminate()
                try:
                    self._process.wait(10)
                except subprocess.TimeoutExpired:
                    self._process.kill()
                    self._process.wait()
                self._process.stdin.close()
        finally:
            self.rehive.stop()

    def _environment(self) -> dict[str, str]:
        return environment(
            **self.switches,
            SANDBOX_VAR=str(self.folder),
            SANDBOX_DEBUG=self.switches.get("SANDBOX_DEBUG", "0"),
            SHOP_BASE_URL=self.base_url,
            DATABASE_URL=self.database_url,
            REHIVE_API_URL=self.rehive.api_url,
            REHIVE_PAYMENT_REQUESTS_URL=self.rehive.payment_requests_url,
            REHIVE_TOKEN=self.rehive.token,
            REHIVE_BUSINESS_ID=self.rehive.business_id,
            REHIVE_WEBHOOK_SECRET=SECRET,
        )

    def log(self) -> str:
        """What the shop has printed since ``mark_log``."""
        with self._log.open("rb") as log:
            log.seek(self._mark)
            return log.read().decode(errors="replace")

    def mark_log(self) -> None:
        self._mark = self._log.stat().st_size

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of ``manage.py`` as the shop's owner would."""
        return subprocess.run(
            [sys.executable, "sandbox/manage.py", *arguments],
            cwd=ROOT,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
        )

    def reconcile(self) -> None:
        done = self.manage("rehive_reconcile")
        # 3: a fact that is new to it, which another test with this shop has raised.
        assert done.returncode in (0, 3), done.stdout + done.stderr

    # Rehive's webhook

    @property
    def webhook_url(self) -> str:
        prefix = "/en" if "SANDBOX_I18N_PATTERNS" in self.switches else ""
        return f"{self.base_url}{prefix}/rehive/webhook/"

    def deliver(self, invoice_id: str, line: Any = requests) -> requests.Response:
        """Tell the shop of an invoice as Rehive does; ``line`` is a session where that matters."""
        told = {"id": 1, "event": "x", "company": "x", "data": {"id": invoice_id}}
        answer: requests.Response = line.post(
            self.webhook_url,
            json=told,
            headers={"Authorization": f"Secret {SECRET}"},
            timeout=START_SECONDS,
        )
        return answer

    @contextmanager
    def webhook(self) -> Iterator[None]:
        """A webhook that Rehive calls meanwhile; what is undelivered at the end is dropped."""
        webhook = self.rehive.register_webhook(self.webhook_url, SECRET)
        try:
            yield
        finally:
            requests.delete(
                f"{self.rehive.payment_requests_url}user/webhooks/{webhook['id']}/",
                headers={"Authorization": f"Token {self.rehive.token}"},
                timeout=10,
            ).raise_for_status()

    def quiet(self) -> None:
        """Return when nothing is on its way from Rehive, and the shop has worked on what came."""
        eventually(lambda: not self.rehive.deliveries()["pending"])
        eventually(
            lambda: not self.value("SELECT count(*) FROM oscar_rehive_delivery WHERE state = 'new'")
        )

    # The database

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        if self.database_url:
            import psycopg

            connection = psycopg.connect(self.database_url, autocommit=True)
        else:
            connection = sqlite3.connect(self.folder / "db.sqlite3", timeout=20)
        try:
            with connection:
                yield connection
        finally:
            connection.close()

    @contextmanager
    def holding(self, query: str, *values: Any) -> Iterator[None]:
        """The rows of a ``SELECT … FOR UPDATE`` stay locked meanwhile: whoever writes them waits.

        PostgreSQL only.
        """
        import psycopg

        with psycopg.connect(self.database_url) as connection:
            assert connection.execute(query, values).fetchall(), "nothing to hold"
            yield

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """The rows of a query, whose placeholders are ``%s`` on every database."""
        with self._connection() as connection:
            return list(connection.execute(self._for_database(query), values).fetchall())

    def execute(self, statement: str, *values: Any) -> None:
        with self._connection() as connection:
            connection.execute(self._for_database(statement), values)

    def _for_database(self, query: str) -> str:
        return query if self.database_url else query.replace("%s", "?")

    def column(self, query: str, *values: Any) -> list[Any]:
        return [row[0] for row in self.rows(query, *values)]

    def value(self, query: str, *values: Any) -> Any:
        (value,) = self.column(query, *values)
        return value

    # What became of an order

    def orders_of(self, address: str) -> list[str]:
        """The numbers of all orders of a guest or customer, oldest first."""
        return self.column(
            "SELECT o.number FROM order_order o LEFT JOIN auth_user u ON u.id = o.user_id"
            " WHERE o.guest_email = %s OR u.email = %s ORDER BY o.id",
            address,
            address,
        )

    def order_of(self, address: str) -> Placed:
        """The only order of a guest or customer."""
        (number,) = self.orders_of(address)
        return self.order(number)

    def order(self, number: str) -> Placed:
        ((status, total, basket),) = self.rows(
            "SELECT o.status, o.total_incl_tax, b.status FROM order_order o"
            " JOIN basket_basket b ON b.id = o.basket_id WHERE o.number = %s",
            number,
        )
        of_payment = "JOIN oscar_rehive_orderpayment p ON p.id = payment_id WHERE order_number = %s"
        return Placed(
            number=number,
            status=status,
            total=_money(total),
            basket=basket,
            ledger=[
                (code, kind, _money(amount))
                for code, kind, amount in self.rows(
                    "SELECT y.code, t.txn_type, t.amount FROM payment_transaction t"
                    " JOIN payment_source s ON s.id = t.source_id"
                    " JOIN payment_sourcetype y ON y.id = s.source_type_id"
                    " JOIN order_order o ON o.id = s.order_id WHERE o.number = %s ORDER BY t.id",
                    number,
                )
            ],
            stages=self.column(
                f"SELECT state FROM oscar_rehive_invoice {of_payment} ORDER BY attempt", number
            ),
            attention=self.column(
                f"SELECT kind FROM oscar_rehive_attention {of_payment} ORDER BY kind", number
            ),
            remote=[
                invoice["status"]
                for invoice in reversed(self.rehive.invoices())
                if invoice["request_reference"] == number
            ],
            mails=self.mails(number),
        )

    def mails(self, number: str) -> list[EmailMessage]:
        """The confirmations that were sent of an order."""
        mails = [
            email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            for path in sorted((self.folder / "mails").glob("*.eml"))
        ]
        return [mail for mail in mails if number in str(mail["Subject"]).split()]

    def stock(self, upc: str) -> tuple[int, int]:
        """How many there are, and how many of them are held for orders."""
        ((there, held),) = self.rows(
            "SELECT num_in_stock, num_allocated FROM partner_stockrecord WHERE partner_sku = %s",
            upc,
        )
        return there, held or 0


def _money(value: Any) -> Decimal:
    return Decimal(str(value)).quantize(Decimal("0.01"))


def environment(**changes: str) -> dict[str, str]:
    """This process's environment without what would configure the shop, and with ``changes``."""
    ours = ("DJANGO_", "DATABASE_", "SANDBOX_", "SHOP_", "REHIVE_", "TESTS_")
    kept = {key: text for key, text in os.environ.items() if not key.startswith(ours)}
    # One shop serves many tests, and is paid in more often than Rehive's limit leaves room for.
    usual = {"PYTHONUNBUFFERED": "1", "SANDBOX_CALLS_PER_MINUTE": "1000000"}
    return {**kept, **usual, **changes}


def template(shared: Path) -> Path:
    """A folder with an SQLite shop that has just been set up, to be copied.

    Setting up takes seconds, so all workers of a test run share one, in the folder ``shared``.
    """
    ready = shared / "sandbox-template"
    with (shared / "sandbox-template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            part = shared / "sandbox-template.part"
            shutil.rmtree(part, ignore_errors=True)
            told = set_up(part)
            (part / WHAT_SETUP_TOLD).write_text(told)
            part.rename(ready)
    return ready


def set_up(folder: Path, database_url: str = "") -> str:
    """Run the sandbox's own ``setup_sandbox``; returns what it told."""
    done = subprocess.run(
        [sys.executable, "sandbox/manage.py", "setup_sandbox"],
        cwd=ROOT,
        env=environment(SANDBOX_VAR=str(folder), DATABASE_URL=database_url),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def database_of_its_own(server_url: str) -> Iterator[str]:
    """The address of a new database at a PostgreSQL server, dropped at the end."""
    import psycopg

    name = f"shop_{uuid.uuid4().hex}"
    with psycopg.connect(server_url, autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')
        try:
            yield urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
        finally:
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')

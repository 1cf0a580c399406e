"""What a pooled connection and the checking of what Rehive sends cost. See README.md."""

from __future__ import annotations

import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from oscar_rehive.rehive.client import PAGE_SIZE, Client
from oscar_rehive.rehive.wire import RemoteInvoice, read_invoice
from oscar_rehive.simulator.process import SimulatorProcess

ROUNDS = 15
CALLS = 20
ANY = "any"
NEW = {"request_reference": "100001", "request_amount": 1234, "status": "initiated"}


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def compare(title: str, slow: Callable[[], object], fast: Callable[[], object]) -> None:
    """Print how many times ``fast``'s time ``slow`` takes: in turns, so that whatever else the
    machine does hits both."""
    ratios = sorted(seconds(slow) / seconds(fast) for _ in range(ROUNDS))
    low, high = ratios[ROUNDS // 4], ratios[-1 - ROUNDS // 4]
    print(f"{title}: {statistics.median(ratios):.2f} times (middle half {low:.2f} to {high:.2f})")


@contextmanager
def keeping_connections(answer: bytes) -> Iterator[str]:
    """The address of a server that gives one answer. The simulator closes each connection."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()


def paid_invoice() -> RemoteInvoice:
    with SimulatorProcess() as rehive:
        client = Client(
            api_url=rehive.api_url,
            payment_requests_url=rehive.payment_requests_url,
            token=rehive.token,
            business_id=rehive.business_id,
        )
        made = client.create_invoice(NEW, idempotency_key="benchmark")
        rehive.outcome(made.id, "pay")
        return client.invoice(made.id)


def main() -> None:
    invoice = paid_invoice()
    with keeping_connections(json.dumps(invoice.raw).encode()) as address:

        def connect() -> Client:
            return Client(api_url=address, payment_requests_url=address, token=ANY, business_id=ANY)

        pooled = connect()
        compare(
            "a new session for each call / one pooled session",
            lambda: [connect().invoice(invoice.id) for _ in range(CALLS)],
            lambda: [pooled.invoice(invoice.id) for _ in range(CALLS)],
        )
    page = json.dumps([invoice.raw] * PAGE_SIZE)
    compare(
        f"parsing and checking {PAGE_SIZE} invoices / json.loads alone",
        lambda: [read_invoice(one) for one in json.loads(page)],
        lambda: json.loads(page),
    )


if __name__ == "__main__":
    main()

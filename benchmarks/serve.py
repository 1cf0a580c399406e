"""Serves the shop under gunicorn at a listening socket: ``python -m benchmarks.serve <fd>``.

BENCHMARK_NO_MAIL=1        no confirmation is made
BENCHMARK_REFUSED=<file>   gets a line for each call of a shopper's page that Rehive refused
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any

WORKERS = 2
THREADS = 8

_page = threading.local()


def application() -> Any:
    """The shop, in what the benchmarks need otherwise than the sandbox has it."""
    shop = import_module("sandbox.wsgi").application

    # Once Django is set up.
    from oscar_rehive.payments import deliveries, gateway

    if "BENCHMARK_NO_MAIL" in os.environ:
        deliveries.send_confirmation_soon = lambda payment: None
    if "BENCHMARK_REFUSED" not in os.environ:
        return shop
    gateway.counted = _noting_what_is_refused(gateway.counted, os.environ["BENCHMARK_REFUSED"])

    def pages(environ: dict[str, Any], start_response: Any) -> Any:
        _page.is_one = "/webhook/" not in environ["PATH_INFO"]
        try:
            return shop(environ, start_response)
        finally:
            _page.is_one = False

    return pages


def _noting_what_is_refused(counted: Callable[..., Any], file: str) -> Callable[..., Any]:
    from oscar_rehive.rehive.exceptions import Throttled

    def call(*args: Any) -> Any:
        outcome = counted(*args)
        if isinstance(outcome, Throttled) and getattr(_page, "is_one", False):
            with open(file, "a") as refused:
                refused.write("refused\n")
        return outcome

    return call


def main(listener: int) -> None:
    """Serve until standard input ends."""
    from gunicorn.app.base import BaseApplication

    threading.Thread(target=_end_with_stdin, daemon=True).start()
    options = {
        "bind": f"fd://{listener}",
        "workers": WORKERS,
        "threads": THREADS,
        "worker_class": "gthread",
        "keepalive": 120,
        "loglevel": "warning",
    }

    class Served(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
        def load_config(self) -> None:
            for name, value in options.items():
                self.cfg.set(name, value)
            # Newer ones have a socket for commands in the home directory, the same for all.
            if "control_socket_disable" in self.cfg.settings:
                self.cfg.set("control_socket_disable", True)

        def load(self) -> Any:
            return application()

    Served().run()


def _end_with_stdin() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main(int(sys.argv[1]))

"""Serves the sandbox shop at a listening socket that the tests opened: ``serve_shop.py <fd>``.

The socket comes from the parent, so no other process can take the port in between; and the shop ends
with its standard input, so none is left behind by a test run that is killed.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from datetime import timedelta

THREADS = 12


def main() -> None:
    """Serve until standard input ends."""
    from django.conf import settings
    from waitress import create_server

    from sandbox.wsgi import application

    # Once the application has set Django up.
    from oscar_rehive import views  # isort: skip

    # As tests/conftest.py: these shoppers are quicker than people, who need seconds between two pages.
    views.ASK_AGAIN_AFTER = timedelta(0)
    arguments = {"sockets": [socket.socket(fileno=int(sys.argv[1]))], "threads": THREADS}
    if hasattr(settings, "SECURE_PROXY_SSL_HEADER"):
        # As sandbox/serve.py: waitress takes such headers away unless told whom to trust.
        arguments.update(trusted_proxy="*", trusted_proxy_headers="x-forwarded-proto")
    server = create_server(application, **arguments)
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    server.run()


def _end_with_stdin() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()

"""Serves the sandbox shop at a listening socket that the tests opened: ``serve_shop.py <fd> <server>``.

The socket comes from the parent, so no other process can take the port in between; and the shop ends
with its standard input, so none is left behind by a test run that is killed.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from datetime import timedelta
from importlib import import_module
from typing import Any

THREADS = 12
SILENCE = 120
"""Seconds: more than anybody here waits for a page (shopper.SECONDS)."""


def application(interface: str = "wsgi") -> Any:
    """The shop, in what these tests need otherwise than the sandbox has it.

    TESTS_MAIL_PORT=1234        mails go to the mail server at that port of this machine
    TESTS_REPLACED_ANSWERS=1    a middleware throws the webhook's answers away and gives its own
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sandbox.settings")

    from django.conf import settings

    if port := os.environ.get("TESTS_MAIL_PORT"):
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", int(port)
    if "TESTS_REPLACED_ANSWERS" in os.environ:
        settings.MIDDLEWARE.insert(0, "tests.e2e.replacing.replace_answers")
    served = import_module(f"sandbox.{interface}").application

    # Once Django is set up.
    from oscar_rehive import views
    from oscar_rehive.shop import confirmation

    # As tests/conftest.py: these shoppers are quicker than people, who need seconds between two pages.
    views.ASK_AGAIN_AFTER = timedelta(0)
    # So that what is seen while the mail server is silent does not depend on how fast this machine is.
    confirmation.MOST_SECONDS = SILENCE
    return served


def waitress(listener: int) -> None:
    from waitress import create_server

    served = application()

    from django.conf import settings

    arguments = {"sockets": [socket.socket(fileno=listener)], "threads": THREADS}
    if hasattr(settings, "SECURE_PROXY_SSL_HEADER"):
        # As sandbox/serve.py: waitress takes such headers away unless told whom to trust.
        arguments.update(trusted_proxy="*", trusted_proxy_headers="x-forwarded-proto")
    create_server(served, **arguments).run()


def gunicorn(listener: int, **options: Any) -> None:
    from gunicorn.app.base import BaseApplication

    class Served(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
        def load_config(self) -> None:
            for name, value in {"bind": f"fd://{listener}", **options}.items():
                self.cfg.set(name, value)
            # Newer ones have a socket for commands in the home directory, the same for all.
            if "control_socket_disable" in self.cfg.settings:
                self.cfg.set("control_socket_disable", True)

        def load(self) -> Any:
            # In the worker, after the fork and after what gevent changes.
            return application()

    Served().run()


def uvicorn(listener: int) -> None:
    from uvicorn import Config, Server

    config = Config(application("asgi"), lifespan="off", log_config=None)
    Server(config).run(sockets=[socket.socket(fileno=listener)])


def main(listener: int, server: str) -> None:
    """Serve until standard input ends."""
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    if server == "waitress":
        waitress(listener)
    elif server == "uvicorn":
        uvicorn(listener)
    elif server == "gunicorn sync":
        gunicorn(listener)
    elif server == "gunicorn with threads":
        gunicorn(listener, threads=4)
    elif server == "gunicorn with gevent":
        gunicorn(listener, worker_class="gevent")
    else:
        sys.exit(f"There is no {server!r} here.")


def _end_with_stdin() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])

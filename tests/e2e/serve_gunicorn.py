"""As serve_shop.py, by gunicorn: ``serve_gunicorn.py <fd>``."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Any

from gunicorn.app.base import BaseApplication


class Served(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """The sandbox shop at a listening socket."""

    def load_config(self) -> None:
        self.cfg.set("bind", f"fd://{sys.argv[1]}")
        self.cfg.set("threads", int(os.environ.get("GUNICORN_THREADS", "4")))

    def load(self) -> Any:
        from sandbox.wsgi import application

        return application


def _end_with_stdin() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    Served().run()

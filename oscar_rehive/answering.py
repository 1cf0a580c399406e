"""Answering first and working after (promise P11), without threads or a task queue."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.http import HttpResponseBase

logger = logging.getLogger(__name__)


def after_sending(response: HttpResponseBase, work: Callable[[], object]) -> HttpResponseBase:
    """Have ``work`` done once ``response`` has been sent.

    The server calls ``close()`` when the answer is out (PEP 3333). What ``work`` raises is logged
    and nothing else: the visitor has gone, and reconcile does again what was not done.
    """
    close = response.close

    def close_after_work() -> None:
        try:
            work()
        except Exception:
            logger.exception("Work after an answer failed; rehive_reconcile repeats it.")
        finally:
            close()

    response.close = close_after_work  # type: ignore[method-assign]  # an instance's own hook
    return response

"""What this package writes into the shop's log: never a secret (promise P9)."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from oscar_rehive.cleaning import without_secrets

if TYPE_CHECKING:
    Adapter = logging.LoggerAdapter[logging.Logger]
else:
    Adapter = logging.LoggerAdapter  # takes no type in Python 3.10


class Log(Adapter):
    """The logger called ``name``. An exception may hold a secret in its message, or in one that led to it;
    nobody knows what a shop's own code raises. So a traceback is written as cleaned text, and a handler
    that looks into the frames of an exception has none to look into."""

    def __init__(self, name: str) -> None:
        super().__init__(logging.getLogger(name), {})

    def log(
        self,
        level: int,
        msg: object,
        *args: object,
        exc_info: object = None,
        extra: Mapping[str, object] | None = None,
        **kwargs: Any,
    ) -> None:
        """As ``logging.Logger.log``; ``exc_info`` means the exception that is being handled."""
        if not self.isEnabledFor(level):
            return
        if exc_info:
            msg, args = f"{msg}\n%s", (*args, traceback.format_exc())
        cleaned = tuple(one if isinstance(one, int) else without_secrets(str(one)) for one in args)
        self.logger.log(level, msg, *cleaned, extra=extra, stacklevel=2, **kwargs)

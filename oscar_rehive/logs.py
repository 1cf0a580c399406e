"""What this package writes into the shop's log: never a secret (promise P9)."""

from __future__ import annotations

import contextlib
import logging
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from oscar_rehive.cleaning import without_secrets

if TYPE_CHECKING:
    Adapter = logging.LoggerAdapter[logging.Logger]
else:
    Adapter = logging.LoggerAdapter  # takes no type in Python 3.10


Fields = Mapping[str, object]

_about: ContextVar[Fields] = ContextVar("oscar_rehive_about", default=MappingProxyType({}))


@contextlib.contextmanager
def about(**fields: object) -> Iterator[None]:
    """Log records within the block, and that of an exception which leaves it, carry ``fields`` besides
    those of the blocks around: ``order_number``, ``invoice_id``, ``attempt``, ``delivery_id``; None
    where it is not known."""
    told = {**_about.get(), **fields}
    token = _about.set(told)
    try:
        yield
    except Exception as error:
        # The innermost block knows most, and its fields are all there already. What else is there is of
        # another thread that was given the same error.
        if not told.items() <= _carried_by(error).items():
            with contextlib.suppress(AttributeError):
                error.oscar_rehive_about = told  # type: ignore[attr-defined]  # no error has it
        raise
    finally:
        _about.reset(token)


def _carried_by(error: BaseException | None) -> Fields:
    return getattr(error, "oscar_rehive_about", {})


class Log(Adapter):
    """The logger called ``name``. Its records carry what the work is ``about``.

    An exception may hold a secret in its message, or in one that led to it;
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
        extra: Fields | None = None,
        **kwargs: Any,
    ) -> None:
        """As ``logging.Logger.log``; ``exc_info`` means the exception that is being handled."""
        if not self.isEnabledFor(level):
            return
        if exc_info:
            msg, args = f"{msg}\n%s", (*args, traceback.format_exc())
        failed = _carried_by(sys.exc_info()[1]) if exc_info else {}
        told = {**_about.get(), **failed, **(extra or {})}
        fields = {name: _cleaned(one) for name, one in told.items() if one is not None}
        self.logger.log(level, msg, *map(_cleaned, args), extra=fields, stacklevel=2, **kwargs)


def _cleaned(value: object) -> object:
    return value if isinstance(value, int) else without_secrets(str(value))

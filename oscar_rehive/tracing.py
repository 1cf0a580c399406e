"""Spans of OpenTelemetry, where ``opentelemetry-api`` is installed; whoever has configured its SDK sees them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Failed = Callable[[str], None]

_tracer: Any = None

try:
    from opentelemetry import trace
except ImportError:
    pass
else:
    _tracer = trace.get_tracer("oscar_rehive")


@contextlib.contextmanager
def span(name: str, attributes: Mapping[str, object], *, is_call: bool = False) -> Iterator[Failed]:
    """The block as a span; ``attributes`` that are None are left out. ``is_call``: it is a call to another
    service. Gives what is to be called with one word where the block fails without raising.

    Of an exception only its class is told: nobody knows what its message holds (P9).
    """
    if _tracer is None:
        yield lambda word: None
        return
    with _tracer.start_as_current_span(
        name,
        kind=trace.SpanKind.CLIENT if is_call else trace.SpanKind.INTERNAL,
        attributes={key: value for key, value in attributes.items() if value is not None},
        record_exception=False,
        set_status_on_exception=False,
    ) as current:

        def failed(word: str) -> None:
            current.set_attribute("error.type", word)
            current.set_status(trace.StatusCode.ERROR)

        try:
            yield failed
        except Exception as error:
            failed(type(error).__name__)
            raise

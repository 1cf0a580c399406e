"""A plugin of pytest (``-p tests.without_extras``): this run finds neither ``prometheus_client`` nor
OpenTelemetry, as on a machine where nobody has installed them."""

from __future__ import annotations

import sys

for missing in ("prometheus_client", "opentelemetry"):
    sys.modules[missing] = None  # type: ignore[assignment]  # what makes its import fail


def pytest_collection_finish() -> None:
    """All of the plugin is imported by now."""
    from oscar_rehive import numbers, tracing

    assert not numbers.ARE_KEPT
    assert tracing._tracer is None
    assert "oscar_rehive.collecting" not in sys.modules

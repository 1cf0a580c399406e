"""Spans of OpenTelemetry: calls to Rehive and settling, and nothing in them that is secret."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from oscar_rehive import tracing
from oscar_rehive.rehive.exceptions import NotFound
from tests.steps import opened, rehive_forgot, settled


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """What an SDK that the shop has configured is given."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("oscar_rehive"))
    return exporter


def named(spans: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in spans.get_finished_spans() if span.name == name]


@pytest.mark.django_db
def test_settling_and_the_call_within(rehive: Any, place_order: Any, spans: Any) -> None:
    order = place_order()
    invoice = opened(order)
    spans.clear()

    settled(invoice)

    call, settling = spans.get_finished_spans()
    assert (settling.name, settling.kind) == ("rehive.settle", SpanKind.INTERNAL)
    assert dict(settling.attributes) == {
        "rehive.order_number": order.number,
        "rehive.invoice_id": invoice.remote_id,
        "rehive.attempt": 1,
    }
    assert (call.name, call.kind) == ("rehive.request", SpanKind.CLIENT)
    assert call.parent.span_id == settling.context.span_id
    assert dict(call.attributes) == {
        "http.request.method": "GET",
        "url.template": "/manager/businesses/{id}/invoices/{id}/",
    }
    assert {call.status.status_code, settling.status.status_code} == {StatusCode.UNSET}


@pytest.mark.django_db
def test_opening_is_a_call_too(rehive: Any, place_order: Any, spans: Any) -> None:
    opened(place_order())

    told = [
        (span.attributes["http.request.method"], span.attributes["url.template"])
        for span in named(spans, "rehive.request")
    ]
    assert told == [
        ("GET", "/manager/businesses/{id}/"),
        ("POST", "/manager/businesses/{id}/invoices/"),
    ]


@pytest.mark.django_db
def test_what_fails_is_told_by_one_word(rehive: Any, place_order: Any, spans: Any) -> None:
    invoice = opened(place_order())
    rehive.faults(error_status=500)
    spans.clear()

    with pytest.raises(Exception, match="Rehive"):
        settled(invoice)

    call, settling = spans.get_finished_spans()
    assert (call.status.status_code, call.attributes["error.type"]) == (
        StatusCode.ERROR,
        "unreachable",
    )
    assert (settling.status.status_code, settling.attributes["error.type"]) == (
        StatusCode.ERROR,
        "Unreachable",
    )


@pytest.mark.django_db
def test_p9_of_an_exception_only_its_class_is_told(
    place_order: Any, rehive: Any, spans: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = opened(place_order())
    rehive_forgot(monkeypatch)
    spans.clear()

    with pytest.raises(NotFound):
        settled(invoice)
    with pytest.raises(ValueError, match="token"), tracing.span("rehive.settle", {}):
        raise ValueError(f"Refused: token {rehive.token}")

    for span in spans.get_finished_spans():
        assert span.status.description is None
        assert not span.events
        assert rehive.token not in span.to_json()


@pytest.mark.django_db
def test_p9_no_span_holds_an_address_a_header_or_a_secret(
    rehive: Any, place_order: Any, spans: Any
) -> None:
    invoice = opened(place_order())
    rehive.outcome(invoice.remote_id, "pay")
    settled(invoice)

    for span in spans.get_finished_spans():
        text = span.to_json()
        for hidden in (rehive.token, rehive.api_url, rehive.business_id, "Authorization"):
            assert hidden not in text


def test_what_is_not_known_is_left_out(spans: Any) -> None:
    with tracing.span("rehive.settle", {"rehive.attempt": 1, "rehive.invoice_id": None}):
        pass

    (span,) = spans.get_finished_spans()
    assert dict(span.attributes) == {"rehive.attempt": 1}

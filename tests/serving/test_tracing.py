"""Spans: of the trace that a request belongs to, and only where somebody asks for them."""

from __future__ import annotations

import logging
import sys
from typing import Any

import pytest

from serving import tracing
from serving.settings import Settings
from tests.serving.around import client_of, log_lines


def spans_of(environment: pytest.MonkeyPatch) -> tuple[tracing.Tracing, Any]:
    """Returns what makes spans, and where they end up."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    environment.setenv("OTEL_TRACES_SAMPLER", "always_on")
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return tracing.Tracing(provider), exporter


def test_a_request_is_a_span_of_the_trace_it_belongs_to(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spans, exporter = spans_of(monkeypatch)
    monkeypatch.setattr("serving.tracing.from_environment", lambda: spans)
    client = client_of(Settings())
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    client.post("/v1/things/a", headers={"traceparent": f"00-{trace}-{parent}-01"})
    client.get("/secret")
    first, second = exporter.get_finished_spans()
    assert format(first.context.trace_id, "032x") == trace
    assert format(first.parent.span_id, "016x") == parent and second.parent is None
    assert first.kind.name == "SERVER" and first.attributes["http.response.status_code"] == 200
    assert first.attributes["zoo.model"] == "toy@1" and first.attributes["zoo.rows"] == 3
    assert second.attributes["http.response.status_code"] == 500
    assert second.status.status_code.name == "ERROR"
    logged = log_lines(capsys)
    assert logged[0]["trace"] == trace and logged[1]["trace"] != trace


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
        {"OTEL_TRACES_EXPORTER": "console", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_SERVICE_NAME": "mine"},
    ],
)
def test_nobody_makes_spans_that_nobody_asked_for(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert tracing.from_environment() is None


def test_spans_are_turned_on_by_the_standard_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "console")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
    made = tracing.from_environment()
    assert made is not None
    with made.request({"type": "http", "method": "GET", "headers": []}):
        pass
    made.close()
    assert '"service.name": "mine"' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("exporter", "words"), [("otlp", "opentelemetry.exporter"), ("telegraph", "otlp, console")]
)
def test_spans_that_cannot_be_made_are_a_warning_and_no_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, exporter: str, words: str
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter", None)
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", exporter)
    with caplog.at_level(logging.WARNING, "serving"):
        assert tracing.from_environment() is None
    assert words in caplog.text

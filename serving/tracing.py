"""A span for every request, where OpenTelemetry is installed and its environment asks for spans.

`OTEL_EXPORTER_OTLP_ENDPOINT`, or `OTEL_TRACES_EXPORTER` as `otlp` or `console`, turns it on; all
else (headers, protocol, sampler, the service's name) is the standard's own environment. A span
continues the trace of a `traceparent` header. https://opentelemetry.io/docs/specs/otel/
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from starlette.types import Scope

from serving.access_log import Record

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span

logger = logging.getLogger("serving")

_SERVICE = "keras-model-zoo"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")


class Tracing:
    """Makes spans.

    Args:
        provider: Where they go.
    """

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("serving")

    @contextlib.contextmanager
    def request(self, scope: Scope) -> Iterator[Span]:
        """Opens the span of a request; what is called inside it is its child."""
        from opentelemetry import propagate
        from opentelemetry.trace import SpanKind

        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        with self._tracer.start_as_current_span(
            scope["method"][:20], context=propagate.extract(headers), kind=SpanKind.SERVER
        ) as span:
            yield span

    def close(self) -> None:
        """Sends what is left."""
        self._provider.shutdown()


def describe(span: Span, record: Record, method: str, route: str, status: int) -> None:
    """Writes an answered request onto its span, under OpenTelemetry's names for HTTP."""
    from opentelemetry.trace import StatusCode

    span.update_name(f"{method} {route}")
    span.set_attribute("http.request.method", method)
    span.set_attribute("http.route", route)
    span.set_attribute("http.response.status_code", status)
    if record.model is not None:
        span.set_attribute("zoo.model", record.model)
        span.set_attribute("zoo.rows", record.rows)
        span.set_attribute("zoo.queue_seconds", record.queue_seconds)
    if status >= 500:
        span.set_status(StatusCode.ERROR)


def trace_id(span: Span) -> str:
    """Returns the id of a span's trace, as `traceparent` writes it."""
    return f"{span.get_span_context().trace_id:032x}"


def from_environment() -> Tracing | None:
    """Returns what makes spans, or None where none are asked for.

    What is asked for and cannot be had is a warning: a service answers without its spans, too.
    """
    exporter = os.environ.get("OTEL_TRACES_EXPORTER", "").strip()
    asked = exporter or any(os.environ.get(name) for name in _ENDPOINTS)
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if not asked or exporter == "none" or disabled:
        return None
    protocol = next((os.environ[name] for name in _PROTOCOLS if os.environ.get(name)), "")
    try:
        return Tracing(_provider(_exporter(exporter or "otlp", protocol)))
    except ImportError as error:
        logger.warning("no spans are sent: %s; install keras-model-zoo[tracing]", error)
    except ValueError as error:
        logger.warning("no spans are sent: %s", error)
    return None


def _exporter(name: str, protocol: str) -> SpanExporter:
    if name == "console":
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter

        return ConsoleSpanExporter(out=sys.stderr)
    if name != "otlp":
        raise ValueError(f"OTEL_TRACES_EXPORTER must be otlp, console or none, got {name[:40]!r}")
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (
            OTLPSpanExporter as GrpcExporter,
        )

        return GrpcExporter()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()


def _provider(exporter: SpanExporter) -> TracerProvider:
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    # The later of two resources wins, so that OTEL_SERVICE_NAME does.
    resource = Resource.create({"service.name": _SERVICE}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider

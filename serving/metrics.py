"""What the service counts, for Prometheus.

Requests are labelled with the route's template and models with known ids, so that no client can
make new series.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

if TYPE_CHECKING:
    from serving.batching import Batcher

_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
_ROWS = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Counters of one service, in a registry of their own."""

    content_type = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "zoo_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "zoo_request_seconds",
            "Time to an answer's first byte.",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._batch_rows = Histogram(
            "zoo_batch_rows",
            "Rows in one call of a model.",
            ("model",),
            buckets=_ROWS,
            registry=self.registry,
        )
        self._queue_rows = Gauge(
            "zoo_queue_rows",
            "Rows waiting for a model.",
            ("model",),
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self._batchers: dict[str, Batcher] = {}

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts one answered request."""
        known = method if method in _METHODS else "OTHER"
        self._requests.labels(known, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def batch(self, model: str, rows: int) -> None:
        """Counts one call of a model."""
        self._batch_rows.labels(model).observe(rows)

    def watch_queue(self, model: str, batcher: Batcher) -> None:
        """Reports the queue of a model from now on."""
        self._batchers[model] = batcher

    def render(self) -> bytes:
        """Returns all of it in Prometheus' text format."""
        for model, batcher in list(self._batchers.items()):
            self._queue_rows.labels(model).set(batcher.waiting)
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            # BentoML sets it for its workers: the numbers lie in files, to be summed over them.
            together = CollectorRegistry()
            MultiProcessCollector(together)
            return generate_latest(together)
        return generate_latest(self.registry)

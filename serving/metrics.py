"""What the service counts, for Prometheus.

Requests are labelled with the route's template and models with known ids, so that no client can
make new series.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

MODEL_STATES = ("available", "loading", "ready", "draining", "failed")
JOB_STATES = ("queued", "running", "succeeded", "failed", "cancelled")

_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
_SHORT_SECONDS = (0.0002, 0.0005, 0.001, *_SECONDS)
_ROWS = (1, 2, 4, 8, 16, 32, 64)

Counts = Callable[[], Mapping[str, int]]


class Queue(Protocol):
    """What has rows that wait."""

    @property
    def waiting(self) -> int: ...


class Metrics:
    """Counters of one service, in a registry of their own."""

    content_type = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = self._counter(
            "zoo_requests", "Requests answered.", ("method", "route", "status")
        )
        self._refused = self._counter("zoo_refused", "Errors answered, by their type.", ("reason",))
        self._seconds = self._histogram(
            "zoo_request_seconds", "Time to an answer's last byte.", ("route",), _SECONDS
        )
        self._queue_seconds = self._histogram(
            "zoo_queue_seconds", "Time that a request's rows wait.", ("model",), _SHORT_SECONDS
        )
        self._batch_rows = self._histogram(
            "zoo_batch_rows", "Rows in one call of a model.", ("model",), _ROWS
        )
        self._call_seconds = self._histogram(
            "zoo_call_seconds", "Time of one call of a model.", ("model", "runtime"), _SHORT_SECONDS
        )
        self._queue_rows = self._gauge("zoo_queue_rows", "Rows waiting for a model.", ("model",))
        self._loaded = self._gauge("zoo_loaded_bytes", "Bytes of the networks in memory.")
        self._running = self._gauge("zoo_requests_running", "Requests being answered.")
        self._models = self._gauge("zoo_models", "Versions of models, by state.", ("state",))
        self._jobs = self._gauge("zoo_jobs", "Jobs that are kept, by state.", ("state",))
        self._queues: dict[str, Queue] = {}
        self._count_models: Counts | None = None
        self._count_jobs: Counts | None = None
        self._count_loaded: Callable[[], int] | None = None

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts one answered request."""
        known = method if method in _METHODS else "OTHER"
        self._requests.labels(known, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def refused(self, reason: str) -> None:
        """Counts one error that was answered; `reason` is its type."""
        self._refused.labels(reason).inc()

    def running(self, change: int) -> None:
        """Counts a request in, 1, or out, -1."""
        self._running.inc(change)

    def queued(self, model: str, seconds: float) -> None:
        """Counts how long the rows of one request waited."""
        self._queue_seconds.labels(model).observe(seconds)

    def call(self, model: str, runtime: str, rows: int, seconds: float) -> None:
        """Counts one call of a model."""
        self._batch_rows.labels(model).observe(rows)
        self._call_seconds.labels(model, runtime).observe(seconds)

    def watch_queue(self, model: str, queue: Queue) -> None:
        """Reports the queue of a model from now on."""
        self._queues[model] = queue

    def forget_queue(self, model: str) -> None:
        """Reports an unloaded model's queue as empty."""
        if self._queues.pop(model, None) is not None:
            self._queue_rows.labels(model).set(0)

    def watch_models(self, states: Counts, loaded: Callable[[], int]) -> None:
        """Reports how many models are in each of `MODEL_STATES`, and the bytes of those loaded."""
        self._count_models, self._count_loaded = states, loaded

    def watch_jobs(self, states: Counts) -> None:
        """Reports how many jobs are in each of `JOB_STATES`."""
        self._count_jobs = states

    def render(self) -> bytes:
        """Returns all of it in Prometheus' text format."""
        for model, queue in list(self._queues.items()):
            self._queue_rows.labels(model).set(queue.waiting)
        for gauge, states, count in (
            (self._models, MODEL_STATES, self._count_models),
            (self._jobs, JOB_STATES, self._count_jobs),
        ):
            if count is not None:
                counts = count()
                for state in states:
                    gauge.labels(state).set(counts.get(state, 0))
        if self._count_loaded is not None:
            self._loaded.set(self._count_loaded())
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            # BentoML sets it for its workers: the numbers lie in files, to be summed over them.
            together = CollectorRegistry()
            MultiProcessCollector(together)
            return generate_latest(together)
        return generate_latest(self.registry)

    def _counter(self, name: str, says: str, labels: tuple[str, ...]) -> Counter:
        return Counter(name, says, labels, registry=self.registry)

    def _histogram(
        self, name: str, says: str, labels: tuple[str, ...], buckets: tuple[float, ...]
    ) -> Histogram:
        return Histogram(name, says, labels, buckets=buckets, registry=self.registry)

    def _gauge(self, name: str, says: str, labels: tuple[str, ...] = ()) -> Gauge:
        return Gauge(name, says, labels, registry=self.registry, multiprocess_mode="livesum")

"""One bounded queue a model, with batches made of what waits.

An idle worker takes a request at once; a busy one finds, when it comes back, all that arrived
meanwhile and runs it together. So nothing waits for company, and load fills the batches.
"""

from __future__ import annotations

import collections
import dataclasses
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from typing import Any, Protocol

import numpy as np

from serving.errors import BusyError
from serving.turns import Turns
from serving.watching import Progress, Watch
from zoo.errors import ZooError

__all__ = ["Answer", "Batcher", "Function", "Meter", "Watch", "key_of"]

# From float32 (n, …), and options by name, to (n, …), row i from row i alone.
Function = Callable[..., np.ndarray]

logger = logging.getLogger("serving")


class Meter(Protocol):
    """Who is told what a batcher does."""

    def queued(self, seconds: float) -> None:
        """The rows of a request waited so long."""

    def call(self, rows: int, seconds: float) -> None:
        """A call of so many rows took so long, turns of others not counted."""


class Answer(Future[np.ndarray]):
    """What becomes of a request.

    To cancel one that runs undoes nothing, but notes that nobody waits for it: a call that goes
    step by step ends when this is so for all its requests.

    Attributes:
        unwanted: Whether it was cancelled, in time or not.
        waited: Seconds in the queue, once it runs.
    """

    def __init__(self) -> None:
        super().__init__()
        self.unwanted = False
        self.waited = 0.0

    def cancel(self) -> bool:
        """As for every future; and it is noted."""
        self.unwanted = True
        return super().cancel()


@dataclasses.dataclass(eq=False)
class _Request:
    rows: np.ndarray
    options: Mapping[str, Any]
    function: Function
    watch: Watch | None
    key: Any
    answer: Answer = dataclasses.field(default_factory=Answer)
    arrived: float = dataclasses.field(default_factory=time.perf_counter)


class Batcher:
    """Runs rows of many requests through one model, on threads of its own.

    Args:
        name: What messages and the threads are called after.
        function: What is called where a request does not say otherwise.
        max_batch: Rows in a call. A larger request is run in several calls.
        max_waiting: Rows that may wait.
        turns: The gate before each call, shared with other models.
        stepwise: Whether the function goes step by step: it then takes `callback` and `previews`
            as `zoo.sampling.Sampling` has them.
        meter: Who is told of waiting times and calls.
        calls: How many calls may be under way, each on a thread. More than one is for what goes
            step by step: they take turns, so that a short one does not wait for a long one.
    """

    def __init__(
        self,
        name: str,
        function: Function,
        max_batch: int,
        max_waiting: int,
        turns: Turns | None = None,
        stepwise: bool = False,
        meter: Meter | None = None,
        calls: int = 1,
    ) -> None:
        self.name = name
        self._function = function
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._turns = turns or Turns()
        self._stepwise = stepwise
        self.meter = meter
        self._queue: collections.deque[_Request] = collections.deque()
        self._changed = threading.Condition()
        self._closed = False
        self._batch_seconds = 0.0
        self._threads = [
            threading.Thread(target=self._work, name=f"batcher {name}", daemon=True)
            for _ in range(calls)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Rows in the queue, those of cancelled requests not counted."""
        with self._changed:
            return self._waiting()

    def submit(
        self,
        rows: np.ndarray,
        options: Mapping[str, Any] | None = None,
        watch: Watch | None = None,
        function: Function | None = None,
    ) -> Answer:
        """Queues rows. An answer that is cancelled before its turn is never computed.

        Args:
            rows: float32 (n, …), n from 1 on.
            options: For the function. Requests share a call when these are equal, see `key_of`; a
                list or an array with an element for each row goes with the rows.
            watch: Who is told of the steps of a function that has some.
            function: Another than the batcher's own, of the same model; it goes in one step.

        Raises:
            BusyError: when the queue is full, or the batcher closed.
        """
        called = self._function if function is None else function
        key = (called, key_of(options or {}))
        request = _Request(rows, options or {}, called, watch, key)
        with self._changed:
            waiting = self._waiting()
            if self._closed:
                raise BusyError(f"{self.name} is being unloaded; try again", 1)
            if waiting and waiting + len(rows) > self._max_waiting:
                seconds = waiting / self._max_batch * self._batch_seconds
                raise BusyError(
                    f"{self.name} is busy: {waiting} rows wait and {self._max_waiting} may",
                    max(1, math.ceil(seconds)),
                )
            self._queue.append(request)
            self._changed.notify()
        return request.answer

    def close(self) -> None:
        """Refuses new rows, fails those that wait, and ends the threads after a call or a step."""
        with self._changed:
            self._closed = True
            left = list(self._queue)
            self._queue.clear()
            self._changed.notify_all()
        for request in left:
            if request.answer.set_running_or_notify_cancel():
                request.answer.set_exception(self._gone())
        for thread in self._threads:
            thread.join(timeout=10)

    def _gone(self) -> BusyError:
        return BusyError(f"{self.name} was unloaded", 1)

    def _waiting(self) -> int:
        return sum(len(r.rows) for r in self._queue if not r.answer.unwanted)

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._queue and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
            # The batch is made when the turn has come: by then more may have arrived.
            with self._turns:
                with self._changed:
                    batch = self._take()
                if batch:
                    self._run(batch)

    def _take(self) -> list[_Request]:
        """Takes the first request, and in order those that fit and can share its call."""
        batch: list[_Request] = []
        left: collections.deque[_Request] = collections.deque()
        size = 0
        while self._queue and size < self._max_batch:
            request = self._queue.popleft()
            joins = not batch or request.key == batch[0].key
            if batch and not (joins and size + len(request.rows) <= self._max_batch):
                left.append(request)
            elif request.answer.set_running_or_notify_cancel():
                batch.append(request)
                size += len(request.rows)
        self._queue.extendleft(reversed(left))
        return batch

    def _run(self, batch: list[_Request]) -> None:
        started = time.perf_counter()
        for request in batch:
            request.answer.waited = started - request.arrived
            if self.meter is not None:
                self.meter.queued(request.answer.waited)
        try:
            answers = self._call(batch)
        except Exception as error:  # noqa: BLE001 - a model's failure is its requests', not the thread's
            if not isinstance(error, ZooError):
                logger.error("%s failed on a batch of %d requests", self.name, len(batch))
            for request in batch:
                request.answer.set_exception(self._gone() if self._closed else error)
            return
        self._batch_seconds = time.perf_counter() - started
        start = 0
        for request in batch:
            request.answer.set_result(answers[start : start + len(request.rows)])
            start += len(request.rows)

    def _call(self, batch: list[_Request]) -> np.ndarray:
        rows = np.concatenate([request.rows for request in batch]) if batch[1:] else batch[0].rows
        first = batch[0]
        stepwise = self._stepwise and first.function == self._function
        parts = list(_parts(len(rows), self._max_batch))
        answers = []
        for number, part in enumerate(parts):
            options = {
                name: value[part] if _by_rows(value) and len(value) == len(rows) else value
                for name, value in first.options.items()
            }
            progress = None
            if stepwise:
                progress = Progress(
                    [(r.watch, len(r.rows)) for r in batch], options, number, len(parts)
                )
                options["previews"] = progress.interval
                options["callback"] = self._step(batch, progress)
            started = time.perf_counter()
            answer = first.function(rows[part], **options)
            seconds = time.perf_counter() - started - (progress.elsewhere if progress else 0.0)
            count = part.stop - part.start
            if len(answer) != count:
                raise RuntimeError(f"{self.name} answered {count} rows with {len(answer)}")
            if self.meter is not None:
                self.meter.call(count, seconds)
            answers.append(answer)
        return answers[0] if len(answers) == 1 else np.concatenate(answers)

    def _step(
        self, batch: list[_Request], progress: Progress
    ) -> Callable[[int, int, np.ndarray | None], bool]:
        """Returns what is called after each step: it tells who watches, and lets others pass."""

        def step(number: int, total: int, preview: np.ndarray | None) -> bool:
            if self._closed or all(request.answer.unwanted for request in batch):
                return False
            progress.tell(number, total, preview)
            progress.elsewhere += self._turns.pass_on()
            return True

        return step


def key_of(options: Mapping[str, Any]) -> Any:
    """Returns what is equal for options with which requests may share a call.

    Lists and arrays belong to the rows of their request, so they are equal to nothing.
    """
    return tuple(sorted((name, _key(value)) for name, value in options.items()))


def _key(value: Any) -> Any:
    if isinstance(value, Mapping):
        return key_of(value)
    plain = value is None or isinstance(value, str | int | float)
    return value if plain else _Unlike()


class _Unlike:
    """Equal to nothing but itself."""


def _by_rows(value: Any) -> bool:
    return isinstance(value, list | np.ndarray)


def _parts(count: int, most: int) -> Iterator[slice]:
    for start in range(0, count, most):
        yield slice(start, min(start + most, count))

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
from collections.abc import Callable
from concurrent.futures import Future

import numpy as np

from serving.errors import BusyError

Function = Callable[[np.ndarray], np.ndarray]

logger = logging.getLogger("serving")


@dataclasses.dataclass
class _Request:
    rows: np.ndarray
    answer: Future[np.ndarray]


class Batcher:
    """Runs rows of many requests through one function, on one thread of its own.

    Args:
        name: What messages and the thread are called after.
        function: float32 (n, …) to (n, …), row i of the answer from row i alone.
        max_batch: Rows in a call. A larger request is run in several calls.
        max_waiting: Rows that may wait.
        observe: Called with the number of rows of each call, for metrics.
    """

    def __init__(
        self,
        name: str,
        function: Function,
        max_batch: int,
        max_waiting: int,
        observe: Callable[[int], None] | None = None,
    ) -> None:
        self.name = name
        self._function = function
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._observe = observe
        self._queue: collections.deque[_Request] = collections.deque()
        self._changed = threading.Condition()
        self._closed = False
        self._batch_seconds = 0.0
        self._thread = threading.Thread(target=self._work, name=f"batcher {name}", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Rows in the queue, those of cancelled requests not counted."""
        with self._changed:
            return self._waiting()

    def submit(self, rows: np.ndarray) -> Future[np.ndarray]:
        """Queues rows. A future that is cancelled before its turn is never run.

        Raises:
            BusyError: when the queue is full, or the batcher closed.
        """
        request = _Request(rows, Future())
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
        """Refuses new rows, fails those that wait, and ends the thread."""
        with self._changed:
            self._closed = True
            left = list(self._queue)
            self._queue.clear()
            self._changed.notify()
        for request in left:
            if request.answer.set_running_or_notify_cancel():
                request.answer.set_exception(BusyError(f"{self.name} was unloaded", 1))
        self._thread.join(timeout=10)

    def _waiting(self) -> int:
        return sum(len(r.rows) for r in self._queue if not r.answer.cancelled())

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._queue and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                batch = self._take()
            if batch:
                self._run(batch)

    def _take(self) -> list[_Request]:
        """Takes requests in order while they fit; the first always does."""
        batch: list[_Request] = []
        size = 0
        while self._queue:
            request = self._queue[0]
            if batch and size + len(request.rows) > self._max_batch:
                break
            self._queue.popleft()
            if request.answer.set_running_or_notify_cancel():
                batch.append(request)
                size += len(request.rows)
        return batch

    def _run(self, batch: list[_Request]) -> None:
        started = time.perf_counter()
        try:
            answers = self._call(np.concatenate([request.rows for request in batch]))
        except Exception as error:  # noqa: BLE001 - a model's failure is its requests', not the thread's
            logger.error("%s failed on a batch of %d requests", self.name, len(batch))
            for request in batch:
                request.answer.set_exception(error)
            return
        self._batch_seconds = time.perf_counter() - started
        start = 0
        for request in batch:
            request.answer.set_result(answers[start : start + len(request.rows)])
            start += len(request.rows)

    def _call(self, rows: np.ndarray) -> np.ndarray:
        parts = []
        for start in range(0, len(rows), self._max_batch):
            part = rows[start : start + self._max_batch]
            answer = self._function(part)
            if len(answer) != len(part):
                raise RuntimeError(f"{self.name} answered {len(part)} rows with {len(answer)}")
            if self._observe is not None:
                self._observe(len(part))
            parts.append(answer)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def in_blocks(function: Function, size: int) -> Function:
    """Makes a function that calls `function` with exactly `size` rows, zeros filling the last.

    Kernels chosen for another number of rows may round otherwise; with one number of rows the
    answer for a row is the same bits whatever shares its batch.
    """

    def blocks(rows: np.ndarray) -> np.ndarray:
        answers = []
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            filler = np.zeros((size - len(part), *rows.shape[1:]), rows.dtype)
            answers.append(function(np.concatenate([part, filler]))[: len(part)])
        return np.concatenate(answers)

    return blocks

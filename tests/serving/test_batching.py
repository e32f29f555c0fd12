"""The queue of a model: batches, bounds, cancelling, failures."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from serving.batching import Batcher, in_blocks
from serving.errors import BusyError

WAIT = 20


class Recorder:
    """A function that doubles its rows, notes the batch sizes, and can be held."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.entered = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        self.entered.set()
        assert self.gate.wait(WAIT)
        self.sizes.append(len(rows))
        if (rows < 0).any():
            raise ValueError("negative")
        return rows * 2


@pytest.fixture
def function() -> Recorder:
    return Recorder()


@pytest.fixture
def batcher(function: Recorder) -> Iterator[Batcher]:
    made = Batcher("toy", function, max_batch=8, max_waiting=16)
    yield made
    function.gate.set()
    made.close()


def rows(value: float, n: int = 1) -> np.ndarray:
    return np.full((n, 3), value, np.float32)


def occupy(batcher: Batcher, function: Recorder) -> None:
    """Holds the worker inside a call, so that what follows has to wait."""
    function.gate.clear()
    function.entered.clear()
    batcher.submit(rows(0))
    assert function.entered.wait(WAIT)


def test_an_idle_batcher_runs_a_row_at_once(batcher: Batcher, function: Recorder) -> None:
    answer = batcher.submit(rows(3)).result(WAIT)
    np.testing.assert_array_equal(answer, rows(6))
    assert function.sizes == [1]


def test_what_waits_is_run_together_and_each_gets_its_own(
    batcher: Batcher, function: Recorder
) -> None:
    occupy(batcher, function)
    futures = [batcher.submit(rows(i, n)) for i, n in enumerate((1, 2, 3, 4))]
    function.gate.set()
    for i, (future, n) in enumerate(zip(futures, (1, 2, 3, 4), strict=True)):
        np.testing.assert_array_equal(future.result(WAIT), rows(2 * i, n))
    # One was running; 1 + 2 + 3 fit into eight rows, the four after them do not.
    assert function.sizes == [1, 6, 4]


def test_a_large_request_is_run_in_parts(batcher: Batcher, function: Recorder) -> None:
    large = np.arange(60, dtype=np.float32).reshape(20, 3)
    np.testing.assert_array_equal(batcher.submit(large).result(WAIT), large * 2)
    assert function.sizes == [8, 8, 4]


def test_a_full_queue_refuses_and_says_when_to_come_back(
    batcher: Batcher, function: Recorder
) -> None:
    occupy(batcher, function)
    kept = [batcher.submit(rows(1, 8)) for _ in range(2)]
    assert batcher.waiting == 16
    with pytest.raises(BusyError, match="16 rows wait and 16 may") as caught:
        batcher.submit(rows(1))
    assert int(caught.value.headers["Retry-After"]) >= 1
    function.gate.set()
    assert all(future.result(WAIT).shape == (8, 3) for future in kept)
    assert batcher.submit(rows(1)).result(WAIT).shape == (1, 3)


def test_a_cancelled_request_is_never_run_and_makes_room(
    batcher: Batcher, function: Recorder
) -> None:
    occupy(batcher, function)
    first, second = batcher.submit(rows(1, 8)), batcher.submit(rows(2, 8))
    assert first.cancel()
    assert batcher.waiting == 8
    third = batcher.submit(rows(3, 8))
    function.gate.set()
    np.testing.assert_array_equal(second.result(WAIT), rows(4, 8))
    np.testing.assert_array_equal(third.result(WAIT), rows(6, 8))
    assert function.sizes == [1, 8, 8]


def test_a_failing_call_fails_its_requests_and_no_later_ones(
    batcher: Batcher, function: Recorder
) -> None:
    with pytest.raises(ValueError, match="negative"):
        batcher.submit(rows(-1)).result(WAIT)
    np.testing.assert_array_equal(batcher.submit(rows(5)).result(WAIT), rows(10))


def test_an_answer_of_the_wrong_length_is_an_error_and_not_someone_elses() -> None:
    batcher = Batcher("toy", lambda rows: rows[:-1], max_batch=8, max_waiting=8)
    with pytest.raises(RuntimeError, match="answered 3 rows with 2"):
        batcher.submit(rows(1, 3)).result(WAIT)
    batcher.close()


def test_many_threads_each_get_their_own_rows() -> None:
    batcher = Batcher("toy", lambda rows: rows + 1, max_batch=8, max_waiting=1000)
    wrong: list[int] = []

    def client(number: int) -> None:
        for step in range(25):
            value = number * 100 + step
            answer = batcher.submit(rows(value, 1 + step % 3)).result(WAIT)
            if not (answer == value + 1).all():
                wrong.append(value)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    batcher.close()
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []


def test_closing_fails_what_waits_and_refuses_the_rest(
    batcher: Batcher, function: Recorder
) -> None:
    occupy(batcher, function)
    waiting = batcher.submit(rows(1))
    closing = threading.Thread(target=batcher.close)
    closing.start()
    with pytest.raises(BusyError):
        waiting.result(WAIT)
    function.gate.set()
    closing.join(WAIT)
    with pytest.raises(BusyError):
        batcher.submit(rows(1))


def test_blocks_always_have_one_size_and_answers_their_own_rows() -> None:
    sizes = []

    def function(rows: np.ndarray) -> np.ndarray:
        sizes.append(len(rows))
        return rows.sum(axis=1)

    values = np.arange(22, dtype=np.float32).reshape(11, 2)
    np.testing.assert_array_equal(in_blocks(function, 4)(values), values.sum(axis=1))
    assert sizes == [4, 4, 4]

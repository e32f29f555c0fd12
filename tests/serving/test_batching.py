"""The queue of a model: batches, bounds, options, steps, cancelling, failures."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from serving.batching import Batcher, Watch, key_of
from serving.errors import BusyError
from serving.turns import Turns
from zoo.errors import CancelledError

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


class Notes:
    """Who is told what a batcher does."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.calls: list[tuple[int, float]] = []

    def queued(self, seconds: float) -> None:
        self.waits.append(seconds)

    def call(self, rows: int, seconds: float) -> None:
        self.calls.append((rows, seconds))


def test_waiting_times_and_calls_are_told(function: Recorder) -> None:
    notes = Notes()
    batcher = Batcher("toy", function, max_batch=8, max_waiting=16, meter=notes)
    occupy(batcher, function)
    answer = batcher.submit(rows(1, 3))
    time.sleep(0.05)
    function.gate.set()
    answer.result(WAIT)
    batcher.close()
    assert [count for count, _ in notes.calls] == [1, 3]
    assert notes.calls[0][1] >= 0.05 > notes.calls[1][1]
    assert answer.waited == notes.waits[1] >= 0.05


class Scaled:
    """Multiplies rows by an option, or each by its own, and notes what it was called with."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, Any]] = []
        self.entered = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, rows: np.ndarray, by: Any = 1) -> np.ndarray:
        self.entered.set()
        assert self.gate.wait(WAIT)
        self.calls.append((len(rows), by))
        return rows * np.reshape(by, (-1, 1))


def scaled(*asked: tuple[int, Any]) -> tuple[Scaled, list[np.ndarray]]:
    """Has requests of (rows, option) wait together, and returns their answers in turn."""
    function = Scaled()
    batcher = Batcher("toy", function, max_batch=8, max_waiting=100)
    function.gate.clear()
    batcher.submit(rows(0))
    assert function.entered.wait(WAIT)
    answers = [batcher.submit(rows(1, n), {"by": by}) for n, by in asked]
    function.gate.set()
    found = [answer.result(WAIT) for answer in answers]
    batcher.close()
    return function, found


def test_requests_with_equal_options_share_a_call_past_others() -> None:
    function, answers = scaled((2, 3), (1, 5), (2, 3), (1, 5.0))
    assert function.calls[1:] == [(4, 3), (2, 5)]
    for answer, (n, by) in zip(answers, ((2, 3), (1, 5), (2, 3), (1, 5)), strict=True):
        np.testing.assert_array_equal(answer, rows(by, n))


def test_options_that_belong_to_rows_are_shared_with_nobody_and_cut_like_rows() -> None:
    function, answers = scaled((2, [3, 4]), (2, [3, 4]), (12, list(range(12))))
    assert [count for count, _ in function.calls[1:]] == [2, 2, 8, 4]
    assert function.calls[-1][1] == [8, 9, 10, 11]
    np.testing.assert_array_equal(answers[2][:, 0], np.arange(12))


def test_keys_tell_options_apart_by_their_values_however_deep() -> None:
    one = {"a": 1, "b": {"c": None, "d": "x"}}
    assert key_of(one) == key_of({"b": {"d": "x", "c": None}, "a": 1.0})
    assert key_of(one) != key_of({**one, "b": {"c": None, "d": "y"}})
    for value in ([1], np.ones(1), (1,)):
        assert key_of({"a": value}) != key_of({"a": value})


def test_another_function_of_the_model_has_the_same_queue(
    batcher: Batcher, function: Recorder
) -> None:
    occupy(batcher, function)
    other = batcher.submit(rows(3), function=lambda given: given - 1)
    own = batcher.submit(rows(3))
    assert batcher.waiting == 2
    function.gate.set()
    np.testing.assert_array_equal(other.result(WAIT), rows(2))
    np.testing.assert_array_equal(own.result(WAIT), rows(6))


class Steps:
    """Adds 1 to its rows in each step; a step waits for a permit where these are rationed."""

    def __init__(self, permits: int | None = None) -> None:
        self.taken = 0
        self.previews: list[int] = []
        self._permits = None if permits is None else threading.Semaphore(permits)

    def permit(self, count: int = 1) -> None:
        assert self._permits is not None
        self._permits.release(count)

    def __call__(
        self,
        rows: np.ndarray,
        num_inference_steps: int,
        previews: int,
        callback: Callable[[int, int, np.ndarray | None], bool],
    ) -> np.ndarray:
        self.previews.append(previews)
        for step in range(1, num_inference_steps + 1):
            assert self._permits is None or self._permits.acquire(timeout=WAIT)
            rows = rows + 1
            self.taken += 1
            shown = rows if previews and step % previews == 0 else None
            if not callback(step, num_inference_steps, shown):
                raise CancelledError(f"after step {step}")
        return rows


def stepping(function: Steps, turns: Turns | None = None, max_batch: int = 8) -> Batcher:
    return Batcher("steps", function, max_batch, 100, turns, stepwise=True)


def taken(function: Steps, count: int) -> None:
    """Waits until so many steps are taken."""
    end = time.monotonic() + WAIT
    while function.taken < count:
        assert time.monotonic() < end
        time.sleep(0.001)


class Told:
    """Notes what a watch is told."""

    def __init__(self, previews: int) -> None:
        self.steps: list[tuple[int, int]] = []
        self.shown: dict[int, np.ndarray] = {}
        self.watch = Watch(previews, self._note)

    def _note(self, step: int, total: int, preview: np.ndarray | None) -> None:
        self.steps.append((step, total))
        if preview is not None:
            self.shown[step] = preview


def test_each_watch_is_shown_its_own_rows_as_often_as_it_wants() -> None:
    function, options = Steps(permits=0), {"num_inference_steps": 20}
    batcher = stepping(function)
    first = batcher.submit(rows(0), options)
    function.permit()
    taken(function, 1)
    three, one, none = Told(3), Told(1), Told(0)
    answers = [
        batcher.submit(rows(100 * n, n), options, told.watch)
        for n, told in enumerate((three, one, none), start=1)
    ]
    function.permit(39)
    assert first.result(WAIT)[0, 0] == 20
    for n, answer in enumerate(answers, start=1):
        np.testing.assert_array_equal(answer.result(WAIT), rows(100 * n + 20, n))
    batcher.close()
    for told in (three, one, none):
        assert told.steps == [(step, 20) for step in range(1, 21)]
    assert {step: shown.tolist() for step, shown in three.shown.items()} == {
        step: rows(100 + step).tolist() for step in (5, 10, 15)
    }
    assert list(one.shown) == [10] and one.shown[10].shape == (2, 3)
    assert none.shown == {}
    # Nobody watched the first call, so nothing was decoded on its way.
    assert function.previews == [0, 5]


@pytest.mark.parametrize(("steps", "previews"), [(1, 3), (2, 3), (3, 3), (4, 3), (7, 2), (50, 10)])
def test_there_are_never_more_previews_than_wanted_nor_one_of_the_end(
    steps: int, previews: int
) -> None:
    batcher, told = stepping(Steps()), Told(previews)
    batcher.submit(rows(0), {"num_inference_steps": steps}, told.watch).result(WAIT)
    batcher.close()
    assert len(told.shown) == min(previews, steps - 1)
    assert steps not in told.shown


def test_steps_of_a_request_in_parts_are_counted_over_all_of_them() -> None:
    batcher, told = stepping(Steps(), max_batch=2), Told(3)
    answer = batcher.submit(rows(0, 5), {"num_inference_steps": 4}, told.watch)
    np.testing.assert_array_equal(answer.result(WAIT), rows(4, 5))
    batcher.close()
    assert told.steps == [(step, 12) for step in range(1, 13)]
    assert told.shown == {}


def test_a_call_that_nobody_waits_for_any_more_ends_at_its_next_step() -> None:
    function, options = Steps(permits=0), {"num_inference_steps": 1000}
    batcher = stepping(function)
    blocker = batcher.submit(rows(0), options)
    function.permit()
    taken(function, 1)
    one, other = batcher.submit(rows(1), options), batcher.submit(rows(2), options)
    blocker.cancel()
    function.permit(2)  # One step at most for the blocker; then it is the turn of the two.
    taken(function, 3)
    assert not one.cancel() and one.unwanted
    function.permit(2)
    taken(function, 5)  # It goes on for the other.
    other.cancel()
    function.permit(1000)
    last = batcher.submit(rows(3), {"num_inference_steps": 2})
    np.testing.assert_array_equal(last.result(WAIT), rows(5))
    assert isinstance(other.exception(WAIT), CancelledError)
    assert function.taken <= 5 + 1 + 2
    batcher.close()


def test_closing_stops_a_call_at_its_next_step() -> None:
    function = Steps(permits=0)
    batcher = stepping(function)
    answer = batcher.submit(rows(0), {"num_inference_steps": 1000})
    function.permit()
    taken(function, 1)
    closing = threading.Thread(target=batcher.close)
    closing.start()
    while not batcher._closed:
        time.sleep(0.001)
    function.permit(1000)
    closing.join(WAIT)
    assert not closing.is_alive()
    with pytest.raises(BusyError):
        answer.result(WAIT)
    assert function.taken <= 3


def test_quick_calls_pass_between_the_steps_of_a_long_one() -> None:
    turns, function = Turns(), Steps(permits=0)
    slow = stepping(function, turns)
    quick = Batcher("quick", lambda given: given * 2, 8, 100, turns)
    long = slow.submit(rows(0), {"num_inference_steps": 100})
    function.permit()
    taken(function, 1)
    for value in range(1, 6):
        waits = quick.submit(rows(value))
        while not turns._waiting and not waits.done():
            time.sleep(0.001)
        function.permit()
        np.testing.assert_array_equal(waits.result(WAIT), rows(2 * value))
        assert function.taken <= 1 + value
    assert not long.done()
    function.permit(100)
    assert long.result(WAIT)[0, 0] == 100
    for batcher in (slow, quick):
        batcher.close()


def test_turns_are_taken_one_at_a_time_and_in_the_order_of_coming() -> None:
    turns = Turns()
    order: list[int] = []
    inside: list[int] = []

    def work(number: int) -> None:
        with turns:
            inside.append(number)
            assert len(inside) == 1
            order.append(number)
            time.sleep(0.002)
            inside.remove(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    with turns:
        for thread in threads:
            thread.start()
            time.sleep(0.01)
        assert turns.pass_on() > 0
        assert order == list(range(8))
    for thread in threads:
        thread.join(WAIT)
    assert turns.pass_on() == 0


def test_a_short_call_takes_turns_with_a_long_one_of_the_same_model() -> None:
    function = Steps(permits=0)
    batcher = Batcher("steps", function, 8, 100, stepwise=True, calls=2)
    long = batcher.submit(rows(0), {"num_inference_steps": 1000})
    function.permit()
    taken(function, 1)
    short = batcher.submit(rows(7), {"num_inference_steps": 5})
    while not batcher._turns._waiting:
        time.sleep(0.001)
    function.permit(30)
    np.testing.assert_array_equal(short.result(WAIT), rows(12))
    assert not long.done()
    long.cancel()
    function.permit(1000)
    assert isinstance(long.exception(WAIT), CancelledError)
    batcher.close()

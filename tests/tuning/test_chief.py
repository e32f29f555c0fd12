"""A chief and its workers: real messages between threads, and trainers that train nothing."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras_tuner
import pytest
from keras_tuner.engine import trial as trials

from tuning import worker as workers
from tuning.chief import Chief
from tuning.orders import EPOCH, Order, Outcome, Tell
from tuning.recorder import Recorder
from tuning.tuner import RecipeTuner
from tuning.worker import ChiefDesk, work
from zoo.errors import RecipeError, ZooError

from .fakes import Quick
from .helpers import quiet
from .searches import Direct, found, play, recorder_of

HOST = "127.0.0.1"
SETTINGS = {
    "search": "1",
    "name": "mlp.fashion_mnist",
    "algorithm": "random",
    "objective": ["val_accuracy", "max"],
    "options": {},
}


@pytest.fixture(autouse=True)
def quick_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signs of life several times a second."""
    monkeypatch.setattr(workers, "BEAT", 0.1)


class Led:
    """A chief in a thread of its own, until the search ends."""

    def __init__(self, chief: Chief, lines: list[str]) -> None:
        self.chief = chief
        self.lines = lines
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.chief.run()
        except BaseException as error:  # noqa: BLE001  The test looks at it.
            self.error = error

    def end(self, seconds: float = 30) -> None:
        """Waits for the chief to end by itself."""
        self.thread.join(seconds)
        assert not self.thread.is_alive(), "the chief hangs"
        if self.error is not None:
            raise self.error


@contextlib.contextmanager
def led(
    folder: Path, port: int = 0, timeout: float = 30, patience: float | None = None, **options: Any
) -> Iterator[Led]:
    lines: list[str] = []
    with recorder_of(folder, **options) as recorder:
        with Chief(recorder, SETTINGS, HOST, port, timeout, patience, lines.append) as chief:
            one = Led(chief, lines)
            yield one
        one.thread.join(30)


@contextlib.contextmanager
def at(port: int, name: str, patience: float = 20) -> Iterator[ChiefDesk]:
    with pytest.MonkeyPatch.context() as patch:
        # The words of KerasTuner's client.
        patch.setenv("KERASTUNER_ORACLE_IP", HOST)
        patch.setenv("KERASTUNER_ORACLE_PORT", str(port))
        patch.setenv("KERASTUNER_TUNER_ID", name)
        desk = ChiefDesk(name, patience, quiet)
    desk.settings()
    with contextlib.closing(desk):
        yield desk


def working(folder: Path, desk: ChiefDesk, trainer: Quick) -> threading.Thread:
    """A worker at a desk, in a thread."""
    oracle = keras_tuner.Oracle(
        keras_tuner.Objective("val_accuracy", "max"),
        hyperparameters=keras_tuner.HyperParameters(),
    )
    tuner = RecipeTuner(oracle, desk, Direct(trainer), folder, desk.worker, "")
    thread = threading.Thread(target=tuner.search, daemon=True)
    thread.start()
    return thread


class Held(Quick):
    """A trainer that waits after each epoch until it is let go on."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.go_on = threading.Event(), threading.Event()

    def train(self, order: Order, tell: Tell) -> Outcome:
        def slowly(message: dict[str, Any]) -> Any:
            answer = tell(message)
            if message["kind"] == EPOCH:
                self.reached.set()
                self.go_on.wait(20)
            return answer

        return super().train(order, slowly)


def until(true: Callable[[], Any], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never comes true"
        time.sleep(0.02)


def test_two_workers_share_a_search(tmp_path: Path) -> None:
    play(tmp_path / "alone", trials=6)
    folder = tmp_path / "together"
    first, second = Quick(), Quick()
    with led(folder, trials=6) as one:
        port = one.chief.port
        with at(port, "a") as desk, at(port, "b") as other:
            threads = [working(folder, desk, first), working(folder, other, second)]
            for thread in threads:
                thread.join(30)
            one.end()
    assert found(folder) == found(tmp_path / "alone")
    both = first.trained + second.trained
    assert len(both) == len(set(both)) == 18


def test_a_dead_worker_s_trial_goes_on_elsewhere(tmp_path: Path) -> None:
    dead, other = Held(), Quick()
    with led(tmp_path, trials=2, timeout=1) as one, contextlib.ExitStack() as stack:
        desk = stack.enter_context(at(one.chief.port, "dead"))
        thread = working(tmp_path, desk, dead)
        assert dead.reached.wait(15)
        # From here on nobody hears of it.
        desk._left.set()
        until(lambda: one.lines)
        assert one.lines == [
            "worker dead was not heard of for 1 seconds; trial 0000 waits for another"
        ]
        with at(one.chief.port, "alive") as alive:
            working(tmp_path, alive, other).join(30)
        # Its first epoch was on disk.
        assert other.trained == [("0000", 0, n) for n in (2, 3)] + [
            ("0001", 0, n) for n in (1, 2, 3)
        ]
        # It comes back, and hears that its trial is another's.
        dead.go_on.set()
        thread.join(15)
        assert not thread.is_alive()
        one.end()
    assert [row[2] for row in found(tmp_path)] == ["completed"] * 2


def test_a_worker_that_leaves_gives_its_trial_back(tmp_path: Path) -> None:
    with led(tmp_path, trials=1) as one:
        with at(one.chief.port, "a") as desk:
            trial = desk.next_trial("a")
            assert desk.begin("a", trial.trial_id, {})["epochs"] == 3
        with at(one.chief.port, "b") as desk:
            working(tmp_path, desk, Quick()).join(30)
        one.end()
    assert [row[2] for row in found(tmp_path)] == ["completed"]


def test_a_chief_begun_anew_goes_on_with_its_workers(tmp_path: Path) -> None:
    trainer = Held()
    with led(tmp_path, trials=2) as one:
        port = one.chief.port
        desk = at(port, "a")
        worker = working(tmp_path, desk.__enter__(), trainer)
        assert trainer.reached.wait(15)
    # It is gone, in the middle of a trial; the worker trains on and finds nobody to tell.
    trainer.go_on.set()
    until(lambda: len(trainer.trained) >= 2)
    with led(tmp_path, port=port, trials=2) as again:
        worker.join(30)
        assert not worker.is_alive()
        desk.__exit__(None, None, None)
        again.end()
    assert [row[2] for row in found(tmp_path)] == ["completed"] * 2
    assert len(trainer.trained) == len(set(trainer.trained)) == 6


def test_a_worker_that_comes_late_has_its_share(tmp_path: Path) -> None:
    first, late = Held(), Quick()
    with led(tmp_path, trials=4) as one, at(one.chief.port, "a") as desk:
        working(tmp_path, desk, first)
        assert first.reached.wait(15)
        with at(one.chief.port, "late") as other:
            worker = working(tmp_path, other, late)
            until(lambda: len(late.trained) == 9)
            first.go_on.set()
            worker.join(30)
        one.end()
    assert {trial for trial, _, _ in first.trained} == {"0000"}


def test_every_trial_fails_and_the_search_ends(tmp_path: Path) -> None:
    class Failing(Quick):
        def train(self, order: Order, tell: Tell) -> Outcome:
            raise ValueError(f"trial {order.trial} is bad")

    with led(tmp_path, trials=5) as one, at(one.chief.port, "a") as desk:
        working(tmp_path, desk, Failing()).join(30)
        one.end()
    rows = found(tmp_path)
    assert [row[2] for row in rows] == ["failed"] * 5
    # KerasTuner's messages have no place for a reason.
    assert [row[6] for row in rows] == [f"trial 000{n} is bad" for n in range(5)]
    assert "ValueError" in (tmp_path / "trial_0004" / "error.txt").read_text()


def test_numbers_are_exact_on_their_way(tmp_path: Path) -> None:
    """KerasTuner's messages round metrics to 32 bits."""
    with led(tmp_path, trials=1) as one, at(one.chief.port, "a") as desk:
        begun = desk.begin("a", desk.next_trial("a").trial_id, {})
        rate = begun["recipe"]["optimizer"]["learning_rate"]
        said = {"kind": EPOCH, "execution": 0, "epoch": 1, "seconds": 0.1}
        desk.hear("a", "0000", {**said, "metrics": {"val_accuracy": 1 / 3}})
        ((_, _, _, values, *_, epochs),) = found(tmp_path)
        assert values == {"optimizer.learning_rate": rate}
        assert epochs == [(0, 1, {"val_accuracy": 1 / 3})]
        message = one.chief.recorder.oracle.get_trial("0000").to_proto()
        rounded = trials.Trial.from_proto(message).metrics.get_history("val_accuracy")
        assert rounded[0].value != [1 / 3]


def test_a_worker_with_nothing_to_do_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    ask = Recorder.next_trial

    def count(self: Recorder, worker: str) -> Any:
        if worker == "idle":
            asked.append(time.monotonic())
        return ask(self, worker)

    monkeypatch.setattr(Recorder, "next_trial", count)
    busy = Held()
    with led(tmp_path, trials=1) as one, at(one.chief.port, "busy") as desk:
        working(tmp_path, desk, busy)
        assert busy.reached.wait(15)
        with at(one.chief.port, "idle") as other:
            idle = working(tmp_path, other, Quick())
            time.sleep(1.5)
            # KerasTuner's asks hundreds of times.
            assert 2 <= len(asked) <= 8
            busy.go_on.set()
            idle.join(15)
            assert not idle.is_alive()
        one.end()


def test_a_chief_ends_when_nobody_comes(tmp_path: Path) -> None:
    with (
        led(tmp_path, patience=0.3) as one,
        pytest.raises(ZooError, match=r"no worker was there for 0\.3 seconds; the same command"),
    ):
        one.end()


def test_an_error_of_the_search_ends_the_chief(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with led(tmp_path) as one, at(one.chief.port, "a", patience=0.5) as desk:

        def full(*arguments: Any, **options: Any) -> None:
            raise ZooError("database or disk is full")

        monkeypatch.setattr(one.chief.recorder.database, "save", full)
        with pytest.raises(ZooError, match="was not to be reached"):
            desk.next_trial("a")
        with pytest.raises(ZooError, match="disk is full"):
            one.end()


def test_a_port_has_one_chief(tmp_path: Path) -> None:
    with (
        led(tmp_path / "a") as one,
        pytest.raises(ZooError, match=f"cannot listen on {HOST}:{one.chief.port}"),
        led(tmp_path / "b", port=one.chief.port),
    ):
        pass


def test_a_worker_of_another_search_is_sent_away(tmp_path: Path) -> None:
    with led(tmp_path) as one, at(one.chief.port, "a") as desk:
        address = one.chief.address
        with pytest.raises(RecipeError, match=r"searches mlp\.fashion_mnist, not lenet5\.mnist"):
            work("lenet5.mnist", address, say=quiet)
        name = desk.next_trial("a").trial_id
        desk._search = "an earlier one"
        with pytest.raises(ZooError, match="another search was begun"):
            desk.begin("a", name, {})
        with pytest.raises(ZooError, match="the chief is of another version"):
            desk._call("dance")
    with pytest.raises(ZooError, match=r"was not to be reached for 0\.2 seconds"):
        work("mlp.fashion_mnist", address, patience=0.2, say=quiet)
    with pytest.raises(ZooError, match="--chief must be HOST:PORT"):
        work("mlp.fashion_mnist", "nowhere", say=quiet)

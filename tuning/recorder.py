"""What trainings say, put before the oracle and into the database, one message at a time."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras_tuner
from keras_tuner.engine import trial as trials

from tuning.budget import Budget
from tuning.database import Database
from tuning.hypermodel import RecipeHyperModel
from tuning.oracles.base import CONTINUES, EPOCHS, Mended
from tuning.orders import BEGAN, DONE, Answer, Outcome, first_line
from tuning.results import format_values
from tuning.status import progress_line
from tuning.tensorboard import Events

Status = trials.TrialStatus
_ENDS = {
    "completed": Status.COMPLETED,
    "stopped": Status.STOPPED,
    "failed": Status.FAILED,
}


class Recorder:
    """The one place where a search changes. Its methods may be called from several threads.

    Every call is one transaction: the oracle's state, the trial that changed, its epochs and what
    came of it are on disk together or not at all. A message that comes twice changes nothing, and
    one from a worker whose trial was given to another is answered with `pause`.

    Args:
        oracle: Decides what is tried.
        database: What was found; what is there already is taken up.
        models: The space, around the recipe that trials train.
        budget: The most that may be spent.
        say: Takes each line of progress.
        events: Where epochs are written for TensorBoard.
    """

    def __init__(
        self,
        oracle: Mended,
        database: Database,
        models: RecipeHyperModel,
        budget: Budget,
        say: Callable[[str], None],
        events: Events | None = None,
    ) -> None:
        self.oracle = oracle
        self.database = database
        self.models = models
        self.budget = budget
        self.say = say
        self.events = events
        # Why no trial is given out any more: nothing is left to try, or the budget is used up.
        self.over = ""
        # Several workers' lines are told apart by their names.
        self.named = False
        self._lock = threading.RLock()
        self._broken: BaseException | None = None
        self._lines: list[str] = []
        self._places: dict[str, tuple[str, int]] = {}
        self._seconds = float(database.meta().get("seconds", 0.0))
        self._since = time.monotonic()
        # Of all trials; counted on, for the whole table takes the longer the more there are.
        self.epochs = database.epochs_trained()
        oracle.keep = lambda state, records: database.save(state, records.values())
        self._take_up()

    def _take_up(self) -> None:
        state = self.database.state()
        if state is None:
            self.database.save(self.oracle.get_state())
            return
        self.oracle.take_up(state, {row.id: row.record for row in self.database.trials()})
        waiting = [t for t in self.oracle.trials.values() if t.status == Status.INVALID]
        with self.database.transaction():
            self.database.save(self.oracle.get_state(), [trial.get_state() for trial in waiting])
            for worker in self.database.workers():
                self.database.forget_worker(worker.id)

    @property
    def seconds(self) -> float:
        """Wall-clock that the search has run, over all the times it was called."""
        return self._seconds + time.monotonic() - self._since

    @property
    def ended(self) -> int:
        """Trials that have ended, in whatever way."""
        return len(self.oracle.end_order)

    # Workers come and go.

    def next_trial(self, worker: str) -> trials.Trial:
        """Returns what a worker is to do: a trial, or one of status IDLE (ask later) or STOPPED."""
        with self._changing():
            used_up = self._used_up()
            if used_up:
                self.over = used_up
                self.oracle.tuner_ids.discard(worker)
                return trials.Trial(keras_tuner.HyperParameters(), "", Status.STOPPED)
            trial = self.oracle.create_trial(worker)
            if trial.status == Status.STOPPED:
                self.over = DONE
            return trial

    def see(self, worker: str, host: str, pid: int) -> None:
        """Notes that a worker is alive, and in which process of which machine."""
        self._places[worker] = host, pid
        ongoing = self.oracle.ongoing_trials.get(worker)
        self.database.see_worker(worker, host, pid, ongoing.trial_id if ongoing else None)

    def lose(self, worker: str) -> str | None:
        """Takes its trial from a worker that is gone; the next that asks gets it.

        Returns:
            The trial's id, None where the worker had none.
        """
        with self._changing():
            trial = self.oracle.release(worker)
            self.database.forget_worker(worker)
            return trial

    def idle(self) -> bool:
        """Whether no worker has a trial, and all of them have heard that there is none."""
        with self._lock:
            return not self.oracle.ongoing_trials and not self.oracle.tuner_ids

    # Trials.

    def begin(self, worker: str, trial: str, versions: Mapping[str, str]) -> dict[str, Any]:
        """Returns what a worker needs to train a trial of its own: an order without folders.

        That is `{"recipe", "epochs", "continues", "may_go_on"}`, the last whether another trial may
        go on from this one; or `{"reason"}` where the values make no recipe; or `{}` where the
        trial is no longer the worker's.
        """
        with self._changing():
            if not self.oracle.claim(worker, trial):
                return {}
            own = self.oracle.get_trial(trial)
            values = own.hyperparameters.values
            try:
                recipe = self.models.recipe(own.hyperparameters).to_dict()
            except Exception as error:  # noqa: BLE001  A space may be the user's own function.
                return {"reason": first_line(error)}
            self.database.begin(trial, worker=worker, recipe=recipe, versions=versions)
            if self.events:
                self.events.trial(trial, _own(values))
            number = list(self.oracle.trials).index(trial) + 1
            self._say(worker, f"trial {number} ({trial}): {format_values(_own(values))}")
            continues = values.get(CONTINUES)
            if continues:
                begun = values.get("tuner/initial_epoch", 0)
                self._say(worker, f"  goes on with trial {continues} after its epoch {begun}")
            epochs = int(values.get(EPOCHS, self.models.base.epochs))
            order = {"recipe": recipe, "epochs": epochs, "continues": continues}
            return {**order, "may_go_on": EPOCHS in values}

    def hear(self, worker: str, trial: str, message: Mapping[str, Any]) -> Answer:
        """Takes what a training says, see `tuning.orders.Trainer`, and answers it."""
        with self._changing():
            if not self.oracle.claim(worker, trial):
                return "pause"
            before = self.database.epochs_trained(trial)
            if message["kind"] == BEGAN:
                answer = self._began(worker, trial, message["execution"], message["history"])
            else:
                epoch, metrics = message["epoch"], message["metrics"]
                execution = message["execution"]
                answer = self._epoch(trial, execution, epoch, metrics, message["seconds"])
                self._say(worker, self._epoch_line(trial, execution, epoch, metrics))
            self.epochs += self.database.epochs_trained(trial) - before
            if worker in self._places:
                self.see(worker, *self._places[worker])
            self.database.set_meta(seconds=self.seconds)
            return "pause" if answer == "go" and self._used_up() else answer

    def end(self, worker: str, trial: str, outcome: Outcome) -> None:
        """Notes what came of a trial."""
        with self._changing():
            if not self.oracle.claim(worker, trial):
                return
            if outcome.status == "paused":
                self.oracle.release(worker)
                return
            reason = outcome.reason
            skipped = outcome.status == "skipped"
            if skipped:
                self.oracle.skip(trial, reason or "")
            else:
                own = self.oracle.get_trial(trial)
                if outcome.objectives:
                    self.oracle.update_trial(trial, outcome.objectives, step=outcome.epochs)
                own.status, own.message = _ENDS[outcome.status], reason
                self.oracle.end_trial(own)
                if outcome.status == "stopped":
                    reason = f"stopped early after epoch {outcome.epochs}"
            self.database.end(
                trial,
                objectives=outcome.objectives,
                deviations=outcome.deviations,
                reason=reason,
                skipped=skipped,
            )
            self.database.set_meta(seconds=self.seconds)
            if self.events:
                self.events.end(trial)
            if outcome.status == "stopped":
                self._say(worker, f"  {reason}")
            elif reason:
                self._say(worker, f"  {outcome.status}: {reason}")
            self._say(worker, f"  {progress_line(self)}")

    def close(self) -> None:
        """Writes down the time that was spent; nobody works on the search any more."""
        if self._broken is None:
            with self.database.transaction():
                self.database.set_meta(seconds=self.seconds)
                for worker in self.database.workers():
                    self.database.forget_worker(worker.id)
        if self.events:
            self.events.close()
        self.database.close()

    def _began(
        self, worker: str, trial: str, execution: int, history: list[dict[str, float]]
    ) -> Answer:
        """Makes the epochs on record those of the checkpoint that a training goes on from.

        The record may be one epoch behind it, or ahead of it where the checkpoint was lost.
        """
        done = len(history)
        known = [row.epoch for row in self.database.epochs(trial) if row.execution == execution]
        if known and known[-1] > done:
            self.database.drop_epochs(trial, execution, done)
        if execution == 0:
            self.oracle.rewind(trial, done)
        values = self.oracle.get_trial(trial).hyperparameters.values
        initial = int(values.get("tuner/initial_epoch", 0)) if values.get(CONTINUES) else 0
        # The first epoch of its own: what it continues has those before it, unless that was lost.
        first = known[0] - 1 if known else (initial if done >= initial else 0)
        answer: Answer = "go"
        for entry in history[first:]:
            metrics = {key: value for key, value in entry.items() if key not in _NOT_METRICS}
            epoch = int(entry["epoch"])
            if epoch in known:
                answer = self._told(trial, execution, epoch, metrics)
            else:
                answer = self._epoch(trial, execution, epoch, metrics, entry["seconds"])
        if history[first:]:
            self._say(worker, f"  goes on after epoch {done}")
        return answer

    def _epoch(
        self,
        trial: str,
        execution: int,
        epoch: int,
        metrics: Mapping[str, float],
        seconds: float,
    ) -> Answer:
        self.database.add_epoch(trial, execution, epoch, metrics, seconds)
        if self.events:
            self.events.epoch(trial, execution, epoch, metrics)
        return self._told(trial, execution, epoch, metrics)

    def _told(self, trial: str, execution: int, epoch: int, metrics: Mapping[str, float]) -> Answer:
        """Tells the oracle of an epoch of the first execution, and returns what it says to that."""
        name = self.oracle.objective.name
        if execution or name not in metrics:
            return "go"
        told = self.oracle.update_trial(trial, {name: metrics[name]}, step=epoch)
        return "stop" if told.status == Status.STOPPED else "go"

    def _used_up(self) -> str:
        return self.budget.used_up(self.seconds, self.epochs)

    def _epoch_line(
        self, trial: str, execution: int, epoch: int, metrics: Mapping[str, float]
    ) -> str:
        values = self.oracle.get_trial(trial).hyperparameters.values
        last = int(values.get(EPOCHS, self.models.base.epochs))
        shown = {key: metrics.get(key) for key in ("loss", self.oracle.objective.name)}
        text = "  ".join(f"{key} {value:.4f}" for key, value in shown.items() if value is not None)
        which = f"execution {execution + 1} " if execution else ""
        return f"  {which}epoch {epoch}/{last}  {text}"

    def _say(self, worker: str, line: str) -> None:
        self._lines.append(f"[{worker}] {line}" if self.named else line)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        """One change at a time, whole on disk or not at all.

        An error in the middle leaves the oracle ahead of what is on disk. From then on nothing is
        given out or taken: the search ends, and what is on disk goes on.
        """
        with self._lock:
            if self._broken is not None:
                raise self._broken
            try:
                with self.database.transaction():
                    yield
            except BaseException as error:
                self._broken = error
                raise
            lines, self._lines = self._lines, []
        # What is said is on disk.
        for line in lines:
            self.say(line)


_NOT_METRICS = ("epoch", "seconds")


def _own(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a trial's values without those that an oracle tells the tuner."""
    return {key: value for key, value in values.items() if not key.startswith("tuner/")}

"""`Mended`: what every oracle of a search shares, and KerasTuner's does otherwise."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from keras_tuner.engine import trial as trials
from keras_tuner.src.engine.metrics_tracking import MetricObservation

from tuning.stopping import MedianRule

if TYPE_CHECKING:
    from keras_tuner import Oracle as _Oracle
else:
    _Oracle = object

Status = trials.TrialStatus
State = dict[str, Any]
# What takes the state of an oracle, and those of the trials that changed, and keeps both or none.
Keep = Callable[[State, dict[str, State]], None]
FINISHED = (Status.COMPLETED, Status.STOPPED, Status.FAILED)
CONTINUES, EPOCHS = "tuner/trial_id", "tuner/epochs"

_SKIPPED = "skipped: "
# So many times as many models as trials may be too large before a search gives up.
_MOST_SKIPPED = 10
_NAMES = {
    Status.COMPLETED: "completed",
    Status.STOPPED: "stopped",
    Status.FAILED: "failed",
    Status.RUNNING: "running",
}


def status_of(trial: trials.Trial) -> str:
    """Returns `completed`, `stopped`, `failed`, `skipped`, `running` or `interrupted`."""
    if is_skipped(trial):
        return "skipped"
    return _NAMES.get(trial.status, "interrupted")


def is_skipped(trial: trials.Trial) -> bool:
    """Returns whether a trial's model was too large to be trained."""
    return trial.status == Status.FAILED and (trial.message or "").startswith(_SKIPPED)


class Mended(_Oracle):
    """Mixin before any `keras_tuner.Oracle`. What it mends of KerasTuner 1.4.8:

    - `seed=0` meant a random seed, and a search with seed 3 tried what one with seed 1 had tried, a
      few trials later;
    - the state lay in several files written in place, so that a kill could truncate one or leave
      them contradicting each other; here `keep` gets the state and the changed trials together;
    - a report that came twice was averaged, and the score was the best of many epochs, which
      flatters noisy trials; here the later report counts, and the score is the last epoch's;
    - no trial could be stopped early; here `rule` does it, and `update_trial` says so;
    - three failed trials in a row ended the search, and the last was not even recorded;
    - the best trials included failed ones when too few had completed;
    - an error in a call left the lock of the oracle closed for all other threads;
    - the last worker but one was sent home while the last was still training, so that nobody was
      left to take over its trial.

    Args:
        seed: Decides the values that are tried; 0 is a seed like any other.
        max_trials: Trials in all; a model that is skipped is none.
        max_epochs: Most epochs of a trial.
        rule: Stops trials early; None lets all of them end.

    Attributes:
        keep: Keeps the state; called once for each change, None keeps nothing.
    """

    max_trials: int
    ongoing_trials: dict[str, Any]
    tuner_ids: set[str]
    _retry_queue: list[str]

    def __init__(
        self,
        *args: Any,
        seed: int,
        max_trials: int,
        max_epochs: int,
        rule: MedianRule | None = None,
        **kwargs: Any,
    ) -> None:
        # No limit to failures in a row: a search over wild values has many, and goes on.
        super().__init__(
            *args, seed=seed, max_trials=max_trials, max_consecutive_failed_trials=None, **kwargs
        )
        self.seed = seed
        # Draws count up from here, so the starts of two seeds must lie far apart.
        self._seed_state = int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])
        self.max_epochs = max_epochs
        self.rule = rule
        self.keep: Keep | None = None
        self.verbose = 0
        self._lock = threading.RLock()

    # Trials begin.

    def create_trial(self, tuner_id: str) -> trials.Trial:
        """Returns the trial that a worker is to train next.

        Its own, if it has one; else the first of those that were interrupted; else a new one. One
        of status IDLE asks the worker to come again later, one of status STOPPED ends its work.
        """
        with self._lock:
            if tuner_id in self.ongoing_trials:
                return self.ongoing_trials[tuner_id]
            self.tuner_ids.add(tuner_id)
            if self._retry_queue:
                return self._begin(self.trials[self._retry_queue.pop(0)], tuner_id)
            trial_id = f"{len(self.trials):04d}"
            status, values = self._next(trial_id)
            hyperparameters = self.hyperparameters.copy()
            hyperparameters.values = values or {}
            trial = trials.Trial(hyperparameters, trial_id, status)
            if status == Status.RUNNING:
                # Active values only; kept so that none are tried twice.
                self._record_values(trial)
                self.trials[trial_id] = trial
                self.start_order.append(trial_id)
                return self._begin(trial, tuner_id)
            if status == Status.STOPPED:
                self.tuner_ids.discard(tuner_id)
            return trial

    def _next(self, trial_id: str) -> tuple[str, dict[str, Any] | None]:
        skipped = sum(map(is_skipped, self.trials.values()))
        enough = len(self.trials) - skipped >= self.max_trials
        if enough or skipped >= _MOST_SKIPPED * self.max_trials:
            status, values = Status.STOPPED, None
        else:
            response = self.populate_space(trial_id)
            status, values = response["status"], response.get("values")
        if status == Status.STOPPED and self.ongoing_trials:
            # Somebody must be there if one of these is lost.
            status = Status.IDLE
        return status, values

    def _begin(self, trial: trials.Trial, tuner_id: str) -> trials.Trial:
        trial.status = Status.RUNNING
        self.ongoing_trials[tuner_id] = trial
        self._kept(trial)
        return trial

    # Trials are lost and found.

    def release(self, tuner_id: str) -> str | None:
        """Takes its trial from a worker that is gone; whoever asks next gets it.

        Returns:
            The trial's id, or None where the worker had none.
        """
        with self._lock:
            self.tuner_ids.discard(tuner_id)
            trial = self.ongoing_trials.pop(tuner_id, None)
            if trial is None:
                return None
            trial.status = Status.INVALID
            self._retry_queue.append(trial.trial_id)
            self._kept(trial)
            return str(trial.trial_id)

    def claim(self, tuner_id: str, trial_id: str) -> bool:
        """Returns whether a trial is a worker's; one that waits for a worker becomes its.

        So a worker goes on with what it trains when the chief was begun anew.
        """
        with self._lock:
            self.tuner_ids.add(tuner_id)
            own = self.ongoing_trials.get(tuner_id)
            if own is not None:
                return bool(own.trial_id == trial_id)
            if trial_id not in self._retry_queue:
                return False
            self._retry_queue.remove(trial_id)
            self._begin(self.trials[trial_id], tuner_id)
            return True

    def rewind(self, trial_id: str, epoch: int) -> None:
        """Forgets what a trial reported after an epoch, where its checkpoint is no further."""
        with self._lock:
            trial = self.trials[trial_id]
            for history in trial.metrics.metrics.values():
                for step in [step for step in history._observations if step > epoch]:
                    del history._observations[step]
            self._kept(trial)

    # Trials report.

    def update_trial(
        self, trial_id: str, metrics: Mapping[str, float], step: int = 0
    ) -> trials.Trial:
        """Takes a trial's values after an epoch; a second report of an epoch replaces the first.

        Args:
            trial_id: The trial.
            metrics: Values by name, the leading objective among them.
            step: The number of epochs behind it.

        Returns:
            A copy of the trial: of status STOPPED where the rule stops it.
        """
        with self._lock:
            trial = self.trials[trial_id]
            self._check_objective_found(metrics)
            step = int(step)
            for name, value in metrics.items():
                if not trial.metrics.exists(name):
                    # A direction is asked for and used by nothing here.
                    lead = name == self.objective.name
                    trial.metrics.register(name, self.objective.direction if lead else "min")
                observed = MetricObservation(float(value), step)
                trial.metrics.metrics[name]._observations[step] = observed
            self._kept(trial)
            answer = trials.Trial.from_state(trial.get_state())
            if self._stops(trial, step):
                answer.status = Status.STOPPED
            return answer

    def _stops(self, trial: trials.Trial, epoch: int) -> bool:
        last = trial.hyperparameters.values.get(EPOCHS, self.max_epochs)
        if self.rule is None or epoch >= last:
            return False
        completed = [one for one in self.trials.values() if one.status == Status.COMPLETED]
        # What a trial goes on with is a part of its own curve.
        continued = {one.hyperparameters.values.get(CONTINUES) for one in completed}
        others = (self.curve(one) for one in completed if one.trial_id not in continued)
        return self.rule.stops(self.curve(trial), others, epoch, self.objective.direction)

    def curve(self, trial: trials.Trial) -> dict[int, float]:
        """Returns the leading objective after each epoch, with those of what a trial continues."""
        parent = trial.hyperparameters.values.get(CONTINUES)
        before = self.curve(self.trials[parent]) if parent else {}
        history = trial.metrics.metrics.get(self.objective.name)
        own = {one.step: float(one.value[-1]) for one in history.get_history()} if history else {}
        return before | own

    # Trials end.

    def end_trial(self, trial: trials.Trial) -> None:
        """Ends a trial as its status says: COMPLETED, STOPPED, or FAILED with its message."""
        with self._lock:
            own = self.trials[trial.trial_id]
            own.status, own.message = trial.status, trial.message
            if own.status in (Status.COMPLETED, Status.STOPPED):
                self.score_trial(own)
                if own.score is None or not math.isfinite(own.score):
                    own.status = Status.FAILED
                    own.message = f"{self.objective.name} is {own.score}"
                    own.score = None
            else:
                own.status = Status.FAILED
            self._end(own)

    def skip(self, trial_id: str, reason: str) -> None:
        """Ends a trial whose model is too large: it takes no place and nothing is learned of it."""
        with self._lock:
            own = self.trials[trial_id]
            own.status, own.message = Status.FAILED, f"{_SKIPPED}{reason}"
            self._end(own)

    def _end(self, trial: trials.Trial) -> None:
        if trial.trial_id not in self.end_order:
            self.end_order.append(trial.trial_id)
        self.ongoing_trials = {
            name: one for name, one in self.ongoing_trials.items() if one is not trial
        }
        self._retry_queue = [name for name in self._retry_queue if name != trial.trial_id]
        self._kept(trial)

    def score_trial(self, trial: trials.Trial) -> None:
        """Sets a trial's score: the leading objective after its last epoch, not its best one.

        The last is what training the recipe gives.
        """
        curve = self.curve(trial)
        trial.best_step = max(curve, default=0)
        trial.score = curve.get(trial.best_step)

    # What is best.

    def get_best_trials(self, num_trials: int = 1) -> list[trials.Trial]:
        """Returns up to `num_trials` completed trials, best first, equal ones in their order.

        Where none completed these are trials that were stopped early.
        """
        with self._lock:
            found = self.ranked(Status.COMPLETED) or self.ranked(Status.STOPPED)
            return found[:num_trials]

    def ranked(self, status: str) -> list[trials.Trial]:
        """Returns the trials of a status, best first, equal ones in the order they began."""
        found = [trial for trial in self.trials.values() if trial.status == status]
        return sorted(found, key=lambda t: t.score, reverse=self.objective.direction == "max")

    def counted(self) -> Iterator[trials.Trial]:
        """Yields the trials that were not skipped, in the order they began."""
        return (trial for trial in self.trials.values() if not is_skipped(trial))

    # The state.

    def get_state(self) -> State:
        """Returns all that decides what comes next, but for the trials, as JSON can hold it."""
        state = super().get_state()
        # What is shown while a stock search runs.
        del state["display"]
        return state | {"tried_so_far": sorted(self._tried_so_far)}

    def take_up(self, state: Mapping[str, Any], records: Mapping[str, Mapping[str, Any]]) -> None:
        """Puts a stored search back: what is finished stays, the rest waits for a worker.

        Args:
            state: From `get_state`.
            records: The states of the trials by their ids, in the order in which they began.
        """
        with self._lock:
            # KerasTuner changes what it reads.
            state, records = json.loads(json.dumps([state, records]))
            self.trials = {name: trials.Trial.from_state(one) for name, one in records.items()}
            super().set_state({**state, "display": self._display.get_state()})
            self.ongoing_trials, self.tuner_ids = {}, set()
            waiting = [name for name, one in self.trials.items() if one.status not in FINISHED]
            for name in waiting:
                self.trials[name].status = Status.INVALID
            self._retry_queue = waiting

    def _kept(self, trial: trials.Trial) -> None:
        if self.keep is not None:
            self.keep(self.get_state(), {trial.trial_id: trial.get_state()})

    # KerasTuner's own files: there are none.

    def save(self) -> None:
        """Writes nothing; `keep` has it already."""

    def reload(self) -> None:
        """Reads nothing; `take_up` is given what is stored."""

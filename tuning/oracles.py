"""KerasTuner's oracles with the defects mended that would cost a search its results.

An oracle decides which values to try next. What `Mended` repairs, all of it seen in 1.4.8:

- `seed=0` meant a random seed, and a search with seed 3 tried what one with seed 1 had tried, a
  few trials later;
- the state lay in several files written in place, so that a kill could truncate one or leave them
  contradicting each other: a finished trial ran again, a new one never. Here one file, replaced
  whole, holds everything, with the one before it beside it;
- three failed trials in a row ended the search, and the last was not even recorded;
- the best trials included failed ones when too few had completed.
"""

from __future__ import annotations

import json
import logging
import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras_tuner
import numpy as np
from keras_tuner import oracles
from keras_tuner.engine import trial as trials

from tuning.halving import Bracket, plan_brackets
from zoo import files
from zoo.errors import ZooError

if TYPE_CHECKING:
    from keras_tuner import Oracle as _Oracle
else:
    _Oracle = object

_log = logging.getLogger(__name__)

Status = trials.TrialStatus
FINISHED = (Status.COMPLETED, Status.FAILED)


class Mended(_Oracle):
    """Mixin before any `keras_tuner.Oracle`.

    Args:
        seed: Decides the values that are tried; 0 is a seed like any other.
    """

    ongoing_trials: dict[str, Any]
    _retry_queue: list[str]

    def __init__(self, *args: Any, seed: int, **kwargs: Any) -> None:
        # No limit to failures in a row: a search over wild values has many, and goes on.
        super().__init__(*args, seed=seed, max_consecutive_failed_trials=None, **kwargs)
        self.seed = seed
        # Draws count up from here, so the starts of two seeds must lie far apart.
        self._seed_state = int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])
        self.verbose = 0

    # The state, whole or not at all.

    def get_state(self) -> dict[str, Any]:
        records = {name: trial.get_state() for name, trial in self.trials.items()}
        return {**super().get_state(), "trials": records}

    def save(self) -> None:
        path = Path(self._get_oracle_fname())
        if path.is_file():
            files.write_text(_previous(path), path.read_text(encoding="utf-8"))
        files.write_text(path, json.dumps(self.get_state()))

    def _save_trial(self, trial: trials.Trial) -> None:
        path = Path(self._get_trial_dir(trial.trial_id)) / "trial.json"
        files.write_text(path, json.dumps(trial.get_state()))

    def reload(self) -> None:
        """Takes up a stored search: finished trials stay, an interrupted one is run again.

        Raises:
            ZooError: when neither the state nor the one before it can be read.
        """
        path = Path(self._get_oracle_fname())
        state = self._read_state(path)
        self.trials = {
            name: self._newest_record(name, record) for name, record in state["trials"].items()
        }
        self.set_state(state)
        for name, trial in self.trials.items():
            if trial.status not in FINISHED:
                trial.status = Status.INVALID
                trial.metrics = trials.Trial(None).metrics
                if name not in self._retry_queue:
                    self._retry_queue.append(name)
            elif name not in self.end_order:
                self.end_order.append(name)
        self._retry_queue = [n for n in self._retry_queue if self.trials[n].status not in FINISHED]
        self.ongoing_trials = {}

    def _read_state(self, path: Path) -> dict[str, Any]:
        for candidate in (path, _previous(path)):
            try:
                state = json.loads(candidate.read_text(encoding="utf-8"))
                state["trials"], state["seed_state"]
            except (OSError, ValueError, KeyError, TypeError) as error:
                _log.warning("%s cannot be read: %s", candidate, error)
            else:
                return state
        raise ZooError(f"the search in {path.parent} is damaged; start anew with --fresh")

    def _newest_record(self, name: str, record: dict[str, Any]) -> trials.Trial:
        """A trial's own file is ahead of the state when a kill came between the two writes."""
        trial = trials.Trial.from_state(record)
        if trial.status in FINISHED:
            return trial
        path = Path(self._get_trial_dir(name)) / "trial.json"
        try:
            own = trials.Trial.from_state(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log.warning("%s cannot be read: %s", path, error)
            return trial
        same = own.hyperparameters.values == trial.hyperparameters.values
        return own if own.status in FINISHED and same else trial

    # What is best.

    def get_best_trials(self, num_trials: int = 1) -> list[trials.Trial]:
        """Returns up to `num_trials` completed trials, best first, equal ones in their order."""
        completed = [
            trial
            for trial in self.trials.values()
            if trial.status == Status.COMPLETED and math.isfinite(trial.score)
        ]
        completed.sort(key=lambda t: t.score, reverse=self.objective.direction == "max")
        return completed[:num_trials]


class RandomOracle(Mended, oracles.RandomSearchOracle):
    """Independent draws, none twice."""


class BayesianOracle(Mended, oracles.BayesianOptimizationOracle):
    """A Gaussian process over the completed trials.

    Also mended: values that were tried already were suggested again; and the generator's state was
    not stored, so a resumed search went another way. Here it is a function of the seed and the
    number of the trial.
    """

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        words = np.random.SeedSequence([self.seed, len(self.trials)]).generate_state(4)
        self._random_state = np.random.RandomState(words)
        self.gpr = self._make_gpr()
        with warnings.catch_warnings():
            # scikit-learn's advice on the kernel's bounds is for whoever wrote the oracle.
            warnings.simplefilter("ignore")
            response = super().populate_space(trial_id)
        values = response.get("values")
        if values and self._duplicate(values):
            return self._random_populate_space()
        return response


class GridOracle(Mended, oracles.GridSearchOracle):
    """Every combination, the last hyperparameter changing fastest.

    Also mended: the place in the grid was not stored, so a resumed search ended at once. Here the
    next combination follows from the last trial's.
    """

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        if not self.start_order:
            space = self.get_space()
            values = {hp.name: hp.default for hp in space.space if space.is_active(hp)}
        else:
            last = self.trials[self.start_order[-1]]
            values = self._get_next_combination(last.hyperparameters.values)
        status = Status.STOPPED if values is None else Status.RUNNING
        return {"status": status, "values": values}


class HyperbandOracle(Mended, keras_tuner.Oracle):
    """Hyperband (Li et al. 2018) over the brackets of `plan_brackets`.

    Talks to tuners as KerasTuner's own does, through the values `tuner/epochs`,
    `tuner/initial_epoch` and `tuner/trial_id`. Also mended: there was no way to ask for a number
    of trials, and one failed trial kept its bracket from ever finishing. Which trial comes next
    is a function of the trials there are; no other state is kept.
    """

    def __init__(self, *args: Any, trials: int, max_epochs: int, **kwargs: Any) -> None:
        self.brackets: list[Bracket] = plan_brackets(trials, max_epochs)
        super().__init__(*args, **kwargs)

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        for number, bracket in enumerate(self.brackets):
            before: list[trials.Trial] = []
            for index, (places, epochs) in enumerate(bracket):
                here = self._trials_of(number, index)
                if len(here) < places:
                    values = self._continued(before, here) if index else self._random_values()
                    if values:
                        begun = bracket[index - 1][1] if index else 0
                        values |= {
                            "tuner/bracket": number,
                            "tuner/round": index,
                            "tuner/initial_epoch": begun,
                            "tuner/epochs": epochs,
                        }
                        return {"status": Status.RUNNING, "values": values}
                if any(trial.status not in FINISHED for trial in here):
                    # The next round chooses among these when the last of them is done.
                    break
                before = here
        return {"status": Status.IDLE if self.ongoing_trials else Status.STOPPED, "values": None}

    def _trials_of(self, bracket: int, index: int) -> list[trials.Trial]:
        return [
            trial
            for trial in self.trials.values()
            if trial.hyperparameters.values["tuner/bracket"] == bracket
            and trial.hyperparameters.values["tuner/round"] == index
        ]

    def _continued(
        self, before: list[trials.Trial], here: list[trials.Trial]
    ) -> dict[str, Any] | None:
        """Returns the values of the best trial of the round before that is not continued yet."""
        taken = {trial.hyperparameters.values["tuner/trial_id"] for trial in here}
        ids = {trial.trial_id for trial in before} - taken
        for trial in self.get_best_trials(len(self.trials)):
            if trial.trial_id in ids:
                return {**trial.hyperparameters.values, "tuner/trial_id": trial.trial_id}
        return None

    def _compute_values_hash(self, values: dict[str, Any]) -> str:
        own = {key: value for key, value in values.items() if not key.startswith("tuner/")}
        return super()._compute_values_hash(own)


def make_oracle(
    algorithm: str,
    objective: keras_tuner.Objective,
    space: keras_tuner.HyperParameters,
    trials: int,
    max_epochs: int,
    seed: int,
) -> keras_tuner.Oracle:
    """Builds the oracle of an algorithm: hyperband, random, bayesian or grid."""
    common: dict[str, Any] = {"objective": objective, "hyperparameters": space, "seed": seed}
    if algorithm == "hyperband":
        return HyperbandOracle(trials=trials, max_epochs=max_epochs, **common)
    if algorithm == "bayesian":
        # KerasTuner's default, three random trials for each hyperparameter, would leave a short
        # search without a single trial that learns from the others.
        return BayesianOracle(max_trials=trials, num_initial_points=max(3, trials // 3), **common)
    oracle = {"random": RandomOracle, "grid": GridOracle}[algorithm]
    return oracle(max_trials=trials, **common)


def _previous(path: Path) -> Path:
    return path.with_name("oracle.previous.json")

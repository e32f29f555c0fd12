"""Hyperband and ASHA: most trials get few epochs, the best of them more."""

from __future__ import annotations

from typing import Any

import keras_tuner
from keras_tuner.engine import trial as trials

from tuning.halving import Bracket, plan_brackets, plan_rungs
from tuning.oracles.base import CONTINUES, EPOCHS, FINISHED, Mended, Status

BRACKET, ROUND, BEGUN = "tuner/bracket", "tuner/round", "tuner/initial_epoch"


class Halving(Mended, keras_tuner.Oracle):
    """Base of both. Going on with a trial is a trial of its own, which names what it continues.

    They talk to tuners as KerasTuner's Hyperband does, by the values `tuner/epochs`,
    `tuner/initial_epoch` and `tuner/trial_id`. Which trial comes next is a function of the trials
    there are; no other state is kept.
    """

    def trials_at(self, index: int, bracket: int = 0) -> list[trials.Trial]:
        """Returns the trials of a round or rung that were not skipped."""
        return [
            trial
            for trial in self.counted()
            if trial.hyperparameters.values[BRACKET] == bracket
            and trial.hyperparameters.values[ROUND] == index
        ]

    def best_of(self, here: list[trials.Trial]) -> list[trials.Trial]:
        """Returns the completed ones of some trials, best first."""
        ids = {trial.trial_id for trial in here}
        return [trial for trial in self.ranked(Status.COMPLETED) if trial.trial_id in ids]

    def going_on(self, trial: trials.Trial) -> dict[str, Any]:
        """Returns the values of a trial that goes on with another."""
        return {**trial.hyperparameters.values, CONTINUES: trial.trial_id}

    def _compute_values_hash(self, values: dict[str, Any]) -> str:
        own = {key: value for key, value in values.items() if not key.startswith("tuner/")}
        return super()._compute_values_hash(own)


def _placed(
    values: dict[str, Any], index: int, begun: int, epochs: int, bracket: int = 0
) -> dict[str, Any]:
    place = {BRACKET: bracket, ROUND: index, BEGUN: begun, EPOCHS: epochs}
    return {"status": Status.RUNNING, "values": values | place}


class HyperbandOracle(Halving):
    """Hyperband (Li et al. 2018) over the brackets of `plan_brackets`.

    Also mended: there was no way to ask for a number of trials, and one failed trial kept its
    bracket from ever finishing.
    """

    def __init__(self, *args: Any, max_trials: int, max_epochs: int, **kwargs: Any) -> None:
        self.brackets: list[Bracket] = plan_brackets(max_trials, max_epochs)
        super().__init__(*args, max_trials=max_trials, max_epochs=max_epochs, **kwargs)

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        for number, bracket in enumerate(self.brackets):
            before: list[trials.Trial] = []
            for index, (places, epochs) in enumerate(bracket):
                here = self.trials_at(index, number)
                if len(here) < places:
                    values = self._continued(before, here) if index else self._random_values()
                    if values:
                        begun = bracket[index - 1][1] if index else 0
                        return _placed(values, index, begun, epochs, number)
                if any(trial.status not in FINISHED for trial in here):
                    # The next round chooses among these when the last of them is done.
                    break
                before = here
        return {"status": Status.IDLE if self.ongoing_trials else Status.STOPPED, "values": None}

    def _continued(
        self, before: list[trials.Trial], here: list[trials.Trial]
    ) -> dict[str, Any] | None:
        """Returns the values of the best trial of the round before that is not continued yet."""
        taken = {trial.hyperparameters.values[CONTINUES] for trial in here}
        free = (trial for trial in self.best_of(before) if trial.trial_id not in taken)
        best = next(free, None)
        return self.going_on(best) if best else None


class ASHAOracle(Halving):
    """Asynchronous successive halving, ASHA.

    Li et al. 2020 (A system for massively parallel hyperparameter tuning, MLSys), algorithm 2:
    whoever asks is given the best trial that is among the best third of its rung so far and is not
    continued yet, from the highest rung on; where there is none, new values on the lowest rung. So
    nobody waits for a rung to be full. The rungs are those of `plan_rungs`.

    A trial that failed or was stopped early counts as one of its rung, and is never continued.

    Args:
        factor: The paper's eta.
    """

    def __init__(
        self, *args: Any, max_trials: int, max_epochs: int, factor: int = 3, **kwargs: Any
    ) -> None:
        self.factor = factor
        self.rungs = plan_rungs(max_trials, max_epochs, factor)
        super().__init__(*args, max_trials=max_trials, max_epochs=max_epochs, **kwargs)

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        for rung in reversed(range(len(self.rungs) - 1)):
            here = self.trials_at(rung)
            finished = sum(trial.status in FINISHED for trial in here)
            above = self.trials_at(rung + 1)
            taken = {trial.hyperparameters.values[CONTINUES] for trial in above}
            for trial in self.best_of(here)[: finished // self.factor]:
                if trial.trial_id not in taken:
                    values = self.going_on(trial)
                    return _placed(values, rung + 1, self.rungs[rung], self.rungs[rung + 1])
        values = self._random_values()
        if values is None:
            return {"status": Status.STOPPED, "values": None}
        return _placed(values, 0, 0, self.rungs[0])

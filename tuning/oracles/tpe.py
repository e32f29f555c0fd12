"""TPE: Optuna's sampler behind KerasTuner's interface."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Sequence
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.engine import trial as trials
from keras_tuner.engine.hyperparameters import Float, Int

from tuning.objectives import Objective
from tuning.oracles.base import FINISHED, Mended, Status
from zoo.errors import ZooError

_NUMBERS = (Float, Int)


class TPEOracle(Mended, keras_tuner.Oracle):
    """Tree-structured Parzen estimator (Bergstra et al. 2011), multivariate (Falkner et al. 2018).

    Optuna's `TPESampler` is asked anew for each trial, with all trials there are as its past and a
    seed of the search's and of the trial's number. So it has no state that could be lost, and the
    same seed gives the same trials. Running trials count as bad ones, so that several workers are
    not sent to one place. With several objectives it is the multi-objective one (Ozaki et al.
    2022).

    It sees hyperparameters as KerasTuner lays them out: a range is [0, 1] of what is drawn evenly,
    steps and ordered choices are their indices. What depends on another value is asked for where
    it is active.

    Args:
        objectives: What it learns from; the first is the leading one.
        startup: Trials with a value before which values are drawn at random.

    Raises:
        ZooError: when Optuna is not installed.
    """

    def __init__(
        self, *args: Any, objectives: Sequence[Objective], startup: int, **kwargs: Any
    ) -> None:
        if importlib.util.find_spec("optuna") is None:
            raise ZooError(
                "the algorithm tpe needs Optuna, which is not installed; "
                "`pip install 'keras-model-zoo[tpe]'` adds it"
            )
        super().__init__(*args, **kwargs)
        self.objectives = tuple(objectives)
        self.startup = startup

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        values: dict[str, Any] | None = self._suggested()
        if self._duplicate(values):
            values = self._random_values()
        return {"status": Status.RUNNING if values else Status.STOPPED, "values": values}

    def get_state(self) -> dict[str, Any]:
        return super().get_state() | {"startup": self.startup}

    def take_up(self, state: Any, records: Any) -> None:
        super().take_up(state, records)
        # A larger number of trials must not change what the first ones would have been.
        self.startup = state["startup"]

    def _suggested(self) -> dict[str, Any]:
        import optuna

        # It tells of every study, and of parameters that it has to draw one by one.
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        words = np.random.SeedSequence([self.seed, len(self.trials)]).generate_state(1)
        with warnings.catch_warnings():
            # Grouping and the rest have been called experimental for years.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(
                n_startup_trials=self.startup,
                seed=int(words[0]),
                multivariate=True,
                group=True,
                constant_liar=True,
            )
            up, down = optuna.study.StudyDirection.MAXIMIZE, optuna.study.StudyDirection.MINIMIZE
            directions = [up if one.direction == "max" else down for one in self.objectives]
            study = optuna.create_study(directions=directions, sampler=sampler)
            study.add_trials(self._past())
            asked = study.ask()
            hps = keras_tuner.HyperParameters()
            for hp in self.hyperparameters.space:
                hps.merge([hp])
                if hps.is_active(hp):
                    hps.values[hp.name] = _suggested_by(asked, hp)
        return dict(hps.values)

    def _past(self) -> list[Any]:
        """Returns the trials as Optuna's: those with a value, and those that are running."""
        from optuna.trial import TrialState, create_trial

        found = []
        for trial in self.trials.values():
            outcome: dict[str, Any] = {"state": TrialState.RUNNING}
            if trial.status == Status.COMPLETED:
                outcome = {"state": TrialState.COMPLETE, "values": self._values(trial)}
            elif trial.status == Status.STOPPED and len(self.objectives) == 1:
                outcome = {
                    "state": TrialState.PRUNED,
                    "intermediate_values": self.curve(trial),
                }
            elif trial.status in FINISHED:
                # Failed or skipped; and of several objectives Optuna knows no stopped trial.
                continue
            values = trial.hyperparameters.values
            axes = {
                hp: axis
                for hp in self.hyperparameters.space
                if hp.name in values
                and trial.hyperparameters.is_active(hp)
                and (axis := _axis(hp)) is not None
            }
            found.append(
                create_trial(
                    **outcome,
                    params={hp.name: _inward(hp, values[hp.name]) for hp in axes},
                    distributions={hp.name: axis for hp, axis in axes.items()},
                )
            )
        return found

    def _values(self, trial: trials.Trial) -> list[float]:
        names = [one.name for one in self.objectives[1:]]
        further = [float(trial.metrics.get_last_value(name)) for name in names]
        return [float(trial.score), *further]


def _choices(hp: Any) -> list[Any] | None:
    """Returns all values that a hyperparameter may have; None for a range without steps."""
    if isinstance(hp, _NUMBERS) and hp.step is None:
        return None
    # Powers of a step come as floats.
    return [int(value) for value in hp.values] if isinstance(hp, Int) else list(hp.values)


def _axis(hp: Any) -> Any:
    """Returns a hyperparameter as Optuna's distribution; None for one that has a single value."""
    from optuna import distributions

    choices = _choices(hp)
    if choices is None:
        return distributions.FloatDistribution(0.0, 1.0)
    if len(choices) == 1:
        return None
    if isinstance(hp, _NUMBERS) or getattr(hp, "ordered", False):
        return distributions.IntDistribution(0, len(choices) - 1)
    return distributions.CategoricalDistribution(range(len(choices)))


def _inward(hp: Any, value: Any) -> float | int:
    """Returns where a value lies on the axis of its hyperparameter."""
    choices = _choices(hp)
    if choices is None:
        return min(1.0, max(0.0, float(hp.value_to_prob(value))))
    return choices.index(value)


def _suggested_by(asked: Any, hp: Any) -> Any:
    """Asks Optuna for a place on a hyperparameter's axis and returns the value there."""
    from optuna import distributions

    axis, choices = _axis(hp), _choices(hp)
    if choices is None:
        # The upper end of a range of whole numbers would be one too far.
        return min(hp.max_value, hp.prob_to_value(asked.suggest_float(hp.name, 0.0, 1.0)))
    if axis is None:
        return choices[0]
    if isinstance(axis, distributions.IntDistribution):
        return choices[asked.suggest_int(hp.name, axis.low, axis.high)]
    return choices[asked.suggest_categorical(hp.name, axis.choices)]

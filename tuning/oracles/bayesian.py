"""Bayesian optimisation: a Gaussian process over the trials."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from keras_tuner import oracles

from tuning.oracles.base import Mended, Status


class BayesianOracle(Mended, oracles.BayesianOptimizationOracle):
    """A Gaussian process over the trials that have a value.

    Also mended: values that were tried already were suggested again; the generator's state was not
    stored, so a resumed search went another way (here it is a function of the seed and the number
    of the trial); and of trials stopped early the value of another trial was learned.
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

    def _vectorize_trials(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns places in the unit cube and values to minimise, of running trials the worst.

        So no two workers are sent to one place.
        """
        sign = -1.0 if self.objective.direction == "max" else 1.0
        known = [
            (trial, sign * trial.score)
            for trial in self.trials.values()
            if trial.status in (Status.COMPLETED, Status.STOPPED)
        ]
        worst = max(value for _, value in known)
        known += [(trial, worst) for trial in self.ongoing_trials.values()]
        places = [self._place(trial.hyperparameters) for trial, _ in known]
        return np.array(places), np.array([value for _, value in known])

    def _place(self, hyperparameters: Any) -> list[float]:
        """Returns a trial's place; what is not active is where its default is."""
        values = hyperparameters.values
        return [
            hp.value_to_prob(
                values[hp.name]
                if hyperparameters.is_active(hp) and hp.name in values
                else hp.default
            )
            for hp in self._nonfixed_space()
        ]

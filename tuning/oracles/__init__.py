"""What decides which values to try next: KerasTuner's oracles, mended, and two more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras_tuner
from keras_tuner import oracles

from tuning.objectives import Objective
from tuning.oracles.base import FINISHED, Mended, is_skipped, status_of
from tuning.oracles.bayesian import BayesianOracle
from tuning.oracles.grid import GridOracle
from tuning.oracles.halving import ASHAOracle, HyperbandOracle
from tuning.oracles.tpe import TPEOracle
from tuning.stopping import MedianRule

__all__ = [
    "FINISHED",
    "ASHAOracle",
    "BayesianOracle",
    "GridOracle",
    "HyperbandOracle",
    "Mended",
    "RandomOracle",
    "TPEOracle",
    "is_skipped",
    "make_oracle",
    "status_of",
]


class RandomOracle(Mended, oracles.RandomSearchOracle):
    """Independent draws, none twice."""


_PLAIN: dict[str, type[Mended]] = {
    "asha": ASHAOracle,
    "grid": GridOracle,
    "hyperband": HyperbandOracle,
    "random": RandomOracle,
}


def make_oracle(
    algorithm: str,
    objective: keras_tuner.Objective,
    space: keras_tuner.HyperParameters,
    trials: int,
    max_epochs: int,
    seed: int,
    *,
    objectives: Sequence[Objective] = (),
    rule: MedianRule | None = None,
) -> Mended:
    """Builds the oracle of an algorithm.

    Args:
        algorithm: asha, bayesian, grid, hyperband, random or tpe.
        objective: The leading objective.
        space: Every hyperparameter, with its conditions.
        trials: Trials in all.
        max_epochs: Most epochs of a trial.
        seed: Decides the values that are tried.
        objectives: All objectives, the leading one first, for algorithms that learn from several;
            by default the leading one alone.
        rule: What stops trials early; None for nothing.

    Raises:
        ZooError: for tpe where Optuna is not installed.
    """
    common: dict[str, Any] = {
        "objective": objective,
        "hyperparameters": space,
        "max_trials": trials,
        "max_epochs": max_epochs,
        "seed": seed,
        "rule": rule,
    }
    # KerasTuner's default, three random trials for each hyperparameter, and Optuna's ten would
    # leave a short search without a single trial that learns from the others.
    first = max(3, trials // 3)
    if algorithm == "bayesian":
        return BayesianOracle(num_initial_points=first, **common)
    if algorithm == "tpe":
        known = tuple(objectives) or (Objective(objective.name, objective.direction),)
        return TPEOracle(objectives=known, startup=min(10, first), **common)
    return _PLAIN[algorithm](**common)

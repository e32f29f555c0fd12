"""Searches played without training: scores are a function of the values."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import keras_tuner

from tuning.oracles import Mended, make_oracle

OBJECTIVE = keras_tuner.Objective("val_accuracy", "max")
ALGORITHMS = ("random", "grid", "bayesian", "hyperband", "asha")
EPOCHS = 9
Score = Callable[[dict[str, Any]], float]


class Killed(BaseException):
    """Stands for the process ending here."""


class Store:
    """Keeps what an oracle says, as text, each change whole; it may be killed at one of them."""

    def __init__(self, killed_at: int = 0) -> None:
        self.state = ""
        self.records: dict[str, str] = {}
        self.writes = 0
        self.killed_at = killed_at

    def __call__(self, state: dict[str, Any], records: dict[str, dict[str, Any]]) -> None:
        self.writes += 1
        if self.writes == self.killed_at:
            raise Killed
        self.state = json.dumps(state, allow_nan=False)
        self.records |= {name: json.dumps(one) for name, one in records.items()}

    def put_back(self, oracle: Mended) -> Mended:
        """Has an oracle go on from here, and be kept here."""
        if self.state:
            records = {name: json.loads(one) for name, one in self.records.items()}
            oracle.take_up(json.loads(self.state), records)
        self.killed_at = 0
        oracle.keep = self
        return oracle


def space() -> keras_tuner.HyperParameters:
    hp = keras_tuner.HyperParameters()
    hp.Float("rate", 1e-4, 1e-1, sampling="log")
    hp.Choice("kind", ["a", "b", "c"])
    return hp


def oracle_of(algorithm: str, seed: int = 1, trials: int = 6, **options: Any) -> Any:
    hp = options.pop("hp", None) or space()
    return make_oracle(
        algorithm, options.pop("objective", OBJECTIVE), hp, trials, EPOCHS, seed, **options
    )


def score_of(values: dict[str, Any]) -> float:
    return 1.0 / (1.0 + abs(math.log10(values["rate"]) + 2)) + 0.01 * values.get("tuner/epochs", 0)


def play(oracle: Any, count: int = 1000, score: Score = score_of) -> Any:
    """Runs up to `count` trials; a NaN score is a trial that fails."""
    for _ in range(count):
        trial = oracle.create_trial("tuner0")
        if trial.status == "STOPPED":
            break
        end(oracle, trial, score(trial.hyperparameters.values))
    return oracle


def end(oracle: Any, trial: Any, value: float) -> None:
    """Ends a trial with a value after its last epoch."""
    if math.isnan(value):
        trial.status, trial.message = "FAILED", "no number"
    else:
        last = trial.hyperparameters.values.get("tuner/epochs", EPOCHS)
        oracle.update_trial(trial.trial_id, {oracle.objective.name: value}, step=last)
        trial.status, trial.message = "COMPLETED", None
    oracle.end_trial(trial)


def found(oracle: Any) -> list[tuple[dict[str, Any], str, float | None]]:
    return [(t.hyperparameters.values, t.status, t.score) for t in oracle.trials.values()]


def tried(oracle: Any) -> list[tuple[Any, ...]]:
    return [
        (t.hyperparameters.values["rate"], t.hyperparameters.values["kind"])
        for t in oracle.trials.values()
    ]

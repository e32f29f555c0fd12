"""What a search found: its trials, the leaderboard, the winner."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuning.spaces import Space
from zoo.errors import ZooError
from zoo.recipe import Recipe


@dataclasses.dataclass(frozen=True)
class TrialResult:
    """One trial.

    Args:
        trial: Its id; `trial_<id>` in the search's folder has its recipe and history.
        status: `completed`, `failed` or `interrupted`.
        value: The objective after its last epoch; None unless completed.
        epochs: Epochs behind it, with those of the trial that it continues.
        hyperparameters: The values that were tried.
        continues: The trial whose training it goes on with, if any.
        reason: Why it failed.
    """

    trial: str
    status: str
    value: float | None
    epochs: int
    hyperparameters: dict[str, Any]
    continues: str | None = None
    reason: str | None = None


@dataclasses.dataclass(frozen=True)
class Search:
    """A search and what it found.

    Args:
        recipe: The recipe that was searched around.
        space: Function from hyperparameters and a recipe to a recipe.
        algorithm: hyperband, random, bayesian or grid.
        seed: The search's seed.
        objective: Name of the measure, on the validation split.
        direction: `max` or `min`.
        folder: Where it is kept.
        trials: In the order in which they began.
    """

    recipe: Recipe
    space: Space
    algorithm: str
    seed: int
    objective: str
    direction: str
    folder: Path
    trials: tuple[TrialResult, ...]

    def ranked(self) -> list[TrialResult]:
        """Returns the completed trials, best first; equal ones in the order they began."""
        done = [(trial.value, trial) for trial in self.trials if trial.value is not None]
        done.sort(key=lambda pair: pair[0], reverse=self.direction == "max")
        return [trial for _, trial in done]

    @property
    def best(self) -> TrialResult:
        """The best completed trial.

        Raises:
            ZooError: when none completed, with the last reason.
        """
        ranked = self.ranked()
        if not ranked:
            reasons = [trial.reason for trial in self.trials if trial.reason]
            last = f"; the last reason: {reasons[-1]}" if reasons else ""
            raise ZooError(f"none of the {len(self.trials)} trials completed{last}")
        return ranked[0]

    def winner(self) -> Recipe:
        """Returns the best trial's recipe, for the base recipe's own epochs, with its lineage."""
        import keras_tuner

        best = self.best
        hp = keras_tuner.HyperParameters()
        hp.values = dict(best.hyperparameters)
        lineage = {
            "search": self.recipe.name,
            "algorithm": self.algorithm,
            "trials": len(self.trials),
            "trial": best.trial,
            "trial_epochs": best.epochs,
            "hyperparameters": best.hyperparameters,
            "objective": self.objective,
            "direction": self.direction,
            "value": best.value,
            "seed": self.seed,
        }
        return dataclasses.replace(self.space(hp, self.recipe), lineage=lineage)

    def to_dict(self) -> dict[str, Any]:
        """Returns the leaderboard as plain data, completed trials first, best first."""
        ranked = self.ranked()
        rest = [trial for trial in self.trials if trial.value is None]
        return {
            "name": self.recipe.name,
            "algorithm": self.algorithm,
            "seed": self.seed,
            "objective": {
                "name": self.objective,
                "direction": self.direction,
                "split": "validation",
            },
            "trials": [
                {"rank": rank, **dataclasses.asdict(trial)}
                for rank, trial in [*enumerate(ranked, 1), *((None, trial) for trial in rest)]
            ],
        }


def leaderboard_text(search: Search) -> str:
    """Returns the leaderboard as a table, failed trials with their reasons below it."""
    rows = [("rank", "trial", search.objective, "epochs", "values")]
    for rank, trial in enumerate(search.ranked(), 1):
        values = format_values(trial.hyperparameters)
        rows.append((str(rank), trial.trial, f"{trial.value:.4f}", str(trial.epochs), values))
    rows += [
        ("-", trial.trial, trial.status, str(trial.epochs), trial.reason or "")
        for trial in search.trials
        if trial.value is None
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join([*(cell.rjust(w) for cell, w in zip(row, widths, strict=False)), row[4]])
        for row in rows
    )


def format_values(values: Mapping[str, Any]) -> str:
    """Returns values on one line, numbers with four digits."""
    return " ".join(
        f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}"
        for key, value in values.items()
    )

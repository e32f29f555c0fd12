"""What a search found: its trials, the leaderboard, the winner. Read from its folder alone."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuning.database import FILE, Database, EpochRow, TrialRow, WorkerRow
from zoo.errors import RecipeError, ZooError
from zoo.recipe import Recipe

if TYPE_CHECKING:
    from tuning.objectives import Objective

# So many lines of a leaderboard are read; the report has all.
_LINES = 20


@dataclasses.dataclass(frozen=True)
class TrialResult:
    """One trial. What the clock and the machine decide does not count when two are compared.

    Args:
        trial: Its id; `trial_<id>` in the search's folder has its recipe.
        number: From 1, in the order in which trials were made.
        status: `completed`, `stopped` early, `failed`, `skipped` as too large, `running`, or
            `interrupted`, to be run again.
        value: The leading objective after its last epoch; None unless completed.
        epochs: Epochs behind it, with those of the trial that it continues.
        hyperparameters: The values that were tried.
        objectives: Every objective by name, means over its executions; those of a stopped trial
            are where it was stopped. Empty before it ends and where it failed.
        deviations: Sample deviations over its executions; empty where there is one.
        recipe: The recipe that was trained, as plain data; None before it began.
        seed: That recipe's seed, of its first execution.
        continues: The trial whose training it goes on with, if any.
        reason: Why it failed, was skipped or was stopped.
        worker: Who trained it.
        begun: When, in seconds since 1970.
        ended: Likewise.
        seconds: How long it was worked on.
        versions: Of the packages that trained it.
        history: Its epochs, by execution.
    """

    trial: str
    number: int
    status: str
    value: float | None
    epochs: int
    hyperparameters: dict[str, Any]
    objectives: dict[str, float] = dataclasses.field(default_factory=dict)
    deviations: dict[str, float] = dataclasses.field(default_factory=dict)
    recipe: dict[str, Any] | None = dataclasses.field(default=None, repr=False)
    seed: int | None = None
    continues: str | None = None
    reason: str | None = None
    worker: str | None = dataclasses.field(default=None, compare=False)
    begun: float | None = dataclasses.field(default=None, compare=False)
    ended: float | None = dataclasses.field(default=None, compare=False)
    seconds: float = dataclasses.field(default=0.0, compare=False)
    versions: dict[str, str] = dataclasses.field(default_factory=dict, compare=False)
    history: tuple[EpochRow, ...] = dataclasses.field(default=(), compare=False, repr=False)


@dataclasses.dataclass(frozen=True)
class Search:
    """A search and what it found.

    Args:
        folder: Where it is kept.
        name: Of the recipe that was searched around.
        algorithm: Such as `hyperband`.
        seed: The search's seed.
        objectives: What is measured on the validation split; the first decides.
        recipe: The recipe that was searched around; a promoted winner is trained for its epochs.
        settings: All of search.json: what makes it this search.
        meta: What else is known of it, such as its budget and when it began.
        trials: In the order in which they were made.
        workers: Who works on it.
    """

    folder: Path
    name: str
    algorithm: str
    seed: int
    objectives: tuple[Objective, ...]
    recipe: Recipe
    settings: dict[str, Any]
    meta: dict[str, Any]
    trials: tuple[TrialResult, ...]
    workers: tuple[WorkerRow, ...] = ()

    @property
    def objective(self) -> str:
        """The name of the leading objective."""
        return self.objectives[0].name

    @property
    def direction(self) -> str:
        """`max` or `min`: which values of the leading objective are better."""
        return self.objectives[0].direction

    def ranked(self) -> list[TrialResult]:
        """Returns the completed trials, best first; equal ones in the order they began.

        A trial that was stopped early has no rank: its value is that of fewer epochs.
        """
        done = [(trial.value, trial) for trial in self.trials if trial.value is not None]
        done.sort(key=lambda pair: pair[0], reverse=self.direction == "max")
        return [trial for _, trial in done]

    @property
    def best(self) -> TrialResult:
        """The best completed trial or, where none completed, the best of those that were stopped.

        Raises:
            ZooError: when there is neither, with the last reason.
        """
        ranked = self.ranked() or self._stopped()
        if not ranked:
            reasons = [trial.reason for trial in self.trials if trial.reason]
            last = f"; the last reason: {reasons[-1]}" if reasons else ""
            raise ZooError(f"none of the {len(self.trials)} trials completed{last}")
        return ranked[0]

    def _stopped(self) -> list[TrialResult]:
        """Returns the trials that were stopped early, best first."""
        found = [t for t in self.trials if t.status == "stopped" and self.objective in t.objectives]
        sign = -1 if self.direction == "max" else 1
        return sorted(found, key=lambda trial: sign * trial.objectives[self.objective])

    def pareto(self) -> list[TrialResult]:
        """Returns the completed trials that no other one beats, in their order.

        One trial beats another that is better in no objective and worse in one at least.
        """
        signs = {goal.name: 1 if goal.direction == "max" else -1 for goal in self.objectives}
        front: list[tuple[tuple[float, ...], TrialResult]] = []
        for trial in self.ranked():
            if not signs.keys() <= trial.objectives.keys():
                continue
            point = tuple(sign * trial.objectives[name] for name, sign in signs.items())
            if any(_beats(other, point) for other, _ in front):
                continue
            front = [pair for pair in front if not _beats(point, pair[0])]
            front.append((point, trial))
        return sorted((trial for _, trial in front), key=lambda trial: trial.number)

    def winner(self) -> Recipe:
        """Returns the best trial's recipe, for the base recipe's own epochs, with its lineage.

        Raises:
            ZooError: when no trial completed.
        """
        best = self.best
        if best.recipe is None:
            raise _damaged(self.folder)
        lineage = {
            "search": self.name,
            "algorithm": self.algorithm,
            "trials": len(self.trials),
            "trial": best.trial,
            "trial_epochs": best.epochs,
            "hyperparameters": best.hyperparameters,
            "objective": self.objective,
            "direction": self.direction,
            "value": best.objectives.get(self.objective),
            "seed": self.seed,
        }
        if self.objective in best.deviations:
            lineage["deviation"] = best.deviations[self.objective]
        recipe = Recipe.from_dict(best.recipe)
        # Trials have no early stopping of their own, so that their values are of equal epochs.
        return dataclasses.replace(
            recipe,
            epochs=self.recipe.epochs,
            early_stopping=self.recipe.early_stopping,
            lineage=lineage,
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns the leaderboard as plain data, completed trials first, best first.

        The same search gives the same: no times, and nothing of the machine.
        """
        ranked = self.ranked()
        ranks = {trial.trial: rank for rank, trial in enumerate(ranked, 1)}
        rest = [trial for trial in self.trials if trial.trial not in ranks]
        shown = (
            *("trial", "status", "value", "epochs", "hyperparameters", "objectives"),
            *("deviations", "continues", "reason"),
        )
        return {
            "name": self.name,
            "algorithm": self.algorithm,
            "seed": self.seed,
            "objectives": [
                {"name": goal.name, "direction": goal.direction, "split": goal.split}
                for goal in self.objectives
            ],
            "trials": [
                {
                    "rank": ranks.get(trial.trial),
                    **{field: getattr(trial, field) for field in shown},
                }
                for trial in [*ranked, *rest]
            ],
        }


def open_search(folder: Path) -> Search:
    """Reads a search, also one that is running.

    Raises:
        ZooError: when there is none in the folder, or it is damaged.
    """
    settings = _settings(folder)
    database = Database(folder / FILE, create=False)
    try:
        meta, rows = database.meta(), database.trials()
        epochs, workers = database.epochs(), database.workers()
    finally:
        database.close()
    histories: dict[str, list[EpochRow]] = {}
    for epoch in epochs:
        histories.setdefault(epoch.trial, []).append(epoch)
    try:
        objectives = _objectives(settings["objectives"])
        leading = objectives[0].name
        return Search(
            folder=folder,
            name=settings["name"],
            algorithm=settings["algorithm"],
            seed=settings["seed"],
            objectives=objectives,
            recipe=Recipe.from_dict(settings["base"]),
            settings=settings,
            meta=meta,
            trials=tuple(_result(row, histories.get(row.id, []), leading) for row in rows),
            workers=tuple(workers),
        )
    except (KeyError, TypeError, ValueError, IndexError, RecipeError) as error:
        raise _damaged(folder) from error


def leaderboard_text(search: Search) -> str:
    """Returns the best trials as a table, those without a value with their reasons below it."""
    names = [goal.name for goal in search.objectives]
    rows = [["rank", "trial", *names, "epochs", "values"]]
    ranked = search.ranked()
    for rank, trial in enumerate(ranked[:_LINES], 1):
        cells = [_cell(trial, name) for name in names]
        values = format_values(trial.hyperparameters)
        rows.append([str(rank), trial.trial, *cells, str(trial.epochs), values])
    rest = [trial for trial in search.trials if trial.value is None]
    for trial in rest[:_LINES]:
        empty = [""] * (len(names) - 1)
        reason = trial.reason or ""
        rows.append(["-", trial.trial, trial.status, *empty, str(trial.epochs), reason])
    widths = [max(len(row[column]) for row in rows) for column in range(len(names) + 3)]
    lines = [
        "  ".join([*(cell.rjust(w) for cell, w in zip(row, widths, strict=False)), row[-1]])
        for row in rows
    ]
    left = max(0, len(ranked) - _LINES) + max(0, len(rest) - _LINES)
    if left:
        lines.append(f"and {left} more; `zoo tune report {search.name}` has all")
    return "\n".join(lines)


def format_values(values: Mapping[str, Any]) -> str:
    """Returns values on one line, numbers with four digits."""
    return " ".join(f"{key}={format_value(value)}" for key, value in values.items())


def format_value(value: Any) -> str:
    """Returns one value, a number with four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _cell(trial: TrialResult, name: str) -> str:
    value = trial.objectives.get(name)
    if value is None:
        return "-"
    shown = f"{value:.4f}" if abs(value) < 1000 else f"{value:,.0f}"
    spread = trial.deviations.get(name)
    return shown if spread is None else f"{shown} ±{spread:.4f}"


def _settings(folder: Path) -> dict[str, Any]:
    path = folder / "search.json"
    if not path.is_file():
        raise ZooError(f"there is no search in {folder}")
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise _damaged(folder) from error
    if not isinstance(settings, dict):
        raise _damaged(folder)
    return settings


def _damaged(folder: Path) -> ZooError:
    return ZooError(f"the search in {folder} is damaged; start anew with --fresh")


def _objectives(recorded: list[list[str]]) -> tuple[Objective, ...]:
    from tuning.objectives import Objective

    return tuple(Objective(name, direction, split) for name, direction, split in recorded)


def _result(row: TrialRow, history: list[EpochRow], leading: str) -> TrialResult:
    value = row.objectives.get(leading) if row.status == "completed" else None
    return TrialResult(
        trial=row.id,
        number=row.number,
        status=row.status,
        value=value if value is not None and math.isfinite(value) else None,
        epochs=max((epoch.epoch for epoch in history), default=0),
        hyperparameters=row.hyperparameters,
        objectives=row.objectives,
        deviations=row.deviations,
        recipe=row.recipe,
        seed=row.seed,
        continues=row.continues,
        reason=row.reason,
        worker=row.worker,
        begun=row.begun,
        ended=row.ended,
        seconds=row.seconds,
        versions=row.versions,
        history=tuple(history),
    )


def _beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    pairs = list(zip(one, other, strict=True))
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)

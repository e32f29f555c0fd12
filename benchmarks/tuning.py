"""Best validation accuracy against the wall-clock of a search: ours, and Optuna by itself.

Every side searches the same space around the same recipe, on the same training and validation
images, may train as many epochs in all, and has the defaults that a user gets: random, bayesian and
tpe with the median rule, hyperband and asha with their own halving; Optuna with its TPE sampler and
its median pruner, calling the same training in its own process. Five seeds of each. A side is as
good as its best completed trial so far; the time is that of trials and of what lies between them,
without the start of Python.

Each search is kept as it is done, and one of ours that was broken off goes on; the command given
again goes on with the rest. Searches lie beside the user's, under names that end in `-bench`.
"""

from __future__ import annotations

import dataclasses
import gc
import importlib.util
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from benchmarks.measure import Row, over_seeds
from benchmarks.points import key_of, read_points, write_points
from benchmarks.significance import against
from tuning import TrialResult, tune
from tuning.halving import LAID_OUT
from tuning.spaces import space_of
from zoo import data, files, paths, registry
from zoo.errors import ZooError
from zoo.recipe import Recipe
from zoo.runs import new_run
from zoo.training.run import fit_run, training_arrays

SIDE_BY_SIDE = True
OWN = ("random", "hyperband", "asha", "tpe", "bayesian")
OPTUNA = "optuna"
SEEDS = (1, 2, 3, 4, 5)
EPOCHS, TOTAL = 9, 270
PICTURE = Path(__file__).parents[1] / "docs" / "tuning.png"
# The small network learns from a part of the images, as one does who cannot wait.
RECIPES: dict[str, dict[str, Any]] = {
    "mlp.fashion_mnist": {"name": "mlp.fashion_mnist-bench"},
    "lenet5.mnist": {
        "name": "lenet5.fashion_mnist-bench",
        "data.name": "fashion_mnist",
        "data.validation": 5000,
        "data.limit": 10_000,
    },
}
_QUICK = {"data.limit": 512, "data.validation": 256}
# Longer gaps between trials are those of a search that was broken off.
_PAUSE = 60.0


@dataclasses.dataclass(frozen=True)
class Point:
    """A trial that ended, as a line of the table of points.

    Args:
        recipe: What was searched around.
        side: Which algorithm, or Optuna.
        seed: Of the search.
        total: Epochs that it might train in all.
        trial: Its number, from 1.
        seconds: Since the search began.
        best: The best validation accuracy of completed trials so far, in [0, 1].
    """

    recipe: str
    side: str
    seed: int
    total: int
    trial: int = 0
    seconds: float = 0.0
    best: float = 0.0


def rows(quick: bool) -> list[Row]:
    """The best accuracy in the end, and how long a search took, of each side."""
    sides: tuple[str, ...] = (*OWN, OPTUNA)
    if importlib.util.find_spec("optuna") is None:
        print("Optuna is not installed; tpe and Optuna itself are left out", file=sys.stderr)
        sides = tuple(side for side in OWN if side != "tpe")
    data.require("fashion_mnist")
    name = "tuning-quick" if quick else "tuning"
    table = paths.home() / "benchmarks" / f"{name}.csv"
    points = measured(table, sides, SEEDS[:1] if quick else SEEDS, quick)
    picture = table.with_suffix(".png") if quick else PICTURE
    draw(points, picture)
    print(f"points in {table}, picture in {picture}", file=sys.stderr)
    return summary(points)


def measured(
    table: Path, sides: Sequence[str], seeds: Sequence[int], quick: bool = False
) -> list[Point]:
    """Returns the points of all searches; what is in the table is not searched again."""
    epochs, total = (2, 8) if quick else (EPOCHS, TOTAL)
    points = read_points(table, Point)
    wanted = []
    for source, overrides in RECIPES.items():
        for seed in seeds:
            for side in sides:
                recipe = registry.recipes().get(source).override(overrides)
                key = (recipe.name, side, seed, total)
                wanted.append(key)
                if key in {key_of(point) for point in points}:
                    continue
                own = f"{recipe.name}{'_quick' if quick else ''}{seed}"
                chosen = recipe.override({"name": own, **(_QUICK if quick else {})})
                ended = searched(chosen, side, seed, epochs, total, fresh=quick)
                if not ended:
                    raise ZooError(f"no trial of {own} by {side} completed")
                points += [Point(*key, *one) for one in ended]
                write_points(table, points)
                best = f"{100 * ended[-1][2]:.2f} %"
                print(f"{recipe.name}, {side}, seed {seed}: {best}", file=sys.stderr)
    return [point for point in points if key_of(point) in wanted]


def searched(
    recipe: Recipe, side: str, seed: int, epochs: int, total: int, fresh: bool = False
) -> list[tuple[int, float, float]]:
    """Runs a search, or what is left of it; returns (trial, seconds, best) of each that ended."""
    if side == OPTUNA:
        return optuna_search(recipe, seed, epochs, total)
    # Halving is laid out for more than the budget allows; of the others a third may stop early.
    trials = (4 * total if side in LAID_OUT else 3 * total // 2) // epochs
    search = tune(
        recipe,
        side,
        trials,
        epochs=epochs,
        seed=seed,
        total_epochs=total,
        fresh=fresh,
        say=_nothing,
    )
    return progress(search.trials)


def progress(trials: Iterable[TrialResult]) -> list[tuple[int, float, float]]:
    """Returns (trial, seconds, best so far) of one worker's completed trials, as they ended."""
    found = []
    clock, best = 0.0, 0.0
    last: float | None = None
    ended = [trial for trial in trials if trial.begun is not None and trial.ended is not None]
    for trial in sorted(ended, key=lambda one: one.ended or 0.0):
        assert trial.begun is not None and trial.ended is not None
        gap = 0.0 if last is None else max(0.0, trial.begun - last)
        clock += trial.seconds + (gap if gap < _PAUSE else 0.0)
        last = trial.ended
        if trial.value is not None:
            best = max(best, trial.value)
            found.append((trial.number, round(clock, 2), best))
    return found


def optuna_search(
    recipe: Recipe, seed: int, epochs: int, total: int
) -> list[tuple[int, float, float]]:
    """Searches as one does with Optuna alone: its study, its sampler, its pruner."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    base, space = recipe.override({"epochs": epochs}), space_of(recipe)
    arrays = training_arrays(base)
    folder = paths.home() / "benchmarks" / "optuna"
    spent = 0
    found: list[tuple[int, float, float]] = []
    began = time.perf_counter()

    def objective(trial: Any) -> float:
        nonlocal spent
        keras.backend.clear_session()
        gc.collect()
        report = _Report(trial, total - spent)
        run = new_run(space(suggested(trial, space, base), base), folder)
        try:
            fit_run(run, verbose=0, callbacks=[report], arrays=arrays)
        finally:
            spent += len(run.history)
            shutil.rmtree(run.folder)
        if len(run.history) < epochs:
            raise optuna.TrialPruned
        return run.history[-1]["val_accuracy"]

    def keep(study: Any, trial: Any) -> None:
        if trial.state == optuna.trial.TrialState.COMPLETE:
            seconds = round(time.perf_counter() - began, 2)
            found.append((trial.number + 1, seconds, float(study.best_value)))
        if spent >= total:
            study.stop()

    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.MedianPruner(),
    )
    # A training that diverges is a failed trial, as it is with ours.
    study.optimize(objective, callbacks=[keep], catch=(ZooError,))
    return found


class _Report(keras.callbacks.Callback):
    """Tells Optuna of each epoch, and ends a training that it prunes or that spends the budget."""

    def __init__(self, trial: Any, left: int) -> None:
        super().__init__()
        self.trial = trial
        self.left = left

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.trial.report(float((logs or {})["val_accuracy"]), epoch)
        self.left -= 1
        if self.trial.should_prune() or self.left <= 0:
            self.model.stop_training = True


def suggested(trial: Any, space: Callable[..., Recipe], base: Recipe) -> Any:
    """Asks Optuna for a value of every hyperparameter that is active, in their order."""
    import keras_tuner

    declared, hp = keras_tuner.HyperParameters(), keras_tuner.HyperParameters()
    space(declared, base)
    for one in declared.space:
        hp.merge([one])
        if hp.is_active(one):
            hp.values[one.name] = _suggest(trial, one)
    return hp


def _suggest(trial: Any, one: Any) -> Any:
    kind, config = type(one).__name__, one.get_config()
    if kind == "Choice":
        return trial.suggest_categorical(one.name, config["values"])
    if kind == "Boolean":
        return trial.suggest_categorical(one.name, [False, True])
    if kind == "Fixed":
        return config["value"]
    low, high = config["min_value"], config["max_value"]
    log = config.get("sampling") == "log"
    # Optuna has no steps on a logarithmic scale.
    step = None if log else config.get("step")
    if kind == "Int":
        return trial.suggest_int(one.name, low, high, step=step or 1, log=log)
    return trial.suggest_float(one.name, low, high, step=step, log=log)


def summary(points: Sequence[Point]) -> list[Row]:
    """Rows of each recipe: the best in the end, after a third of the time, minutes, and p.

    p is how likely it is that the means of the last bests differ so much from random's by chance.
    """
    found = []
    for recipe in dict.fromkeys(point.recipe for point in points):
        own = [point for point in points if point.recipe == recipe]
        ends: dict[str, list[float]] = {}
        for side in dict.fromkeys(point.side for point in own):
            searches = _searches(own, side)
            last = [one[-1] for one in searches]
            ends[side] = [100 * point.best for point in last]
            minutes = [point.seconds / 60 for point in last]
            third = min(minutes) * 60 / 3
            early = [100 * _at(one, third) for one in searches]
            found += [
                over_seeds(f"{recipe}, best", side, ends[side], "%"),
                over_seeds(f"{recipe}, best after a third of the time", side, early, "%"),
                over_seeds(f"{recipe}, time", side, minutes, "min"),
            ]
        baseline = ends.pop("random", [])
        if len(baseline) > 1 and ends:
            chances = against(baseline, ends)
            found += [Row(f"{recipe}, p", side, p, "", 0.0) for side, p in chances.items()]
    return found


def _searches(points: Sequence[Point], side: str) -> list[list[Point]]:
    found: dict[int, list[Point]] = {}
    for point in points:
        if point.side == side:
            found.setdefault(point.seed, []).append(point)
    return [sorted(one, key=lambda point: point.seconds) for one in found.values()]


def _at(search: Sequence[Point], seconds: float) -> float:
    """Returns the best that a search had at a time, 0 before its first trial ended."""
    return max((point.best for point in search if point.seconds <= seconds), default=0.0)


def draw(points: Sequence[Point], path: Path) -> None:
    """Draws a panel for each recipe: the mean of the best so far, and its range over the seeds."""
    from matplotlib.figure import Figure

    recipes = list(dict.fromkeys(point.recipe for point in points))
    figure = Figure(figsize=(5.2 * len(recipes), 4), layout="constrained")
    panels = np.ravel(figure.subplots(1, max(1, len(recipes))))
    for panel, recipe in zip(panels, recipes, strict=True):
        own = [point for point in points if point.recipe == recipe]
        for side in dict.fromkeys(point.side for point in own):
            searches = _searches(own, side)
            # From when all seeds have a trial to when the last one ends.
            begin = max(one[0].seconds for one in searches)
            times = np.linspace(begin, max(one[-1].seconds for one in searches), 200)
            bests = 100 * np.array([[_at(one, time) for time in times] for one in searches])
            (line,) = panel.plot(times / 60, bests.mean(axis=0), label=side)
            panel.fill_between(
                times / 60, bests.min(axis=0), bests.max(axis=0), color=line.get_color(), alpha=0.1
            )
        panel.set_title(recipe.removesuffix("-bench"))
        panel.set_xlabel("minutes")
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("best validation accuracy so far, %")
    panels[0].legend()
    with files.atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def _nothing(line: str) -> None:
    """Takes the lines of progress of a search; the table says what came of it."""

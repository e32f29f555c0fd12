"""What a trial of a search costs beyond its training, and what a second worker is worth.

The same recipe is trained for the same epochs in three ways, in turns: by `fit` on the engine's
model alone, in this process, that has compiled nothing of it before; as a run, which also keeps a
checkpoint and its history after every epoch; and as trials of a random search, where a process
beside this one trains, and each epoch is reported, judged and written to the database. Then a
search of so many trials is timed with one worker and with two, from its begin to its end, the start
of their processes among it.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import shutil
import statistics
import time
from collections.abc import Callable
from typing import Any

import keras

from benchmarks.measure import Row
from tuning import Search, tune
from zoo import data, paths, registry
from zoo.data.feed import epoch_length, first_images
from zoo.recipe import Recipe
from zoo.runs import new_run
from zoo.training.build import build_model
from zoo.training.run import fit_run, steps_per_epoch, training_arrays

SIDE_BY_SIDE = True
RATES = ("optimizer.learning_rate=log:1e-4:1e-2",)
_SETTINGS: dict[str, Any] = {
    "name": "mlp.fashion_mnist-overhead",
    "data.validation": 5000,
    "data.limit": 20_000,
    "epochs": 3,
}
_QUICK = {"data.limit": 1024, "data.validation": 256, "epochs": 1}


def rows(quick: bool) -> list[Row]:
    """Seconds a training in each way, and of a search with one and with two workers."""
    data.require("fashion_mnist")
    recipe = registry.recipes().get("mlp.fashion_mnist")
    recipe = recipe.override({**_SETTINGS, **(_QUICK if quick else {})})
    return [*trial_rows(recipe, 2 if quick else 8), *worker_rows(recipe, 2 if quick else 12)]


def trial_rows(recipe: Recipe, repeats: int) -> list[Row]:
    """Rows of the seconds of one training: plain, as a run, as a trial.

    The trials are those of one search but for its first, which begins with the start of the
    process that trains them all.
    """
    arrays = training_arrays(recipe)
    seconds: dict[str, list[float]] = {
        "fit": [_timed(lambda: plain_fit(recipe, arrays)) for _ in range(repeats)],
        "run": [_timed(lambda: as_run(recipe, arrays)) for _ in range(repeats)],
    }
    search = searched(recipe, repeats + 1)
    ended = [trial.ended for trial in search.trials if trial.ended is not None]
    seconds["trial"] = [after - before for before, after in itertools.pairwise(ended)]
    what = f"{recipe.architecture}, {recipe.epochs} epochs, one training"
    found = [_row(what, side, values) for side, values in seconds.items()]
    bare = statistics.median(seconds["fit"])
    return found + [
        dataclasses.replace(row, what=f"{what}: beyond fit", value=row.value - bare)
        for row in found
        if row.side != "fit"
    ]


def worker_rows(recipe: Recipe, trials: int) -> list[Row]:
    """Rows of the seconds of one search with one and with two workers, begin to end."""
    found = []
    for workers in (1, 2):
        took = _timed(functools.partial(searched, recipe, trials, workers))
        side = "one worker" if workers == 1 else "two workers"
        found.append(Row(f"a search of {trials} trials", side, took, "s", 0.0))
    return found


def plain_fit(recipe: Recipe, arrays: Any) -> None:
    """Trains by `fit` alone: nothing is kept."""
    keras.backend.clear_session()
    train, validation = arrays
    steps = steps_per_epoch(recipe, epoch_length(train))
    model = build_model(recipe, first_images(train), len(data.labels(recipe.data)), steps)
    model.fit(
        model.training_feed(train, recipe.batch_size, recipe.seed, 0, recipe.epochs),
        validation_data=(validation,),
        validation_batch_size=500,
        epochs=recipe.epochs,
        steps_per_epoch=steps,
        shuffle=False,
        verbose=0,
    )


def as_run(recipe: Recipe, arrays: Any) -> None:
    """Trains as `zoo train` does, and forgets it."""
    keras.backend.clear_session()
    run = new_run(recipe, paths.home() / "benchmarks" / "overhead")
    fit_run(run, verbose=0, arrays=arrays)
    shutil.rmtree(run.folder)


def searched(recipe: Recipe, trials: int, workers: int = 1) -> Search:
    """Searches at random, from the beginning."""
    return tune(
        recipe, "random", trials, space=RATES, stopping="none", workers=workers, fresh=True, say=_no
    )


def _timed(function: Callable[[], Any]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def _row(what: str, side: str, values: list[float]) -> Row:
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return Row(what, side, statistics.median(values), "s", spread)


def _no(line: str) -> None:
    """Takes the lines of progress of a search; the table says what came of it."""

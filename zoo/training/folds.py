"""K-fold cross-validation over the training split."""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from zoo import data, files, registry
from zoo.backend import import_backend
from zoo.errors import InvalidInputError, RecipeError
from zoo.metrics import classification
from zoo.recipe import Recipe
from zoo.runs import Run, last_run, locked, new_run, runs_folder
from zoo.training import distribution
from zoo.training.run import fit_run

_FOLD_SEED = 1414


@dataclasses.dataclass(frozen=True)
class Folds:
    """What cross-validation measured.

    Args:
        recipe: Name of the recipe.
        values: Accuracy on each held-out fold, in [0, 1].
        losses: Mean cross-entropy on each, in nats.
        folder: Where the runs are.
    """

    recipe: str
    values: tuple[float, ...]
    losses: tuple[float, ...]
    folder: Path

    @property
    def mean(self) -> float:
        """Mean accuracy."""
        return statistics.mean(self.values)

    @property
    def deviation(self) -> float:
        """Sample deviation of the accuracies, over n - 1."""
        return statistics.stdev(self.values)

    def to_dict(self) -> dict[str, Any]:
        """Returns all of it as plain data."""
        fields = {**dataclasses.asdict(self), "folder": str(self.folder)}
        return {**fields, "mean": self.mean, "deviation": self.deviation}


def fit_folds(
    recipe: Recipe,
    folds: int = 5,
    *,
    resume: bool = False,
    verbose: int | str = "auto",
    devices: int | None = None,
) -> Folds:
    """Trains a classifier's recipe once for each fold and measures it on the examples held out.

    The held-out fold takes the place of the recipe's validation split, whose examples are folded
    like all others of the training split. Nothing is stored as a model; no test split is read.
    With early stopping the fold that measures also chooses the epoch, which flatters.

    Args:
        recipe: What to train.
        folds: How many.
        resume: Whether to take up the last cross-validation of this recipe and number that was not
            finished; its finished folds are not trained again.
        verbose: As for `keras.Model.fit`.
        devices: As for `fit_run`.

    Raises:
        InvalidInputError: for a number of folds that the examples do not allow.
        RecipeError: for a recipe that is not a classifier's, or several processes.
        ZooError: as for `fit_run`; or when there is nothing to resume.
    """
    if registry.architectures().get(recipe.architecture).task != "classification":
        raise RecipeError(f"cross-validation needs a classifier; {recipe.architecture} is none")
    if distribution.process_count() > 1:
        raise RecipeError("cross-validation is done by one process")
    if recipe.data.images is not None:
        raise RecipeError("cross-validation needs labels, and data.images has none")
    parent = runs_folder(recipe.name) / f"folds-{folds}"
    arrays, _ = data.training_examples(dataclasses.replace(recipe.data, validation=0))
    if "label" not in arrays:
        raise RecipeError(f"cross-validation is over one data set, not {recipe.data.name}")
    splits = list(split_folds(arrays["label"], folds))
    whole = last_run(recipe.name, recipe, parent) if resume else new_run(recipe, parent)
    import_backend(whole.recipe.backend)
    results = []
    with locked(whole.folder):
        for number, (kept, held) in enumerate(splits, start=1):
            if verbose:
                print(f"fold {number} of {folds}", flush=True)
            parts = [{key: value[one] for key, value in arrays.items()} for one in (kept, held)]
            results.append(_fit_fold(whole, number, parts[0], parts[1], verbose, devices))
        files.write_text(whole.folder / "finished", json.dumps(results))
    values, losses = (tuple(result[key] for result in results) for key in ("accuracy", "loss"))
    return Folds(recipe.name, values, losses, whole.folder)


def split_folds(labels: np.ndarray, folds: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields the indices to train on and those held out, for each fold.

    The folds are stratified: each has about the same share of every class. They are the same
    whatever the recipe's seed.

    Raises:
        InvalidInputError: when a class has fewer examples than there are folds.
    """
    from sklearn.model_selection import StratifiedKFold

    fewest = int(np.unique(labels, return_counts=True)[1].min())
    if not 2 <= folds <= fewest:
        raise InvalidInputError(
            f"folds must be 2 to {fewest}, the number of examples of the rarest class, got {folds}"
        )
    splitter = StratifiedKFold(folds, shuffle=True, random_state=_FOLD_SEED)
    yield from splitter.split(np.zeros(len(labels)), labels)


def _fit_fold(
    whole: Run,
    number: int,
    train: data.Arrays,
    held: data.Arrays,
    verbose: int | str,
    devices: int | None,
) -> dict[str, float]:
    from zoo.networks import with_scores
    from zoo.runtime import compile_network

    run = Run(whole.recipe, whole.folder / f"fold{number}")
    result = run.folder / "finished"
    if run.finished:
        return json.loads(result.read_text(encoding="utf-8"))
    run.folder.mkdir(exist_ok=True)
    files.write_text(run.folder / "recipe.json", run.recipe.to_json())
    fit_run(run, verbose, devices=devices, arrays=(train, held))
    assert run.model is not None
    network = run.model.published_networks()["network"]
    scores = compile_network(with_scores(network))(held["image"])
    measured = {
        "accuracy": classification.accuracy(scores, held["label"]),
        "loss": classification.negative_log_likelihood(scores, held["label"]),
    }
    files.write_text(result, json.dumps(measured))
    return measured

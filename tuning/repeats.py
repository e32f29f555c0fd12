"""One trial trained several times: with other seeds, or on other folds of the examples."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zoo import data
from zoo.errors import RecipeError
from zoo.recipe import Recipe

if TYPE_CHECKING:
    from zoo.data import Arrays


@dataclasses.dataclass(frozen=True)
class Repeat:
    """One of the trainings of a trial.

    Args:
        number: Counts them, from 0.
        seed: Of its initial weights, order, augmentation and noise.
        fold: Which part of the examples is held out, from 0; 0 where there are no folds.
    """

    number: int
    seed: int
    fold: int = 0


@dataclasses.dataclass(frozen=True)
class Examples:
    """What a training learns from and what it is validated on."""

    training: Arrays
    validation: Arrays


def repeats_of(recipe: Recipe, executions: int = 1, folds: int = 0) -> tuple[Repeat, ...]:
    """Returns the trainings of a trial, in the order in which they are trained.

    Args:
        recipe: The trial's; the first execution has its seed, each further one the next.
        executions: Trainings on the same examples.
        folds: Parts of the examples, each of which is held out once; 0 for none. With several
            executions there are as many trainings of each part.

    Raises:
        RecipeError: for fewer than one execution, or one fold.
    """
    if executions < 1:
        raise RecipeError(f"executions must be at least 1, got {executions}")
    if folds < 0 or folds == 1:
        raise RecipeError(f"folds must be 2 or more, or 0 for none, got {folds}")
    pairs = [(run, fold) for run in range(executions) for fold in range(folds or 1)]
    return tuple(
        Repeat(number, (recipe.seed + run) % 2**32, fold)
        for number, (run, fold) in enumerate(pairs)
    )


def recipe_of(recipe: Recipe, repeat: Repeat) -> Recipe:
    """Returns the recipe that one of the trainings of a trial trains."""
    return recipe if repeat.seed == recipe.seed else recipe.override({"seed": repeat.seed})


def examples_of(recipe: Recipe, folds: int = 0) -> tuple[Examples, ...]:
    """Reads the examples of a search: one set, or one for each fold.

    With folds the recipe's validation split is folded like all other examples of the training
    split. No test split is read.

    Raises:
        RecipeError: for a recipe without a validation split where there are no folds, and for
            folds of examples without labels or of two domains.
        InvalidInputError: for more folds than the rarest class has examples.
        DataUnavailableError: when the data are not prepared.
    """
    from zoo.training.folds import split_folds
    from zoo.training.run import training_arrays

    if not folds:
        training, validation = training_arrays(recipe)
        if validation is None:
            raise RecipeError("a search needs a validation split; set data.validation")
        return (Examples(training, validation),)
    if recipe.data.name in data.PAIRS or recipe.data.images is not None:
        of = recipe.data.images or recipe.data.name
        raise RecipeError(f"folds are of one data set with labels, not of {of}")
    whole, _ = training_arrays(recipe.override({"data.validation": 0}))
    if "label" not in whole:
        raise RecipeError(f"folds have equal shares of each class, and {recipe.data.name} has none")
    return tuple(
        Examples(*({key: value[part] for key, value in whole.items()} for part in (kept, held)))
        for kept, held in split_folds(whole["label"], folds)
    )


def folder_of(trial: Path, repeat: Repeat) -> Path:
    """Returns the folder of a training: the trial's own for the first, one inside it for others."""
    return trial / f"execution_{repeat.number}" if repeat.number else trial


def summary(
    values: Sequence[Mapping[str, float]],
) -> tuple[dict[str, float], dict[str, float]]:
    """Returns the means and, of several trainings, the sample deviations (over n - 1), by name.

    Args:
        values: What each training ended with; all have the same names.
    """
    columns = {name: [one[name] for one in values] for name in values[0]}
    means = {name: statistics.fmean(column) for name, column in columns.items()}
    if len(values) == 1:
        return means, {}
    return means, {name: statistics.stdev(column) for name, column in columns.items()}

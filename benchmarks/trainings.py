"""Trainings of a benchmark: told apart by their recipes, taken up where they were broken off."""

from __future__ import annotations

import hashlib
from pathlib import Path

import keras

from zoo.recipe import Recipe
from zoo.runs import Run, new_run, resolved, unfinished_runs
from zoo.training.run import fit_run


def digest_of(recipe: Recipe) -> str:
    """Returns twelve hexadecimal digits that are a recipe's own."""
    return hashlib.sha256(recipe.to_json().encode()).hexdigest()[:12]


def begun_or_new(recipe: Recipe, folder: Path) -> Run:
    """Returns the run of this very recipe that an earlier process left in a folder, or another."""
    wanted = resolved(recipe)
    begun = (run for run in unfinished_runs(recipe.name, folder) if run.recipe == wanted)
    return next(begun, None) or new_run(recipe, folder)


def trained(recipe: Recipe, folder: Path) -> Run:
    """Trains a recipe in a folder of its own below this one, or goes on with what was begun."""
    keras.backend.clear_session()
    return fit_run(begun_or_new(recipe, folder / recipe.name), verbose=0)

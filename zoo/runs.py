"""Runs: the folder of one training of one recipe, which can be stopped and resumed."""

from __future__ import annotations

import dataclasses
import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import files, paths, registry
from zoo.backend import backend_name
from zoo.errors import RecipeError, ZooError
from zoo.parents import pinned_parents
from zoo.recipe import Recipe
from zoo.transfer import pinned

if TYPE_CHECKING:
    from zoo.training.engine import MultiPlayerModel

History = list[dict[str, float]]


@dataclasses.dataclass
class Run:
    """A training and what it left.

    Args:
        recipe: What was trained; it names its backend.
        folder: Holds recipe.json, checkpoint.npz, history.csv and samples.
        history: One dictionary of logged values for each epoch that is done.
        model: The trained game, once `fit_run` has returned.
        stored: Where the store keeps the result, once it does.
        devices: How many devices trained it.
        compile_seconds: What of the time went into compiling.
        members: Of an ensemble, what was measured of each member.
    """

    recipe: Recipe
    folder: Path
    history: History = dataclasses.field(default_factory=list)
    model: MultiPlayerModel | None = None
    stored: Path | None = None
    devices: int = 1
    compile_seconds: float = 0.0
    members: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    @property
    def finished(self) -> bool:
        """Whether every epoch is done and the result is stored."""
        return (self.folder / "finished").is_file()


def runs_folder(name: str) -> Path:
    """Returns the folder that holds all runs of a recipe."""
    return paths.home() / "runs" / name


def resolved(recipe: Recipe) -> Recipe:
    """Returns the recipe with all that a run must know for good.

    That is a backend: its own or, where it names none, this process's; and a version of the model
    that it begins from, as `pinned` says, and of those that are a part of it, as `pinned_parents`
    does.
    """
    recipe = pinned_parents(pinned(recipe))
    return recipe if recipe.backend else recipe.override({"backend": backend_name()})


def recipe_of(name: str, resume: bool = False) -> Recipe:
    """Returns the registered recipe of a name.

    Args:
        name: The recipe's name.
        resume: Take that of the name's last unfinished run where none is registered, as none is
            for a user's own images.

    Raises:
        UnknownModelError: where there is none, with near names.
    """
    if resume and name not in registry.recipes():
        begun = next(unfinished_runs(name), None)
        if begun is not None:
            return begun.recipe
    return registry.recipes().get(name)


def new_run(recipe: Recipe, parent: Path | None = None) -> Run:
    """Makes the folder of a new run, in `parent` or, by default, among the recipe's runs."""
    recipe = resolved(recipe)
    parent = parent or runs_folder(recipe.name)
    parent.mkdir(parents=True, exist_ok=True)
    number = max((int(p.name) for p in parent.iterdir() if p.name.isdigit()), default=0) + 1
    while True:
        folder = parent / str(number)
        try:
            folder.mkdir()
            break
        except FileExistsError:
            number += 1
    files.write_text(folder / "recipe.json", recipe.to_json())
    return Run(recipe, folder)


def unfinished_runs(name: str, parent: Path | None = None) -> Iterator[Run]:
    """Yields the unfinished runs of a recipe's name, or those in `parent`, newest first.

    A folder whose recipe cannot be read is left out: nothing could be resumed from it.
    """
    parent = parent or runs_folder(name)
    numbers = (int(path.name) for path in parent.glob("*") if path.name.isdigit())
    for number in sorted(numbers, reverse=True):
        folder = parent / str(number)
        try:
            text = (folder / "recipe.json").read_text(encoding="utf-8")
            run = Run(resolved(Recipe.from_dict(json.loads(text))), folder)
        except (OSError, ValueError, RecipeError):
            continue
        if not run.finished:
            yield run


def last_run(name: str, recipe: Recipe | None = None, parent: Path | None = None) -> Run:
    """Returns the newest run that is not finished.

    Args:
        name: The recipe's name.
        recipe: If given, only a run of exactly this recipe.
        parent: The folder to look in, by default that of the recipe's runs.

    Raises:
        ZooError: when there is none.
        RecipeError: when there are only runs of other settings.
    """
    runs = list(unfinished_runs(name, parent))
    if not runs:
        raise ZooError(f"there is no unfinished run of {name} to resume; train without --resume")
    if recipe is None:
        return runs[0]
    recipe = resolved(recipe)
    for run in runs:
        if run.recipe == recipe:
            return run
    raise RecipeError(
        f"run {runs[0].folder.name} of {name} was begun with "
        f"{_difference(runs[0].recipe, recipe)}; resume it with the same settings, or with none"
    )


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a run for this process; the system lets go of it however the process ends."""
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ZooError(f"another process is training {folder}") from error
        yield


def _difference(begun: Recipe, wanted: Recipe) -> str:
    old, new = begun.to_dict(), wanted.to_dict()
    changed = [f"{key}={old[key]!r}, not {new[key]!r}" for key in old if old[key] != new[key]]
    return "; ".join(changed)

"""What a search is: everything that decides it, checked, before anything heavy is imported."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuning import folder
from tuning.budget import Budget
from tuning.custom_space import parse_space
from tuning.objectives import Objective, objectives_of, search_recipe
from tuning.repeats import repeats_of
from tuning.spaces import Space, space_of
from tuning.stopping import RULES
from zoo import registry
from zoo.backend import import_backend
from zoo.errors import RecipeError, did_you_mean, nearest
from zoo.parents import pinned_parents
from zoo.recipe import Recipe
from zoo.transfer import pinned

if TYPE_CHECKING:
    from tuning.training import RecipeTrainer

ALGORITHMS = ("hyperband", "asha", "random", "bayesian", "tpe", "grid")
# What makes the trainer of a plan's trials, from `Plan.options`, in whatever process.
FACTORY = "tuning.plan:make_trainer"


@dataclasses.dataclass(frozen=True)
class Plan:
    """A search that can be begun, or gone on with.

    Args:
        base: The recipe that is searched around, as its user named it.
        recipe: The same as trials train it: for so many epochs, with a validation split, with the
            stored models that it begins from pinned.
        space: Function from hyperparameters and a recipe to a recipe.
        algorithm: One of `ALGORITHMS`.
        objectives: The first leads the search.
        seed: Decides the values that are tried.
        budget: The most that may be spent.
        executions: Trainings of each trial.
        folds: Parts of the examples that are held out one after the other; 0 for none.
        stopping: The rule that stops trials early: `auto`, `median` or `none`.
    """

    base: Recipe
    recipe: Recipe
    space: Space
    algorithm: str
    objectives: tuple[Objective, ...]
    seed: int
    budget: Budget
    executions: int = 1
    folds: int = 0
    stopping: str = "auto"

    @property
    def folder(self) -> Path:
        """Where the search is kept."""
        return folder.place(self.base.name, self.algorithm)

    @property
    def lead(self) -> Objective:
        """The objective that trials are ranked by."""
        return self.objectives[0]

    def options(self, verbose: int = 0) -> dict[str, Any]:
        """Returns what whoever trains must know, as plain data; the arguments of `FACTORY`."""
        return {
            "base": self.recipe.to_dict(),
            "objectives": [one.name for one in self.objectives],
            "executions": self.executions,
            "folds": self.folds,
            "max_parameters": self.budget.max_parameters,
            "verbose": verbose,
        }


def make_trainer(base: Mapping[str, Any], **options: Any) -> RecipeTrainer:
    """Returns the trainer of a search from `Plan.options`, on the backend of its recipe.

    Raises:
        ZooError: when the data, a stored model or the backend are not there.
    """
    recipe = Recipe.from_dict(base)
    import_backend(recipe.backend)
    from tuning.training import RecipeTrainer

    return RecipeTrainer(recipe, **options)


def make_plan(
    recipe: str | Recipe,
    algorithm: str = "hyperband",
    trials: int = 8,
    *,
    epochs: int | None = None,
    seed: int | None = None,
    overrides: Iterable[str] | Mapping[str, Any] = (),
    space: Space | Iterable[str] | None = None,
    objectives: Sequence[str] = (),
    executions: int = 1,
    folds: int = 0,
    stopping: str = "auto",
    hours: float | None = None,
    total_epochs: int | None = None,
    max_parameters: int | None = None,
) -> Plan:
    """Checks what a search is to be; the arguments are those of `tuning.tune`.

    Raises:
        RecipeError: for what cannot be searched, in one line.
    """
    base = registry.recipes().get(recipe) if isinstance(recipe, str) else recipe
    base = base.override(overrides)
    if algorithm not in ALGORITHMS:
        near = did_you_mean(nearest(algorithm, ALGORITHMS))
        raise RecipeError(f"algorithm must be {', '.join(ALGORITHMS)}, got {algorithm!r}{near}")
    if trials < 1:
        raise RecipeError(f"trials must be at least 1, got {trials}")
    chosen = base.seed if seed is None else seed
    if not 0 <= chosen < 2**32:
        raise RecipeError(f"seed must be from 0 to 2^32 - 1, got {chosen}")
    if stopping not in RULES:
        near = did_you_mean(nearest(stopping, RULES))
        raise RecipeError(f"stopping must be {', '.join(RULES)}, got {stopping!r}{near}")
    trained = pinned_parents(pinned(search_recipe(base, epochs)))
    goals = objectives_of(trained, objectives)
    # Says what is wrong with these two.
    repeats_of(trained, executions, folds)
    if space is None:
        space = space_of(base)
    elif not callable(space):
        space = parse_space(space, base, goals[0])
    return Plan(
        base=base,
        recipe=trained,
        space=space,
        algorithm=algorithm,
        objectives=goals,
        seed=chosen,
        budget=Budget(trials, hours, total_epochs, max_parameters),
        executions=executions,
        folds=folds,
        stopping=stopping,
    )

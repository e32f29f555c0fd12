"""Which search space is for which recipe."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from zoo import registry
from zoo.errors import RecipeError
from zoo.recipe import Recipe

if TYPE_CHECKING:
    import keras_tuner

# From hyperparameters and a base recipe to the recipe of a trial. It declares every hyperparameter
# it has in every call, those that are not active in a `conditional_scope`.
Space = Callable[["keras_tuner.HyperParameters", Recipe], Recipe]

SPACES: dict[str, Space] = {}
# The space of a classifier that begins from a stored one, whose network is given.
TRANSFER = "transfer"


def register(*names: str) -> Callable[[Space], Space]:
    """Makes a function the space of methods, architectures or families of these names."""

    def decorate(space: Space) -> Space:
        for name in names:
            if name in SPACES:
                raise ValueError(f"search space {name!r} is registered twice")
            SPACES[name] = space
        return space

    return decorate


def space_of(recipe: Recipe) -> Space:
    """Returns the space of a recipe.

    That is the space of its method; failing that, of what begins from a stored model; then of its
    architecture; then of its family.

    Raises:
        RecipeError: when there is none.
    """
    architecture = registry.architectures().get(recipe.architecture)
    method = recipe.method.get("name", architecture.method)
    begun = [TRANSFER] if recipe.transfer.get("policy", "scratch") != "scratch" else []
    for name in (method, *begun, architecture.name, architecture.family):
        if name in SPACES:
            return SPACES[name]
    raise RecipeError(
        f"there is no search space for {recipe.architecture}; say what to search with --space, "
        "such as optimizer.learning_rate=log:1e-4:1e-1"
    )

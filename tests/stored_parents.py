"""Small stored models in the place of those that recipes are built on."""

from __future__ import annotations

from tests.steps import FEWER
from tests.store.common import make_card
from zoo import registry, store
from zoo.errors import UnknownModelError
from zoo.recipe import Recipe
from zoo.training.build import build_networks


def with_parents(recipe: Recipe) -> Recipe:
    """Returns a recipe when each of its parents is stored, if need be a small one, untrained."""
    for parent in recipe.parents.values():
        try:
            store.read_card(parent["model"])
        except UnknownModelError:
            _store(parent["model"])
    return recipe


def _store(name: str) -> None:
    recipe = registry.recipes().get(name)
    recipe = recipe.override(FEWER.get(recipe.architecture, {}))
    architecture = registry.architectures().get(recipe.architecture)
    context = {"input_shape": (28, 28, 1), "classes": 10}
    networks = build_networks(architecture, context, recipe.network)
    first = networks.get("encoder") or networks["network"]
    card = make_card(
        name,
        task=architecture.task,
        family=architecture.family,
        input={"shape": [*first.input_shape[1:]]},
    )
    store.save(card, networks)

"""What a recipe's `parents` say: which stored models' networks are a fixed part of a new one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zoo import registry, store
from zoo.errors import CorruptModelError, RecipeError, UnknownModelError, did_you_mean, nearest

if TYPE_CHECKING:
    import keras

    from zoo.cards import Card
    from zoo.recipe import Recipe

_FIELDS = ("model", "sha256")


def check_parents(parents: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises `RecipeError` for what are not a recipe's `parents`; `{}` are none."""
    for role, parent in parents.items():
        for field in parent:
            if field not in _FIELDS:
                near = did_you_mean(nearest(str(field), _FIELDS))
                raise RecipeError(f"parents.{role} has no {field!r}{near}")
        model, digests = parent.get("model"), parent.get("sha256", {})
        if not isinstance(model, str) or not model:
            raise RecipeError(f"parents.{role}.model must be a stored model's name, got {model!r}")
        if not isinstance(digests, dict) or not all(isinstance(d, str) for d in digests.values()):
            raise RecipeError(
                f"parents.{role}.sha256 must be a digest for each network, got {digests!r}"
            )


def pinned_parents(recipe: Recipe) -> Recipe:
    """Returns the recipe with one version of each parent and the sha256 of its networks.

    Trained again, such a recipe has the very same parents, whatever is stored later.

    Raises:
        RecipeError: for a parent that is not stored, with the command that makes it, and for an
            autoencoder of images of another shape than those of the recipe's data.
        UnknownModelError, InvalidInputError, CorruptModelError: as for `store.read_card`.
    """
    pinned = {role: _pinned(recipe, role, parent) for role, parent in recipe.parents.items()}
    return recipe if pinned == recipe.parents else recipe.override({"parents": pinned})


def _pinned(recipe: Recipe, role: str, parent: dict[str, Any]) -> dict[str, Any]:
    if parent.get("sha256"):
        return parent
    model = parent["model"]
    try:
        card = store.read_card(model)
    except UnknownModelError as error:
        name = model.partition("@")[0]
        if name not in registry.recipes() or store.versions(name):
            raise
        raise RecipeError(
            f"{recipe.name} is built on {model}, which is not stored; `zoo train {name}` makes it"
        ) from error
    _require_shape(recipe, role, card)
    digests = {network: card.sha256[file] for network, file in card.networks.items()}
    return {"model": f"{card.name}@{card.version}", "sha256": digests}


def _require_shape(recipe: Recipe, role: str, card: Card) -> None:
    from zoo import data

    if card.task != "reconstruction":
        return
    theirs, own = (list(one) for one in (card.input["shape"], data.get(recipe.data.name).shape))
    if theirs != own:
        raise RecipeError(
            f"{recipe.data.name} has images of shape {own}, but parents.{role}.model, "
            f"{card.name}@{card.version}, is for {theirs}; train one on {recipe.data.name} and "
            f"name it with `--set parents.{role}.model=NAME`"
        )


def load_parents(parents: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, keras.Model]]:
    """Loads the networks of a recipe's parents.

    Args:
        parents: A recipe's `parents`, pinned or not.

    Returns:
        `{role: {name: network}}`; none of the networks learns.

    Raises:
        UnknownModelError, InvalidInputError, CorruptModelError: when a parent cannot be loaded, or
            is not the one that the recipe was pinned to.
    """
    return {role: _load(parent) for role, parent in parents.items()}


def _load(parent: Mapping[str, Any]) -> dict[str, keras.Model]:
    card, networks = store.load(parent["model"])
    stored = {network: card.sha256[file] for network, file in card.networks.items()}
    if parent.get("sha256") not in (None, {}, stored):
        raise CorruptModelError(
            f"{card.name}@{card.version} is not the model that the recipe was pinned to "
            "(sha256 differs)"
        )
    for network in networks.values():
        network.trainable = False
    return networks

"""Spaces of convolutional classifiers, and of those that begin from a stored model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuning.spaces import common
from tuning.spaces.catalogue import TRANSFER, register
from zoo.recipe import Recipe
from zoo.transfer import LEARNING, RATE

if TYPE_CHECKING:
    import keras_tuner


@register("cnn", "applications")
def cnn(hp: keras_tuner.HyperParameters, recipe: Recipe) -> Recipe:
    """Width and dropout as far as the backbone has them, rates, schedule, averages, augmentation.

    The backbone itself is the recipe's: another one is another recipe, with a name of its own.
    """
    settings: common.Settings = {
        **common.capacity(hp, recipe),
        **common.dropout(hp, recipe),
        **common.rates(hp, recipe),
        **common.schedule(hp, recipe),
        **common.averaging(hp, recipe),
        **common.smoothing(hp, recipe),
        **common.augmentation(hp, recipe),
    }
    return recipe.override(settings)


@register(TRANSFER)
def transfer(hp: keras_tuner.HyperParameters, recipe: Recipe) -> Recipe:
    """Rates, among them that of what is taken over, where it learns, schedule, augmentation."""
    settings: common.Settings = {
        **common.rates(hp, recipe),
        **common.schedule(hp, recipe),
        **common.smoothing(hp, recipe),
        **common.augmentation(hp, recipe),
    }
    if recipe.transfer["policy"] in LEARNING:
        own = recipe.transfer.get("rate", RATE)
        values = [0.01, 0.03, 0.1, 0.3, 1.0]
        settings["transfer.rate"] = common.among(hp, "transfer_rate", values, own)
    return recipe.override(settings)

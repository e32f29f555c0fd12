"""Spaces of multilayer perceptrons and of what has one layer of weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuning.spaces import common
from tuning.spaces.catalogue import register
from zoo.recipe import Recipe

if TYPE_CHECKING:
    import keras_tuner


@register("mlp")
def mlp(hp: keras_tuner.HyperParameters, recipe: Recipe) -> Recipe:
    """Depth, width and how it falls from layer to layer, units, what regularises, the rates.

    The fall is asked for where there is more than one layer, the pieces of a maxout unit where
    there are such units.
    """
    units = [*common.option(recipe, "units")] or [128]
    depth = common.among(hp, "depth", [1, 2, 3], len(units))
    width = common.among(hp, "width", [128, 256, 512, 1024], units[0])
    deeper = [value for value in (1, 2, 3, len(units)) if value > 1]
    with hp.conditional_scope("depth", sorted(set(deeper))):
        falls = len(units) < 2 or units[1] < units[0]
        taper = common.among(hp, "taper", [0.5, 1.0], 0.5 if falls else 1.0)
    own = common.option(recipe, "activation")
    activation = common.one_of(hp, "activation", ["relu", "silu", "maxout"], own)
    with hp.conditional_scope("activation", ["maxout"]):
        pieces = common.among(hp, "pieces", [2, 3, 5], common.option(recipe, "pieces"))
    own = common.option(recipe, "normalization")
    settings: common.Settings = {
        "network.units": [max(1, round(width * (taper or 1.0) ** layer)) for layer in range(depth)],
        "network.activation": activation,
        "network.normalization": common.one_of(
            hp, "normalization", ["batch", "layer", "none"], own
        ),
        **({"network.pieces": pieces} if pieces else {}),
        **common.dropout(hp, recipe),
        **common.batches(hp, recipe),
        **common.rates(hp, recipe),
        **common.schedule(hp, recipe),
        **common.smoothing(hp, recipe),
    }
    return recipe.override(settings)


@register("softmax_regression", "linear_regression", "perceptron")
def linear(hp: keras_tuner.HyperParameters, recipe: Recipe) -> Recipe:
    """The rates, their schedule, and the weight of the squares; one layer has nothing else."""
    own = common.positive(common.option(recipe, "l2"), 1e-5)
    settings: common.Settings = {
        "network.l2": common.around(hp, "l2", own, 100),
        **common.rates(hp, recipe),
        **common.schedule(hp, recipe),
    }
    return recipe.override(settings)

"""The space of translators between two domains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuning.spaces import common
from tuning.spaces.catalogue import register
from zoo.recipe import Recipe

if TYPE_CHECKING:
    import keras_tuner


@register("translation")
def translation(hp: keras_tuner.HyperParameters, recipe: Recipe) -> Recipe:
    """Both players' rates, beta_1, averages, the weight of the way back, and what a method has.

    CycleGAN has the weight of leaving images of the target domain alone and the pool, DiscoGAN the
    share of the run in which the way back counts for little.
    """
    method = common.method_of(recipe)
    players = {"generators": "generator_rate", "discriminators": "discriminator_rate"}
    circular = method["name"] == "cyclegan"
    settings: common.Settings = {
        "method": method,
        **common.player_rates(hp, recipe, players),
        **common.averaging(hp, recipe),
    }
    cycle = common.positive(method.get("cycle"), 10.0 if circular else 1.0)
    settings["method.cycle"] = common.around(hp, "cycle", cycle, 4)
    if circular:
        own = method.get("identity", 0.5)
        settings["method.identity"] = common.among(hp, "identity", [0.0, 0.25, 0.5, 1.0], own)
        settings["method.pool"] = common.among(hp, "pool", [0, 50, 200], method.get("pool", 50))
    else:
        own = method.get("warmup", 0.0)
        settings["method.warmup"] = common.among(hp, "cycle_warmup", [0.0, 0.1, 0.25], own)
    return recipe.override(settings)

"""The space of diffusion models, of pixels and of latents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuning.spaces import common
from tuning.spaces.catalogue import register
from zoo import data
from zoo.recipe import Recipe

if TYPE_CHECKING:
    import keras_tuner


@register("diffusion")
def diffusion(hp: keras_tuner.HyperParameters, recipe: Recipe) -> Recipe:
    """The rate and its schedule, width, dropout, averages, and how often no label is shown.

    The last is what guidance needs; `val_loss` sees its price alone, not what guided images gain,
    which `val_fd` as a further objective does not see either, for these are drawn without. The
    noise schedule stays: under another one the loss means something else.
    """
    method = common.method_of(recipe)
    settings: common.Settings = {
        "method": method,
        **common.rates(hp, recipe),
        **common.schedule(hp, recipe),
        **common.capacity(hp, recipe),
        **common.dropout(hp, recipe, most=0.2),
        **common.averaging(hp, recipe),
    }
    if data.labels(recipe.data):
        own = method.get("label_dropout", 0.1)
        values = [0.05, 0.1, 0.2, 0.3]
        settings["method.label_dropout"] = common.among(hp, "label_dropout", values, own)
    return recipe.override(settings)

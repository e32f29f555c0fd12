"""The space of autoencoders, plain and variational."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuning.spaces import common
from tuning.spaces.catalogue import register
from zoo import registry
from zoo.recipe import Recipe

if TYPE_CHECKING:
    import keras_tuner

# Group norm halves widths into groups of eight.
_MULTIPLES = {"kl_autoencoder": 16}


@register("autoencoder")
def autoencoder(hp: keras_tuner.HyperParameters, recipe: Recipe) -> Recipe:
    """Rates, schedule, width and averages; of a variational one the warm-up of the divergence.

    Of a model that draws images the number of latents, too, which the bound has a price for; of
    one that reconstructs more of them would always be better. What the loss is made of stays: a
    search over `beta` or the likelihood would compare losses of different meaning.
    """
    architecture = registry.architectures().get(recipe.architecture)
    method = common.method_of(recipe)
    settings: common.Settings = {
        "method": method,
        **common.rates(hp, recipe),
        **common.schedule(hp, recipe),
        **common.capacity(hp, recipe, _MULTIPLES.get(architecture.name, 4)),
        **common.averaging(hp, recipe),
    }
    if method["name"] == "vae":
        own = method.get("kl_warmup", 0.0)
        settings["method.kl_warmup"] = common.among(hp, "kl_warmup", [0.0, 0.1, 0.25, 0.5], own)
    if architecture.task == "generation":
        own = common.option(recipe, "latent_dim")
        settings["network.latent_dim"] = common.among(hp, "latent_dim", [16, 32, 64], own)
    return recipe.override(settings)

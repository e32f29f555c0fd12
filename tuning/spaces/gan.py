"""The space of generative adversarial networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuning.spaces import common
from tuning.spaces.catalogue import register
from zoo.recipe import Recipe

if TYPE_CHECKING:
    import keras_tuner

# Losses that ask nothing further; of these the first two have a target that can be smoothed.
_LOSSES = ["non_saturating", "least_squares", "hinge"]
_SMOOTHING = ["non_saturating", "least_squares", "minimax"]


@register("gan")
def gan(hp: keras_tuner.HyperParameters, recipe: Recipe) -> Recipe:
    """Both players' rates, beta_1, the latents' length, the loss, label smoothing, k, averages.

    Smoothing is asked for where the loss has a target for real images, the discriminator's turns
    k where it takes turns; the batch grows with k, so that each turn sees as many images.
    """
    method = common.method_of(recipe)
    players = {"generator": "generator_rate", "discriminator": "discriminator_rate"}
    settings: common.Settings = {
        "method": method,
        **common.player_rates(hp, recipe, players),
        "network.latent_dim": common.among(
            hp, "latent_dim", [32, 64, 100, 128], common.option(recipe, "latent_dim")
        ),
        **common.averaging(hp, recipe),
    }
    own = method.get("loss", _LOSSES[0])
    loss = common.one_of(hp, "loss", _LOSSES if own in _LOSSES else [own], own)
    with hp.conditional_scope("loss", _SMOOTHING):
        label = method.get("real_label", 1.0)
        label = common.among(hp, "real_label", [0.8, 0.85, 0.9, 0.95, 1.0], label)
    # Else the recipe's own would be left for a loss that has none.
    settings |= {"method.loss": loss, "method.real_label": 1.0 if label is None else label}
    if method.get("share", "nothing") == "nothing":
        own = method.get("discriminator_steps", 1)
        turns = common.among(hp, "discriminator_steps", [1, 2, 3], own)
        settings["method.discriminator_steps"] = turns
        settings["batch_size"] = recipe.batch_size // own * turns
    return recipe.override(settings)

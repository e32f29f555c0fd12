"""Spaces of classifiers that are moved to another domain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuning.spaces import common
from tuning.spaces.catalogue import register
from zoo.recipe import Recipe

if TYPE_CHECKING:
    import keras_tuner

_TREATMENTS = ["apart", "together"]


@register("dann", "cdan")
def reversal(hp: keras_tuner.HyperParameters, recipe: Recipe) -> Recipe:
    """What the reversed gradient's strength grows to and how fast, the domain classifier, rates.

    Features and domain classifier learn by one optimizer here: that strength is the ratio of what
    the two do to the features.
    """
    method = common.method_of(recipe)
    settings: common.Settings = {
        "method": method,
        **_common(hp, recipe),
        "method.batch_norm": common.one_of(
            hp, "batch_norm", _TREATMENTS, method.get("batch_norm", "apart")
        ),
        "method.weight": common.among(
            hp, "weight", [0.1, 0.3, 1.0, 3.0], method.get("weight", 1.0)
        ),
        "method.gamma": common.among(hp, "gamma", [5.0, 10.0, 20.0], method.get("gamma", 10.0)),
    }
    usual = [100] if method["name"] == "dann" else [256]
    settings |= _domain_classifier(hp, method.get("units", usual))
    if method["name"] == "cdan":
        settings["method.entropy"] = hp.Boolean("entropy", default=method.get("entropy", True))
    return recipe.override(settings)


@register("adda")
def adda(hp: keras_tuner.HyperParameters, recipe: Recipe) -> Recipe:
    """The rate, the ratio of the domain classifier's to it, and the domain classifier."""
    method = common.method_of(recipe)
    settings: common.Settings = {"method": method, **_common(hp, recipe)}
    rate = settings["optimizer.learning_rate"]
    base = common.positive(recipe.optimizer.get("learning_rate"), 1e-3)
    own = recipe.players.get("domain_classifier", {}).get("learning_rate")
    ratio = common.around(hp, "rate_ratio", common.positive(own, base) / base, 10)
    settings["players.domain_classifier.learning_rate"] = ratio * rate
    settings |= _domain_classifier(hp, method.get("units", [500, 500]))
    return recipe.override(settings)


@register("deep_coral", "dan")
def matching(hp: keras_tuner.HyperParameters, recipe: Recipe) -> Recipe:
    """The weight of the distance of the domains, how they share batch norm, rates."""
    method = common.method_of(recipe)
    settings: common.Settings = {
        "method": method,
        **_common(hp, recipe),
        "method.batch_norm": common.one_of(
            hp, "batch_norm", _TREATMENTS, method.get("batch_norm", "apart")
        ),
        "method.weight": common.around(
            hp, "weight", common.positive(method.get("weight"), 1.0), 30
        ),
    }
    return recipe.override(settings)


@register("source_only")
def source_only(hp: keras_tuner.HyperParameters, recipe: Recipe) -> Recipe:
    """The rates and their schedule."""
    return recipe.override(_common(hp, recipe))


def _common(hp: keras_tuner.HyperParameters, recipe: Recipe) -> common.Settings:
    return {
        **common.rates(hp, recipe),
        **common.schedule(hp, recipe),
        **common.averaging(hp, recipe),
    }


def _domain_classifier(hp: keras_tuner.HyperParameters, units: list[int]) -> common.Settings:
    """One width for all hidden layers of the domain classifier, as many as there are."""
    width = common.among(hp, "domain_units", [50, 100, 256, 500], units[0] if units else 100)
    return {"method.units": [width] * max(1, len(units))}

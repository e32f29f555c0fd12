"""Spaces of students: of teachers that are stored, of peers, of themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuning.spaces import common
from tuning.spaces.catalogue import register
from zoo.recipe import Recipe

if TYPE_CHECKING:
    import keras_tuner


@register("distillation", "adversarial_distillation")
def distillation(hp: keras_tuner.HyperParameters, recipe: Recipe) -> Recipe:
    """Temperature, where logits are compared at one, the labels' share, the student's width, rates.

    A student that reads no labels goes on without. Of an adversarial one the weight of being taken
    for the teacher is asked for, too.
    """
    method = common.method_of(recipe)
    settings: common.Settings = {"method": method, **_student(hp, recipe)}
    own = method.get("alpha", 0.1)
    if own:
        settings["method.alpha"] = common.among(hp, "alpha", [0.1, 0.3, 0.5, 0.7, 0.9], own)
    response = common.one_of(hp, "response", ["kl", "mse"], method.get("response", "kl"))
    settings["method.response"] = response
    with hp.conditional_scope("response", ["kl"]):
        temperature = _temperature(hp, method, 4.0)
    if temperature is not None:
        settings["method.temperature"] = temperature
    if method["name"] == "adversarial_distillation":
        own = common.positive(method.get("weight"), 0.1)
        settings["method.weight"] = common.around(hp, "weight", own, 10)
    return recipe.override(settings)


@register("mutual", "online")
def cohort(hp: keras_tuner.HyperParameters, recipe: Recipe) -> Recipe:
    """Temperature and weight of what is learned from the others, the width, rates."""
    method = common.method_of(recipe)
    usual = 1.0 if method["name"] == "mutual" else 4.0
    settings: common.Settings = {
        "method": method,
        **_student(hp, recipe),
        "method.temperature": _temperature(hp, method, usual),
        "method.weight": common.around(hp, "weight", common.positive(method.get("weight"), 1.0), 4),
    }
    return recipe.override(settings)


@register("self_distillation")
def self_distillation(hp: keras_tuner.HyperParameters, recipe: Recipe) -> Recipe:
    """Temperature, share and hint of what shallow classifiers learn from the network, rates."""
    method = common.method_of(recipe)
    own = method.get("alpha", 0.3)
    hint = common.positive(method.get("hint_weight"), 0.03)
    settings: common.Settings = {
        "method": method,
        **_student(hp, recipe),
        "method.alpha": common.among(hp, "alpha", [0.1, 0.3, 0.5, 0.7], own),
        "method.temperature": _temperature(hp, method, 3.0),
        "method.hint_weight": common.around(hp, "hint_weight", hint, 10),
    }
    return recipe.override(settings)


def _student(hp: keras_tuner.HyperParameters, recipe: Recipe) -> common.Settings:
    return {
        **common.capacity(hp, recipe),
        **common.rates(hp, recipe),
        **common.schedule(hp, recipe),
        **common.averaging(hp, recipe),
    }


def _temperature(
    hp: keras_tuner.HyperParameters, method: dict[str, Any], usual: float
) -> float | None:
    own = common.positive(method.get("temperature"), usual)
    values = [1.0, 2.0, 4.0, 8.0, 20.0]
    return common.among(hp, "temperature", values, own)

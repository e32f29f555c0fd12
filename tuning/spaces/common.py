"""What the spaces share: rates, their schedule, averages, widths, augmentation."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zoo import registry
from zoo.checks import is_number
from zoo.recipe import Recipe

if TYPE_CHECKING:
    import keras_tuner

# Dotted paths of a recipe and their values, as `Recipe.override` takes them. A dictionary goes
# before paths into it.
Settings = dict[str, Any]

# By schedule: the option that is searched, what it may be, and what it is where nothing is said.
_SCHEDULES: dict[str, tuple[str, list[float], float]] = {
    "cosine": ("warmup", [0.0, 0.05, 0.1, 0.2], 0.0),
    "linear": ("start", [0.0, 0.25, 0.5, 0.75], 0.0),
    "one_cycle": ("peak", [0.1, 0.2, 0.3, 0.5], 0.3),
}
_CONSTANT = "constant"
_MIXERS = ("MixUp", "CutMix")
_LAST = "ProgressiveResize"


# How to ask.


def around(hp: keras_tuner.HyperParameters, name: str, value: float, factor: float) -> float:
    """Asks for a number from value / factor to value · factor, evenly in its logarithm."""
    return hp.Float(name, value / factor, value * factor, sampling="log", default=float(value))


def among(hp: keras_tuner.HyperParameters, name: str, values: Sequence[Any], own: Any) -> Any:
    """Asks for one of some numbers of one type; the recipe's own is among them, and the default."""
    own = type(values[0])(own)
    return hp.Choice(name, sorted({*values, own}), default=own)


def one_of(hp: keras_tuner.HyperParameters, name: str, words: Sequence[str], own: str) -> str:
    """Asks for one of some words; the recipe's own is among them, and the default."""
    return hp.Choice(name, list(dict.fromkeys((*words, own))), default=own)


# What the recipe has.


def method_of(recipe: Recipe) -> dict[str, Any]:
    """Returns a recipe's method with the options that it has by its architecture."""
    architecture = registry.architectures().get(recipe.architecture)
    return dict(recipe.method or architecture.default_method)


def positive(value: Any, default: float) -> float:
    """Returns a positive number as it is, and the default for anything one cannot scale."""
    return float(value) if is_number(value) and value > 0 else default


def option(recipe: Recipe, name: str) -> Any:
    """Returns an option of a recipe's network, or its default; None where there is none such."""
    if name in recipe.network:
        return recipe.network[name]
    for path in registry.architectures().get(recipe.architecture).networks.values():
        parameter = inspect.signature(registry.load_object(path)).parameters.get(name)
        if parameter is not None:
            return parameter.default
    return None


# What is searched.


def rates(hp: keras_tuner.HyperParameters, recipe: Recipe) -> Settings:
    """The learning rate and, where the recipe has any, the weight decay."""
    rate = positive(recipe.optimizer.get("learning_rate"), 1e-3)
    settings: Settings = {"optimizer.learning_rate": around(hp, "learning_rate", rate, 8)}
    decay = positive(recipe.optimizer.get("weight_decay"), 0.0)
    if decay:
        settings["optimizer.weight_decay"] = around(hp, "weight_decay", decay, 10)
    return settings


def player_rates(
    hp: keras_tuner.HyperParameters, recipe: Recipe, players: dict[str, str]
) -> Settings:
    """A learning rate for each player, and the momentum of all, where it is Adam's.

    Args:
        hp: The hyperparameters.
        recipe: The base recipe.
        players: What the rate of each player is called.
    """
    common = positive(recipe.optimizer.get("learning_rate"), 2e-4)
    settings: Settings = {}
    for player, name in players.items():
        own = positive(recipe.players.get(player, {}).get("learning_rate"), common)
        settings[f"players.{player}.learning_rate"] = around(hp, name, own, 4)
    if str(recipe.optimizer.get("name", "Adam")).startswith("Adam"):
        own = recipe.optimizer.get("beta_1", 0.9)
        settings["optimizer.beta_1"] = among(hp, "beta_1", [0.0, 0.5, 0.9], own)
    return settings


def schedule(hp: keras_tuner.HyperParameters, recipe: Recipe) -> Settings:
    """The schedule of the rate, and what each has of its own: warm-up, start or peak."""
    given = recipe.schedule
    own = given.get("name", _CONSTANT)
    chosen = one_of(hp, "schedule", [*_SCHEDULES, _CONSTANT], own)
    made: dict[str, Any] = {} if chosen == _CONSTANT else dict(given)
    for name, (part, values, default) in _SCHEDULES.items():
        base = given if name == own else {"name": name}
        with hp.conditional_scope("schedule", [name]):
            value = among(hp, f"schedule_{part}", values, base.get(part, default))
        if chosen == name:
            made = {**base, part: value}
    return {"schedule": made}


def averaging(hp: keras_tuner.HyperParameters, recipe: Recipe) -> Settings:
    """The decay of the averages, one for all networks that have any."""
    if not recipe.ema:
        return {}
    own = next(iter(recipe.ema.values()))
    decay = among(hp, "ema_decay", [0.99, 0.995, 0.998, 0.999, 0.9995], own)
    return {"ema": dict.fromkeys(recipe.ema, decay)}


def batches(hp: keras_tuner.HyperParameters, recipe: Recipe) -> Settings:
    """Half, the same or twice the batch."""
    batch = max(2, recipe.batch_size)
    return {"batch_size": among(hp, "batch_size", [batch // 2, batch, batch * 2], batch)}


def dropout(hp: keras_tuner.HyperParameters, recipe: Recipe, most: float = 0.5) -> Settings:
    """Dropout, where the network has that option."""
    own = option(recipe, "dropout")
    if own is None:
        return {}
    values = [value for value in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5) if value <= most]
    return {"network.dropout": among(hp, "dropout", values, own)}


def capacity(hp: keras_tuner.HyperParameters, recipe: Recipe, multiple: int = 4) -> Settings:
    """One factor for all widths of a network, from half to twice what they are.

    Args:
        hp: The hyperparameters.
        recipe: The base recipe.
        multiple: What every width must be a multiple of.
    """
    if recipe.transfer or "source" in recipe.parents:
        # The network is that of the model that it begins from.
        return {}
    for name in ("filters", "widths", "width", "units"):
        own = option(recipe, name)
        if own is None:
            continue
        factor = among(hp, "width_factor", [0.5, 0.75, 1.0, 1.5, 2.0], 1.0)
        return {} if factor == 1.0 else {f"network.{name}": _scaled(own, factor, multiple)}
    return {}


def _scaled(widths: Any, factor: float, multiple: int) -> Any:
    if isinstance(widths, int):
        return max(1, round(widths * factor / multiple)) * multiple
    return [_scaled(width, factor, multiple) for width in widths]


def smoothing(hp: keras_tuner.HyperParameters, recipe: Recipe) -> Settings:
    """Label smoothing, where the method is the one that has it."""
    method = method_of(recipe)
    if method["name"] != "supervised":
        return {}
    own = method.get("label_smoothing", 0.0)
    value = among(hp, "label_smoothing", [0.0, 0.05, 0.1, 0.15], own)
    return {"method": method, "method.label_smoothing": value}


def augmentation(hp: keras_tuner.HyperParameters, recipe: Recipe) -> Settings:
    """One number for how far images are moved about, and whether examples are mixed.

    The number scales every factor of the recipe's augmentation. Mixing is asked for where labels
    can be mixed and the recipe does not do it already.
    """
    parts = copy.deepcopy(recipe.augmentation)
    factors = [
        (part, name)
        for part in parts
        for name, value in part.items()
        if name.endswith("factor") and is_number(value) and part["name"] not in _MIXERS
    ]
    if factors:
        strength = among(hp, "augmentation_strength", [0.5, 1.0, 1.5, 2.0], 1.0)
        for part, name in factors:
            # Keras' factors are shares of the image, or of a full turn, and end at 1.
            if strength != 1.0:
                part[name] = min(1.0, round(part[name] * strength, 6))
    names = [part["name"] for part in parts]
    if method_of(recipe)["name"] == "supervised" and not set(names) & set(_MIXERS):
        mixing = one_of(hp, "mixing", ["none", *_MIXERS], "none")
        with hp.conditional_scope("mixing", ["MixUp"]):
            alpha = among(hp, "mixup_alpha", [0.1, 0.2, 0.4], 0.2)
        if mixing != "none":
            mixer = {"name": mixing, **({"alpha": alpha} if mixing == "MixUp" else {})}
            parts.insert(names.index(_LAST) if _LAST in names else len(parts), mixer)
    return {"augmentation": parts}

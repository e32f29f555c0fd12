"""Search spaces: functions from hyperparameters and a base recipe to the recipe of a trial.

Each family has one here. Rates are searched around the base recipe's own value, so that a space
fits whatever optimizer the recipe uses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from zoo import registry
from zoo.errors import RecipeError
from zoo.recipe import Recipe

if TYPE_CHECKING:
    import keras_tuner

Space = Callable[["keras_tuner.HyperParameters", Recipe], Recipe]

SPACES: dict[str, Space] = {}


def register(name: str) -> Callable[[Space], Space]:
    """Makes a function the space of an architecture or of a family."""

    def decorate(space: Space) -> Space:
        if name in SPACES:
            raise ValueError(f"search space {name!r} is registered twice")
        SPACES[name] = space
        return space

    return decorate


def space_of(recipe: Recipe) -> Space:
    """Returns the space of a recipe's architecture or, failing that, of its family.

    Raises:
        RecipeError: when there is neither.
    """
    architecture = registry.architectures().get(recipe.architecture)
    for name in (architecture.name, architecture.family):
        if name in SPACES:
            return SPACES[name]
    raise RecipeError(
        f"there is no search space for {recipe.architecture}; say what to search with --space, "
        "such as optimizer.learning_rate=log:1e-4:1e-1"
    )


@register("mlp")
def mlp(hp: keras_tuner.HyperParameters, recipe: Recipe) -> Recipe:
    """Depth and width, where each layer is half as wide as the one before, and what regularises."""
    depth = hp.Int("depth", 1, 3, default=2)
    width = hp.Choice("width", [128, 256, 512, 1024], default=512)
    batch = max(2, recipe.batch_size)
    settings: dict[str, Any] = {
        "network.units": [width >> layer for layer in range(depth)],
        "network.dropout": round(hp.Float("dropout", 0.0, 0.5, step=0.1, default=0.3), 3),
        "network.normalization": hp.Choice("normalization", ["batch", "layer", "none"]),
        "batch_size": hp.Choice("batch_size", [batch // 2, batch, batch * 2], default=batch),
    }
    return recipe.override(settings | _rates(hp, recipe) | _smoothing(hp, recipe))


@register("softmax_regression")
@register("linear_regression")
@register("perceptron")
def linear(hp: keras_tuner.HyperParameters, recipe: Recipe) -> Recipe:
    """The optimizer's rates; one layer of weights has nothing else."""
    return recipe.override(_rates(hp, recipe))


@register("cnn")
def cnn(hp: keras_tuner.HyperParameters, recipe: Recipe) -> Recipe:
    """The optimizer's rates, label smoothing, and how far images are moved about."""
    return recipe.override(
        _rates(hp, recipe) | _smoothing(hp, recipe) | _augmentation_strength(hp, recipe)
    )


@register("gan")
def gan(hp: keras_tuner.HyperParameters, recipe: Recipe) -> Recipe:
    """Both players' rates, their momentum, the latents' length and one-sided label smoothing."""
    rate = _number(recipe.optimizer.get("learning_rate"), 2e-4)
    settings: dict[str, Any] = {
        f"players.{player}.learning_rate": hp.Float(
            f"{player}_rate", rate / 4, rate * 4, sampling="log", default=rate
        )
        for player in ("generator", "discriminator")
    }
    settings["optimizer.beta_1"] = hp.Choice("beta_1", [0.0, 0.5, 0.9], default=0.5)
    settings["network.latent_dim"] = hp.Choice("latent_dim", [32, 64, 100, 128], default=64)
    settings["method.name"] = _method(recipe)
    settings["method.real_label"] = round(
        hp.Float("real_label", 0.8, 1.0, step=0.05, default=1.0), 3
    )
    return recipe.override(settings)


def _rates(hp: keras_tuner.HyperParameters, recipe: Recipe) -> dict[str, Any]:
    rate = _number(recipe.optimizer.get("learning_rate"), 1e-3)
    decay = _number(recipe.optimizer.get("weight_decay"), 1e-3)
    return {
        "optimizer.learning_rate": hp.Float(
            "learning_rate", rate / 8, rate * 8, sampling="log", default=rate
        ),
        "optimizer.weight_decay": hp.Float(
            "weight_decay", decay / 10, decay * 10, sampling="log", default=decay
        ),
    }


def _smoothing(hp: keras_tuner.HyperParameters, recipe: Recipe) -> dict[str, Any]:
    """Label smoothing, where the method is the one that has it."""
    if _method(recipe) != "supervised":
        return {}
    value = hp.Float("label_smoothing", 0.0, 0.15, step=0.05, default=0.05)
    return {"method.name": "supervised", "method.label_smoothing": round(value, 3)}


def _augmentation_strength(hp: keras_tuner.HyperParameters, recipe: Recipe) -> dict[str, Any]:
    """One number that scales every factor of the recipe's augmentation."""
    factors = {
        f"augmentation.{index}.{option}": value
        for index, part in enumerate(recipe.augmentation)
        for option, value in part.items()
        if option.endswith("factor") and isinstance(value, int | float)
    }
    if not factors:
        return {}
    strength = hp.Float("augmentation_strength", 0.5, 2.0, step=0.5, default=1.0)
    # Keras' factors are shares of the image, or of a full turn, and end at 1.
    return {path: min(1.0, round(value * strength, 6)) for path, value in factors.items()}


def _method(recipe: Recipe) -> str:
    default = registry.architectures().get(recipe.architecture).method
    return str(recipe.method.get("name", default))


def _number(value: Any, default: float) -> float:
    """Returns a positive number as it is, and the default for anything one cannot scale."""
    return float(value) if isinstance(value, int | float) and value > 0 else default

"""From names and options to built networks, and from a recipe to a compiled model."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import keras
import numpy as np

from zoo import registry
from zoo.errors import InvalidInputError, RecipeError, did_you_mean, nearest
from zoo.networks import features_of
from zoo.parents import load_parents
from zoo.recipe import Recipe
from zoo.training.augmentation import build_augmentation
from zoo.training.engine import GIVEN, MultiPlayerModel
from zoo.training.optimizers import build_optimizer
from zoo.training.options import make
from zoo.training.precision import set_precision
from zoo.training.teachers import check_teachers
from zoo.training.transfer import begin_from, build_slower_body, parent_network, takes_weights
from zoo.transfer import LEARNING, RATE

# Images that are counted at once: a count takes eight bytes a pixel.
_COUNTED = 1000


def build_networks(
    architecture: registry.Architecture, context: Mapping[str, Any], options: Mapping[str, Any]
) -> dict[str, keras.Model]:
    """Builds the networks of an architecture.

    Args:
        architecture: What to build.
        context: What the data say, such as `input_shape`; a builder gets what it takes of it.
        options: What the user says. An option goes to every builder that takes it; a dictionary
            under a network's name goes to that network alone.

    Raises:
        RecipeError: for an option that no builder takes, or a value that one refuses.
    """
    builders = {name: registry.load_object(path) for name, path in architecture.networks.items()}
    common = {key: value for key, value in options.items() if key not in builders}
    for name in builders:
        if not isinstance(options.get(name, {}), Mapping):
            raise RecipeError(f"{name} takes a dictionary of options, got {options[name]!r}")
    taken = {name: inspect.signature(builder).parameters for name, builder in builders.items()}
    known = {key for parameters in taken.values() for key in parameters}
    for option in common:
        if option not in known:
            near = did_you_mean(nearest(option, known))
            raise RecipeError(f"{architecture.name} has no option {option!r}{near}")
    return {
        name: make(
            builder,
            {
                **{k: v for k, v in {**context, **common}.items() if k in taken[name]},
                **options.get(name, {}),
            },
            architecture.name,
        )
        for name, builder in builders.items()
    }


def create(
    name: str,
    input_shape: Sequence[int] | None = None,
    classes: int | Literal["default"] | None = "default",
    *,
    head: Literal["classifier"] | None = "classifier",
    features: str | Sequence[str] | None = None,
    **options: Any,
) -> keras.Model:
    """Builds an untrained model.

    Args:
        name: An architecture, such as `resnet20`.
        input_shape: (height, width, channels) of the images; None for the architecture's default.
        classes: Number of classes, for a classifier; None is `head=None`.
        head: `classifier`, or None for a classifier's body alone, whose output are its features,
            (batch, d).
        features: Layers whose outputs the model shall have in place of its own, as for
            `zoo.features_of`: a name, or several such as `("stage2", "features")` for a
            dictionary.
        **options: Options of the architecture, such as `dropout=0.2`.

    Returns:
        The network; for architectures of several, the game they play, with the networks as
        attributes, such as `model.generator`.

    Raises:
        UnknownModelError: for an unknown name.
        RecipeError: for options that the architecture does not take.
        InvalidInputError: for features that the network does not have.
    """
    architecture = registry.architectures().get(name)
    if head not in ("classifier", None):
        raise InvalidInputError(f"head must be 'classifier' or None, got {head!r}")
    asked = dict(options)
    if input_shape is not None:
        asked["input_shape"] = input_shape
    if head is None or classes != "default":
        asked["classes"] = None if head is None else classes
    networks = build_networks(architecture, {}, asked)
    if len(networks) == 1:
        network = next(iter(networks.values()))
        return network if features is None else features_of(network, features)
    if features is not None:
        raise InvalidInputError(
            f"features are those of one network, and {architecture.name} has {', '.join(networks)}"
        )
    return build_method(architecture.default_method, networks)


def build_method(
    config: Mapping[str, Any],
    networks: Mapping[str, keras.Model],
    seed: int = 0,
    ema: Mapping[str, float] | None = None,
    given: Mapping[str, Any] | None = None,
) -> MultiPlayerModel:
    """Builds the game of a method's configuration around its networks, not yet compiled.

    Args:
        config: `{"name": method, option: value, …}`, as a recipe's `method`.
        networks: `{attribute name: built network}`, as the method names them.
        seed: Seed of the game's noise.
        ema: `{attribute name: decay}` of the networks whose moving average is kept.
        given: Values of `zoo.training.engine.GIVEN`; a method gets those that it takes.

    Raises:
        UnknownModelError: for a method that is not registered.
        RecipeError: for an option that the method does not have or a value that it refuses, and
            for an average of a network that is not there.
    """
    options = dict(config)
    method = registry.methods().get(options.pop("name"))
    game: Callable[..., MultiPlayerModel] = registry.load_object(method.model)
    taken = [
        key
        for key, parameter in inspect.signature(game).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    ]
    known = [key for key in taken if key not in GIVEN]
    for option in options:
        if option not in known:
            near = did_you_mean(nearest(option, known))
            raise RecipeError(f"method {method.name} has no option {option!r}{near}")
    own = {key: value for key, value in (given or {}).items() if key in taken}
    for network in ema or {}:
        if network not in networks:
            raise RecipeError(f"ema names {network!r}; the networks are {', '.join(networks)}")
    try:
        return game(**networks, **options, **own, seed=seed, ema=ema)
    except (TypeError, ValueError) as error:
        raise RecipeError(f"method {method.name}: {error}") from error


def pixel_statistics(images: np.ndarray) -> dict[str, list[float]]:
    """Returns the `mean` and the `std` of each channel, to four digits.

    They are exact, and no image is turned into floats for them.

    Args:
        images: uint8 (n, height, width, channels).
    """
    channels = np.moveaxis(images, -1, 0)
    counts = np.zeros((len(channels), 256), np.int64)
    for start in range(0, len(images), _COUNTED):
        for count, channel in zip(counts, channels, strict=True):
            count += np.bincount(channel[start : start + _COUNTED].ravel(), minlength=256)
    values, shares = np.arange(256.0), counts / counts.sum(axis=1, keepdims=True)
    means = shares @ values
    squares = np.sum(shares * (values - means[:, None]) ** 2, axis=1)
    return {"mean": means.round(4).tolist(), "std": np.sqrt(squares).round(4).tolist()}


def build_model(
    recipe: Recipe, images: np.ndarray, classes: int, steps_per_epoch: int
) -> MultiPlayerModel:
    """Builds and compiles what a recipe trains, with weights decided by its seed.

    Args:
        recipe: The recipe.
        images: The training images, uint8 (n, height, width, channels), for shape and statistics.
        classes: Number of classes.
        steps_per_epoch: Steps in an epoch, at least 1, for schedules.

    Raises:
        UnknownModelError: for an architecture or method that is not registered.
        RecipeError: for an option that nothing takes or that a part refuses.
        CorruptModelError: for a stored model that is not the one that the recipe is pinned to.
    """
    check_teachers(recipe)
    keras.utils.set_random_seed(recipe.seed)
    architecture = registry.architectures().get(recipe.architecture)
    parents = load_parents(recipe.parents) if recipe.parents else None
    context = {
        "input_shape": images.shape[1:],
        "classes": classes,
        **pixel_statistics(images),
        "images": images,
        **({"parents": parents} if parents else {}),
    }
    if takes_weights(recipe.transfer):
        parent = parent_network(recipe.transfer)
        networks = {"network": begin_from(parent, recipe.transfer, images.shape[1:], classes)}
    else:
        networks = build_networks(architecture, context, recipe.network)
    if recipe.precision == "mixed_bfloat16":
        for network in networks.values():
            set_precision(network, recipe.precision)
    method = recipe.method or architecture.default_method
    if "name" not in method:
        raise RecipeError(f'method needs a name, such as {{"name": "{architecture.method}"}}')
    given = {
        "parents": context.get("parents", {}),
        "new_network": functools.partial(_new_network, recipe, context),
    }
    model = build_method(method, networks, recipe.seed, recipe.ema, given)
    model.total_steps = recipe.epochs * steps_per_epoch
    for player in recipe.players:
        if player not in model.players:
            raise RecipeError(f"players names {player!r}; they are {', '.join(model.players)}")
    optimizers = {}
    for player in model.players:
        turns = sum(player in players for players in model.rounds)
        config = {**recipe.optimizer, **recipe.players.get(player, {})}
        steps = model.total_steps * turns
        if recipe.transfer.get("policy") in LEARNING:
            rate = recipe.transfer.get("rate", RATE)
            optimizers[player] = build_slower_body(config, recipe.schedule, steps, rate)
        else:
            optimizers[player] = build_optimizer(config, recipe.schedule, steps)
    executed = recipe.steps_per_execution or model.default_steps_per_execution(steps_per_epoch)
    model.compile(optimizers, steps_per_execution=executed)
    model.set_augmentation(build_augmentation(recipe, model, steps_per_epoch, classes))
    return model


def _new_network(
    recipe: Recipe,
    context: Mapping[str, Any],
    architecture: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> keras.Model:
    """Builds a further classifier for a recipe's data; by default another of its own kind."""
    chosen = registry.architectures().get(architecture or recipe.architecture)
    if chosen.task != "classification":
        raise RecipeError(f"expected a classifier to train beside it, {chosen.name} is none")
    if options is None:
        options = recipe.network if chosen.name == recipe.architecture else {}
    network = build_networks(chosen, context, options)["network"]
    if recipe.precision == "mixed_bfloat16":
        set_precision(network, recipe.precision)
    return network

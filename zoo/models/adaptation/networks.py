"""Networks of adaptation: domain classifiers, what a classifier begins as, what of it learns."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
from keras import layers

from zoo.layers.test_time import without_views
from zoo.networks import LANDMARK
from zoo.training.engine import Parents, assign_all, let_learn, values_of

# A part of a network beside those that end with a landmark: what batch norm learns.
BATCH_NORM = "batch_norm"


def domain_classifier(width: int, units: Sequence[int]) -> keras.Model:
    """Builds dense layers from rows (n, width) to one logit, positive for the source.

    Args:
        width: Numbers in a row.
        units: Those of the hidden layers.

    Raises:
        ValueError: for a layer without units.
    """
    if any(one < 1 for one in units):
        raise ValueError(f"units must be 1 or more in each layer, got {list(units)}")
    rows = keras.Input((width,), name="features")
    x = rows
    for one in units:
        x = layers.Dense(one, activation="relu", kernel_initializer="he_normal")(x)
    return keras.Model(rows, layers.Dense(1, name="domain")(x), name="domain_classifier")


def width_of(network: keras.Model, layer: str) -> int:
    """Returns how many numbers a layer of a network gives for an image."""
    return math.prod(network.get_layer(layer).output.shape[1:])


def begun(network: keras.Model, parents: Parents | None) -> keras.Model:
    """Returns a copy of the classifier that a recipe names as the parent `source`, to learn on.

    The copy keeps all of it: the logits, and the normalisation of pixels that it learned with.

    Args:
        network: What the recipe describes; without parents it is returned as it is.
        parents: `{"source": {"network": …}}`, as of a stored classifier.

    Raises:
        ValueError: for other parents, or one whose images or weights are not the network's.
    """
    if not parents:
        return network
    if set(parents) != {"source"} or "network" not in parents["source"]:
        raise ValueError(
            'adaptation begins from one classifier, {"source": {"model": NAME}} in the recipe\'s '
            f"parents, got {', '.join(parents)}"
        )
    parent = without_views(parents["source"]["network"])
    known, wanted = (
        (tuple(one.input_shape[1:]), [tuple(w.shape) for w in one.weights])
        for one in (parent, network)
    )
    if known != wanted:
        shapes = ["x".join(map(str, shape)) for shape, _ in (known, wanted)]
        raise ValueError(
            f"the parent source takes images of {shapes[0]} and has {parent.count_params():,} "
            f"parameters; this network takes {shapes[1]} and has {network.count_params():,}: "
            "they need one architecture with the same options, classes and images"
        )
    copy = keras.models.clone_model(parent)
    let_learn(copy)
    assign_all(copy.weights, values_of(parent.weights))
    return copy


def let_only_learn(network: keras.Model, learns: Sequence[str]) -> None:
    """Fixes all of a network but some parts, a small adapter; of no parts, it fixes nothing.

    Fixed batch norm runs with its moving statistics, also in training.

    Args:
        network: A classifier with landmarks: `stage1`, `stage2`, …, `features`, `logits`.
        learns: Names of landmarks, each for the layers from the landmark before it up to it; or
            `batch_norm`, for all layers of batch normalization.

    Raises:
        ValueError: for a part that is not there, or parts without a weight that learns.
    """
    if not learns:
        return
    parts: dict[str, list[keras.Layer]] = {}
    seen: set[int] = set()
    for name in [layer.name for layer in network.layers if LANDMARK.fullmatch(layer.name)]:
        here = keras.Model(network.input, network.get_layer(name).output).layers
        parts[name] = [layer for layer in here if id(layer) not in seen]
        seen |= {id(layer) for layer in here}
    norms = [one for one in network.layers if isinstance(one, layers.BatchNormalization)]
    if norms:
        parts[BATCH_NORM] = norms
    for name in learns:
        if name not in parts:
            raise ValueError(f"learns names parts of the network, {', '.join(parts)}; got {name!r}")
    chosen = {id(layer) for name in learns for layer in parts[name]}
    for layer in network.layers:
        layer.trainable = id(layer) in chosen
    if not network.trainable_variables:
        raise ValueError(f"nothing of {', '.join(learns)} has a weight that learns")


def statistics_of(network: keras.Model) -> list[keras.Variable]:
    """Returns the moving means and variances of a network's batch normalizations that learn."""
    norms = [
        layer
        for layer in network._flatten_layers()
        if isinstance(layer, layers.BatchNormalization) and layer.trainable
    ]
    return [one for norm in norms for one in (norm.moving_mean, norm.moving_variance)]

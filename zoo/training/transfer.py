"""Networks that begin from another's weights, with a part of them fixed or slower to learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import layers, ops

from zoo import store
from zoo.errors import CorruptModelError, RecipeError, did_you_mean, nearest
from zoo.layers.test_time import without_views
from zoo.training.engine import assign_all, let_learn, values_of
from zoo.training.optimizers import build_optimizer

# Paths of the head's variables; all others are the parent's.
_HEAD = r"(.*/)?logits/.*"


def takes_weights(transfer: Mapping[str, Any]) -> bool:
    """Says whether a recipe's `transfer` takes weights from a parent."""
    return bool(transfer) and transfer["policy"] != "scratch"


def parent_network(transfer: Mapping[str, Any]) -> keras.Model:
    """Returns the network that a recipe's `transfer` begins from.

    Raises:
        UnknownModelError, InvalidInputError, CorruptModelError: when the parent cannot be loaded,
            or is not the one that the recipe was pinned to.
    """
    card, networks = store.load(transfer["from"])
    if transfer.get("sha256") not in (None, card.sha256[card.networks["network"]]):
        raise CorruptModelError(
            f"{card.name}@{card.version} is not the model that the recipe was pinned to "
            "(sha256 differs)"
        )
    return without_views(networks["network"])


def begin_from(
    parent: keras.Model, transfer: Mapping[str, Any], input_shape: Sequence[int], classes: int
) -> keras.Model:
    """Builds a classifier from a copy of another up to `features`, with a new layer `logits`.

    What it is given is normalised as for the parent. Where the parent takes other channels, grey
    images are repeated and colour ones weighed to their luma (ITU-R 601-2) before that, as a
    classifier in use does; nothing of the bridge learns.

    Of what `transfer` fixes, weights and the statistics of BatchNorm stay as they are, and
    BatchNorm runs as in inference, also when training. Dropout stays what it was.

    Args:
        parent: A functional classifier with layers `features` and `logits`; it is only read.
        transfer: A recipe's `transfer`, not of the policy `scratch`.
        input_shape: (height, width, channels) of the images.
        classes: Number of classes.

    Raises:
        RecipeError: for an unknown stage, or images that the parent's layers cannot take.
    """
    known = [layer.name for layer in parent.layers]
    for needed in ("features", "logits"):
        if needed not in known:
            raise RecipeError(f"{transfer['from']} has no layer {needed!r} to put a head on")
    old_body = keras.Model(parent.input, parent.get_layer("features").output)
    images = keras.Input(tuple(input_shape), name=parent.input.name)
    pixels = _bridged(images, parent.input_shape[-1])

    def call(layer: Any, *tensors: Any, **options: Any) -> Any:
        return layer(*(pixels if x is images else x for x in tensors), **options)

    where = f"{transfer['from']} cannot take images of shape {tuple(input_shape)}"
    try:
        body = keras.models.clone_model(old_body, input_tensors=images, call_function=call)
    except ValueError as error:
        raise RecipeError(f"{where}: {str(error).splitlines()[0]}") from error
    for new, old in zip(body.weights, old_body.weights, strict=True):
        if new.shape != old.shape:
            raise RecipeError(f"{where}: {old.path} has {old.shape}, they would need {new.shape}")
    assign_all(body.weights, values_of(old_body.weights))
    old_head = parent.get_layer("logits")
    head = type(old_head).from_config({**old_head.get_config(), "units": classes})
    network = keras.Model(images, head(body.output), name=parent.name)
    let_learn(network)
    if transfer["policy"] != "finetune":
        for layer in _up_to(body, transfer):
            layer.trainable = False
    return network


def _bridged(images: keras.KerasTensor, channels: int) -> keras.KerasTensor:
    """Turns grey images into colour and colour into grey, pixels 0 to 255."""
    have = images.shape[-1]
    if have == channels:
        return images
    if (have, channels) == (1, 3):
        return layers.Concatenate(name="grey_to_colour")([images] * 3)
    if (have, channels) == (3, 1):
        return ops.image.rgb_to_grayscale(images)
    raise RecipeError(f"images of {have} channels cannot be made into images of {channels}")


def _up_to(body: keras.Model, transfer: Mapping[str, Any]) -> list[keras.Layer]:
    """Returns the layers that a transfer fixes: one and all that it is computed from."""
    stage = transfer.get("stage", "features")
    known = [layer.name for layer in body.layers]
    if stage not in known:
        stages = [name for name in known if name.startswith("stage")]
        there_are = f" (there are {', '.join(stages)})" if stages else ""
        near = did_you_mean(nearest(stage, known))
        raise RecipeError(f"{transfer['from']} has no stage {stage!r}{there_are}{near}")
    return keras.Model(body.input, body.get_layer(stage).output).layers


def build_slower_body(
    config: Mapping[str, Any], schedule: Mapping[str, Any], total_steps: int, rate: float
) -> keras.optimizers.Optimizer:
    """Builds an optimizer whose rate is lower for all but the layer `logits`.

    They are two optimizers, not one with scaled gradients: to Adam a gradient's scale is nothing.

    Args:
        config: A recipe's `optimizer`, whose rate is that of the head.
        schedule: As for `build_optimizer`; it holds for both.
        total_steps: Likewise.
        rate: What the body's rate is to the head's.
    """
    head = build_optimizer(config, schedule, total_steps)
    body = build_optimizer(config, schedule, total_steps, factor=rate)
    by_path = keras.optimizers.OptimizerMap(body, {_HEAD: head})
    return keras.optimizers.MultiOptimizer(by_path)

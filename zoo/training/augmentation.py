"""What training does to a batch of images before the networks see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.data.feed import stream_key, stream_lengths, stream_of
from zoo.data.split import Arrays
from zoo.errors import RecipeError
from zoo.layers import augmentation as own_layers
from zoo.recipe import Recipe
from zoo.training.engine import Batch, MultiPlayerModel
from zoo.training.noise import CounterSeed
from zoo.training.options import keras_class, make

# These mix an example's label as they mix its image.
_MIXERS = (keras.layers.MixUp, keras.layers.CutMix)
ALTERNATING_FLIP = "AlternatingFlip"
_FIRST_FLIP = "first flip"

_LAYERS = {**vars(keras.layers), **vars(own_layers)}


def build_augmentation(
    recipe: Recipe, model: MultiPlayerModel, steps_per_epoch: int, classes: int
) -> Callable[[Batch], Batch] | None:
    """Builds the function that augments a batch, or None where there is nothing to do.

    Every layer draws from counter-based seeds, so augmentation is resumed exactly; images of
    another stream than the main one get draws of their own. Where a layer
    mixes examples, the integer labels become rows of shares, float32 (batch, classes).

    Args:
        recipe: Its `augmentation` names Keras layers, layers of `zoo.layers.augmentation`, or
            `AlternatingFlip`, which mirrors each image in every second epoch.
        model: Whose batches they are, and whose steps are counted.
        steps_per_epoch: Steps in an epoch.
        classes: Number of classes.

    Raises:
        RecipeError: for an unknown layer or option, or one that the method cannot use.
    """
    if not recipe.augmentation:
        return None
    parts = [_build(part, index, model) for index, part in enumerate(recipe.augmentation)]

    def augment(batch: Batch) -> Batch:
        batch = dict(batch)
        for key in model.images:
            stream = stream_of(key)
            flips = batch.pop(_flip_key(stream), None)
            images = batch[key]
            label = model.labels.get(key, "")
            for layer, seeds in parts:
                for seed in seeds:
                    seed.restart(stream)
                if layer is None:
                    images = _alternate(images, flips, model.step // steps_per_epoch)
                elif isinstance(layer, _MIXERS):
                    rows = _rows(batch[label], classes)
                    mixed = layer({"images": images, "labels": rows}, training=True)
                    images, batch[label] = mixed["images"], mixed["labels"]
                else:
                    images = layer(images, training=True)
            batch[key] = images
        return batch

    return augment


def further_arrays(recipe: Recipe, arrays: Arrays) -> Arrays:
    """Returns what augmentation needs to know of each example, stream by stream."""
    if all(part["name"] != ALTERNATING_FLIP for part in recipe.augmentation):
        return {}
    return {
        _flip_key(stream): np.random.default_rng(
            [recipe.seed, count, *stream_key(stream)]
        ).integers(0, 2, count, np.int32)
        for stream, count in stream_lengths(arrays).items()
    }


def _flip_key(stream: str) -> str:
    return f"{stream}/{_FIRST_FLIP}" if stream else _FIRST_FLIP


def _build(
    part: Mapping[str, Any], index: int, model: MultiPlayerModel
) -> tuple[Any, list[CounterSeed]]:
    """Returns a layer, None for the alternating flip, and the seeds that it draws from."""
    name = part["name"]
    options = {key: value for key, value in part.items() if key != "name"}
    if name == ALTERNATING_FLIP:
        if options:
            raise RecipeError(f"{ALTERNATING_FLIP} has no options, got {', '.join(options)}")
        return None, []
    layer_class = keras_class(_LAYERS, name, keras.Layer, "augmentation")
    layer = make(layer_class, {**options, "seed": 0}, f"augmentation {name}")
    if isinstance(layer, _MIXERS) and not model.labels:
        raise RecipeError(
            f"{name} mixes labels, and {type(model).__name__} does not learn from any"
        )
    seeds = []
    for number, inner in enumerate(layer._flatten_layers()):
        for attribute in ("generator", "seed_generator"):
            if hasattr(inner, attribute):
                purpose = f"augmentation {index}" + (f" layer {number}" if number else "")
                seeds.append(model.rng(purpose))
                setattr(inner, attribute, seeds[-1])
    return layer, seeds


def _rows(labels: Any, classes: int) -> Any:
    """Class numbers (batch,) to rows (batch, classes); rows stay as they are."""
    return labels if len(labels.shape) == 2 else ops.one_hot(labels, classes, dtype="float32")


def _alternate(images: Any, first: Any, epoch: Any) -> Any:
    """Mirrors an image in every second epoch, beginning at random (Jordan 2024, section 3.6)."""
    mirrored = ops.equal((ops.cast(first, "int32") + ops.cast(epoch, "int32")) % 2, 1)
    return ops.where(mirrored[:, None, None, None], ops.flip(images, axis=2), images)

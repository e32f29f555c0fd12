"""What training does to a batch of images before the networks see it."""

from __future__ import annotations

import sys
from collections.abc import Callable
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
PROGRESSIVE_RESIZE = "ProgressiveResize"
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
        recipe: Its `augmentation` names Keras layers, layers of `zoo.layers.augmentation`,
            `AlternatingFlip`, which mirrors each image in every second epoch, or, at the end,
            `ProgressiveResize`, which shrinks images to `side` pixels `until` a share of the run.
        model: Whose batches they are, and whose steps are counted.
        steps_per_epoch: Steps in an epoch.
        classes: Number of classes.

    Raises:
        RecipeError: for an unknown layer or option, or one that the method cannot use.
    """
    if not recipe.augmentation:
        return None
    parts = [_build(recipe, index, model) for index in range(len(recipe.augmentation))]

    def augment(batch: Batch) -> Batch:
        batch = dict(batch)
        for key in model.images:
            if key not in batch:
                continue
            stream = stream_of(key)
            flips = batch.pop(_flip_key(stream), None)
            images = batch[key]
            label = model.labels.get(key, "")
            for layer, seeds in parts:
                for seed in seeds:
                    seed.restart(stream)
                if isinstance(layer, _Shrinking):
                    images = layer(images, model.progress)
                elif layer is None:
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


class _Shrinking:
    """Small images first, which take less time, full ones later (Howard et al. 2018, fast.ai).

    Args:
        side: Height and width while they are small, at least 8.
        until: The share of the run that sees small images, in (0, 1].
    """

    def __init__(self, side: int, until: float) -> None:
        if side < 8 or not 0 < until <= 1:
            raise ValueError(f"side must be 8 or more, until in (0, 1], got {side} and {until}")
        self.side, self.until = side, until

    def __call__(self, images: Any, progress: Any) -> Any:
        """Returns images (batch, height, width, channels) in the size of this step."""
        height, width = images.shape[1:3]
        if self.side > min(height, width):
            raise RecipeError(
                f"{PROGRESSIVE_RESIZE} shrinks to {self.side} pixels, images have {height}x{width}"
            )
        size = (self.side, self.side)
        return ops.cond(
            progress < self.until,
            lambda: ops.image.resize(images, size, antialias=True),
            lambda: images,
        )


def _build(recipe: Recipe, index: int, model: MultiPlayerModel) -> tuple[Any, list[CounterSeed]]:
    """Returns a layer, None for the alternating flip, and the seeds that it draws from."""
    part = recipe.augmentation[index]
    name = part["name"]
    options = {key: value for key, value in part.items() if key != "name"}
    if name == ALTERNATING_FLIP:
        if options:
            raise RecipeError(f"{ALTERNATING_FLIP} has no options, got {', '.join(options)}")
        return None, []
    if name == PROGRESSIVE_RESIZE:
        if index != len(recipe.augmentation) - 1:
            raise RecipeError(f"{PROGRESSIVE_RESIZE} must be the last augmentation")
        shrinking = make(_Shrinking, options, name)
        if model.takes_any_size:
            for network in model.network_names:
                # Else it would take images of the size alone that it was built for.
                getattr(model, network).input_spec = None
            return shrinking, []
        print(f"zoo: {keras.backend.backend()} takes images of one size: all are", file=sys.stderr)
        return keras.layers.Identity(), []
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

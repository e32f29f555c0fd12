"""The networks of `keras.applications`, made to begin and end like the zoo's own."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from zoo.errors import DataUnavailableError
from zoo.layers.head import head
from zoo.layers.normalization import normalize
from zoo.models.applications import PAPERS

# Pixels of a side in training on ImageNet; 224 for all others.
SIDES = {
    **{f"EfficientNetB{n}": p for n, p in enumerate((224, 240, 260, 300, 380, 456, 528, 600))},
    **{f"EfficientNetV2B{n}": p for n, p in enumerate((224, 240, 260, 300))},
    "EfficientNetV2S": 384,
    "EfficientNetV2M": 480,
    "EfficientNetV2L": 480,
    "InceptionResNetV2": 299,
    "InceptionV3": 299,
    "NASNetLarge": 331,
    "Xception": 299,
}
IMAGENET_CLASSES = 1000


def application(
    name: str,
    input_shape: Sequence[int] | None = None,
    classes: int | None = IMAGENET_CLASSES,
    weights: str | None = None,
) -> keras.Model:
    """Builds a network of Keras Applications with its own preprocessing inside.

    With 1000 classes it is Keras' network as it is, but for logits in place of scores. With any
    other number, and without classes, it is Keras' network without its top: the maps of its last
    stage are averaged, and a new layer of logits stands on them.

    Args:
        name: One of `keras.applications`, such as `EfficientNetV2B0`.
        input_shape: (height, width, channels); pixels are 0 to 255. A single channel is repeated
            to three. By default the size of the network's own training. For the 1000 classes of
            ImageNet with weights no other size will do.
        classes: Number of classes; None for the features alone.
        weights: `imagenet`, which Keras downloads once; the path of such a file; or None.

    Returns:
        A model from `images` to logits of shape (batch, classes). The layer `features` holds a
        vector; the others have Keras' names.

    Raises:
        ValueError: for an image that is too small or has neither one channel nor three, or weights
            that do not fit.
        DataUnavailableError: when the weights cannot be downloaded.
    """
    build = getattr(keras.applications, name)
    side = SIDES.get(name, 224)
    height, width, channels = input_shape or (side, side, 3)
    if channels not in (1, 3):
        raise ValueError(f"images must have 1 or 3 channels, got {channels}")
    images = keras.Input((height, width, channels), name="images")
    pixels = images if channels == 3 else layers.Concatenate()([images] * 3)
    whole = classes == IMAGENET_CLASSES
    try:
        network = build(
            input_tensor=preprocessed(pixels, sys.modules[build.__module__].preprocess_input),
            input_shape=(height, width, 3),
            include_top=whole,
            weights=weights,
            classifier_activation=None,
        )
    except Exception as error:
        # Keras raises a bare Exception for this.
        if not str(error).startswith("URL fetch failure"):
            raise
        raise DataUnavailableError(
            f"the weights of keras:{name} cannot be downloaded ({error}); "
            "without a connection give weights the path of the file, or null for none"
        ) from error
    outputs = _own_head(network, weights is not None) if whole else head(network.output, classes)
    return keras.Model(images, outputs, name=f"keras_{name.lower()}")


def preprocessed(
    pixels: keras.KerasTensor, preprocess_input: Callable[[Any], Any]
) -> keras.KerasTensor:
    """Does with layers what a network's `preprocess_input` does with arrays.

    Each of them moves and scales the channels, by itself or, in the mode `caffe`, after reversing
    their order; so its values for black, red and white say all.

    Args:
        pixels: (batch, height, width, 3), from 0 to 255, red first.
        preprocess_input: The function.
    """
    colours = np.array([[[[0.0, 0, 0], [255, 0, 0], [255, 255, 255]]]])
    black, red, white = np.asarray(preprocess_input(colours), "float64")[0, 0]
    if red[0] == black[0]:
        pixels = ops.flip(pixels, axis=-1)
    scale = (white - black) / 255
    if not black.any() and (scale == 1).all():
        return pixels  # The network has its own first layers for it.
    return normalize(pixels, -black / scale, 1 / scale)


def _own_head(network: keras.Model, with_weights: bool) -> keras.KerasTensor:
    """Takes the classifier of Keras' network, a dense layer or 1x1 convolution, as `logits`."""
    last = next(layer for layer in reversed(network.layers) if layer.weights)
    logits = layers.Dense(IMAGENET_CLASSES, name="logits")
    outputs = logits(layers.Flatten(name="features")(last.input))
    if with_weights:
        kernel, bias = last.get_weights()
        logits.set_weights([kernel.reshape(-1, IMAGENET_CLASSES), bias])
    return outputs


def __getattr__(name: str) -> Callable[..., keras.Model]:
    """Has a builder for each network, under its name in Keras."""
    if name not in PAPERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return functools.partial(application, name)

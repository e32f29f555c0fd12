"""What the convolutional architectures share: the input, a convolution, a stem, a stage's end."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from zoo.layers.normalization import normalize

STEMS = ("imagenet", "small")
SMALL_BELOW = 64


def is_small(stem: str | None, input_shape: Sequence[int]) -> bool:
    """Says whether a network begins as one for small images.

    Args:
        stem: `imagenet`, `small`, or None: small for images less than 64 pixels high.
        input_shape: (height, width, channels).

    Raises:
        ValueError: for another stem.
    """
    if stem is None:
        return input_shape[0] < SMALL_BELOW
    if stem not in STEMS:
        raise ValueError(f"stem must be {' or '.join(STEMS)}, got {stem!r}")
    return stem == "small"


def pixels(
    input_shape: Sequence[int], mean: Sequence[float], std: Sequence[float]
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Returns the input `images`, pixels from 0 to 255, and what `normalize` makes of them."""
    images = keras.Input(tuple(input_shape), name="images")
    return images, normalize(images, mean, std)


def convolution(
    x: keras.KerasTensor,
    filters: int,
    kernel_size: int,
    strides: int = 1,
    batch_norm: bool = True,
    activation: str | None = "relu",
) -> keras.KerasTensor:
    """A convolution that keeps the maps' size but for its strides, and what follows it.

    Args:
        x: Maps, (batch, height, width, channels).
        filters: Channels of the output.
        kernel_size: Height and width of the filters.
        strides: Every how many pixels one is computed.
        batch_norm: Batch normalization after the convolution, which then has no bias.
        activation: A Keras activation by name, at the end.
    """
    x = layers.Conv2D(
        filters,
        kernel_size,
        strides,
        padding="same",
        use_bias=not batch_norm,
        kernel_initializer="he_normal",
    )(x)
    if batch_norm:
        x = layers.BatchNormalization()(x)
    return layers.Activation(activation)(x) if activation else x


def pool(x: keras.KerasTensor) -> keras.KerasTensor:
    """Halves maps by the largest of every 3x3 pixels."""
    return layers.MaxPooling2D(3, 2, padding="same")(x)


def stem(
    x: keras.KerasTensor, filters: int, small: bool, batch_norm: bool = True
) -> keras.KerasTensor:
    """The first layers: 7x7 with stride 2 and a pooling, or for small images 3x3 alone.

    Args:
        x: Normalized images.
        filters: Channels of the output.
        small: Which of the two; the maps have a quarter of the images' sides, or all of them.
        batch_norm: As for `convolution`.
    """
    if small:
        return convolution(x, filters, 3, batch_norm=batch_norm)
    return pool(convolution(x, filters, 7, strides=2, batch_norm=batch_norm))


def end_stage(x: keras.KerasTensor, number: int) -> keras.KerasTensor:
    """Names maps `stage1`, `stage2`, …, to be found by `network.get_layer`."""
    return layers.Identity(name=f"stage{number}")(x)


def dense(x: keras.KerasTensor, units: int, dropout: float) -> keras.KerasTensor:
    """A hidden layer of ReLUs after which some are dropped."""
    x = layers.Dense(units, activation="relu", kernel_initializer="he_normal")(x)
    return layers.Dropout(dropout)(x) if dropout else x

"""DCGAN (Radford, Metz and Chintala 2016): no pooling, no hidden dense layers, batch norm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import layers

from zoo.layers.minibatch_discrimination import MinibatchDiscrimination
from zoo.layers.strided import INITIALIZER, KERNEL, SLOPE, halved
from zoo.layers.virtual_batch_norm import (
    DropReference,
    ReferenceBatch,
    VirtualBatchNormalization,
)


def generator(
    input_shape: Sequence[int] = (28, 28, 1),
    latent_dim: int = 100,
    width: int = 128,
    virtual_batch: int = 0,
) -> keras.Model:
    """Builds the generator: a projection, then transposed convolutions of stride 2.

    Args:
        input_shape: (height, width, channels) of the images to draw; sides divisible by 4.
        latent_dim: Length of a latent vector.
        width: Channels of the last hidden map; each smaller map has twice as many.
        virtual_batch: Size of the fixed batch of virtual batch norm (Salimans et al. 2016), which
            takes the place of batch norm; 0 for batch norm.

    Returns:
        A model from `latents` (batch, latent_dim), drawn from N(0, I), to images in [-1, 1].
    """
    latents = keras.Input((latent_dim,), name="latents")
    x = ReferenceBatch(virtual_batch)(latents) if virtual_batch else latents

    def normalized(x: keras.KerasTensor) -> keras.KerasTensor:
        if virtual_batch:
            return VirtualBatchNormalization(virtual_batch)(x)
        return layers.BatchNormalization()(x)

    x = draw(x, input_shape, width, normalized)
    if virtual_batch:
        x = DropReference(virtual_batch)(x)
    return keras.Model(latents, layers.Activation("tanh", name="images")(x), name="generator")


def draw(
    x: keras.KerasTensor,
    input_shape: Sequence[int],
    width: int,
    normalized: Callable[[keras.KerasTensor], keras.KerasTensor],
) -> keras.KerasTensor:
    """Grows vectors to maps of the images' shape, before the last activation.

    Args:
        x: Vectors, (batch, d).
        input_shape: As for `generator`.
        width: As for `generator`.
        normalized: The normalization of every hidden map.
    """
    (height, breadth), doublings = _smallest(input_shape)
    filters = width << (doublings - 1)
    x = layers.Dense(height * breadth * filters, use_bias=False, kernel_initializer=INITIALIZER)(x)
    x = layers.ReLU()(normalized(layers.Reshape((height, breadth, filters))(x)))
    for step in reversed(range(doublings - 1)):
        x = layers.ReLU()(normalized(_conv(layers.Conv2DTranspose, width << step)(x)))
    return _conv(layers.Conv2DTranspose, input_shape[-1], use_bias=True)(x)


def discriminator(
    input_shape: Sequence[int] = (28, 28, 1),
    width: int = 64,
    batch_norm: bool = True,
    dropout: float = 0.0,
    minibatch_kernels: int = 0,
    extra_stages: int = 0,
) -> keras.Model:
    """Builds the discriminator: convolutions of stride 2, no batch norm on the first.

    Args:
        input_shape: (height, width, channels) of the images; sides divisible by 4.
        width: Channels of the first map; each smaller map has twice as many.
        batch_norm: Whether later maps have batch norm. A penalty on the gradient of each example
            needs networks without, for with it examples see each other.
        dropout: Share of the features dropped before the logit, in [0, 1).
        minibatch_kernels: Kernels of minibatch discrimination on the features; 0 for none.
        extra_stages: Convolutions beyond the generator's smallest map, each of which halves once
            more. Of 28x28 pixels a feature sees 10x10 without one and 22x22 with one.

    Returns:
        A model from `images` in [-1, 1] to logits (batch, 1), positive for real. The layer
        `features` holds the flattened last map.
    """
    images = keras.Input(tuple(input_shape), name="images")
    x = look(images, input_shape, width, batch_norm, extra_stages)
    if dropout:
        x = layers.Dropout(dropout)(x)
    if minibatch_kernels:
        x = MinibatchDiscrimination(minibatch_kernels)(x)
    logits = layers.Dense(1, kernel_initializer=INITIALIZER, name="logits")(x)
    return keras.Model(images, logits, name="discriminator")


def look(
    images: keras.KerasTensor,
    input_shape: Sequence[int],
    width: int,
    batch_norm: bool,
    extra_stages: int,
) -> keras.KerasTensor:
    """Shrinks images to the vectors of the layer `features`."""
    # So small weights need batch norm to bring the maps back to size.
    options = {} if batch_norm else {"use_bias": True, "kernel_initializer": "he_normal"}
    x = _conv(layers.Conv2D, width, **{"use_bias": True, **options})(images)
    x = layers.LeakyReLU(SLOPE)(x)
    for step in range(1, _smallest(input_shape)[1] + extra_stages):
        x = _conv(layers.Conv2D, width << step, **options)(x)
        if batch_norm:
            x = layers.BatchNormalization()(x)
        x = layers.LeakyReLU(SLOPE)(x)
    return layers.Flatten(name="features")(x)


def _conv(layer: type, filters: int, **options: Any) -> keras.layers.Layer:
    usual = {"use_bias": False, "kernel_initializer": INITIALIZER}
    return layer(filters, KERNEL, strides=2, padding="same", **{**usual, **options})


def _smallest(input_shape: Sequence[int]) -> tuple[tuple[int, int], int]:
    """Returns the smallest map's height and width, and the number of doublings."""
    return halved(input_shape, above=7, fewest=2, what="DCGAN")

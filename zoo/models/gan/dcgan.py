"""DCGAN (Radford, Metz and Chintala 2016): no pooling, no hidden dense layers, batch norm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from zoo.layers.minibatch_discrimination import MinibatchDiscrimination
from zoo.layers.virtual_batch_norm import (
    DropReference,
    ReferenceBatch,
    VirtualBatchNormalization,
)

# Weights from a normal distribution of deviation 0.02, LeakyReLU of slope 0.2 (section 4).
INITIALIZER = {"class_name": "RandomNormal", "config": {"stddev": 0.02}}
_SLOPE = 0.2
# 4 is a multiple of the stride 2, so every output pixel sums equally many terms; the paper's 5
# is not, which draws checkerboards (Odena et al. 2016).
_KERNEL = 4


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
    x = draw(x, input_shape, width, virtual_batch)
    if virtual_batch:
        x = DropReference(virtual_batch)(x)
    return keras.Model(latents, layers.Activation("tanh", name="images")(x), name="generator")


def draw(
    x: keras.KerasTensor, input_shape: Sequence[int], width: int, virtual_batch: int = 0
) -> keras.KerasTensor:
    """Grows vectors to maps of the images' shape, before the last activation."""
    height, breadth, channels, doublings = _grid(input_shape)
    filters = width << (doublings - 1)

    def activated(x: keras.KerasTensor) -> keras.KerasTensor:
        if virtual_batch:
            return layers.ReLU()(VirtualBatchNormalization(virtual_batch)(x))
        return layers.ReLU()(layers.BatchNormalization()(x))

    x = layers.Dense(height * breadth * filters, use_bias=False, kernel_initializer=INITIALIZER)(x)
    x = activated(layers.Reshape((height, breadth, filters))(x))
    for step in reversed(range(doublings - 1)):
        x = activated(_conv(layers.Conv2DTranspose, width << step)(x))
    return _conv(layers.Conv2DTranspose, channels, use_bias=True)(x)


def discriminator(
    input_shape: Sequence[int] = (28, 28, 1),
    width: int = 64,
    batch_norm: bool = True,
    dropout: float = 0.0,
    minibatch_kernels: int = 0,
) -> keras.Model:
    """Builds the discriminator: convolutions of stride 2, no batch norm on the first.

    Args:
        input_shape: (height, width, channels) of the images; sides divisible by 4.
        width: Channels of the first map; each smaller map has twice as many.
        batch_norm: Whether later maps have batch norm. A penalty on the gradient of each example
            wants none, for with it examples see each other.
        dropout: Share of the features dropped before the logit, in [0, 1).
        minibatch_kernels: Kernels of minibatch discrimination on the features; 0 for none.

    Returns:
        A model from `images` in [-1, 1] to logits (batch, 1), positive for real. The layer
        `features` holds the flattened last map.
    """
    images = keras.Input(tuple(input_shape), name="images")
    x = look(images, input_shape, width, batch_norm)
    if dropout:
        x = layers.Dropout(dropout)(x)
    if minibatch_kernels:
        x = MinibatchDiscrimination(minibatch_kernels)(x)
    logits = layers.Dense(1, kernel_initializer=INITIALIZER, name="logits")(x)
    return keras.Model(images, logits, name="discriminator")


def look(
    images: keras.KerasTensor, input_shape: Sequence[int], width: int, batch_norm: bool
) -> keras.KerasTensor:
    """Shrinks images to the vectors of the layer `features`."""
    # So small weights need batch norm to bring the maps back to size.
    options = {} if batch_norm else {"use_bias": True, "kernel_initializer": "he_normal"}
    x = _conv(layers.Conv2D, width, **{"use_bias": True, **options})(images)
    x = layers.LeakyReLU(_SLOPE)(x)
    for step in range(1, _grid(input_shape)[-1]):
        x = _conv(layers.Conv2D, width << step, **options)(x)
        if batch_norm:
            x = layers.BatchNormalization()(x)
        x = layers.LeakyReLU(_SLOPE)(x)
    return layers.Flatten(name="features")(x)


def _conv(layer: type, filters: int, **options: Any) -> keras.layers.Layer:
    usual = {"use_bias": False, "kernel_initializer": INITIALIZER}
    return layer(filters, _KERNEL, strides=2, padding="same", **{**usual, **options})


def _grid(input_shape: Sequence[int]) -> tuple[int, int, int, int]:
    """Returns the smallest map's height and width, the channels and the number of doublings."""
    height, breadth, channels = input_shape
    doublings = 0
    while height % 2 == 0 and breadth % 2 == 0 and min(height, breadth) > 7:
        height, breadth, doublings = height // 2, breadth // 2, doublings + 1
    if doublings < 2 or max(height, breadth) > 8:
        raise ValueError(
            f"images for a DCGAN need sides that halve at least twice down to 4 to 8 pixels, "
            f"such as 28, 32 or 64, got {input_shape[0]}x{input_shape[1]}"
        )
    return height, breadth, channels, doublings

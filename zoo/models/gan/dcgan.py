"""DCGAN (Radford, Metz and Chintala 2016): no pooling, no hidden dense layers, batch norm."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

# Weights from a normal distribution of deviation 0.02, LeakyReLU of slope 0.2 (section 4).
_INITIALIZER = {"class_name": "RandomNormal", "config": {"stddev": 0.02}}
_SLOPE = 0.2
# 4 is a multiple of the stride 2, so every output pixel sums equally many terms; the paper's 5
# is not, which draws checkerboards (Odena et al. 2016).
_KERNEL = 4


def generator(
    input_shape: Sequence[int] = (28, 28, 1), latent_dim: int = 100, width: int = 128
) -> keras.Model:
    """Builds the generator: a projection, then transposed convolutions of stride 2.

    Args:
        input_shape: (height, width, channels) of the images to draw; sides divisible by 4.
        latent_dim: Length of a latent vector.
        width: Channels of the last hidden map; each smaller map has twice as many.

    Returns:
        A model from `latents` (batch, latent_dim), drawn from N(0, I), to images in [-1, 1].
    """
    height, breadth, channels, doublings = _grid(input_shape)
    latents = keras.Input((latent_dim,), name="latents")
    filters = width << (doublings - 1)
    x = layers.Dense(height * breadth * filters, use_bias=False, kernel_initializer=_INITIALIZER)(
        latents
    )
    x = layers.ReLU()(layers.BatchNormalization()(layers.Reshape((height, breadth, filters))(x)))
    for step in reversed(range(doublings - 1)):
        x = _conv(layers.Conv2DTranspose, width << step)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    x = _conv(layers.Conv2DTranspose, channels, use_bias=True)(x)
    return keras.Model(latents, layers.Activation("tanh", name="images")(x), name="generator")


def discriminator(input_shape: Sequence[int] = (28, 28, 1), width: int = 64) -> keras.Model:
    """Builds the discriminator: convolutions of stride 2, no batch norm on the first.

    Args:
        input_shape: (height, width, channels) of the images; sides divisible by 4.
        width: Channels of the first map; each smaller map has twice as many.

    Returns:
        A model from `images` in [-1, 1] to logits (batch, 1), positive for real. The layer
        `features` holds the flattened last map.
    """
    doublings = _grid(input_shape)[-1]
    images = keras.Input(tuple(input_shape), name="images")
    x = layers.LeakyReLU(_SLOPE)(_conv(layers.Conv2D, width, use_bias=True)(images))
    for step in range(1, doublings):
        x = _conv(layers.Conv2D, width << step)(x)
        x = layers.LeakyReLU(_SLOPE)(layers.BatchNormalization()(x))
    x = layers.Flatten(name="features")(x)
    logits = layers.Dense(1, kernel_initializer=_INITIALIZER, name="logits")(x)
    return keras.Model(images, logits, name="discriminator")


def _conv(layer: type, filters: int, use_bias: bool = False) -> keras.layers.Layer:
    return layer(
        filters,
        _KERNEL,
        strides=2,
        padding="same",
        use_bias=use_bias,
        kernel_initializer=_INITIALIZER,
    )


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

"""Autoencoders of convolutions of stride 2, with a vector for a code."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from zoo.layers.normalization import normalize
from zoo.layers.strided import KERNEL, halved
from zoo.models.autoencoder import heads

# No batch norm: a posterior should not depend on the other images of its batch. A smooth unit that
# is never dead does without.
_ACTIVATION = "silu"


def encoder(
    input_shape: Sequence[int] = (28, 28, 1),
    latent_dim: int = 32,
    width: int = 32,
    units: int = 256,
) -> keras.Model:
    """Builds an autoencoder's encoder.

    Args:
        input_shape: (height, width, channels); pixels are 0 to 255. Sides halve down to 4 to 8
            pixels, such as 28, 32 or 64.
        latent_dim: Length of a code.
        width: Channels of the first map; each smaller map has twice as many.
        units: Width of the dense layer before the code.

    Returns:
        A model from `images` to the layer `code`, (batch, latent_dim).

    Raises:
        ValueError: for sides that do not halve so.
    """
    images = keras.Input(tuple(input_shape), name="images")
    x = _looked_at(images, input_shape, width, units)
    return keras.Model(images, heads.code(x, latent_dim), name="encoder")


def variational_encoder(
    input_shape: Sequence[int] = (28, 28, 1),
    latent_dim: int = 32,
    width: int = 32,
    units: int = 256,
) -> keras.Model:
    """Builds the encoder of a variational autoencoder.

    Args:
        input_shape: As for `encoder`.
        latent_dim: Number of latents.
        width: As for `encoder`.
        units: As for `encoder`.

    Returns:
        A model from `images` to the layer `moments`, (batch, 2 latent_dim): means, then
        log-variances.

    Raises:
        ValueError: as for `encoder`.
    """
    images = keras.Input(tuple(input_shape), name="images")
    x = _looked_at(images, input_shape, width, units)
    return keras.Model(images, heads.moments(x, latent_dim), name="encoder")


def decoder(
    input_shape: Sequence[int] = (28, 28, 1),
    latent_dim: int = 32,
    width: int = 32,
    units: int = 256,
    likelihood: str = "gaussian",
) -> keras.Model:
    """Builds the decoder: two dense layers, transposed convolutions, a convolution.

    Args:
        input_shape: As for `encoder`.
        latent_dim: Length of a code.
        width: Channels of the map of half the images' height; each smaller one has twice as many,
            the largest half as many.
        units: Width of the dense layer after the code.
        likelihood: `gaussian` or `bernoulli`, see `heads.images`.

    Returns:
        A model from `latents` (batch, latent_dim) to images in [-1, 1].

    Raises:
        ValueError: as for `encoder`, and for another likelihood.
    """
    (height, breadth), doublings = _smallest(input_shape)
    filters = width << (doublings - 1)
    latents = keras.Input((latent_dim,), name="latents")
    x = layers.Dense(units, activation=_ACTIVATION)(latents)
    x = layers.Dense(height * breadth * filters, activation=_ACTIVATION)(x)
    x = layers.Reshape((height, breadth, filters))(x)
    for _ in range(doublings):
        filters = max(1, filters // 2)
        x = layers.Conv2DTranspose(
            filters, KERNEL, strides=2, padding="same", activation=_ACTIVATION
        )(x)
    x = layers.Conv2D(input_shape[-1], 3, padding="same")(x)
    return keras.Model(latents, heads.images(x, likelihood), name="decoder")


def _looked_at(
    images: keras.KerasTensor, input_shape: Sequence[int], width: int, units: int
) -> keras.KerasTensor:
    """Shrinks images to vectors, (batch, units)."""
    x = normalize(images)
    for step in range(_smallest(input_shape)[1]):
        x = layers.Conv2D(width << step, KERNEL, strides=2, padding="same", activation=_ACTIVATION)(
            x
        )
    return layers.Dense(units, activation=_ACTIVATION)(layers.Flatten()(x))


def _smallest(input_shape: Sequence[int]) -> tuple[tuple[int, int], int]:
    """Returns the smallest map's height and width, and the number of doublings."""
    return halved(input_shape, above=7, fewest=1, what="convolutional autoencoder")

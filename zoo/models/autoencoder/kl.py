"""The autoencoder of latent diffusion (Rombach et al. 2022, section 3.1): a small map for a code.

Residual blocks with group norm, without the paper's attention; a Kullback-Leibler divergence of
small weight keeps the latents near a standard normal distribution. The paper's perceptual and
adversarial losses are not here.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from zoo.layers.moments import MOMENTS
from zoo.layers.normalization import normalize
from zoo.layers.strided import KERNEL
from zoo.models.autoencoder import heads

# Channels of every map are a multiple.
GROUPS = 8


def encoder(
    input_shape: Sequence[int] = (28, 28, 1),
    channels: int = 4,
    width: int = 32,
    downsamplings: int = 2,
    blocks: int = 1,
) -> keras.Model:
    """Builds the encoder.

    Args:
        input_shape: (height, width, channels); pixels are 0 to 255. Sides are multiples of
            2 ** downsamplings.
        channels: Channels of the latent map.
        width: Channels of the map of half the images' height, a multiple of 16; each smaller one
            has twice as many.
        downsamplings: How often sides are halved, at least once.
        blocks: Residual blocks on each map.

    Returns:
        A model from `images` to the layer `moments`, (batch, h, w, 2 channels), h and w being the
        sides divided by 2 ** downsamplings: means, then log-variances.

    Raises:
        ValueError: for sides or a width that do not fit.
    """
    _smallest(input_shape, width, downsamplings)
    images = keras.Input(tuple(input_shape), name="images")
    x = normalize(images)
    for step in range(downsamplings):
        x = layers.Conv2D(width << step, 3, strides=2, padding="same")(x)
        x = _residuals(x, blocks)
    moments = layers.Conv2D(2 * channels, 3, padding="same", name=MOMENTS)(_active(x))
    return keras.Model(images, moments, name="encoder")


def decoder(
    input_shape: Sequence[int] = (28, 28, 1),
    channels: int = 4,
    width: int = 32,
    downsamplings: int = 2,
    blocks: int = 1,
    likelihood: str = "gaussian",
) -> keras.Model:
    """Builds the decoder; its largest map has half of `width` channels and no residual block.

    Args:
        input_shape: As for `encoder`.
        channels: As for `encoder`.
        width: As for `encoder`.
        downsamplings: As for `encoder`.
        blocks: As for `encoder`.
        likelihood: `gaussian` or `bernoulli`, see `heads.images`.

    Returns:
        A model from `latents` (batch, h, w, channels) to images in [-1, 1].

    Raises:
        ValueError: as for `encoder`, and for another likelihood.
    """
    sides = _smallest(input_shape, width, downsamplings)
    latents = keras.Input((*sides, channels), name="latents")
    filters = width << (downsamplings - 1)
    x = layers.Conv2D(filters, 3, padding="same")(latents)
    for _ in range(downsamplings):
        filters //= 2
        x = _active(_residuals(x, blocks))
        x = layers.Conv2DTranspose(filters, KERNEL, strides=2, padding="same")(x)
    x = layers.Conv2D(input_shape[-1], 3, padding="same")(_active(x))
    return keras.Model(latents, heads.images(x, likelihood), name="decoder")


def _residuals(x: keras.KerasTensor, blocks: int) -> keras.KerasTensor:
    """Adds to maps what two convolutions make of them, so many times."""
    filters = x.shape[-1]
    for _ in range(blocks):
        y = layers.Conv2D(filters, 3, padding="same")(_active(x))
        y = layers.Conv2D(filters, 3, padding="same")(_active(y))
        x = layers.Add()([x, y])
    return x


def _active(x: keras.KerasTensor) -> keras.KerasTensor:
    return layers.Activation("silu")(layers.GroupNormalization(GROUPS)(x))


def _smallest(input_shape: Sequence[int], width: int, downsamplings: int) -> tuple[int, int]:
    """Returns height and width of the latent map."""
    height, breadth = input_shape[:2]
    if downsamplings < 1:
        raise ValueError(f"downsamplings must be at least 1, got {downsamplings}")
    if width < 1 or width % (2 * GROUPS):
        raise ValueError(f"width must be a multiple of {2 * GROUPS}, got {width}")
    factor = 2**downsamplings
    if height % factor or breadth % factor:
        raise ValueError(
            f"{downsamplings} downsamplings need sides that are multiples of {factor}, "
            f"got {height}x{breadth}"
        )
    return height // factor, breadth // factor

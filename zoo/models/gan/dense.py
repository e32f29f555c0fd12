"""The first GAN (Goodfellow et al. 2014, section 5): multilayer perceptrons."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
from keras import layers

from zoo.layers.maxout import Maxout
from zoo.layers.strided import SLOPE


def generator(
    input_shape: Sequence[int] = (28, 28, 1),
    latent_dim: int = 100,
    units: Sequence[int] = (512, 512),
    batch_norm: bool = False,
) -> keras.Model:
    """Builds the generator: rectifiers, then tanh where the paper has a sigmoid.

    Args:
        input_shape: (height, width, channels) of the images to draw.
        latent_dim: Length of a latent vector.
        units: Width of each hidden layer; the paper's network for MNIST has 1200 twice.
        batch_norm: Whether hidden layers have batch norm, which came later.

    Returns:
        A model from `latents` (batch, latent_dim), drawn from N(0, I), to images in [-1, 1].
    """
    latents = keras.Input((latent_dim,), name="latents")
    x = latents
    for width in units:
        x = layers.Dense(width, use_bias=not batch_norm, kernel_initializer="he_normal")(x)
        if batch_norm:
            x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
    x = layers.Dense(math.prod(input_shape))(x)
    x = layers.Reshape(tuple(input_shape))(x)
    return keras.Model(latents, layers.Activation("tanh", name="images")(x), name="generator")


def discriminator(
    input_shape: Sequence[int] = (28, 28, 1),
    units: Sequence[int] = (240, 240),
    activation: str = "maxout",
    pieces: int = 5,
    dropout: float = 0.5,
) -> keras.Model:
    """Builds the discriminator, with dropout after each hidden layer.

    Args:
        input_shape: (height, width, channels) of the images.
        units: Width of each hidden layer.
        activation: `maxout`, as in the paper, or `leaky_relu`.
        pieces: For `maxout`: linear functions of which each unit is the largest.
        dropout: Share of units dropped, in [0, 1).

    Returns:
        A model from `images` in [-1, 1] to logits (batch, 1), positive for real. The layer
        `features` holds the last hidden layer.

    Raises:
        ValueError: for an activation that is neither.
    """
    if activation not in ("maxout", "leaky_relu"):
        raise ValueError(f"activation must be maxout or leaky_relu, got {activation!r}")
    images = keras.Input(tuple(input_shape), name="images")
    x = layers.Flatten()(images)
    for width in units:
        if activation == "maxout":
            x = Maxout(pieces)(layers.Dense(width * pieces)(x))
        else:
            x = layers.LeakyReLU(SLOPE)(layers.Dense(width)(x))
        x = layers.Dropout(dropout)(x)
    x = layers.Identity(name="features")(x)
    return keras.Model(images, layers.Dense(1, name="logits")(x), name="discriminator")

"""Autoencoders of dense layers (Hinton and Salakhutdinov 2006; Kingma and Welling 2014)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
from keras import layers

from zoo.layers.normalization import normalize
from zoo.models.autoencoder import heads


def encoder(
    input_shape: Sequence[int] = (28, 28, 1),
    latent_dim: int = 32,
    units: Sequence[int] = (512, 256),
    activation: str = "relu",
) -> keras.Model:
    """Builds an autoencoder's encoder.

    Args:
        input_shape: (height, width, channels); pixels are 0 to 255.
        latent_dim: Length of a code.
        units: Width of each hidden layer, from the image to the code.
        activation: Of the hidden layers, a Keras activation by name.

    Returns:
        A model from `images` to the layer `code`, (batch, latent_dim).
    """
    images = keras.Input(tuple(input_shape), name="images")
    x = _hidden(layers.Flatten()(normalize(images)), units, activation)
    return keras.Model(images, heads.code(x, latent_dim), name="encoder")


def variational_encoder(
    input_shape: Sequence[int] = (28, 28, 1),
    latent_dim: int = 32,
    units: Sequence[int] = (512, 256),
    activation: str = "relu",
) -> keras.Model:
    """Builds the encoder of a variational autoencoder.

    Args:
        input_shape: As for `encoder`.
        latent_dim: Number of latents.
        units: As for `encoder`.
        activation: As for `encoder`.

    Returns:
        A model from `images` to the layer `moments`, (batch, 2 latent_dim): means, then
        log-variances.
    """
    images = keras.Input(tuple(input_shape), name="images")
    x = _hidden(layers.Flatten()(normalize(images)), units, activation)
    return keras.Model(images, heads.moments(x, latent_dim), name="encoder")


def decoder(
    input_shape: Sequence[int] = (28, 28, 1),
    latent_dim: int = 32,
    units: Sequence[int] = (512, 256),
    activation: str = "relu",
    likelihood: str = "gaussian",
) -> keras.Model:
    """Builds the decoder: the encoder's layers in the other order.

    Args:
        input_shape: (height, width, channels) of the images.
        latent_dim: Length of a code.
        units: Width of each hidden layer as for `encoder`: the last comes first here.
        activation: As for `encoder`.
        likelihood: `gaussian` or `bernoulli`, see `heads.images`.

    Returns:
        A model from `latents` (batch, latent_dim) to images in [-1, 1].

    Raises:
        ValueError: for another likelihood.
    """
    latents = keras.Input((latent_dim,), name="latents")
    x = _hidden(latents, tuple(units)[::-1], activation)
    x = layers.Reshape(tuple(input_shape))(layers.Dense(math.prod(input_shape))(x))
    return keras.Model(latents, heads.images(x, likelihood), name="decoder")


def _hidden(x: keras.KerasTensor, units: Sequence[int], activation: str) -> keras.KerasTensor:
    for width in units:
        x = layers.Dense(width, activation=activation)(x)
    return x

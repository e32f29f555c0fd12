"""How encoders and decoders end: a code or its moments, and images with their likelihood."""

from __future__ import annotations

import keras
from keras import layers

from zoo.layers.moments import MOMENTS

# The layer whose logits say that a decoder's pixels are probabilities.
LOGITS = "logits"
LIKELIHOODS = ("gaussian", "bernoulli")


def code(x: keras.KerasTensor, latent_dim: int) -> keras.KerasTensor:
    """Ends an autoencoder's encoder: vectors to `code`, (batch, latent_dim)."""
    return layers.Dense(latent_dim, name="code")(x)


def moments(x: keras.KerasTensor, latent_dim: int) -> keras.KerasTensor:
    """Ends a variational encoder: vectors to `moments`, (batch, 2 latent_dim)."""
    return layers.Dense(2 * latent_dim, name=MOMENTS)(x)


def images(x: keras.KerasTensor, likelihood: str) -> keras.KerasTensor:
    """Ends a decoder: maps of the images' shape to `images` in [-1, 1].

    Args:
        x: (batch, height, width, channels), from minus to plus infinity.
        likelihood: `gaussian`, images being the means; or `bernoulli`, where x are `logits` of
            probabilities p, and images 2 p - 1.

    Raises:
        ValueError: for another likelihood.
    """
    if likelihood not in LIKELIHOODS:
        raise ValueError(f"likelihood must be {' or '.join(LIKELIHOODS)}, got {likelihood!r}")
    if likelihood == "bernoulli":
        # tanh(l / 2) = 2 s(l) - 1 for the logistic function s.
        x = layers.Rescaling(0.5)(layers.Identity(name=LOGITS)(x))
    return layers.Activation("tanh", name="images")(x)

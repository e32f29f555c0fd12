"""A DCGAN that draws a class on demand.

The generator sees the label beside the latent vector, as the conditional GAN of Mirza and Osindero
(2014, section 3.1) does, and batch norm has a scale and an offset for each class (Dumoulin et al.
2017, eq. 5); the discriminator judges by projection. Miyato and Koyama (2018) have the last two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from zoo.layers.labelled_rows import SplitLabel
from zoo.layers.strided import INITIALIZER
from zoo.models.gan.dcgan import draw, look

# A class begins as a vector like a latent one.
_AS_LATENTS = {"class_name": "RandomNormal", "config": {"stddev": 1.0}}


def generator(
    input_shape: Sequence[int] = (28, 28, 1),
    classes: int = 10,
    latent_dim: int = 100,
    width: int = 128,
    embedding_dim: int = 32,
    conditional_norm: bool = True,
) -> keras.Model:
    """Builds the generator, that of `dcgan` on latents with the label's embedding beside them.

    Args:
        input_shape: (height, width, channels) of the images to draw; sides divisible by 4.
        classes: Number of classes.
        latent_dim: Length of a latent vector.
        width: Channels of the last hidden map; each smaller map has twice as many.
        embedding_dim: Length of the vector that is learned for each class.
        conditional_norm: Whether batch norm has a scale and an offset for each class, or one of
            each for all.

    Returns:
        A model from `latents` (batch, latent_dim + classes), each row a vector from N(0, I) and
        then a one-hot label, to images in [-1, 1].
    """
    rows = keras.Input((latent_dim + classes,), name="latents")
    latents, label = SplitLabel(classes, name="label")(rows)
    embedded = _of_class(label, embedding_dim, _AS_LATENTS, "embedding")

    def normalized(x: keras.KerasTensor) -> keras.KerasTensor:
        return _class_norm(x, label) if conditional_norm else layers.BatchNormalization()(x)

    x = draw(layers.Concatenate()([latents, embedded]), input_shape, width, normalized)
    return keras.Model(rows, layers.Activation("tanh", name="images")(x), name="generator")


def discriminator(
    input_shape: Sequence[int] = (28, 28, 1),
    classes: int = 10,
    width: int = 64,
    batch_norm: bool = True,
    dropout: float = 0.0,
    extra_stages: int = 0,
) -> keras.Model:
    """Builds the discriminator: logit(x, y) = w h(x) + v_y h(x), eq. 3 of the projection paper.

    Args:
        input_shape: (height, width, channels) of the images; sides divisible by 4.
        classes: Number of classes.
        width: Channels of the first map; each smaller map has twice as many.
        batch_norm: As for `dcgan`.
        dropout: Share of the features dropped before the logit, in [0, 1).
        extra_stages: As for `dcgan`.

    Returns:
        A model from `images` in [-1, 1] and `labels` (batch, classes), one-hot, to logits
        (batch, 1), positive for real. The layer `features` holds h, the flattened last map.
    """
    images = keras.Input(tuple(input_shape), name="images")
    labels = keras.Input((classes,), name="labels")
    x = look(images, input_shape, width, batch_norm, extra_stages)
    if dropout:
        x = layers.Dropout(dropout)(x)
    v = layers.Dense(
        x.shape[-1], use_bias=False, kernel_initializer=INITIALIZER, name="class_vectors"
    )(labels)
    logits = layers.Dense(1, kernel_initializer=INITIALIZER, name="logits")(x)
    projection = layers.Dot(axes=1)([v, x])
    outputs = layers.Add(name="conditional_logits")([logits, projection])
    return keras.Model([images, labels], outputs, name="discriminator")


def _class_norm(x: keras.KerasTensor, label: keras.KerasTensor) -> keras.KerasTensor:
    """Batch norm whose scale and offset are those of the class, at first 1 and 0 for all."""
    rows, channels = x.shape[1], x.shape[-1]
    x = layers.BatchNormalization(center=False, scale=False)(x)
    scale = _of_class(label, channels, "ones", f"scale_{rows}")
    offset = _of_class(label, channels, "zeros", f"offset_{rows}")
    x = layers.Multiply()([x, layers.Reshape((1, 1, channels))(scale)])
    return layers.Add()([x, layers.Reshape((1, 1, channels))(offset)])


def _of_class(
    label: keras.KerasTensor, size: int, initializer: Any, name: str
) -> keras.KerasTensor:
    """Looks a class's vector up; a dense layer on a one-hot label takes shares of two as well."""
    return layers.Dense(size, use_bias=False, kernel_initializer=initializer, name=name)(label)

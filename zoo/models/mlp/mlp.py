"""The multilayer perceptron (Rumelhart, Hinton and Williams 1986)."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from zoo.layers.normalization import DEFAULT_MEAN, DEFAULT_STD, normalize

NORMALIZATIONS = {
    "none": None,
    "batch": layers.BatchNormalization,
    "layer": layers.LayerNormalization,
}


def mlp(
    input_shape: Sequence[int] = (28, 28, 1),
    classes: int = 10,
    units: Sequence[int] = (256, 128),
    activation: str = "relu",
    normalization: str = "none",
    dropout: float = 0.0,
    mean: Sequence[float] = DEFAULT_MEAN,
    std: Sequence[float] = DEFAULT_STD,
) -> keras.Model:
    """Builds dense layers over flattened pixels.

    Args:
        input_shape: (height, width, channels); pixels are 0 to 255.
        classes: Number of classes.
        units: Width of each hidden layer; an empty list is softmax regression.
        activation: A Keras activation by name.
        normalization: `none`, `batch` or `layer`, before each activation.
        dropout: Share of units dropped after each activation, in [0, 1).
        mean: Mean of the pixels, for the first layer.
        std: Deviation of the pixels.

    Returns:
        A model from `images` to logits of shape (batch, classes). The layer `features` holds the
        last hidden layer.
    """
    if normalization not in NORMALIZATIONS:
        raise ValueError(
            f"normalization must be {', '.join(NORMALIZATIONS)}, got {normalization!r}"
        )
    images = keras.Input(tuple(input_shape), name="images")
    x = layers.Flatten()(normalize(images, mean, std))
    for width in units:
        layer = NORMALIZATIONS[normalization]
        x = layers.Dense(width, use_bias=layer is None, kernel_initializer="he_normal")(x)
        if layer is not None:
            x = layer()(x)
        x = layers.Activation(activation)(x)
        if dropout:
            x = layers.Dropout(dropout)(x)
    x = layers.Identity(name="features")(x)
    return keras.Model(images, layers.Dense(classes, name="logits")(x), name="mlp")

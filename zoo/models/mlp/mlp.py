"""The multilayer perceptron (Rumelhart, Hinton and Williams 1986)."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import keras
from keras import layers

from zoo.layers.head import head
from zoo.layers.maxout import Maxout
from zoo.layers.normalization import DEFAULT_MEAN, DEFAULT_STD, normalize

# Glorot and Bengio 2010 (equation 16), He et al. 2015 (equation 10).
INITIALIZERS = {"xavier": "glorot_uniform", "he": "he_normal"}


def mlp(
    input_shape: Sequence[int] = (28, 28, 1),
    classes: int | None = 10,
    units: Sequence[int] = (256, 128),
    activation: str = "relu",
    pieces: int = 2,
    normalization: str = "none",
    groups: int = 8,
    dropout: float = 0.0,
    initializer: str = "he",
    l1: float = 0.0,
    l2: float = 0.0,
    mean: Sequence[float] = DEFAULT_MEAN,
    std: Sequence[float] = DEFAULT_STD,
) -> keras.Model:
    """Builds dense layers over flattened pixels.

    Of the normalizations `batch` standardises each unit over the batch (Ioffe and Szegedy 2015),
    `layer` all units of one example (Ba et al. 2016), `group` each of `groups` runs of units (Wu
    and He 2018); all three have a learned scale and offset for each unit. Instance normalization
    (Ulyanov et al. 2016) standardises a channel over its pixels. A hidden layer has no pixels, and
    a unit by itself would always become 0, so `instance` takes the layer for one channel: that is
    `layer` without scale and offset.

    Args:
        input_shape: (height, width, channels); pixels are 0 to 255.
        classes: Number of classes; None for the features alone.
        units: Width of each hidden layer; an empty list is softmax regression.
        activation: `sigmoid`, `tanh`, `relu`, `leaky_relu`, `elu` or another Keras activation by
            name; or `maxout`, the largest of `pieces` linear functions.
        pieces: For `maxout`: how many, each with weights of its own.
        normalization: `none`, `batch`, `layer`, `instance` or `group`, before each activation.
        groups: For `group`: how many; each layer's units must be a multiple.
        dropout: Share of units dropped after each activation, in [0, 1).
        initializer: Weights of the hidden layers: `he`, `xavier` or a Keras initializer by name.
        l1: Weight in the loss of the sum of all absolute kernel values, at least 0.
        l2: Weight of the sum of their squares.
        mean: Mean of the pixels, for the first layer.
        std: Deviation of the pixels.

    Returns:
        A model from `images` to logits of shape (batch, classes). The layer `features` holds the
        last hidden layer.

    Raises:
        ValueError: for an option of a wrong kind or value, or units that do not fit the groups.
    """
    normalizations = {
        "none": None,
        "batch": layers.BatchNormalization,
        "layer": layers.LayerNormalization,
        "instance": functools.partial(layers.LayerNormalization, center=False, scale=False),
        "group": functools.partial(layers.GroupNormalization, groups),
    }
    if normalization not in normalizations:
        raise ValueError(
            f"normalization must be {', '.join(normalizations)}, got {normalization!r}"
        )
    if pieces < 1:
        raise ValueError(f"pieces must be at least 1, got {pieces}")
    normalization_layer = normalizations[normalization]
    maxout = activation == "maxout"
    kernel = penalties(l1, l2)
    images = keras.Input(tuple(input_shape), name="images")
    x = layers.Flatten()(normalize(images, mean, std))
    for width in units:
        x = layers.Dense(
            width * pieces if maxout else width,
            # The others have an offset of their own.
            use_bias=normalization in ("none", "instance"),
            kernel_initializer=INITIALIZERS.get(initializer, initializer),
            **kernel,
        )(x)
        if normalization_layer is not None:
            x = normalization_layer()(x)
        x = (Maxout(pieces) if maxout else layers.Activation(activation))(x)
        if dropout:
            x = layers.Dropout(dropout)(x)
    return keras.Model(images, head(x, classes, **kernel), name="mlp")


def penalties(l1: float, l2: float) -> dict[str, keras.Regularizer]:
    """Returns what a dense layer is told of its kernel's penalty: nothing where there is none.

    Raises:
        ValueError: for a negative weight.
    """
    if min(l1, l2) < 0:
        raise ValueError(f"l1 and l2 must be 0 or more, got {l1} and {l2}")
    return {"kernel_regularizer": keras.regularizers.L1L2(l1, l2)} if l1 or l2 else {}

"""LeNet-5 (LeCun, Bottou, Bengio and Haffner 1998, section II.B)."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from zoo.layers.head import head
from zoo.layers.normalization import DEFAULT_MEAN, DEFAULT_STD
from zoo.models.cnn.common import end_stage, pixels

POOLINGS = {"average": layers.AveragePooling2D, "max": layers.MaxPooling2D}


def lenet5(
    input_shape: Sequence[int] = (28, 28, 1),
    classes: int | None = 10,
    activation: str = "tanh",
    pooling: str = "average",
    mean: Sequence[float] = DEFAULT_MEAN,
    std: Sequence[float] = DEFAULT_STD,
) -> keras.Model:
    """Builds two convolutions with poolings (C1 to S4) and three dense layers (C5, F6, output).

    As it is built today. The paper's poolings have a weight and a bias for each map, its C3 sees
    chosen groups of the six maps where ours sees all, its tanh is scaled, and its output are
    distances to a fixed picture of each class where ours are logits. Its images are 32x32 with a
    white border; here C1 pads images of 28x28.

    Args:
        input_shape: (height, width, channels), at least 12x12; pixels are 0 to 255.
        classes: Number of classes; None for the features alone.
        activation: A Keras activation by name; the paper's is `tanh`.
        pooling: `average`, as in the paper, or `max`.
        mean: Mean of the pixels, for the first layer.
        std: Deviation of the pixels.

    Returns:
        A model from `images` to logits of shape (batch, classes). The layers `stage1` and `stage2`
        hold the maps of C1 and C3, `features` the 84 units of F6.

    Raises:
        ValueError: for an unknown pooling or activation, or an image too small for C3.
    """
    if pooling not in POOLINGS:
        raise ValueError(f"pooling must be {' or '.join(POOLINGS)}, got {pooling!r}")
    images, x = pixels(input_shape, mean, std)
    for stage, (filters, padding) in enumerate([(6, "same"), (16, "valid")], 1):
        x = layers.Conv2D(filters, 5, padding=padding, activation=activation)(x)
        x = POOLINGS[pooling](2)(end_stage(x, stage))
    x = layers.Flatten()(x)
    for units in (120, 84):
        x = layers.Dense(units, activation=activation)(x)
    return keras.Model(images, head(x, classes), name="lenet5")

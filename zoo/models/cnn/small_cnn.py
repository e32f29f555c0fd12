"""A small convolutional network in the manner of VGG (Simonyan and Zisserman 2015)."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from zoo.layers.head import head
from zoo.layers.normalization import DEFAULT_MEAN, DEFAULT_STD
from zoo.models.cnn.common import convolution, end_stage, pixels


def small_cnn(
    input_shape: Sequence[int] = (28, 28, 1),
    classes: int | None = 10,
    filters: Sequence[Sequence[int]] = ((24, 24), (48, 48), (80,)),
    dropout: float = 0.0,
    mean: Sequence[float] = DEFAULT_MEAN,
    std: Sequence[float] = DEFAULT_STD,
) -> keras.Model:
    """Builds stages of 3x3 convolutions with batch normalization, a pooling between two stages.

    Args:
        input_shape: (height, width, channels); pixels are 0 to 255.
        classes: Number of classes; None for the features alone.
        filters: Channels of each convolution, stage by stage.
        dropout: Share of the features dropped in training, in [0, 1).
        mean: Mean of the pixels, for the first layer.
        std: Deviation of the pixels.

    Returns:
        A model from `images` to logits of shape (batch, classes). The layers `stage1`, `stage2`, …
        hold the maps of each stage, `features` the average of the last.
    """
    images, x = pixels(input_shape, mean, std)
    for number, stage in enumerate(filters, 1):
        if number > 1:
            x = layers.MaxPooling2D(2)(x)
        for channels in stage:
            x = convolution(x, channels, 3)
        x = end_stage(x, number)
    x = layers.GlobalAveragePooling2D()(x)
    if dropout:
        x = layers.Dropout(dropout)(x)
    return keras.Model(images, head(x, classes), name="small_cnn")

"""AlexNet in one tower (Krizhevsky, Sutskever and Hinton 2012; Krizhevsky 2014)."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from zoo.layers.head import head
from zoo.layers.normalization import DEFAULT_MEAN, DEFAULT_STD
from zoo.models.cnn.common import convolution, dense, end_stage, is_small, pixels


def alexnet(
    input_shape: Sequence[int] = (224, 224, 3),
    classes: int | None = 1000,
    stem: str | None = None,
    dropout: float = 0.5,
    mean: Sequence[float] = DEFAULT_MEAN,
    std: Sequence[float] = DEFAULT_STD,
) -> keras.Model:
    """Builds five convolutions and three dense layers.

    The one tower of "One weird trick for parallelizing convolutional neural networks" (2014,
    arXiv:1404.5997), with 64, 192, 384, 256 and 256 maps and no response normalization. The paper
    of 2012 has two towers of 48, 128, 192, 192 and 128 maps, a GPU each.

    With the small stem the first convolution is 3x3 with stride 1. The poolings stay, padded, so
    that images of 28x28 end as 4x4 maps, and the dense layers are 512 wide instead of 4096.

    Args:
        input_shape: (height, width, channels); pixels are 0 to 255.
        classes: Number of classes; None for the features alone.
        stem: `imagenet` or `small`; by default small below 64 pixels of height.
        dropout: Share of units dropped after each hidden dense layer, in [0, 1).
        mean: Mean of the pixels, for the first layer.
        std: Deviation of the pixels.

    Returns:
        A model from `images` to logits of shape (batch, classes). The layers `stage1`, `stage2`
        and `stage3` hold the maps before each pooling, `features` the last hidden layer.

    Raises:
        ValueError: for an unknown stem, or an image too small for the one of ImageNet.
    """
    small = is_small(stem, input_shape)
    images, x = pixels(input_shape, mean, std)
    if small:
        x = convolution(x, 64, 3, batch_norm=False)
    else:
        # 'same' would pad one pixel less on one side and give 56x56 maps, not the paper's 55x55.
        x = layers.ZeroPadding2D(2)(x)
        x = layers.Conv2D(64, 11, 4, activation="relu", kernel_initializer="he_normal")(x)
    x = _pool(end_stage(x, 1), small)
    x = _pool(end_stage(convolution(x, 192, 5, batch_norm=False), 2), small)
    for filters in (384, 256, 256):
        x = convolution(x, filters, 3, batch_norm=False)
    x = layers.Flatten()(_pool(end_stage(x, 3), small))
    for _ in range(2):
        x = dense(x, 512 if small else 4096, dropout)
    return keras.Model(images, head(x, classes), name="alexnet")


def _pool(x: keras.KerasTensor, small: bool) -> keras.KerasTensor:
    """Overlapping pooling (section 3.4 of 2012)."""
    return layers.MaxPooling2D(3, 2, padding="same" if small else "valid")(x)

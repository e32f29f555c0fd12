"""Residual networks for small images (He et al. 2016, section 4.2)."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import keras
from keras import layers

from zoo.layers.head import head
from zoo.layers.normalization import DEFAULT_MEAN, DEFAULT_STD
from zoo.layers.shortcut import PadShortcut
from zoo.models.cnn.common import convolution, end_stage, pixels


def small_resnet(
    depth: int,
    input_shape: Sequence[int] = (32, 32, 3),
    classes: int | None = 10,
    width: int = 16,
    mean: Sequence[float] = DEFAULT_MEAN,
    std: Sequence[float] = DEFAULT_STD,
) -> keras.Model:
    """Builds 6n + 2 layers in three stages of n blocks, with option A shortcuts.

    Args:
        depth: 6n + 2 for a whole n: 20, 32, 44, 56, 110 in the paper; 8 is the smallest.
        input_shape: (height, width, channels); pixels are 0 to 255.
        classes: Number of classes; None for the features alone.
        width: Channels of the first stage; the next two have twice and four times as many.
        mean: Mean of the pixels, for the first layer.
        std: Deviation of the pixels.

    Returns:
        A model from `images` to logits of shape (batch, classes). The layers `stage1`, `stage2`
        and `stage3` hold the maps of each stage, `features` their average at the end.

    Raises:
        ValueError: for a depth that is not 6n + 2.
    """
    blocks, rest = divmod(depth - 2, 6)
    if rest or blocks < 1:
        raise ValueError(f"depth must be 6n + 2 with n at least 1, got {depth}")
    images, x = pixels(input_shape, mean, std)
    x = convolution(x, width, 3)
    for stage in range(3):
        for block in range(blocks):
            x = _block(x, width << stage, strides=2 if stage and not block else 1)
        x = end_stage(x, stage + 1)
    return keras.Model(images, head(x, classes), name=f"resnet{depth}")


def _block(x: keras.KerasTensor, filters: int, strides: int) -> keras.KerasTensor:
    """Two 3x3 convolutions and the shortcut (figure 2)."""
    y = convolution(convolution(x, filters, 3, strides), filters, 3, activation=None)
    if strides > 1:
        x = PadShortcut(filters, strides)(x)
    return layers.ReLU()(layers.Add()([x, y]))


resnet8 = functools.partial(small_resnet, 8)
resnet20 = functools.partial(small_resnet, 20)
resnet32 = functools.partial(small_resnet, 32)
resnet44 = functools.partial(small_resnet, 44)
resnet56 = functools.partial(small_resnet, 56)
resnet110 = functools.partial(small_resnet, 110)

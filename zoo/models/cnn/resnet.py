"""Residual networks for small images (He et al. 2016, section 4.2)."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import keras
from keras import layers

from zoo.layers.normalization import DEFAULT_MEAN, DEFAULT_STD, normalize
from zoo.layers.shortcut import PadShortcut

_conv = functools.partial(
    layers.Conv2D, padding="same", use_bias=False, kernel_initializer="he_normal"
)


def small_resnet(
    depth: int,
    input_shape: Sequence[int] = (32, 32, 3),
    classes: int = 10,
    width: int = 16,
    mean: Sequence[float] = DEFAULT_MEAN,
    std: Sequence[float] = DEFAULT_STD,
) -> keras.Model:
    """Builds 6n + 2 layers in three stages of n blocks, with option A shortcuts.

    Args:
        depth: 6n + 2 for a whole n: 20, 32, 44, 56, 110 in the paper.
        input_shape: (height, width, channels); pixels are 0 to 255.
        classes: Number of classes.
        width: Channels of the first stage; the next two have twice and four times as many.
        mean: Mean of the pixels, for the first layer.
        std: Deviation of the pixels.

    Returns:
        A model from `images` to logits of shape (batch, classes). The layers `stage1`, `stage2`
        and `stage3` hold the maps of each stage, `features` their average at the end.
    """
    blocks, rest = divmod(depth - 2, 6)
    if rest or blocks < 1:
        raise ValueError(f"depth must be 6n + 2 with n at least 1, got {depth}")
    images = keras.Input(tuple(input_shape), name="images")
    x = layers.ReLU()(layers.BatchNormalization()(_conv(width, 3)(normalize(images, mean, std))))
    for stage in range(3):
        for block in range(blocks):
            x = _block(x, width << stage, strides=2 if stage and not block else 1)
        x = layers.Identity(name=f"stage{stage + 1}")(x)
    x = layers.GlobalAveragePooling2D(name="features")(x)
    logits = layers.Dense(classes, kernel_initializer="he_normal", name="logits")(x)
    return keras.Model(images, logits, name=f"resnet{depth}")


def _block(x: keras.KerasTensor, filters: int, strides: int) -> keras.KerasTensor:
    """Two 3x3 convolutions and the shortcut (figure 2)."""
    y = layers.ReLU()(layers.BatchNormalization()(_conv(filters, 3, strides=strides)(x)))
    y = layers.BatchNormalization()(_conv(filters, 3)(y))
    if strides > 1:
        x = PadShortcut(filters, strides)(x)
    return layers.ReLU()(layers.Add()([x, y]))


resnet20 = functools.partial(small_resnet, 20)
resnet32 = functools.partial(small_resnet, 32)
resnet44 = functools.partial(small_resnet, 44)
resnet56 = functools.partial(small_resnet, 56)
resnet110 = functools.partial(small_resnet, 110)

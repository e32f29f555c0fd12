"""Residual networks for ImageNet (He et al. 2016, table 1)."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import keras
from keras import layers

from zoo.layers.head import head
from zoo.layers.normalization import DEFAULT_MEAN, DEFAULT_STD
from zoo.models.cnn import common
from zoo.models.cnn.common import convolution, end_stage, is_small, pixels

# Blocks of each stage; from 50 layers on they are bottlenecks.
BLOCKS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}


def imagenet_resnet(
    depth: int,
    input_shape: Sequence[int] = (224, 224, 3),
    classes: int | None = 1000,
    width: int = 64,
    stem: str | None = None,
    mean: Sequence[float] = DEFAULT_MEAN,
    std: Sequence[float] = DEFAULT_STD,
) -> keras.Model:
    """Builds four stages of residual blocks, with option B shortcuts.

    A bottleneck has its stride in the 3x3 convolution, as nearly all networks of the name; the
    paper's have it in the first 1x1, which skips three of four pixels. The number of parameters
    is the same.

    Args:
        depth: 18, 34, 50, 101 or 152.
        input_shape: (height, width, channels); pixels are 0 to 255.
        classes: Number of classes; None for the features alone.
        width: Channels of the first stage's 3x3 convolutions; they double with every stage.
        stem: `imagenet` or `small`; by default small below 64 pixels of height.
        mean: Mean of the pixels, for the first layer.
        std: Deviation of the pixels.

    Returns:
        A model from `images` to logits of shape (batch, classes). The layers `stage1` to `stage4`
        hold the maps of each stage, `features` their average at the end.

    Raises:
        ValueError: for an unknown depth or stem.
    """
    if depth not in BLOCKS:
        raise ValueError(f"depth must be {', '.join(map(str, BLOCKS))}, got {depth}")
    block = _bottleneck if depth >= 50 else _basic
    images, x = pixels(input_shape, mean, std)
    x = common.stem(x, width, is_small(stem, input_shape))
    for stage, count in enumerate(BLOCKS[depth]):
        for index in range(count):
            x = block(x, width << stage, strides=2 if stage and not index else 1)
        x = end_stage(x, stage + 1)
    return keras.Model(images, head(x, classes), name=f"resnet{depth}")


def _basic(x: keras.KerasTensor, filters: int, strides: int) -> keras.KerasTensor:
    """Two 3x3 convolutions and the shortcut (figure 5, left)."""
    y = convolution(x, filters, 3, strides)
    y = convolution(y, filters, 3, activation=None)
    return layers.ReLU()(layers.Add()([_shortcut(x, filters, strides), y]))


def _bottleneck(x: keras.KerasTensor, filters: int, strides: int) -> keras.KerasTensor:
    """A 3x3 convolution between two of 1x1, the last four times as wide (figure 5, right)."""
    y = convolution(x, filters, 1)
    y = convolution(y, filters, 3, strides)
    y = convolution(y, 4 * filters, 1, activation=None)
    return layers.ReLU()(layers.Add()([_shortcut(x, 4 * filters, strides), y]))


def _shortcut(x: keras.KerasTensor, filters: int, strides: int) -> keras.KerasTensor:
    """The maps as they are or, where their shape changes, projected (section 3.3, option B)."""
    if strides == 1 and x.shape[-1] == filters:
        return x
    return convolution(x, filters, 1, strides, activation=None)


resnet18 = functools.partial(imagenet_resnet, 18)
resnet34 = functools.partial(imagenet_resnet, 34)
resnet50 = functools.partial(imagenet_resnet, 50)
resnet101 = functools.partial(imagenet_resnet, 101)
resnet152 = functools.partial(imagenet_resnet, 152)

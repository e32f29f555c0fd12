"""Wide residual networks (Zagoruyko and Komodakis 2016)."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import keras
from keras import layers

from zoo.layers.head import head
from zoo.layers.normalization import DEFAULT_MEAN, DEFAULT_STD
from zoo.models.cnn.common import end_stage, pixels

_conv = functools.partial(
    layers.Conv2D, padding="same", use_bias=False, kernel_initializer="he_normal"
)


def wide_resnet(
    depth: int,
    widening: int,
    input_shape: Sequence[int] = (32, 32, 3),
    classes: int | None = 10,
    dropout: float = 0.0,
    mean: Sequence[float] = DEFAULT_MEAN,
    std: Sequence[float] = DEFAULT_STD,
) -> keras.Model:
    """Builds WRN-d-k: three stages of n = (d - 4) / 6 blocks, 16k, 32k and 64k channels wide.

    Args:
        depth: 6n + 4 for a whole n.
        widening: The factor k; 1 is as narrow as the residual networks of 2016.
        input_shape: (height, width, channels); pixels are 0 to 255.
        classes: Number of classes; None for the features alone.
        dropout: Share of values dropped between the convolutions of a block, in [0, 1); where the
            paper drops any, 0.3 on CIFAR and 0.4 on SVHN.
        mean: Mean of the pixels, for the first layer.
        std: Deviation of the pixels.

    Returns:
        A model from `images` to logits of shape (batch, classes). The layers `stage1`, `stage2`
        and `stage3` hold the maps of each stage, `features` the average at the end.

    Raises:
        ValueError: for a depth that is not 6n + 4, or a widening below 1.
    """
    blocks, rest = divmod(depth - 4, 6)
    if rest or blocks < 1:
        raise ValueError(f"depth must be 6n + 4 with n at least 1, got {depth}")
    if widening < 1:
        raise ValueError(f"widening must be at least 1, got {widening}")
    images, x = pixels(input_shape, mean, std)
    x = _conv(16, 3)(x)
    for stage in range(3):
        for block in range(blocks):
            strides = 2 if stage and not block else 1
            x = _block(x, 16 * widening << stage, strides, dropout)
        x = end_stage(x, stage + 1)
    return keras.Model(images, head(_activate(x), classes), name=f"wrn{depth}_{widening}")


def _block(x: keras.KerasTensor, filters: int, strides: int, dropout: float) -> keras.KerasTensor:
    """Two 3x3 convolutions, each after its activation, dropout between them (figure 1d)."""
    active = _activate(x)
    if x.shape[-1] != filters:
        x = _conv(filters, 1, strides)(active)
    y = _activate(_conv(filters, 3, strides)(active))
    if dropout:
        y = layers.Dropout(dropout)(y)
    return layers.Add()([x, _conv(filters, 3)(y)])


def _activate(x: keras.KerasTensor) -> keras.KerasTensor:
    return layers.ReLU()(layers.BatchNormalization()(x))


wrn16_4 = functools.partial(wide_resnet, 16, 4)
wrn28_10 = functools.partial(wide_resnet, 28, 10)
wrn40_4 = functools.partial(wide_resnet, 40, 4)
